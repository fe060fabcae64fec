"""Every signed XML of the corpus before EU DSS: the same imprints of timestamps, and the level that DSS would name.

    python -m tests.interop.foreign_xml --java

DSS goes by the form, so it is compared with the fact `form`. An imprint on which the two differ is red. Levels may differ
for a reason: DSS is trusted by nobody here, and then wants revocation data of issuers for LT.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.verify import agreement
from tests.interop.commands import Setting, main
from tests.interop.java import Finding, Job
from verify.report import Report

_DIFFERS = "imprint differs"
_LASTING = {"LT", "LTA"}


@dataclass(frozen=True)
class Row:
    """One file: whether the timestamps of its signatures are about what they should be, and the levels, by either."""

    name: str
    imprints: tuple[tuple[bool, ...], tuple[bool, ...]]
    levels: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def is_red(self) -> bool:
        return self.imprints[0] != self.imprints[1]

    @property
    def told(self) -> str:
        """Why the levels differ, where that is known."""
        ours, theirs = ({level.rpartition("-")[2] for level in levels} for levels in self.levels)
        if self.levels[0] == self.levels[1]:
            return ""
        return "issuers without revocation data" if ours & _LASTING and "T" in theirs else "differs"


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether no imprint is taken for another."""
    if setting.java is None or not agreement.CORPUS.is_dir():
        return "kyso: interop: not run: DSS (--java) and the corpus of test files (../shared/corpus) are needed", True
    entries = {entry["file"]: entry for entry in agreement.entries(agreement.CORPUS, format_="XAdES")}
    jobs = {
        name: Job("dss", (agreement.CORPUS / name).resolve(), _beside(setting.folder / "beside" / entry["id"], entry))
        for name, entry in entries.items()
    }
    answers = setting.java.ask(list(jobs.values()))
    rows = []
    for name, entry in entries.items():
        report, _ = agreement.judged(agreement.CORPUS, entry)
        if report is not None:
            rows.append(_row(name, report, answers.get(("dss", jobs[name].document), ())))
    return markdown(rows), not any(row.is_red for row in rows)


def _beside(folder: Path, entry: Mapping[str, Any]) -> Path | None:
    """A folder with the contents from which the signatures are detached; DSS takes them by their names there."""
    if not entry.get("detached"):
        return None
    (folder / "detached").mkdir(parents=True, exist_ok=True)
    for one in entry["detached"]:
        content = (agreement.CORPUS / one["file"]).read_bytes()
        (folder / "detached" / (one["name"] or "unnamed")).write_bytes(content)
    return folder


def _row(name: str, report: Report, said: tuple[Finding, ...]) -> Row:
    stamps = [one for one in said if one.words.startswith(("timestamp", _DIFFERS))]
    levels = [one.words.partition(" ")[0].replace("B-", "XAdES-BASELINE-", 1) for one in said if one not in stamps]
    theirs = sorted(not one.words.startswith(_DIFFERS) for one in stamps)
    ours = sorted(stamp.intact for one in report.signatures for stamp in one.timestamps)
    return Row(Path(name).name, (tuple(ours), tuple(theirs)), (tuple(sorted(_forms(report))), tuple(sorted(levels))))


def _forms(report: Report) -> Iterator[str]:
    for one in report.signatures:
        told = [check.facts["form"] for check in one.checks if "form" in check.facts]
        yield str(told[0] if told else one.level)


def markdown(rows: list[Row]) -> str:
    """Counts, then a line for each file on which there is something to say."""
    stamps = sum(len(row.imprints[0]) for row in rows)
    same = sum(row.levels[0] == row.levels[1] for row in rows)
    lines = [
        f"{len(rows)} files: {stamps} timestamps, {sum(row.is_red for row in rows)} files with another imprint; "
        f"levels as by form in {same} files.",
        "",
        "| file | imprints | Kyso | DSS | |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if row.is_red or row.told:
            kyso, dss = (", ".join(levels) for levels in row.levels)
            lines.append(f"| {row.name} | {'✗ NO' if row.is_red else 'same'} | {kyso} | {dss} | {row.told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
