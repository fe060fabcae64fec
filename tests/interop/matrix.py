"""The table: every case before every reader, as Markdown; and what of it is red.

python -m tests.interop.matrix [--java] [--keep FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.documents import pdf
from tests.interop import controls, peers
from tests.interop.cases import ALGORITHMS, CASES, Case
from tests.interop.commands import Setting, main
from tests.interop.house import House
from tests.interop.java import Job, Tools, summed
from tests.interop.peers import Desk, Said

WITHOUT_EVIDENCE = ("B-B", "B-T")
JAVA = {"PDFBox": "pdfbox", "DSS": "dss"}


@dataclass(frozen=True)
class Made:
    """The signed files, and pyHanko's controls by kind of key."""

    files: dict[Case, Path]
    controls: dict[str, Path]


@dataclass(frozen=True)
class Row:
    """One case before all readers. `excused`: readers that know no better, and say the same of pyHanko's signature."""

    case: Case
    said: Mapping[str, Said]
    excused: frozenset[str]

    @property
    def red(self) -> dict[str, tuple[str, ...]]:
        """What is wrong and nobody's limit."""
        return {name: said.faults for name, said in self.said.items() if said.faults and name not in self.excused}


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether no cell is red."""
    made = make(setting.house, setting.folder)
    rows = judge(setting.house, made, setting.desk, java=setting.java)
    return markdown(rows), not any(row.red for row in rows)


def make(house: House, folder: Path) -> Made:
    """Sign every case, and the controls, in `folder`."""
    document = pdf(folder / "plain.pdf")
    files = {case: folder / f"{case.name}.pdf" for case in CASES}
    for case, out in files.items():
        house.sign(case, document, out)
    return Made(files, controls.make(house, document, folder))


def judge(house: House, made: Made, desk: Desk, *, java: Tools | None = None) -> list[Row]:
    """Every file before every reader; the Java readers where there are any."""
    said = {case: _ask(path, desk) for case, path in made.files.items()}
    control = {kind: _ask(path, desk) for kind, path in made.controls.items()}
    if java is not None:
        jobs = [_job(name, path, desk, case.level) for case, path in made.files.items() for name in JAVA]
        jobs += [_job(name, path, desk, "B-B") for path in made.controls.values() for name in JAVA]
        answers = java.ask(jobs, anchors=[desk.root])
        for name, reader in JAVA.items():
            for case, path in made.files.items():
                said[case][name] = summed(answers[reader, path], expect=case.level if name == "DSS" else "")
            for kind, path in made.controls.items():
                control[kind][name] = summed(answers[reader, path])
    return [
        Row(
            case,
            {"Kyso": _ours(house, made.files[case], case), **answer},
            frozenset(
                name
                for name, one in answer.items()
                if controls.is_limit(name, case.algorithm.kind, said=one, control=control[case.algorithm.kind][name])
            ),
        )
        for case, answer in said.items()
    ]


def _ask(path: Path, desk: Desk) -> dict[str, Said]:
    return {name: read(path, desk) for name, read in peers.READERS.items()}


def _job(name: str, path: Path, desk: Desk, level: str) -> Job:
    return Job(JAVA[name], path, desk.evidence if level in WITHOUT_EVIDENCE else None)


def _ours(house: House, path: Path, case: Case) -> Said:
    report = house.verify(path)
    (signature,) = report["signatures"]
    level = signature["level"].replace("BASELINE-", "")
    faults = [] if report["verdict"] == "TOTAL_PASSED" else [f"{report['verdict']} {signature['sub_indication']}"]
    expected = f"PAdES-{case.level.removeprefix('B-')}"
    return Said.of(faults + ([] if level == expected else [f"level {level}"]), words="TOTAL_PASSED")


def markdown(rows: list[Row]) -> str:
    """The table; below it why a cell is not good, and what readers remark without finding fault."""
    names = list(rows[0].said)
    notes: dict[str, int] = {}
    lines = ["| level | key | path | " + " | ".join(names) + " |", "|---|---|---|" + "---|" * len(names)]
    for row in rows:
        cells = [_cell(row, name, notes) for name in names]
        lines.append(f"| {row.case.level} | {row.case.algorithm.label} | {row.case.path} | {' | '.join(cells)} |")
    remarks = {f"{name}: {one}" for row in rows for name, said in row.said.items() for one in said.remarks}
    lines += ["", *(f"{number}. {note}" for note, number in notes.items())]
    lines += [f"- a remark, no fault: {one}" for one in sorted(remarks)]
    return "\n".join(lines)


def _cell(row: Row, name: str, notes: dict[str, int]) -> str:
    said = row.said[name]
    if said.verdict == "nothing":
        return "–"
    if said.verdict == "good":
        return f"✓ {said.words}".strip()
    labels = {one.kind: one.label for one in ALGORITHMS}
    if name in row.excused:
        kind = row.case.algorithm.kind
        note = f"{name}, {labels[kind]}: {controls.LIMITS[name, kind].why}; pyHanko's own signature fares the same"
        return f"limit ({notes.setdefault(note, len(notes) + 1)})"
    fault = f"{name}, {row.case.name}: {'; '.join(said.faults)}"
    return f"✗ RED ({notes.setdefault(fault, len(notes) + 1)})"


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
