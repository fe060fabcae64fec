"""The report in a terminal: the sentence first, colours beside symbols, one line on many documents."""

from __future__ import annotations

import pytest

from api.reports import terminal
from api.reports.terminal import report_text
from tests.unit.reports.samples import AT, HOSTILE, changed, hostile, report, signature, undetermined

pytestmark = pytest.mark.judging


def test_a_report_reads_from_top_to_bottom():
    """Sentence, document, then each signature with its lines under one another."""
    lines = report_text(report(signature()), language="vi", zone=AT.tzinfo).splitlines()
    assert "Chữ ký số của Nguyễn Văn An hợp lệ; tài liệu không bị thay đổi sau khi ký." == lines[0]
    assert "  ✓ Chữ ký số 1: Nguyễn Văn An – hợp lệ" in lines
    starts = {
        line.index(value) for line in lines for value in ("Chi bộ thôn Mẫu", "tài liệu không bị") if value in line
    }
    assert 2 == len(starts), "the values stand below one another, the sentence elsewhere"


@pytest.mark.parametrize(
    ("one", "symbol", "style"),
    [(signature(), "✓", "green"), (changed(), "✗", "red"), (undetermined(), "?", "yellow")],
    ids=["good", "changed", "undetermined"],
)
def test_no_colour_stands_alone(one, symbol, style):
    """Who sees no colours sees the symbol."""
    first = next(iter(terminal.lines(report(one), language="en", zone=AT.tzinfo)))
    assert (symbol, True) == (first[0].text.strip(), style in first[0].style)


def test_what_to_do_is_said_where_something_is_wrong():
    """The reason and the advice, with the codes for whoever searches for them."""
    text = report_text(report(changed()), language="en")
    assert "The document was changed after signing. (TOTAL_FAILED / FORMAT_FAILURE, PAdES-BASELINE-T)" in text
    assert "Do not use this copy" in text


def test_names_do_not_steer_the_terminal():
    """Neither escape sequences nor direction marks get through."""
    text = report_text(report(hostile(), name=HOSTILE), language="vi")
    assert not set("\x1b\u202e") & set(text)


def test_many_documents_end_in_one_line():
    """How many of each verdict, the worst first."""
    line = terminal.tally(["TOTAL_PASSED", "UNREADABLE", "TOTAL_PASSED", "TOTAL_FAILED"], language="en")
    assert "4 documents: ✗ 1 not valid, ✗ 1 document cannot be read, ✓ 2 valid" == "".join(one.text for one in line)
