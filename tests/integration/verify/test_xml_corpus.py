"""Real signed XML files with known answers: agreement with what their publishers say, and no false accept.

The table prints with `pytest -s`. A larger set of the same kinds exists elsewhere, so nothing here is fitted to a file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.integration.verify import agreement
from tests.integration.verify.agreement import Table, entries
from verify.report import Report

pytestmark = [pytest.mark.xades, pytest.mark.judging]

SECONDS = 10.0


@cache
def _judged(corpus: Path, entry: str) -> tuple[Report | None, float]:
    return agreement.judged(corpus, json.loads(entry))


def judged(corpus: Path, entry: dict[str, Any]) -> tuple[Report | None, float]:
    """Each entry is judged once for all tests; a file may have several, with other contents beside it."""
    return _judged(corpus, json.dumps(entry, sort_keys=True))


def test_agreement_with_the_published_answers(corpus: Path) -> None:
    """Every answer of every core file agrees, or differs for a reason that the table states."""
    table = Table()
    for entry in entries(corpus, format_="XAdES"):
        report, seconds = judged(corpus, entry)
        assert seconds < SECONDS, entry["file"]
        if entry["tier"] == "core":
            table.add(entry, report)
    print("\n" + "\n".join(table.lines()))
    for dimension in ("intact", "level", "signatures", "timestamps", "scope"):
        assert table.asked[dimension] > 0, dimension
    assert table.unexplained == []


def test_other_files_agree_where_they_may_differ(corpus: Path) -> None:
    """Files for which a difference could be defended agree too, or say why not."""
    table = Table()
    for entry in entries(corpus, format_="XAdES"):
        if entry["tier"] != "core":
            table.add(entry, judged(corpus, entry)[0])
    assert table.unexplained == []


def test_nothing_passes_without_trust(corpus: Path) -> None:
    """With an empty trust store no file of the corpus passes, whatever it carries."""
    for entry in entries(corpus, format_="XAdES"):
        report = judged(corpus, entry)[0]
        assert report is None or report.verdict != "TOTAL_PASSED", entry["file"]


def test_attacks_are_seen(corpus: Path) -> None:
    """Every file that somebody made to deceive is refused, not intact, or said to be signed only in part."""
    attacks = [entry for entry in entries(corpus, format_="XAdES") if "attack" in entry["expected"]]
    assert attacks
    for entry in attacks:
        report = judged(corpus, entry)[0]
        assert report is None or agreement.wraps(report), entry["file"]
