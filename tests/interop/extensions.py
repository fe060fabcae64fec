"""Lifting: from each level to each higher one, of Kyso's signatures and of others', before every reader.

    python -m tests.interop.extensions [--java] [--keep FOLDER]

Others are pyHanko (PAdES, and the legacy adbe.pkcs7.detached), and with `--java` EU DSS. A legacy signature has no PAdES
level for DSS: there the document is judged by what else DSS says of it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.fields import SigSeedSubFilter

from signer.model import LEVELS
from tests.documents import pdf
from tests.interop import rival
from tests.interop.cases import ALGORITHMS, Case
from tests.interop.commands import Setting, main
from tests.interop.controls import signer_of
from tests.interop.house import Refused
from tests.interop.java import Job, summed
from tests.interop.matrix import JAVA, WITHOUT_EVIDENCE
from tests.interop.peers import READERS, Said

LEGACY = "pyHanko, adbe.pkcs7.detached"


@dataclass(frozen=True)
class Lift:
    """One signature by somebody, at a level, and the level it is to be lifted to."""

    author: str
    start: str
    goal: str
    source: Path
    out: Path


def lifts(setting: Setting) -> list[Lift]:
    """Every pair of levels for Kyso, and from B-B upwards for others."""
    plain = pdf(setting.folder / "plain.pdf")
    sources = {("Kyso", level): setting.folder / f"kyso-{level}.pdf" for level in LEVELS}
    for (_, level), path in sources.items():
        setting.house.sign(Case(level, ALGORITHMS[2], "server"), plain, path)
    for author, subfilter in (("pyHanko", SigSeedSubFilter.PADES), (LEGACY, SigSeedSubFilter.ADOBE_PKCS7_DETACHED)):
        sources[author, "B-B"] = setting.folder / f"pyhanko-{subfilter.name}.pdf"
        _sign(setting, plain, sources[author, "B-B"], subfilter=subfilter)
    if setting.java is not None:
        sources["DSS", "B-B"] = setting.folder / "dss.pdf"
        keys = rival.write_keys(setting.house, setting.folder / "keys.p12")
        setting.java.ask([Job("dss-sign", plain, sources["DSS", "B-B"])], keys=keys)
    return [
        Lift(author, start, goal, source, source.with_name(f"{source.stem}-to-{goal}.pdf"))
        for (author, start), source in sources.items()
        for goal in LEVELS[1:]
        if LEVELS.index(goal) > LEVELS.index(start) or start == goal == "B-LTA"
    ]


def _sign(setting: Setting, plain: Path, out: Path, *, subfilter: SigSeedSubFilter) -> None:
    meta = PdfSignatureMetadata(field_name="Signature1", subfilter=subfilter, md_algorithm="sha256")
    with plain.open("rb") as file, out.open("w+b") as target:
        signer = signer_of(setting.house, ALGORITHMS[2])
        PdfSigner(meta, signer=signer).sign_pdf(IncrementalPdfFileWriter(file), output=target)


def judge(setting: Setting, lift: Lift) -> dict[str, Said]:
    """What Kyso and the readers without Java say of the lifted document."""
    report = setting.house.verify(lift.out)
    (signature,) = report["signatures"]
    told = [report["verdict"], signature["level"].replace("PAdES-BASELINE-", "B-")]
    reached = told[1].removeprefix("B-").removeprefix("PKCS7-")
    is_good = report["verdict"] == "TOTAL_PASSED" and reached == lift.goal.removeprefix("B-")
    faults = [] if is_good else [" ".join(told)]
    said = {"Kyso": Said.of(faults, words=" ".join(told))}
    return said | {name: read(lift.out, setting.desk) for name, read in READERS.items()}


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether every lift is good for every reader."""
    rows: list[tuple[Lift, dict[str, Said]]] = []
    for lift in lifts(setting):
        try:
            setting.house.extend(lift.source, lift.out, lift.goal)
        except Refused as refused:
            rows.append((lift, {"Kyso": Said.of([f"refused: {refused}"])}))
            continue
        rows.append((lift, judge(setting, lift)))
    if setting.java is not None:
        done = [(lift, said) for lift, said in rows if lift.out.exists()]
        evidence = setting.desk.evidence
        jobs = [
            Job(reader, lift.out, evidence if lift.goal in WITHOUT_EVIDENCE else None)
            for lift, _ in done
            for reader in JAVA.values()
        ]
        answers = setting.java.ask(jobs, anchors=[setting.desk.root])
        for lift, said in done:
            for name, reader in JAVA.items():
                expect = lift.goal if name == "DSS" and lift.author != LEGACY else ""
                said[name] = summed(answers[reader, lift.out], expect=expect)
    return _markdown(rows), not any(one.faults for _, said in rows for one in said.values())


def _markdown(rows: list[tuple[Lift, dict[str, Said]]]) -> str:
    names = list(max((said for _, said in rows), key=len))
    lines = ["| signed by | from | to | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    notes = []
    for lift, said in rows:
        cells = []
        for name in names:
            one = said.get(name, Said("nothing"))
            cells.append({"good": f"✓ {one.words}".strip(), "bad": "✗ RED", "nothing": "–"}[one.verdict])
            notes += [f"- {lift.author}, {lift.start} to {lift.goal}: {name}: {fault}" for fault in one.faults]
        lines.append(f"| {lift.author} | {lift.start} | {lift.goal} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes])


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
