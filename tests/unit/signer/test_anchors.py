"""Fields placed by words on the page."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from signer.errors import AnchorAmbiguous, AnchorNotFound, OrderInvalid, PlaceOutsidePage
from signer.font import load
from signer.model import Anchor, FieldPlan
from signer.stamp.views import View
from tests.unit.signer.conftest import Hand

pytestmark = pytest.mark.pades


def page_with(
    path: Path, *words: tuple[str, float, float], rotate: int = 0, box: tuple = (0, 0, 595, 842), pages: int = 1
) -> Path:
    """Pages that show each text at its place as it is seen, the right way up, in the embedded font."""
    writer = PdfFileWriter()
    turn = {
        0: f"1 0 0 1 {box[0]} {box[1]}",
        90: f"0 1 -1 0 {box[2]} {box[1]}",
        180: f"-1 0 0 -1 {box[2]} {box[3]}",
        270: f"0 -1 1 0 {box[0]} {box[3]}",
    }[rotate]
    for _ in range(pages):
        drawn, numbers = [], set()
        for text, x, y in words:
            glyphs = load().glyphs_of(text)
            numbers |= {glyph.number for glyph in glyphs}
            drawn.append(f"BT /F1 12 Tf {x} {y} Td <{''.join(f'{g.number:04X}' for g in glyphs)}> Tj ET".encode())
        font = load().embed(writer, frozenset(numbers))
        contents = writer.add_object(generic.StreamObject(stream_data=b"\n".join((f"{turn} cm".encode(), *drawn))))
        fonts = generic.DictionaryObject({pdf_name("/F1"): font})
        resources = generic.DictionaryObject({pdf_name("/Font"): fonts})
        page = PageObject(contents=contents, media_box=box, resources=resources)
        if rotate:
            page[pdf_name("/Rotate")] = generic.NumberObject(rotate)
        writer.insert_page(page)
    buffer = io.BytesIO()
    writer.write(buffer)
    path.write_bytes(buffer.getvalue())
    return path


def rectangle(path: Path) -> list[float]:
    with path.open("rb") as file:
        return [float(edge) for edge in PdfFileReader(file).root["/AcroForm"]["/Fields"][0].get_object()["/Rect"]]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("box", [(0, 0, 595, 842), (-300, -400, 295, 442), (1000, 2000, 1595, 2842)])
def test_the_field_stands_next_to_its_words(hand: Hand, tmp_path: Path, rotate: int, box: tuple):
    """Below them is what the page's reader sees below, whatever the page's origin and rotation."""
    words = (("KT. BÍ THƯ", 100, 500), ("PHÓ BÍ THƯ", 100, 480))
    document = page_with(tmp_path / "a.pdf", *words, rotate=rotate, box=box)
    hand.sign(document, tmp_path / "1.pdf", anchor=Anchor("KT. BÍ THƯ", size=(120, 50), offset=(5, -80)))
    left, bottom, right, top = View(box, rotate).to_view(tuple(rectangle(tmp_path / "1.pdf")))
    assert (105, 420) == pytest.approx((left, bottom), abs=3)
    assert (120, 50) == pytest.approx((right - left, top - bottom), abs=0.1)


def test_words_composed_of_marks_are_the_same_words(hand: Hand, tmp_path: Path):
    """An order may come with decomposed letters."""
    document = page_with(tmp_path / "a.pdf", ("Người có thẩm quyền", 100, 500))
    text = unicodedata.normalize("NFD", "Người có thẩm quyền")
    hand.sign(document, tmp_path / "1.pdf", anchor=Anchor(text, size=(120, 50), page=1))


def test_boxes_for_others_by_words(hand: Hand, tmp_path: Path):
    """A plan's anchor and the signature's own."""
    document = page_with(tmp_path / "a.pdf", ("Ô 1", 100, 700), ("Ô 2", 100, 400))
    plans = (FieldPlan("o2", anchor=Anchor("Ô 2", size=(120, 50), offset=(0, -60))),)
    hand.sign(document, tmp_path / "1.pdf", anchor=Anchor("Ô 1", size=(120, 50), offset=(0, -60)), fields=plans)
    assert "o2" == hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf").field


@pytest.mark.parametrize(
    ("anchor", "error"),
    [
        (Anchor("KHÔNG CÓ", size=(10, 10)), AnchorNotFound),
        (Anchor("hai lần", size=(10, 10)), AnchorAmbiguous),
        (Anchor("một", size=(900, 10)), PlaceOutsidePage),
        (Anchor("một", size=(10, 10), page=9), PlaceOutsidePage),
        (Anchor("bên ngoài", size=(10, 10)), PlaceOutsidePage),
        (Anchor("", size=(10, 10)), OrderInvalid),
        (Anchor("một", size=(float("nan"), 10)), OrderInvalid),
        (Anchor("một", size=(-5, 10)), PlaceOutsidePage),
    ],
    ids=["missing", "twice", "too wide", "no such page", "outside", "empty", "no number", "upside down"],
)
def test_words_that_give_no_place(hand: Hand, tmp_path: Path, anchor: Anchor, error):
    """Each with its code, and nothing is written."""
    words = (("một", 100, 700), ("hai lần", 100, 600), ("hai lần", 100, 500), ("bên ngoài", 900, 500))
    document = page_with(tmp_path / "a.pdf", *words)
    with pytest.raises(error) as refused:
        hand.sign(document, tmp_path / "1.pdf", anchor=anchor)
    if error in (AnchorNotFound, AnchorAmbiguous):
        assert anchor.text == refused.value.facts["anchor"]
    assert b"" == (tmp_path / "1.pdf").read_bytes()


def test_the_same_words_on_two_pages_want_a_page(hand: Hand, tmp_path: Path):
    """Ambiguous in the document, clear on a page; the refusal names the pages."""
    document = page_with(tmp_path / "a.pdf", ("một", 100, 700), pages=2)
    with pytest.raises(AnchorAmbiguous) as refused:
        hand.sign(document, tmp_path / "1.pdf", anchor=Anchor("một", size=(10, 10)))
    assert "1, 2" == refused.value.facts["pages"]
    hand.sign(document, tmp_path / "1.pdf", anchor=Anchor("một", size=(100, 40), page=2))


def test_signing_loads_no_renderer_without_need():
    """PDFium is 7 MB that a signature at a place does not need."""
    program = "import sys, signer.pipeline; print('pypdfium2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()
