"""Real files with known answers: agreement with what their publishers say, and no false accept.

The tables print with `pytest -s`. A larger set of the same kinds exists elsewhere, so nothing here is fitted to a file.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from verify import engine, policy
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.report import Report
from verify.trust import Trust

pytestmark = pytest.mark.spine

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DEFAULT = policy.load("default")
MAX_UNPACKED = 64 << 20
SECONDS = 20.0


@cache
def judged(path: Path) -> tuple[Report | None, float]:
    """Each file is judged once for all tests."""
    with opened(path) as file:
        return judge(file, path.name)


def judge(file: BinaryIO, name: str) -> tuple[Report | None, float]:
    """The report, None for a refusal, and the CPU seconds it took. Anything but a VerifyError fails the test."""
    start = time.process_time()
    try:
        report = engine.judge(file, name=name, trust=Trust(), policy=DEFAULT, at=NOW, fetcher=Offline())
    except VerifyError:
        report = None
    return report, time.process_time() - start


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Packed files are unpacked up to a limit: what lies behind it would be refused by size."""
    if path.suffix != ".gz":
        with path.open("rb") as file:
            yield file
        return
    with gzip.open(path) as packed, tempfile.TemporaryFile() as file:
        shutil.copyfileobj(io.BytesIO(packed.read(MAX_UNPACKED)), file)
        yield file


def known(corpus: Path) -> list[dict[str, Any]]:
    entries = json.loads((corpus / "expected.json").read_text())["entries"]
    return [entry for entry in entries if entry["format"] == "PAdES"]


def observed(report: Report) -> dict[str, Any]:
    intact = {signature.intact for signature in report.signatures}
    stamps = len(report.timestamps) + sum(len(signature.timestamps) for signature in report.signatures)
    return {
        "signatures": len(report.signatures),
        "timestamps": stamps,
        "modified": any(signature.changes.modified for signature in report.signatures),
        "intact": "mixed" if len(intact) == 2 else next(iter(intact), None),
    }


def test_agreement_with_the_published_answers(corpus: Path) -> None:
    """Counts, integrity and later changes agree with the publisher's tests on at least 97 of 100 core files."""
    asked: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    differing = []
    for entry in known(corpus):
        report, seconds = judged(corpus / entry["file"])
        assert seconds < SECONDS, entry["file"]
        if report is None or entry["tier"] != "core":
            continue
        for dimension, value in observed(report).items():
            expected = entry["expected"].get(dimension)
            if expected is None:
                continue
            asked[dimension] += 1
            agreed[dimension] += value == expected
            if value != expected:
                differing.append((entry["file"], dimension, value, expected))
    print("\nagreement on core:", {dimension: f"{agreed[dimension]}/{asked[dimension]}" for dimension in asked})
    print("\n".join(map(str, differing)))
    for dimension in ("signatures", "intact", "modified"):
        assert agreed[dimension] >= 0.97 * asked[dimension], dimension


def test_refusals_are_those_that_were_expected(corpus: Path) -> None:
    """A core file is refused only where its publisher refuses it, or states no more than that one must not hang."""
    for entry in known(corpus):
        report, _ = judged(corpus / entry["file"])
        expected = entry["expected"]
        if entry["tier"] == "core" and report is None:
            assert expected.get("rejected") or "must_finish_ms" in expected, entry["file"]


def test_nothing_passes_without_trust(corpus: Path) -> None:
    """With an empty trust store no file of the corpus passes, whatever it carries."""
    for entry in known(corpus):
        report, _ = judged(corpus / entry["file"])
        assert report is None or report.verdict != "TOTAL_PASSED", entry["file"]


def _attacks(corpus: Path) -> list[dict[str, Any]]:
    content = json.loads((corpus / "attacks.json").read_text())
    return next(value for value in content.values() if isinstance(value, list))


def test_attacks_are_caught_and_controls_are_not(corpus: Path) -> None:
    """What changed after signing is modified or not intact; harmless controls mostly are neither."""
    accepted, controls, sound = [], 0, 0
    for entry in _attacks(corpus):
        expected: str = entry["expected"]
        if not expected.startswith(("REJECT", "ACCEPT")):
            continue
        report, _ = judged(corpus / entry["file"])
        clean = report is not None and all(
            signature.intact and not signature.changes.modified and signature.changes.kind != "suspicious"
            for signature in report.signatures
        )
        if expected.startswith("REJECT"):
            if clean and report is not None and report.signatures:
                accepted.append(entry["file"])
        else:
            controls += 1
            sound += clean
    print(f"\nharmless controls accepted: {sound}/{controls}; attacks accepted: {accepted}")
    assert accepted == []
    assert sound >= 0.9 * controls


def test_hostile_files_end_soon(corpus: Path) -> None:
    """Every hostile file ends in a report or a refusal within bounded time."""
    slowest = ("", 0.0)
    for entry in _attacks(corpus):
        _, seconds = judged(corpus / entry["file"])
        slowest = max(slowest, (entry["file"], seconds), key=lambda item: item[1])
        assert seconds < SECONDS, entry["file"]
    print(f"\nslowest: {slowest[0]} {slowest[1]:.1f} s")
