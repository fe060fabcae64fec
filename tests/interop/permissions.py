"""The matrix `signing-permission` as a table: DocMDP × FieldMDP × where the level stands × existing or new field.

    python -m tests.interop.permissions [--java]

The first signature asks for something; a second is made upon it. Kyso signs, and then every reader finds both valid, or
it refuses with the reason. pyHanko as the second signer, and what the readers make of that, stands beside it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from tests.interop.cases import ALGORITHMS, Case
from tests.interop.commands import Setting, main
from tests.interop.controls import signer_of
from tests.interop.house import Refused
from tests.interop.java import Job, summed
from tests.unit.signer.test_permissions import CASES, with_boxes

SIGNING = Case("B-B", ALGORITHMS[0], "server")
NEW_BOX = (50, 300, 300, 380)


@dataclass
class Line:
    """One case. `kyso` is "signed" or the reason; the others are what readers say, of Kyso's file and pyHanko's."""

    case: tuple
    kyso: str
    rival: str
    out: Path
    pyhanko: str = ""
    ours: str = ""
    dss: str = ""

    @property
    def is_well(self) -> bool:
        return self.kyso != "signed" or {self.pyhanko, self.ours, self.dss or "✓"} == {"✓"}


def attempt(setting: Setting, case: tuple) -> Line:
    """Both signers upon the same first signature."""
    level, _, kind, where = case
    stem = "-".join(map(str, case)).replace(" ", "_")
    first, out = setting.folder / f"{stem}-1.pdf", setting.folder / f"{stem}-2.pdf"
    document = with_boxes(setting.folder / "boxes.pdf", case)
    setting.house.sign(SIGNING, document, first, field="o1", certify=level if where == "certified" else None)
    order: dict[str, object] = {"field": "o2"}
    if kind == "new":
        order = {"field": "moi", "place": {"page": 1, "box": NEW_BOX}}
    line = Line(case, "signed", _rival(setting, first, setting.folder / f"{stem}-rival.pdf", is_new=kind == "new"), out)
    try:
        setting.house.sign(SIGNING, first, out, **order)
    except Refused as refused:
        line.kyso = str(refused)
        return line
    line.pyhanko = "✓" if all(_found_sound(setting, out)) else "✗"
    signatures = setting.house.verify(out)["signatures"]
    sound = [one["intact"] and not one["changes"]["modified"] for one in signatures]
    line.ours = "✓" if sound == [True, True] else "✗"
    return line


def _rival(setting: Setting, source: Path, out: Path, *, is_new: bool) -> str:
    spec = SigFieldSpec("moi", on_page=0, box=NEW_BOX) if is_new else None
    meta = PdfSignatureMetadata(field_name="moi" if is_new else "o2", subfilter=SigSeedSubFilter.PADES)
    signer = PdfSigner(meta, signer=signer_of(setting.house, ALGORITHMS[0]), new_field_spec=spec)
    try:
        with source.open("rb") as file, out.open("w+b") as target:
            signer.sign_pdf(IncrementalPdfFileWriter(file), output=target)
    except Exception as error:  # noqa: BLE001 - whatever it says is the answer
        return f"refuses: {error}"
    by_pyhanko = _found_sound(setting, out)
    by_us = [not one["changes"]["modified"] for one in setting.house.verify(out)["signatures"]]
    told = [f"first broken for {name}" for name, all_ in (("pyHanko", by_pyhanko), ("Kyso", by_us)) if not all_[0]]
    return f"signs: {', '.join(told) or 'both valid'}"


def _found_sound(setting: Setting, path: Path) -> list[bool]:
    root = x509.Certificate.load(setting.house.pki.root.der)
    context = ValidationContext(trust_roots=[root], allow_fetching=False)
    with path.open("rb") as file:
        statuses = [
            asyncio.run(async_validate_pdf_signature(one, context, skip_diff=False))
            for one in PdfFileReader(file).embedded_regular_signatures
        ]
    return [status.bottom_line and status.docmdp_ok is not False for status in statuses]


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether every signature that Kyso made left the first one valid."""
    lines = [attempt(setting, case) for case in CASES]
    signed = [line for line in lines if line.kyso == "signed"]
    if setting.java is not None:
        answers = setting.java.ask(
            [Job("dss", line.out, setting.desk.evidence) for line in signed], anchors=[setting.desk.root]
        )
        for line in signed:
            said = summed(answers["dss", line.out])
            restricted = [one for one in said.remarks if "DocMDP" in one or "modification" in one]
            line.dss = "; ".join((*said.faults, *restricted)) or "✓"
    return markdown(lines), all(line.is_well for line in lines)


def markdown(lines: list[Line]) -> str:
    """Counts, then a line a case."""
    counts = Counter(line.kyso for line in lines)
    told = [f"{len(lines)} cases: " + ", ".join(f"{count} {what}" for what, count in counts.most_common())]
    heads = [
        "level",
        "it stands",
        "lock of the first",
        "field",
        "Kyso",
        "pyHanko",
        "Kyso verify",
        "DSS",
        "pyHanko signs",
    ]
    told += ["", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for line in lines:
        level, lock, field, where = line.case
        cells = [level or "none", where if level else "–", lock, field, line.kyso]
        cells += [line.pyhanko, line.ours, line.dss, line.rival]
        told.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(told)


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
