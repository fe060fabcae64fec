"""What lies over signed text afterwards: a large box, other text at the same place, a picture nobody answers for."""

from __future__ import annotations

import io

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.signers import PdfTimeStamper

from tests.unit.signer.test_filling import entry
from tests.unit.verify.attacks.scene import LETTER, SIGNED_TEXT, form_xobject, judge, updated
from tests.unit.verify.world import DAY, NOW, World

pytestmark = pytest.mark.judging

AROUND = (60, 590, 360, 620)
PAGE = (0, 0, 595, 842)
OTHER_AMOUNT = b"1 g 98 595 30 18 re f 0 g BT /F1 14 Tf 99 600 Td (999) Tj ET"
"""Over the 100 of the signed text, and nothing else of it."""
FRAME = b"1 0 0 RG 4 w 62 592 296 26 re S"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    """A full page whose first line matters, with a second box to sign around that line."""
    writer = PdfFileWriter(stream_xrefs=False)
    font = writer.add_object(entry(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica"))
    line = b" BT /F1 14 Tf 72 %d Td (Lorem ipsum dolor sit amet, consectetur) Tj ET"
    text = SIGNED_TEXT + b"".join(line % height for height in range(100, 580, 20))
    contents = writer.add_object(generic.StreamObject(stream_data=text))
    writer.insert_page(PageObject(contents=contents, media_box=LETTER, resources=entry(Font={"F1": font})))
    append_signature_field(writer, SigFieldSpec("Một", on_page=0, box=(50, 20, 250, 80)))
    append_signature_field(writer, SigFieldSpec("Hai", on_page=0, box=AROUND))
    out = io.BytesIO()
    writer.write(out)
    return world.sign(out.getvalue(), field_name="Một", stamped=NOW - DAY)


def look(writer: IncrementalPdfFileWriter, data: bytes, box: tuple[int, ...]) -> generic.DictionaryObject:
    font = writer.add_object(entry(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica"))
    form = form_xobject(data, Resources={"Font": {"F1": font}})
    form[pdf_name("/BBox")] = generic.ArrayObject(map(generic.NumberObject, box))
    return entry(N=writer.add_object(form))


def commented(pdf: bytes, data: bytes, box: tuple[int, ...]) -> bytes:
    def edit(writer: IncrementalPdfFileWriter) -> None:
        note = entry(Type="/Annot", Subtype="/Stamp", Rect=list(box), F=4, AP=look(writer, data, box))
        writer.register_annotation(writer.root["/Pages"]["/Kids"].raw_get(0).reference, writer.add_object(note))

    return updated(pdf, edit)


def stamped(world: World, pdf: bytes, data: bytes, name: str) -> bytes:
    """A document timestamp that is seen, in a new field or in the one that was signed with the page."""
    writer, out = IncrementalPdfFileWriter(io.BytesIO(pdf)), io.BytesIO()
    if name != "Hai":
        append_signature_field(writer, SigFieldSpec(name, on_page=0, box=AROUND))
    fields = (one.get_object() for one in writer.root["/AcroForm"]["/Fields"])
    widget = next(one for one in fields if one["/T"] == name)
    widget[pdf_name("/AP")] = look(writer, data, AROUND)
    if name == "Hai":
        writer.update_container(widget)
    stamper = PdfTimeStamper(world.timestamper(NOW - DAY / 2), field_name=name)
    stamper.timestamp_pdf(writer, md_algorithm="sha256", output=out)
    return out.getvalue()


@pytest.mark.parametrize("box", [AROUND, PAGE], ids=["around", "page"])
def test_another_amount_in_a_comment_hides_the_signed_one(world: World, signed: bytes, box: tuple[int, ...]) -> None:
    """However much other ink stands in the comment's box, and though there is text again where text was."""
    one = judge(commented(signed, OTHER_AMOUNT, box), world)
    assert one is not None
    assert (one.indication, one.changes.details[-1]) == ("INDETERMINATE", "content-covered 1")


@pytest.mark.parametrize("name", ["Hai", "Ba"])
def test_a_timestamp_answers_for_no_picture(world: World, signed: bytes, name: str) -> None:
    """Whoever signs answers for what his picture hides; a timestamp authority stamps for anybody."""
    one = judge(stamped(world, signed, OTHER_AMOUNT, name), world)
    assert one is not None
    assert (one.indication, one.changes.details[-1]) == ("INDETERMINATE", "content-covered 1")


def test_frames_around_text_hide_nothing(world: World, signed: bytes) -> None:
    """A comment or a visible timestamp that leaves the text as it is stays permitted."""
    for pdf in (commented(signed, FRAME, AROUND), stamped(world, signed, FRAME, "Hai")):
        one = judge(pdf, world)
        assert one is not None
        assert (one.indication, one.changes.kind) == ("TOTAL_PASSED", "allowed")


@pytest.mark.parametrize("box", [(400, 700, 420, 720), AROUND], ids=["moved", "empty-before"])
def test_a_comment_that_was_signed_does_not_grow_over_the_text(world: World, box: tuple[int, ...]) -> None:
    """A comment that was there may change; what it hides now and did not hide when it was signed is hidden."""
    writer, out = PdfFileWriter(stream_xrefs=False), io.BytesIO()
    font = writer.add_object(entry(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica"))
    contents = writer.add_object(generic.StreamObject(stream_data=SIGNED_TEXT))
    page = writer.insert_page(PageObject(contents=contents, media_box=LETTER, resources=entry(Font={"F1": font})))
    append_signature_field(writer, SigFieldSpec("Một", on_page=0, box=(50, 20, 250, 80)))
    note = writer.add_object(
        entry(Type="/Annot", Subtype="/Stamp", Rect=list(box), F=4, AP=look(writer, b" ", box), T="A")
    )
    writer.register_annotation(page.reference, note)
    writer.write(out)
    pdf = world.sign(out.getvalue(), field_name="Một", stamped=NOW - DAY)

    def changed(data: bytes) -> bytes:
        def edit(writer: IncrementalPdfFileWriter) -> None:
            one = next(one for one in page_annotations(writer) if one["/Subtype"] == "/Stamp")
            one[pdf_name("/Rect")] = generic.ArrayObject(map(generic.NumberObject, AROUND))
            one[pdf_name("/AP")] = look(writer, data, AROUND)
            writer.update_container(one)

        return updated(pdf, edit)

    verdicts = [judge(changed(data), world) for data in (FRAME, OTHER_AMOUNT)]
    assert [one.indication if one else None for one in verdicts] == ["TOTAL_PASSED", "INDETERMINATE"]


def page_annotations(writer: IncrementalPdfFileWriter) -> list[generic.DictionaryObject]:
    return [one.get_object() for one in writer.root["/Pages"]["/Kids"][0]["/Annots"]]
