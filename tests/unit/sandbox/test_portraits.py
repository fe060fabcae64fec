"""Pictures for reports: where signatures stand on turned and cropped pages, and which pages have changed."""

from __future__ import annotations

import io
from pathlib import Path

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec

from api.sandbox import portraits
from api.sandbox.calls import Portray, Portrayed
from tests.documents import changed, encrypted, pdf
from verify.errors import DocumentBroken

pytestmark = pytest.mark.judging

BOX = (100, 600, 300, 700)


def portray(document: bytes, *signatures: Portrayed, **order: object):
    return portraits.portray(io.BytesIO(document), order=Portray(signatures, longest=842, **order))


def with_field(path: Path, *, on_page: int = 0, pages: int = 1, rotate: int = 0) -> bytes:
    field = SigFieldSpec("o1", on_page=on_page, box=BOX)
    return pdf(path, pages=pages, fields=(field,), rotate=rotate).read_bytes()


def drawn_over(document: bytes, *, page: int = 0) -> bytes:
    """The document with a black box drawn over one page by a later revision."""
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    leaf = writer.root["/Pages"]["/Kids"][page]
    box = writer.add_object(generic.StreamObject(stream_data=b"200 400 100 50 re f\n"))
    leaf[pdf_name("/Contents")] = generic.ArrayObject([leaf.raw_get("/Contents"), box])
    writer.update_container(leaf)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("rotate", "box"),
    [(0, (100, 142, 300, 242)), (90, (600, 100, 700, 300)), (180, (295, 600, 495, 700)), (270, (142, 295, 242, 495))],
)
def test_the_place_of_a_signature_is_found_on_turned_pages(tmp_path: Path, rotate: int, box: tuple[int, ...]):
    """The frame is where a reader shows the field, however the page is turned."""
    found = portray(with_field(tmp_path / "a.pdf", rotate=rotate), Portrayed("o1"))
    (picture,) = found.pictures
    (mark,) = picture.marks
    assert "o1" == mark.id
    assert all(abs(got - wanted) <= 2 for got, wanted in zip(mark.box, box, strict=True)), mark.box


def test_the_place_is_found_on_a_cropped_page(tmp_path: Path):
    """What a crop box cuts off is not in the picture."""
    whole = tmp_path / "whole.pdf"
    with_field(whole)

    def crop(document: pikepdf.Pdf) -> None:
        document.pages[0].CropBox = [100, 500, 400, 800]

    found = portray(changed(tmp_path / "cropped.pdf", whole, crop).read_bytes(), Portrayed("o1"))
    mark, width = found.pictures[0].marks[0], found.pictures[0].width
    assert (0, 2 / 3) == (mark.box[0], pytest.approx(mark.box[2] / width, abs=0.01))


def test_only_pages_with_a_signature_are_drawn_else_the_first(tmp_path: Path):
    """Of seven pages one bears the signature; where none does, the first page says which document it is."""
    document = with_field(tmp_path / "a.pdf", on_page=4, pages=7)
    assert (7, [5], True) == (
        (found := portray(document, Portrayed("o1"))).pages,
        [one.page for one in found.pictures],
        found.complete,
    )
    assert [1] == [one.page for one in portray(document, Portrayed("another")).pictures]


def test_a_changed_page_is_shown_before_and_after(tmp_path: Path):
    """Only the page that differs, with a frame around what was drawn."""
    signed = with_field(tmp_path / "a.pdf", pages=3)
    (compared,) = portray(drawn_over(signed, page=1), Portrayed("o1", end=len(signed), compare=True)).compared
    (page,) = compared.pages
    assert (2, False) == (page.page, compared.more)
    assert page.before is not None
    assert page.before.png != page.after.png
    (mark,) = page.after.marks
    assert all(abs(got - wanted) <= 2 for got, wanted in zip(mark.box, (200, 392, 300, 442), strict=True)), mark.box


def test_an_unchanged_document_has_nothing_to_compare(tmp_path: Path):
    """The signature's own revision looks as the document does now."""
    signed = with_field(tmp_path / "a.pdf")
    (compared,) = portray(signed, Portrayed("o1", end=len(signed), compare=True)).compared
    assert () == compared.pages


def test_a_page_that_was_added_has_no_before(tmp_path: Path):
    """And nothing is made up for it."""
    signed = with_field(tmp_path / "a.pdf")
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    pages = writer.root["/Pages"]
    leaf = generic.DictionaryObject(pages["/Kids"][0])
    pages["/Kids"].append(writer.add_object(leaf))
    pages[pdf_name("/Count")] = generic.NumberObject(2)
    writer.update_container(pages["/Kids"])
    writer.update_container(pages)
    out = io.BytesIO()
    writer.write(out)
    (compared,) = portray(out.getvalue(), Portrayed("o1", end=len(signed), compare=True)).compared
    assert [(2, None)] == [(page.page, page.before) for page in compared.pages]


def test_the_number_of_pictures_is_bounded(tmp_path: Path):
    """Twenty changed pages are three pictures and the word that there are more."""
    signed = changed_all = pdf(tmp_path / "a.pdf", pages=6).read_bytes()
    for page in range(6):
        changed_all = drawn_over(changed_all, page=page)
    order = Portrayed("o1", end=len(signed), compare=True, pages=(5,))
    (compared,) = portray(changed_all, order, compared=3).compared
    assert ([5, 1, 2], True) == ([page.page for page in compared.pages], compared.more)


def test_an_encrypted_document_is_drawn_with_its_password(tmp_path: Path):
    """Without it, it is refused, as everywhere."""
    document = encrypted(tmp_path / "locked.pdf", pdf(tmp_path / "a.pdf"), user="bi-mat").read_bytes()
    assert 1 == len(portray(document, password="bi-mat").pictures)
    with pytest.raises(DocumentBroken):
        portray(document)


def test_no_document_is_refused():
    """What PDFium cannot open has no pictures, and a code."""
    with pytest.raises(DocumentBroken):
        portray(b"%PDF-1.7 no")
