"""The collection of hostile PDFs and harmless controls as a table: what each class is expected to meet, and what it met.

    python -m tests.attack_table            # needs the corpus; prints the table, and each file that differs

A file is judged in a process of its own, so that time and memory are its own.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.unit.verify.world import DEFAULT, NOW
from verify import engine
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.trust import Trust

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
MAX_UNPACKED = 64 << 20


@dataclass(frozen=True)
class Result:
    """What judging one file said. `verdict` is "REFUSED" for a refusal; `changed` is modified or suspicious."""

    verdict: str
    intact: tuple[bool, ...] = ()
    changed: tuple[bool, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    megabytes: int = 0

    @property
    def accepted(self) -> bool:
        """Everything that is signed is as it was signed, or as later revisions may leave it."""
        return bool(self.intact) and all(self.intact) and not any(self.changed)


def _warns(*codes: str) -> Callable[[Result], bool]:
    return lambda result: result.verdict == "REFUSED" or bool({*codes} & {*result.warnings})


EXPECTED: dict[str, Callable[[Result], bool]] = {
    "REJECT": lambda result: not result.accepted,
    "ACCEPT": lambda result: result.verdict != "REFUSED" and not any(result.changed),
    "CRYPTO_VALID_WARN_HIDDEN_CONTENT": lambda result: all(result.intact) and "HIDDEN_CONTENT" in result.warnings,
    "NO_SIGNATURE": lambda result: result.verdict == "NO_SIGNATURE",
    "FLAG_ACTIVE_CONTENT": _warns("ACTIVE_CONTENT", "EXTERNAL_REFERENCE"),
    "NO_NETWORK_NO_FILE": _warns("ACTIVE_CONTENT", "EXTERNAL_REFERENCE"),
    "FLAG_AMBIGUOUS": _warns("AMBIGUOUS_PARSE", "HIDDEN_CONTENT"),
    "COVERAGE_FULL_ONLY": lambda result: result.verdict != "REFUSED",
    "NO_": lambda result: bool(result.verdict),
}
"""By how an expectation begins; the last are met by ending at all."""


def entries(corpus: Path = CORPUS) -> list[dict[str, str]]:
    return list(json.loads((corpus / "attacks.json").read_text())["entries"])


def is_met(expected: str, result: Result) -> bool:
    return next(rule for start, rule in EXPECTED.items() if expected.startswith(start))(result)


def judged(path: Path) -> Result:
    """The result of one file, in a child; its memory is what it takes beyond what it inherits. A child that dies has no
    verdict."""
    reading, writing = os.pipe()
    inherited = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
            os.write(writing, json.dumps(_judge(path)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        said = answers.read()
    usage = os.wait4(child, 0)[2]
    verdict, intact, changed, warnings = json.loads(said) if said else ("", (), (), ())
    seconds = usage.ru_utime + usage.ru_stime
    megabytes = (usage.ru_maxrss * 1024 - inherited) >> 20
    return Result(verdict, tuple(intact), tuple(changed), tuple(warnings), seconds, megabytes)


def _judge(path: Path) -> tuple[str, list[bool], list[bool], list[str]]:
    if path.suffix == ".gz":
        with gzip.open(path) as packed:
            file = io.BytesIO(packed.read(MAX_UNPACKED))
    else:
        file = io.BytesIO(path.read_bytes())
    try:
        report = engine.judge(file, name=path.name, trust=Trust(), policy=DEFAULT, at=NOW, fetcher=Offline())
    except VerifyError:
        return "REFUSED", [], [], []
    changes = [one.changes for one in report.signatures]
    return (
        report.verdict,
        [one.intact for one in report.signatures],
        [one.modified or one.kind == "suspicious" for one in changes],
        sorted({warning.code for warning in report.warnings}),
    )


def main(arguments: Sequence[str]) -> int:
    corpus = Path(arguments[0]) if arguments else CORPUS
    if not (corpus / "attacks.json").exists():
        print(f"there is no corpus at {corpus}")
        return 1
    engine.preload()
    rows: dict[tuple[str, str], list[tuple[str, Result, bool]]] = {}
    for entry in entries(corpus):
        result = judged(corpus / entry["file"])
        key = (entry["class"], entry["expected"].split(" ")[0].rstrip(":"))
        rows.setdefault(key, []).append((entry["file"], result, is_met(entry["expected"], result)))
    table = Table("class", "expected", "files", "met", "accepted though changed", "seconds, most", "MB, most")
    false = 0
    for (kind, expected), results in sorted(rows.items()):
        wrong = [file for file, result, _ in results if expected.startswith("REJECT") and result.accepted]
        false += len(wrong)
        table.add_row(
            kind,
            expected,
            str(len(results)),
            str(sum(met for *_, met in results)),
            str(len(wrong)) if expected.startswith("REJECT") else "-",
            f"{max(result.seconds for _, result, _ in results):.2f}",
            str(max(result.megabytes for _, result, _ in results)),
        )
    console = Console(width=140)
    console.print(table)
    for results in rows.values():
        for file, result, met in results:
            if not met:
                console.print(f"differs: {file}: {result.verdict or 'no verdict'} {' '.join(result.warnings)}")
    return int(false > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
