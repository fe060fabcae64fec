"""Signs with a real appliance, asks every reader, prints the tables as Markdown: `make interop-dss`.

    python -m tests.interop            the readers that need no Java
    python -m tests.interop --java     DSS, PDFBox and veraPDF as well; without Java or Maven it says so, with status 0

Status 1 if a cell is red. `--keep FOLDER` leaves the signed files there. Each table can be had alone: the matrix is
`tests.interop.matrix`, the others are `extensions`, `ten_signers`, `permissions`, `pdfa`, `corpus` and
`foreign_xml`.
"""

from __future__ import annotations

import sys

from tests.interop import (
    corpus,
    extensions,
    foreign_xml,
    matrix,
    pdfa,
    permissions,
    ten_signers,
    xades_lasting,
    xml_matrix,
)
from tests.interop.commands import Setting, main

TABLES = {
    "Level × algorithm × path": matrix.table,
    "Lifted to a higher level": extensions.table,
    "Ten signers in turn": ten_signers.table,
    "What former signers forbid": permissions.table,
    "PDF/A by veraPDF": pdfa.table,
    "Every PDF of the corpus": corpus.table,
    "XML: level × packaging × algorithm × path": xml_matrix.table,
    "XML that lasts": xades_lasting.table,
    "Every XML of the corpus by DSS": foreign_xml.table,
}


def tables(setting: Setting) -> tuple[str, bool]:
    """All tables, one after the other, and whether all is well in each."""
    made = {title: table(setting) for title, table in TABLES.items()}
    told = [f"## {title}\n\n{text}\n" for title, (text, _) in made.items()]
    return "\n".join(told), all(is_well for _, is_well in made.values())


if __name__ == "__main__":
    sys.exit(main(tables, __doc__))
