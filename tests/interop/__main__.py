"""Signs every case with a real appliance, asks every reader, prints the table: `make interop-dss`.

    python -m tests.interop            the readers that need no Java
    python -m tests.interop --java     DSS and PDFBox as well; without Java or Maven it says so and ends with status 0

Status 1 if a cell is red. `--keep FOLDER` leaves the signed files there.
"""

from __future__ import annotations

import sys

from tests.interop import matrix
from tests.interop.commands import Setting, main


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether no cell is red."""
    made = matrix.make(setting.house, setting.folder)
    rows = matrix.judge(setting.house, made, setting.desk, java=setting.java)
    return matrix.markdown(rows), not any(row.red for row in rows)


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
