"""Real files with known answers: agreement with what their publishers say, and no false accept.

The tables print with `pytest -s`. A larger set of the same kinds exists elsewhere, so nothing here is fitted to a file.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.integration.verify.agreement import Table, entries, judge
from verify.report import Report

pytestmark = [pytest.mark.spine, pytest.mark.judging]

MAX_UNPACKED = 64 << 20
SECONDS = 20.0


@cache
def judged(path: Path) -> tuple[Report | None, float]:
    """Each file is judged once for all tests."""
    with opened(path) as file:
        return judge(file, path.name)


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


def test_agreement_with_the_published_answers(corpus: Path) -> None:
    """Every dimension that the publisher's tests state agrees on at least 97 of 100 core files."""
    table = Table()
    for entry in entries(corpus):
        report, seconds = judged(corpus / entry["file"])
        assert seconds < SECONDS, entry["file"]
        if entry["tier"] == "core":
            table.add(entry, report)
    print("\n" + "\n".join(table.lines()))
    assert table.asked["signatures"] > 0
    assert table.asked["intact"] > 0
    assert table.below() == []


def test_refusals_are_those_that_were_expected(corpus: Path) -> None:
    """A core file is refused only where its publisher refuses it, or states no more than that one must not hang."""
    for entry in entries(corpus):
        report, _ = judged(corpus / entry["file"])
        expected = entry["expected"]
        if entry["tier"] == "core" and report is None:
            assert expected.get("rejected") or "must_finish_ms" in expected, entry["file"]


def test_nothing_passes_without_trust(corpus: Path) -> None:
    """With an empty trust store no file of the corpus passes, whatever it carries."""
    for entry in entries(corpus):
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
