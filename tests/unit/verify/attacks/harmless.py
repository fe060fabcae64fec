"""Revisions that people and programs make without deceiving anybody."""

from __future__ import annotations

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from tests.unit.signer.test_filling import entry
from tests.unit.verify.attacks.scene import (
    field_of,
    form_xobject,
    page_of,
    write,
)


def comment(writer: IncrementalPdfFileWriter) -> None:
    note = writer.add_object(entry(Type="/Annot", Subtype="/Text", Rect=[400, 700, 420, 720], Contents="x"))
    write(writer, page_of(writer, 1), Annots=[note])


def fill(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), V="16")


def empty_box(writer: IncrementalPdfFileWriter) -> None:
    append_signature_field(writer, SigFieldSpec("Mới", on_page=1, box=(300, 50, 500, 110)))


def info(writer: IncrementalPdfFileWriter) -> None:
    writer.set_info(writer.add_object(entry(Title="Tên", Producer="Khác")))


def metadata(writer: IncrementalPdfFileWriter) -> None:
    stream = generic.StreamObject(
        entry(Type="/Metadata", Subtype="/XML"), stream_data=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    )
    write(writer, writer.root, Metadata=writer.add_object(stream))


def number_rewritten(writer: IncrementalPdfFileWriter) -> None:
    page = page_of(writer, 1)
    page[pdf_name("/MediaBox")] = generic.ArrayObject(map(generic.FloatObject, ("0.0", "0.00", "595.0", "842.000")))
    writer.update_container(page)


def page_written_again(writer: IncrementalPdfFileWriter) -> None:
    for number in range(2):
        writer.update_container(page_of(writer, number))


def tree_written_again(writer: IncrementalPdfFileWriter) -> None:
    writer.update_container(writer.root["/Pages"])
    writer.update_root()


def unused_object(writer: IncrementalPdfFileWriter) -> None:
    writer.add_object(pdf_string("nobody refers to this"))


def filled(writer: IncrementalPdfFileWriter) -> None:
    look = form_xobject(b"1 g 0 0 200 30 re f 0 g BT /F1 9 Tf 5 9 Td (16/2026) Tj ET")
    look[pdf_name("/BBox")] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 200, 30)))
    write(writer, field_of(writer), V="16/2026", AP={"N": writer.add_object(look)})


def highlighted(writer: IncrementalPdfFileWriter) -> None:
    blend = writer.add_object(entry(Type="/ExtGState", BM="/Multiply"))
    look = form_xobject(b"/G gs 1 1 0 rg 72 590 150 24 re f", Resources={"ExtGState": {"G": blend}})
    look[pdf_name("/BBox")] = generic.ArrayObject(map(generic.NumberObject, (72, 590, 222, 614)))
    note = writer.add_object(
        entry(
            Type="/Annot",
            Subtype="/Highlight",
            F=4,
            Rect=[72, 590, 222, 614],
            AP={"N": writer.add_object(look)},
            QuadPoints=[72, 614, 222, 614, 72, 590, 222, 590],
        )
    )
    write(writer, page_of(writer, 1), Annots=[note])
