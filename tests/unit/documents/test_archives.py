"""A PDF/A document stays one: the rules that a signature could break, checked by hand.

veraPDF 1.26.1 agrees (parts 1 to 3: invisible, visible, signed twice, with fields for others, filled); it is not part of the tests as it comes by Maven.
"""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest

from signer.model import FieldPlan, Place, Stamp
from tests import documents
from tests.unit.documents.test_kinds import PLACE, agree, intact
from tests.unit.signer.conftest import Hand

pytestmark = pytest.mark.pades


@pytest.mark.parametrize("visible", [False, True], ids=["invisible", "visible"])
@pytest.mark.parametrize("part", [1, 2, 3])
def test_stays_an_archive(part: int, visible: bool, hand: Hand, tmp_path: Path) -> None:
    """ISO 19005: printable annotations with an appearance, embedded fonts with their CIDSet, no transparency, the
    metadata untouched, nothing compressed into object streams in part 1."""
    source, out = documents.pdfa(tmp_path / "a.pdf", part=part), tmp_path / "out.pdf"
    shown = {"place": PLACE, "stamp": Stamp(lines=("Nguyễn Văn An",)), "reason": "Đồng ý"} if visible else {}
    hand.sign(source, out, **shown)
    agree(out)
    with pikepdf.open(source) as before, pikepdf.open(out) as after:
        assert after.Root.Metadata.read_bytes() == before.Root.Metadata.read_bytes()
        assert after.pdf_version == before.pdf_version
        assert "/NeedAppearances" not in after.Root.AcroForm
        widget = after.Root.AcroForm.Fields[0]
        assert int(widget.F) & 4
        assert not int(widget.F) & (1 | 2 | 32)
        assert list(widget.AP.keys()) == ["/N"]
        for one in after.objects:
            if not isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
                continue
            assert "/SMask" not in one
            assert "/Group" not in one
            assert one.get("/Type") != pikepdf.Name.ExtGState
            assert part > 1 or one.get("/Type") != pikepdf.Name.ObjStm
            if one.get("/Type") == pikepdf.Name.FontDescriptor:
                assert {"/FontFile2", "/CIDSet"} <= set(one.keys())


BOXES = (
    FieldPlan("so", kind="text", place=Place(1, (50, 700, 150, 720)), max_length=20),
    FieldPlan("ngay", kind="date", place=Place(1, (200, 700, 300, 720))),
    FieldPlan("o2", place=Place(1, (50, 300, 250, 380))),
)


def test_fields_for_others_keep_it_an_archive(hand: Hand, tmp_path: Path) -> None:
    """The font in which a reader lets somebody type is embedded, once, with Vietnamese letters; what is filled has its
    own."""
    for part in (1, 2, 3):
        source, out = documents.pdfa(tmp_path / "a.pdf", part=part), tmp_path / f"a{part}-fields.pdf"
        filled = tmp_path / f"a{part}-filled.pdf"
        hand.sign(source, out, certify=2, fields=BOXES, place=PLACE, stamp=Stamp(lines=("Nguyễn Văn An",)))
        hand.sign(out, filled, field="o2", fill=(("so", "12-QĐ/ĐU"), ("ngay", "2026-11-22")))
        assert ([True, True], "") == (intact(filled), documents.qpdf_check(filled))
        with pikepdf.open(filled) as after:
            form = after.Root.AcroForm
            fonts = form.DR.Font
            assert ["/KysoSerif"] == list(fonts.keys())
            assert all(str(field.DA).startswith("/KysoSerif ") for field in form.Fields if field.FT == "/Tx")
            (descendant,) = fonts.KysoSerif.DescendantFonts
            assert "/FontFile2" in descendant.FontDescriptor
            shown = fonts.KysoSerif.ToUnicode.read_bytes().upper()
            assert all(f"<{ord(letter):04X}>".encode() in shown for letter in "AĐđƯửệ0")
            used = [one for one in after.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/Font"]
            assert all(one.Subtype in ("/Type0", "/CIDFontType2") for one in used)


def test_elsewhere_the_font_is_one_that_every_reader_has(hand: Hand, tmp_path: Path) -> None:
    """No megabyte of font for a form that is no archive; an archive is also known by its metadata alone."""
    plain, out = documents.pdf(tmp_path / "plain.pdf"), tmp_path / "out.pdf"
    hand.sign(plain, out, fields=BOXES[:1], place=PLACE)
    with pikepdf.open(out) as after:
        assert "/Helvetica" == after.Root.AcroForm.DR.Font.Helv.BaseFont

    def without_colours(document: pikepdf.Pdf) -> None:
        del document.Root.OutputIntents

    archive = documents.changed(tmp_path / "b.pdf", documents.pdfa(tmp_path / "a.pdf", part=2), without_colours)
    hand.sign(archive, out, fields=BOXES[:1], place=PLACE)
    with pikepdf.open(out) as after:
        assert ["/KysoSerif"] == list(after.Root.AcroForm.DR.Font.keys())
