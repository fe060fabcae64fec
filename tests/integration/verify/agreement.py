"""Agreement with the published answers for signed documents, by dimension, through the same `judge` that the product
uses.

    python -m tests.integration.verify.agreement [FOLDER] [--xml] [--all]

prints, for PDF or XML, over tier core (with --all over every tier), how often each dimension agrees, and each
disagreement in one line with what was found. Where an answer is not stated nothing is compared; what a refused file
leaves unanswered counts as a disagreement, unless a refusal is what is expected, or no more than an end in time.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from tests.appliance import ROOT
from verify import engine, policy
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.report import Report, SignatureReport, TimestampReport
from verify.trust import Trust

CORPUS = ROOT.parent / "shared" / "corpus"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SHARE = 0.97
"""Of the answers of each dimension that must agree."""


def judge(file: BinaryIO, name: str, *, detached: Mapping[str, BinaryIO] | None = None) -> tuple[Report | None, float]:
    """The report, None for a refusal, and the CPU seconds it took. Anything but a VerifyError is a fault of ours."""
    start = time.process_time()
    try:
        report = engine.judge(
            file,
            name=name,
            trust=Trust(),
            policy=policy.load("default"),
            at=NOW,
            fetcher=Offline(),
            detached=detached or {},
        )
    except VerifyError:
        report = None
    return report, time.process_time() - start


def _timestamps(report: Report) -> list[TimestampReport]:
    return [*report.timestamps, *(stamp for one in report.signatures for stamp in one.timestamps)]


def _together(values: Iterator[bool]) -> bool | str | None:
    """One answer for several: the value that all have, or "mixed"."""
    found = set(values)
    return "mixed" if len(found) == 2 else next(iter(found), None)


def _failed(report: Report) -> SignatureReport | None:
    return next((one for one in report.signatures if one.indication == "TOTAL_FAILED"), None)


def _archive_valid(report: Report) -> bool:
    """Of the first signature: archive timestamps, or document timestamps that cover it, all technically valid; none is
    not valid."""
    own = report.signatures[0].timestamps if report.signatures else ()
    covering = [one for one in (*report.timestamps, *own) if one.type in ("document", "archive")]
    return bool(covering) and all(one.intact for one in covering)


def _counters(report: Report) -> list[SignatureReport]:
    return [one for one in report.signatures if one.parent is not None]


def wraps(report: Report) -> bool:
    """Whether somebody who looks at the report sees that not all of the document is what was signed."""
    return not all(one.intact and one.scope == "FULL" for one in report.signatures)


OBSERVED: dict[str, Callable[[Report], Any]] = {
    "signatures": lambda report: len(report.signatures),
    "timestamps": lambda report: len(_timestamps(report)),
    "intact": lambda report: _together(one.intact for one in report.signatures),
    "first_signature_intact": lambda report: report.signatures[0].intact,
    "byterange_valid": lambda report: _together(one.sub_indication != "FORMAT_FAILURE" for one in report.signatures),
    "modified": lambda report: any(one.changes.modified for one in report.signatures),
    "level": lambda report: [one.level for one in report.signatures],
    "timestamps_intact": lambda report: _together(one.intact for one in _timestamps(report)),
    "t_level_valid": lambda report: all(
        one.intact for one in report.signatures[0].timestamps if one.type == "signature"
    ),
    "a_level_valid": _archive_valid,
    "indication": lambda report: report.signatures[0].indication,
    "sub_indication": lambda report: report.signatures[0].sub_indication,
    "indication_of_failed": lambda report: getattr(_failed(report), "indication", None),
    "sub_indication_of_failed": lambda report: getattr(_failed(report), "sub_indication", None),
    "indication_is_not": lambda report: report.signatures[0].indication,
    "scope": lambda report: report.signatures[0].scope,
    "wrapping_attack": wraps,
    "counter_signatures": lambda report: len(_counters(report)),
    "counter_signature_intact": lambda report: _together(one.intact for one in _counters(report)),
    "signature_value_intact": lambda report: report.signatures[0].sub_indication != "SIG_CRYPTO_FAILURE",
    "signature_value_of_counter_intact": lambda report: all(
        one.sub_indication != "SIG_CRYPTO_FAILURE" for one in _counters(report)
    ),
    "main_signature_intact": lambda report: _together(one.intact for one in report.signatures if one.parent is None),
}


def agrees(dimension: str, value: Any, wanted: Any) -> bool:
    match dimension:
        case "level" if isinstance(wanted, str):
            return wanted in value  # one name for several signatures: one of them has it
        case "level":
            named = sorted(str(one).split(" ")[0] for one in wanted if one != "other")
            left = sorted(map(str, value))
            return all(one in left for one in named) if "other" in wanted else left == named
        case "indication_is_not":
            return bool(value != wanted)
        case "timestamps_intact" | "byterange_valid" if isinstance(wanted, str):
            return bool(value == wanted.split(" ")[0])
    return bool(value == wanted)


def explained(dimension: str, wanted: Any, report: Report) -> str | None:
    """Why the report differs where it means to; None for a difference that it does not mean."""
    if dimension != "level":
        return None
    if "XAdES-ERS" in wanted:
        return "evidence records are named, not judged, so they make no level"
    forms = [check.facts["form"] for one in report.signatures for check in one.checks if "form" in check.facts]
    if agrees(dimension, forms, wanted) and not all(one.intact for one in _timestamps(report)):
        return "by its form alone it would be; a timestamp over something else lifts no level here"
    return None


@dataclass
class Table:
    """Counts by dimension, and the disagreements; `unexplained` are those without a reason."""

    asked: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    not_compared: Counter[str] = field(default_factory=Counter)

    def add(self, entry: dict[str, Any], report: Report | None) -> None:
        expected = entry["expected"]
        if "rejected" in expected:
            self._count(
                "rejected", entry, report is None, bool(expected["rejected"]), told=str(report and report.verdict)
            )
        for dimension, wanted in expected.items():
            if wanted is None or dimension in _NO_QUESTIONS:
                continue
            if dimension not in OBSERVED:
                self.not_compared[dimension] += 1
            elif report is None:
                self._count(dimension, entry, False, wanted, told="refused")
            else:
                self._compare(dimension, entry, report, wanted)

    def _compare(self, dimension: str, entry: dict[str, Any], report: Report, wanted: Any) -> None:
        try:
            value = OBSERVED[dimension](report)
        except IndexError:
            value = "no signature"
        told, reason = f"{value}; {_why(report)}", explained(dimension, wanted, report)
        self._count(dimension, entry, agrees(dimension, value, wanted), wanted, told=told, reason=reason)

    def _count(
        self, dimension: str, entry: dict[str, Any], agreed: bool, wanted: Any, *, told: str, reason: str | None = None
    ) -> None:
        self.asked[dimension] += 1
        self.agreed[dimension] += agreed
        if agreed:
            return
        line = f"{entry['file']} ({entry['tier']}) {dimension}: expected {wanted}, found {told}"
        self.differing.append(f"{line} [{reason}]" if reason else line)
        if reason is None:
            self.unexplained.append(line)

    def below(self) -> list[str]:
        return [name for name, count in self.asked.items() if self.agreed[name] < SHARE * count]

    def lines(self) -> Iterator[str]:
        for name, count in sorted(self.asked.items()):
            yield f"{name:26}{self.agreed[name]:4}/{count:<4}{100 * self.agreed[name] / count:6.1f} %"
        yield from self.differing
        yield f"not compared here: {dict(self.not_compared)}"


_NO_QUESTIONS = frozenset({"note", "attack", "rejected", "must_finish_ms", "level_is"})


def _why(report: Report) -> str:
    """The checks that failed, as far as they explain a difference."""
    checks = [check for one in (*report.signatures, *report.timestamps) for check in one.checks]
    checks += [check for one in report.signatures for stamp in one.timestamps for check in stamp.checks]
    said = {f"{check.code} {check.facts.get('reason') or ''}".strip() for check in checks if check.outcome == "FAILED"}
    return ", ".join(sorted(said - {"CERTIFICATE_PATH no-anchors", "WITH_TIME no-anchors"}))


def entries(corpus: Path, *, format_: str = "PAdES") -> list[dict[str, Any]]:
    content = json.loads((corpus / "expected.json").read_text())["entries"]
    return [entry for entry in content if entry["format"] == format_]


def judged(corpus: Path, entry: dict[str, Any]) -> tuple[Report | None, float]:
    """The report on one entry, with the contents that its signatures are detached from."""
    with ExitStack() as opened:
        beside = {
            one["name"]: opened.enter_context((corpus / one["file"]).open("rb")) for one in entry.get("detached", ())
        }
        file = opened.enter_context((corpus / entry["file"]).open("rb"))
        return judge(file, entry["file"], detached=beside)


def main(arguments: list[str]) -> int:
    folders = [Path(one) for one in arguments if not one.startswith("--")]
    corpus, table, accepted = (folders or [CORPUS])[0], Table(), []
    for entry in entries(corpus, format_="XAdES" if "--xml" in arguments else "PAdES"):
        if entry["tier"] != "core" and "--all" not in arguments:
            continue
        report, _ = judged(corpus, entry)
        table.add(entry, report)
        if report is not None and report.verdict == "TOTAL_PASSED":
            accepted.append(entry["file"])
    print("\n".join(table.lines()))
    print(f"passed without any trust: {accepted or 'none'}")
    return 1 if table.below() or accepted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
