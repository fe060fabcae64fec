"""Pages that readers take differently are told of, at signing as at judging."""

from __future__ import annotations

import io
import re

import pytest

from tests.unit.verify.attacks.scene import page_of, updated, write
from tests.unit.verify.world import blank_pdf
from verify import content
from verify.document import Limits
from verify.pdf import get, open_reader

pytestmark = pytest.mark.judging


def reasons(pdf: bytes) -> set[str]:
    file = io.BytesIO(pdf)
    reader = open_reader(file, limits=Limits(), tolerance="lenient")
    found = content.inspect(file, reader, budget=content.SIGNING)
    return {str(one.facts["reason"]) for one in found if one.code == "AMBIGUOUS_PARSE"}


@pytest.mark.parametrize(
    ("name", "is_near"),
    [("Contentsð", True), ("ContentsX", True), ("MediaBox2", True), ("Content", False), ("PieceInfo", False)],
)
def test_entries_that_are_nearly_those_of_a_page(name: str, *, is_near: bool) -> None:
    """An entry that only begins as one that draws is drawn by some readers; another name is nobody's concern."""
    pdf = updated(blank_pdf(), lambda writer: write(writer, page_of(writer), **{name: 1}))
    assert ("page-entry" in reasons(pdf)) == is_near


def test_text_in_a_comment() -> None:
    """A line of content that is commented out for some readers only; a remark is none."""
    shown = b"BT /F1 12 Tf (one) Tj ET\n% BT /F1 12 Tf (two) Tj ET\n"
    assert "commented-out" in reasons(blank_pdf(text=shown))
    assert "commented-out" not in reasons(blank_pdf(text=b"% page one (of two)\nBT (100% Tj) Tj ET\n"))


def test_objects_that_nest_too_deep() -> None:
    """A page tree that no parser can follow is no page tree, and nothing is raised."""
    pdf = blank_pdf()
    pages = re.search(rb"/Pages (\d+) 0 R", pdf)
    assert pages is not None
    revision = b"%s 0 obj\n<</Type/Pages/Count 1/Kids %s>>\nendobj\n" % (pages[1], b"[" * 5_000)
    table = b"xref\n%s 1\n%010d 00000 n \n" % (pages[1], len(pdf))
    trailer = b"trailer\n<</Size 9/Root %s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n" % (
        re.findall(rb"/Root (\d+ 0 R)", pdf)[-1],
        re.findall(rb"startxref\s+(\d+)", pdf)[-1],
        len(pdf) + len(revision),
    )
    file = io.BytesIO(pdf + revision + table + trailer)
    reader = open_reader(file, limits=Limits(), tolerance="lenient")
    assert get(get(reader.root, "/Pages"), "/Kids") is None
    content.inspect(file, reader, budget=content.SIGNING)
