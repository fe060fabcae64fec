"""Signs every case with a real appliance, asks every reader, prints the table: `make interop-dss`.

    python -m tests.interop            the readers that need no Java
    python -m tests.interop --java     DSS and PDFBox as well; without Java or Maven it says so and ends with status 0

Status 1 if a cell is red. `--keep FOLDER` leaves the signed files there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.interop import java, matrix
from tests.interop.house import open_house


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop")
    parser.add_argument("--java", action="store_true", help="ask EU DSS and PDFBox as well")
    parser.add_argument("--keep", type=Path, help="where to leave the signed files")
    chosen = parser.parse_args()
    tools = None
    if chosen.java:
        try:
            tools = java.build()
        except java.JavaMissing as missing:
            print(f"kyso: interop: not run: {missing}")
            return 0
    with tempfile.TemporaryDirectory(prefix="kyso-") as scratch, open_house(Path(scratch)) as house:
        folder = chosen.keep or Path(scratch) / "signed"
        folder.mkdir(parents=True, exist_ok=True)
        made = matrix.make(house, folder)
        rows = matrix.judge(house, made, matrix.lay_desk(house, Path(scratch) / "desk"), java=tools)
    print(matrix.markdown(rows))
    return 1 if any(row.red for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
