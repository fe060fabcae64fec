"""XML: every case before every reader, as Markdown; and what of it is red.

    python -m tests.interop.xml_matrix [--java] [--keep FOLDER]

Readers in JavaScript are asked where Node and npm's registry are within reach, EU DSS with --java. A red cell is excused
only by `xml_controls`: the reader says the same of somebody else's signature with that feature.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop import npm, xml_controls, xml_peers
from tests.interop.commands import Setting, main
from tests.interop.house import House
from tests.interop.java import Job, Tools, summed
from tests.interop.matrix import WITHOUT_EVIDENCE
from tests.interop.peers import Desk, Said
from tests.interop.xml_cases import CASES, DOCUMENT, XmlCase, beside
from tests.interop.xml_peers import Signed

SCRIPTS = ("xml-crypto", "xadesjs")


@dataclass(frozen=True)
class Row:
    """One case before all readers. `excused`: reader → why it knows no better."""

    case: XmlCase
    said: Mapping[str, Said]
    excused: Mapping[str, str]

    @property
    def red(self) -> dict[str, tuple[str, ...]]:
        """What is wrong and nobody's limit."""
        return {name: said.faults for name, said in self.said.items() if said.faults and name not in self.excused}


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether no cell is red."""
    document = write(setting.folder)
    try:
        scripts, told = npm.build(), ""
    except npm.NodeMissing as missing:
        scripts, told = None, f"\n\nNot asked: {', '.join(SCRIPTS)}: {missing}"
    made = make(setting.house, setting.folder, document, CASES)
    rows = judge(setting.house, made, setting.desk, document, scripts=scripts, java=setting.java)
    return markdown(rows) + told, not any(row.red for row in rows)


def write(folder: Path) -> Path:
    document = folder / "receipt.xml"
    document.write_text(DOCUMENT, "utf-8")
    return document


def make(house: House, folder: Path, document: Path, cases: Sequence[XmlCase]) -> dict[XmlCase, Path]:
    """Sign every case in `folder`."""
    files = {case: folder / f"{case.name}.xml" for case in cases}
    for case, out in files.items():
        house.sign(case, document, out, format="XAdES", xml=dict(case.shape.xml))
    return files


def judge(
    house: House,
    made: Mapping[XmlCase, Path],
    desk: Desk,
    document: Path,
    *,
    scripts: npm.Tools | None,
    java: Tools | None = None,
) -> list[Row]:
    """Every file before every reader that is here."""
    signed = {case: Signed(path, beside(case, document)) for case, path in made.items()}
    said = {case: {"Kyso": _ours(house, one, case)} for case, one in signed.items()}
    for name, read in xml_peers.READERS.items():
        for case, one in signed.items():
            said[case][name] = read(one, desk)
    if scripts is not None:
        jobs = [npm.Job(name, one.document, one.detached) for name in SCRIPTS for one in signed.values()]
        answers = iter(scripts.ask(jobs))
        for name in SCRIPTS:
            for case in signed:
                said[case][name] = next(answers)
    if java is not None:
        _ask_dss(java, signed, said, desk)
    controls = xml_controls.Controls(desk.folder, document, scripts)
    return [Row(case, told, _excused(case, told, controls)) for case, told in said.items()]


def _excused(case: XmlCase, told: Mapping[str, Said], controls: xml_controls.Controls) -> dict[str, str]:
    found = {name: controls.excuse(name, case.features, said=said) for name, said in told.items() if said.faults}
    return {name: why for name, why in found.items() if why}


def _ask_dss(java: Tools, signed: Mapping[XmlCase, Signed], said: dict[XmlCase, dict[str, Said]], desk: Desk) -> None:
    jobs = {case: _job(case, one, desk) for case, one in signed.items()}
    answers = java.ask(list(jobs.values()), anchors=[desk.root])
    for case, job in jobs.items():
        said[case]["DSS"] = summed(answers["dss", job.document], expect=case.level)


def _job(case: XmlCase, one: Signed, desk: Desk) -> Job:
    """At B-B and B-T the evidence comes from the desk; at higher levels it is in the document."""
    folder = desk.folder / f"for-{case.name}"
    folder.mkdir(exist_ok=True)
    if case.level in WITHOUT_EVIDENCE:
        for path in desk.evidence.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    for name, path in one.detached.items():
        (folder / "detached").mkdir(exist_ok=True)
        (folder / "detached" / name).write_bytes(path.read_bytes())
    return Job("dss", one.document, folder)


def _ours(house: House, signed: Signed, case: XmlCase) -> Said:
    report = house.verify(signed.document, beside=signed.detached)
    (signature,) = report["signatures"]
    level = signature["level"].replace("BASELINE-", "")
    faults = [] if report["verdict"] == "TOTAL_PASSED" else [f"{report['verdict']} {signature['sub_indication']}"]
    expected = f"XAdES-{case.level.removeprefix('B-')}"
    scope = "PARTIAL" if "elements" in case.shape.xml else "FULL"
    faults += [] if level == expected else [f"level {level}"]
    faults += [] if signature["scope"] == scope else [f"scope {signature['scope']}"]
    return Said.of(faults, words="TOTAL_PASSED")


def markdown(rows: Sequence[Row]) -> str:
    """The table, and below it why a cell is not good."""
    names = list(rows[0].said)
    notes: dict[str, int] = {}
    lines = [
        "| level | packaging | key | path | " + " | ".join(names) + " |",
        "|---|---|---|---|" + "---|" * len(names),
    ]
    for row in rows:
        cells = " | ".join(_cell(row, name, notes) for name in names)
        lines.append(
            f"| {row.case.level} | {row.case.shape.name} | {row.case.algorithm.label} | {row.case.path} | {cells} |"
        )
    return "\n".join([*lines, "", *(f"{number}. {note}" for note, number in notes.items())])


def _cell(row: Row, name: str, notes: dict[str, int]) -> str:
    said = row.said[name]
    if said.verdict == "good":
        return f"✓ {said.words}".strip()
    if name in row.excused:
        return f"limit ({notes.setdefault(f'{name}: {row.excused[name]}', len(notes) + 1)})"
    fault = f"{name}, {row.case.name}: {'; '.join(said.faults)}"
    return f"✗ RED ({notes.setdefault(fault, len(notes) + 1)})"


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
