"""The document that an attacker prepares, what is done to it by one more revision, and what is judged of it."""

from __future__ import annotations

import io
from collections.abc import Callable

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from tests.unit.signer.test_filling import converted, entry
from tests.unit.verify.world import DEFAULT, NOW, Network, World
from verify import engine
from verify.errors import VerifyError
from verify.report import SignatureReport

Edit = Callable[[IncrementalPdfFileWriter], None]
LETTER = (0, 0, 595, 842)
SIGNED_TEXT = b"BT /F1 14 Tf 72 600 Td (Pay 100 to Lan) Tj ET"
HIDDEN_TEXT = b"BT /F1 14 Tf 72 600 Td (Pay 9000 to Mallory) Tj ET"
OPAQUE = b"1 g 60 590 300 30 re f "


def form_xobject(data: bytes, **values: object) -> generic.StreamObject:
    return generic.StreamObject(
        entry(Type="/XObject", Subtype="/Form", BBox=[0, 0, 595, 842], **values), stream_data=data
    )


def shadow_ready() -> bytes:
    """What an attacker prepares: a cover that can be taken away, a page that is not shown, a layer, fields over text."""
    writer = PdfFileWriter(stream_xrefs=False)
    font = writer.add_object(entry(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica"))
    cover = writer.add_object(form_xobject(OPAQUE + SIGNED_TEXT, Resources={"Font": {"F1": font}}))
    layer = writer.add_object(entry(Type="/OCG", Name="nháp"))
    contents = writer.add_object(generic.StreamObject(stream_data=HIDDEN_TEXT + b" /Cover Do"))
    resources = entry(Font={"F1": font}, XObject={"Cover": cover}, Properties={"L": layer})
    page = writer.insert_page(PageObject(contents=contents, media_box=LETTER, resources=resources))
    writer.insert_page(
        PageObject(
            contents=writer.add_object(generic.StreamObject(stream_data=SIGNED_TEXT)),
            media_box=LETTER,
            resources=entry(Font={"F1": font}),
        )
    )
    shadow = entry(Type="/Page", Parent=writer.root.raw_get("/Pages"), MediaBox=list(LETTER), Resources=resources)
    shadow[pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=HIDDEN_TEXT))
    writer.root[pdf_name("/OCProperties")] = entry(OCGs=[layer], D={"ON": [layer], "Order": [layer]})
    writer.root[pdf_name("/Shadow")] = writer.add_object(shadow)
    append_signature_field(writer, SigFieldSpec("Một", on_page=0, box=(50, 50, 250, 110)))
    look = writer.add_object(form_xobject(b"1 g 0 0 200 30 re f 0 g BT /F1 9 Tf 5 9 Td (15) Tj ET"))
    look.get_object()[pdf_name("/BBox")] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 200, 30)))
    field = writer.add_object(
        entry(
            Type="/Annot",
            Subtype="/Widget",
            FT="/Tx",
            T="số",
            V="15",
            F=4,
            P=page,
            Rect=[60, 590, 360, 620],
            AP={"N": look},
        )
    )
    writer.root["/AcroForm"]["/Fields"].append(field)
    writer.register_annotation(page.get_object(), field)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def judge(pdf: bytes, world: World) -> SignatureReport | None:
    """The first signature; None when there is none to be seen or the document is refused."""
    try:
        report = engine.judge(
            io.BytesIO(pdf), name="a.pdf", trust=world.trust(), policy=DEFAULT, at=NOW, fetcher=Network()
        )
    except VerifyError:
        return None
    return report.signatures[0] if report.signatures else None


def passes(pdf: bytes, world: World) -> bool:
    one = judge(pdf, world)
    if one is None:
        return False
    assert one.indication != "TOTAL_PASSED" or not one.changes.modified
    return one.intact and not one.changes.modified and one.changes.kind != "suspicious"


def updated(pdf: bytes, edit: Edit) -> bytes:
    writer, out = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False), io.BytesIO()
    edit(writer)
    writer.write(out)
    return out.getvalue()


def page_of(writer: IncrementalPdfFileWriter, number: int = 0) -> generic.DictionaryObject:
    return writer.root["/Pages"]["/Kids"][number].get_object()


def write(writer: IncrementalPdfFileWriter, target: generic.PdfObject, **values: object) -> None:
    for key, value in values.items():
        target[pdf_name(f"/{key}")] = converted(value)
    writer.update_container(target)


def stream_of(target: generic.DictionaryObject, data: bytes) -> None:
    target._data, target._encoded_data = data, None


def cover_of(writer: IncrementalPdfFileWriter) -> generic.StreamObject:
    return page_of(writer)["/Resources"]["/XObject"]["/Cover"]


def field_of(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    return writer.root["/AcroForm"]["/Fields"][1].get_object()
