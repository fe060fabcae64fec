"""Reports as people and programs get them: the sentence first, one zone, nothing said twice."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from api import locale
from api.render import report_json
from api.reports.terminal import report_text
from signer import extending, repair
from tests.cli_support import ROOT
from verify.report import DocumentFacts, Report, Warning_

pytestmark = pytest.mark.spine

AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def report(*codes: str, name: str = "a.pdf") -> Report:
    return Report(
        document=DocumentFacts(name=name, sha256="00" * 32, format="PDF", size=1),
        verdict="NO_SIGNATURE",
        validated_at=AT,
        policy="default",
        signatures=(),
        warnings=tuple(Warning_(code) for code in codes),
    )


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_the_plain_sentence_comes_first(language):
    """Whoever reads one line has read the verdict."""
    first = report_text(report(), language=language).splitlines()[0]
    assert first == locale.words(language)["summary"]["NO_SIGNATURE"]


def test_a_warning_is_said_once_with_how_often():
    """Five certificates without an answer are one line, in words, and the code for whoever searches for it."""
    text = report_text(report(*["REVOCATION_UNKNOWN"] * 5, "AMBIGUOUS_PARSE"), language="en")
    assert 1 == text.count("REVOCATION_UNKNOWN")
    assert "it is not known whether a certificate of the trust path is revoked (REVOCATION_UNKNOWN × 5)" in text


def test_every_time_is_told_in_one_zone():
    """Vietnamese time where nothing else is configured, in the text and in the JSON."""
    assert "22/11/2026 09:00:00 +07:00" in report_text(report(), language="vi")
    assert "2026-11-22T09:00:00+07:00" == report_json(report())["validated_at"]
    elsewhere = timezone(timedelta(hours=-3, minutes=-30))
    assert "2026-11-21T22:30:00-03:30" == report_json(report(), zone=elsewhere)["validated_at"]


def test_every_warning_has_words_in_both_languages():
    """No code reaches a person alone."""
    sources = [path.read_text("utf-8") for package in ("verify", "signer") for path in (ROOT / package).rglob("*.py")]
    codes = {code for source in sources for code in re.findall(r"Warning_\(\s*\"([A-Z_]+)\"", source)}
    assert len(codes) >= 4
    codes |= {repair.REPAIRED, extending.DEGRADED, extending.PENDING}
    for language in locale.LANGUAGES:
        assert codes <= set(locale.words(language)["warnings"])


def test_a_name_does_not_steer_the_terminal():
    """Escape sequences of a file name are shown as question marks."""
    assert "\x1b" not in report_text(report(name="\x1b[2Ja.pdf"), language="vi")
