"""The look at the pages: what it costs, what it leaves out, and that it never ends in an error."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from tests import documents
from tests.unit.signer.test_filling import entry
from tests.unit.verify.attacks.scene import LETTER, SIGNED_TEXT, Edit, form_xobject, page_of, updated, write
from tests.unit.verify.world import World
from verify import comparing, pdf_signatures
from verify.document import Limits
from verify.pictures import Picture, Pictures
from verify.report import Changes

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def document(*, pages: int = 3, box: tuple[int, ...] = LETTER, turn: int = 0) -> bytes:
    writer = PdfFileWriter(stream_xrefs=False)
    font = writer.add_object(entry(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica"))
    for _ in range(pages):
        contents = writer.add_object(generic.StreamObject(stream_data=SIGNED_TEXT))
        page = PageObject(contents=contents, media_box=box, resources=entry(Font={"F1": font}))
        page[pdf_name("/Rotate")] = generic.NumberObject(turn)
        writer.insert_page(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def note(number: int) -> Edit:
    def change(writer: IncrementalPdfFileWriter) -> None:
        look = writer.add_object(form_xobject(b"1 0 0 rg 0 0 595 842 re f"))
        page = page_of(writer, number)
        one = entry(Type="/Annot", Subtype="/Square", F=4, Rect=[300, 300, 350, 340], AP={"N": look})
        write(writer, page, Annots=generic.ArrayObject([*page.get("/Annots", ()), writer.add_object(one)]))

    return change


def changes(pdf: bytes, *, limits: Limits | None = None) -> list[Changes]:
    found = pdf_signatures.find(io.BytesIO(pdf), limits=limits or Limits())
    return [one.changes for one in found.signatures]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(end of the revision, page) of every picture that was drawn."""
    pictures: list[tuple[int, int]] = []
    original = Pictures.draw

    def draw(self: Pictures, *, end: int, page: int) -> Picture:
        before = self.drawn
        picture = original(self, end=end, page=page)
        if self.drawn > before:
            pictures.append((end, page))
        return picture

    monkeypatch.setattr(Pictures, "draw", draw)
    return pictures


def test_only_touched_pages_are_drawn_and_each_once_a_revision(world: World, drawn: list[tuple[int, int]]) -> None:
    """Three signatures on the first page, a comment on the second: nobody draws the third, nor one picture twice."""
    pdf = document()
    for name in ("Một", "Hai", "Ba"):
        pdf = world.sign(pdf, field_name=name)
    kinds = [one.kind for one in changes(updated(pdf, note(1)))]
    assert ["allowed"] * 3 == kinds
    assert {0, 1} == {page for _, page in drawn}
    assert len(drawn) == len(set(drawn)) == 3 + 4


def test_a_document_without_later_revisions_is_not_drawn(world: World, drawn: list[tuple[int, int]]) -> None:
    """Most documents pay nothing for the look; neither does one to which only evidence was added."""
    signed = world.sign(document())
    assert [one.kind for one in changes(signed)] == ["none"]
    assert [one.kind for one in changes(world.archive(signed))] == ["allowed"]
    assert drawn == []


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_places_are_told_in_the_page_s_own_coordinates(world: World, turn: int) -> None:
    """A page that is shown turned: what was commented is left out of the comparison, wherever it lies on the screen."""
    (one,) = changes(updated(world.sign(document(turn=turn)), note(2)))
    assert (one.modified, one.kind) == (False, "allowed"), one
    assert [(3, (300.0, 300.0, 350.0, 340.0), "annotation-added", "Signature1")] == [
        (place.page, place.box, place.what, place.after) for place in one.places
    ]


def test_what_is_drawn_otherwise_is_found_and_placed(world: World) -> None:
    """Content that another revision replaced: the box around the difference lies where the text lies."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        stream = page_of(writer, 1)["/Contents"]
        stream._data, stream._encoded_data = SIGNED_TEXT.replace(b"100", b"900"), None
        writer.update_container(stream)

    (one,) = changes(updated(world.sign(document()), change))
    (place,) = [place for place in one.places if place.what == "page-differs"]
    assert (one.modified, place.page, place.after) == (True, 2, "Signature1")
    assert place.box is not None
    left, bottom, right, top = place.box
    assert 72 < left < right < 150
    assert 590 < bottom < top < 620


@pytest.mark.parametrize(
    ("pdf", "limits"),
    [
        ({"box": (0, 0, 20_000, 20_000)}, Limits()),
        ({}, Limits(drawing=0)),
    ],
    ids=["huge page", "no time"],
)
def test_what_cannot_be_drawn_is_suspicious(world: World, pdf: dict[str, tuple[int, ...]], limits: Limits) -> None:
    """Whatever keeps a page from being compared keeps the signature from passing, and is no error."""
    (one,) = changes(updated(world.sign(document(**pdf)), note(0)), limits=limits)
    assert (one.modified, one.kind) == (False, "suspicious")
    assert one.details[-1].startswith("not-drawn")


def test_thousands_of_pages_cost_one_picture_for_a_comment(
    world: World, drawn: list[tuple[int, int]], tmp_path: Path
) -> None:
    """The cost follows the pages that were touched, not those that there are."""
    pdf = documents.pages(tmp_path / "many.pdf", 1_000).read_bytes()
    (one,) = changes(updated(world.sign(pdf), note(777)))
    assert one.kind == "allowed"
    assert [place.page for place in one.places] == [778]
    assert len(drawn) == 2


def test_a_page_that_moves_within_the_tree_is_not_left_out(world: World) -> None:
    """The order of pages is part of what is seen."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        tree = writer.root["/Pages"]
        write(writer, tree, Kids=generic.ArrayObject([*list(tree["/Kids"])[1:], tree["/Kids"].raw_get(0)]))

    (one,) = changes(updated(world.sign(document()), change))
    assert one.modified


def test_masks_and_boxes_are_inverse() -> None:
    """Points to pixels and back, on a turned page."""
    picture = Picture(842, 595, bytes(842 * 595 * 4), (0.0, 1.0, 1.0, 0.0, 0.0, 0.0))
    area = picture.area((100, 200, 150, 260), margin=0)
    left, bottom, right, top = picture.box(*area)
    assert (left, bottom) == (100, 200)
    assert (right, top) == (151, 261)


def _picture(dark: set[int]) -> Picture:
    pixels = b"".join((b"\0\0\0\xff" if at in dark else b"\xff\xff\xff\xff") for at in range(20 * 20))
    return Picture(20, 20, pixels, (1.0, 0.0, 0.0, -1.0, 0.0, 20.0))


def test_hiding_is_ink_that_is_gone() -> None:
    """A seal over a signature leaves its strokes to be seen; a white box does not."""
    text = set(range(100, 120)) | set(range(140, 160))
    assert comparing.hides(_picture(text), _picture(set()), under=(0, 0, 20, 20))
    assert not comparing.hides(_picture(text), _picture(text | set(range(180, 220))), under=(0, 0, 20, 20))
    assert not comparing.hides(_picture(set()), _picture(text), under=(0, 0, 20, 20))


def test_hiding_is_text_blackened() -> None:
    """A bar over a word leaves nothing to be read; a line through it does."""
    word = {row * 20 + column for row in range(5, 15) for column in range(2, 18, 3)}
    bar = {row * 20 + column for row in range(4, 16) for column in range(20)}
    line = {row * 20 + column for row in (9, 10) for column in range(20)}
    assert comparing.hides(_picture(word), _picture(word | bar), under=(0, 0, 20, 20))
    assert not comparing.hides(_picture(word), _picture(word | line), under=(0, 0, 20, 20))
