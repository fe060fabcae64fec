"""Attacks on signed PDFs, class by class, made here from a signed document; none of them passes as unchanged.

Classes and names follow the literature: shadow attacks (hide, replace, hide-and-replace), incremental saving (ISA),
signature wrapping (SWA), universal forgery (USF), evil annotations (EAA) and sneaky signatures (SSA) on certified
documents.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, append_signature_field

from tests.unit.signer.test_filling import converted, entry
from tests.unit.verify.world import DEFAULT, NOW, Network, World
from verify import engine
from verify.errors import VerifyError
from verify.report import SignatureReport

pytestmark = pytest.mark.judging

Edit = Callable[[IncrementalPdfFileWriter], None]
LETTER = (0, 0, 595, 842)
SIGNED_TEXT = b"BT /F1 14 Tf 72 600 Td (Pay 100 to Lan) Tj ET"
HIDDEN_TEXT = b"BT /F1 14 Tf 72 600 Td (Pay 9000 to Mallory) Tj ET"
OPAQUE = b"1 g 60 590 300 30 re f "


@pytest.fixture(scope="module")
def world() -> World:
    return World()


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


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    return world.sign(shadow_ready(), field_name="Một")


@pytest.fixture(scope="module")
def certified(world: World) -> dict[MDPPerm, bytes]:
    plain = shadow_ready()
    return {level: world.sign(plain, field_name="Một", certify=True, docmdp_permissions=level) for level in MDPPerm}


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


# Shadow attacks


def hide_cover_emptied(writer: IncrementalPdfFileWriter) -> None:
    stream_of(cover_of(writer), b"")
    writer.update_container(cover_of(writer))


def hide_cover_out_of_content(writer: IncrementalPdfFileWriter) -> None:
    stream_of(page_of(writer)["/Contents"], HIDDEN_TEXT)
    writer.update_container(page_of(writer)["/Contents"])


def hide_cover_small(writer: IncrementalPdfFileWriter) -> None:
    write(writer, cover_of(writer), BBox=[0, 0, 1, 1])


def hide_layer_off(writer: IncrementalPdfFileWriter) -> None:
    layers = writer.root["/OCProperties"]
    write(writer, layers["/D"], OFF=[layers["/OCGs"].raw_get(0)])


def hide_field_flag(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), F=2)


def hide_field_no_view(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), F=32)


def hide_field_moved(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), Rect=[0, 0, 1, 1])


def hide_field_off_the_page(writer: IncrementalPdfFileWriter) -> None:
    page = page_of(writer)
    write(writer, page, Annots=generic.ArrayObject(list(page["/Annots"])[:1]))


def replace_font(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer)["/Resources"]["/Font"]["/F1"], BaseFont="/Symbol")


def replace_font_encoding(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer)["/Resources"]["/Font"]["/F1"], Encoding={"Differences": [49, "/nine"]})


def replace_contents(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer), Contents=writer.root["/Shadow"].raw_get("/Contents"))


def swap_page(writer: IncrementalPdfFileWriter) -> None:
    tree = writer.root["/Pages"]
    tree["/Kids"][0] = writer.root.raw_get("/Shadow")
    writer.update_container(tree)


def swap_tree(writer: IncrementalPdfFileWriter) -> None:
    tree = writer.add_object(entry(Type="/Pages", Count=1, Kids=[writer.root.raw_get("/Shadow")]))
    write(writer, writer.root, Pages=tree)


def swap_catalog(writer: IncrementalPdfFileWriter) -> None:
    catalog = generic.DictionaryObject(writer.root)
    catalog[pdf_name("/Pages")] = writer.add_object(
        entry(Type="/Pages", Count=1, Kids=[writer.root.raw_get("/Shadow")])
    )
    writer._root = writer.add_object(catalog)
    writer.trailer[pdf_name("/Root")] = writer._root
    writer.force_write_when_empty = True


# Pages


def add_page(writer: IncrementalPdfFileWriter) -> None:
    writer.insert_page(PageObject(contents=writer.add_object(form_xobject(HIDDEN_TEXT)), media_box=LETTER))


def remove_page(writer: IncrementalPdfFileWriter) -> None:
    tree = writer.root["/Pages"]
    del tree["/Kids"][1]
    write(writer, tree, Count=1)


def reverse_pages(writer: IncrementalPdfFileWriter) -> None:
    tree = writer.root["/Pages"]
    write(writer, tree, Kids=generic.ArrayObject(reversed(list(tree["/Kids"]))))


def turn_page(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer), Rotate=180)


def crop_page(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer, 1), CropBox=[0, 0, 595, 300])


def crop_by_inheritance(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root["/Pages"], CropBox=[0, 0, 595, 300])


def magnify(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer), UserUnit=3)


# What readers do by themselves


def open_action(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root, OpenAction={"S": "/JavaScript", "JS": "app.alert(1)"})


def named_script(writer: IncrementalPdfFileWriter) -> None:
    script = writer.add_object(entry(S="/JavaScript", JS="x"))
    write(writer, writer.root, Names={"JavaScript": {"Names": ["a", script]}})


def field_script(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), AA={"F": {"S": "/JavaScript", "JS": "x"}})


def page_action(writer: IncrementalPdfFileWriter) -> None:
    write(writer, page_of(writer), AA={"O": {"S": "/Launch", "F": "calc.exe"}})


def attachment(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root, Names={"EmbeddedFiles": {"Names": []}})


def collection(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root, Collection={"View": "/D"})


def xfa_added(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root["/AcroForm"], XFA=writer.add_object(generic.StreamObject(stream_data=b"<xdp/>")))


def appearances_to_be_made_anew(writer: IncrementalPdfFileWriter) -> None:
    write(
        writer,
        writer.root["/AcroForm"],
        DA=pdf_string("/F1 40 Tf 1 0 0 rg"),
        NeedAppearances=generic.BooleanObject(True),
    )


# Fields and signatures


def text_field_added(writer: IncrementalPdfFileWriter) -> None:
    page = page_of(writer)
    field = writer.add_object(entry(Type="/Annot", Subtype="/Widget", FT="/Tx", T="y", V="9", Rect=[72, 500, 172, 520]))
    page["/Annots"].append(field)
    writer.root["/AcroForm"]["/Fields"].append(field)
    writer.update_container(page)
    writer.update_container(writer.root["/AcroForm"]["/Fields"])


def field_renamed(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), T="khác")


def field_retyped(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), FT="/Btn")


def signature_box_moved(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root["/AcroForm"]["/Fields"][0].get_object(), Rect=[300, 300, 500, 360])


def signature_redrawn(writer: IncrementalPdfFileWriter) -> None:
    look = writer.add_object(form_xobject(b"0 g 0 0 595 842 re f"))
    write(writer, writer.root["/AcroForm"]["/Fields"][0].get_object(), AP={"N": look})


def signature_dictionary_spoofed(writer: IncrementalPdfFileWriter) -> None:
    write(writer, writer.root["/AcroForm"]["/Fields"][0]["/V"], Reason="Đồng ý", Name="Giám đốc")


def signature_copied_into_a_large_field(writer: IncrementalPdfFileWriter) -> None:
    """The same signature once more, drawn over the text: one dictionary, two fields."""
    look = writer.add_object(form_xobject(b"1 g 0 0 595 842 re f " + HIDDEN_TEXT))
    first = writer.root["/AcroForm"]["/Fields"][0].get_object()
    page = page_of(writer)
    field = writer.add_object(
        entry(
            Type="/Annot",
            Subtype="/Widget",
            FT="/Sig",
            T="Hai",
            V=first.raw_get("/V"),
            F=4,
            Rect=[0, 400, 595, 842],
            AP={"N": look},
        )
    )
    page["/Annots"].append(field)
    writer.root["/AcroForm"]["/Fields"].append(field)
    writer.update_container(page)
    writer.update_container(writer.root["/AcroForm"]["/Fields"])


def unsigned_field_over_the_text(writer: IncrementalPdfFileWriter) -> None:
    look = writer.add_object(form_xobject(b"1 g 0 0 595 842 re f " + HIDDEN_TEXT))
    append_signature_field(writer, SigFieldSpec("Trống", on_page=1, box=(0, 400, 595, 842)))
    write(writer, writer.root["/AcroForm"]["/Fields"][-1].get_object(), AP={"N": look})


def unsigned_field_over_a_field(writer: IncrementalPdfFileWriter) -> None:
    append_signature_field(writer, SigFieldSpec("Trống", on_page=0, box=(100, 580, 300, 615)))


def opaque_comment_over_the_text(writer: IncrementalPdfFileWriter) -> None:
    look = writer.add_object(form_xobject(b"1 g 0 0 595 842 re f " + HIDDEN_TEXT))
    note = writer.add_object(
        entry(Type="/Annot", Subtype="/Stamp", F=4, Rect=[0, 400, 595, 842], Contents="x", AP={"N": look})
    )
    write(writer, page_of(writer, 1), Annots=[note])


def black_bar(writer: IncrementalPdfFileWriter) -> None:
    look = writer.add_object(form_xobject(b"0 g 0 0 595 842 re f"))
    bar = writer.add_object(entry(Type="/Annot", Subtype="/Square", F=4, Rect=[72, 590, 300, 614], AP={"N": look}))
    write(writer, page_of(writer, 1), Annots=[bar])


def comment_with_action(writer: IncrementalPdfFileWriter) -> None:
    note = writer.add_object(
        entry(Type="/Annot", Subtype="/Link", Rect=[0, 0, 595, 842], A={"S": "/Launch", "F": "calc.exe"})
    )
    write(writer, page_of(writer, 1), Annots=[note])


def field_out_of_the_form(writer: IncrementalPdfFileWriter) -> None:
    fields = writer.root["/AcroForm"]["/Fields"]
    del fields[1]
    writer.update_container(fields)


ALWAYS: tuple[Edit, ...] = (
    hide_cover_emptied, hide_cover_out_of_content, hide_cover_small, hide_layer_off, hide_field_flag,
    hide_field_no_view, hide_field_moved, hide_field_off_the_page, replace_font, replace_font_encoding,
    replace_contents, swap_page, swap_tree, swap_catalog, add_page, remove_page, reverse_pages, turn_page, crop_page,
    crop_by_inheritance, magnify, open_action, named_script, field_script, page_action, attachment, collection,
    xfa_added, text_field_added, field_renamed, field_retyped, signature_box_moved,
    signature_redrawn, signature_dictionary_spoofed, signature_copied_into_a_large_field, unsigned_field_over_the_text,
    unsigned_field_over_a_field, opaque_comment_over_the_text, black_bar, comment_with_action, field_out_of_the_form,
)  # fmt: skip


def test_the_document_itself_passes(world: World, signed: bytes) -> None:
    """However suspicious it looks before, nothing happened after the signature."""
    one = judge(signed, world)
    assert one is not None
    assert (one.indication, one.changes.kind) == ("TOTAL_PASSED", "none")


@pytest.mark.parametrize("edit", ALWAYS, ids=lambda edit: edit.__name__)
def test_a_later_revision_that_deceives(world: World, signed: bytes, edit: Edit) -> None:
    """No rewriting of signed content by a revision passes, with one revision or with a harmless one behind it."""
    attacked = updated(signed, edit)
    assert not passes(attacked, world)
    assert not passes(updated(attacked, info), world)


@pytest.mark.parametrize("edit", ALWAYS, ids=lambda edit: edit.__name__)
def test_a_later_signature_does_not_heal(world: World, signed: bytes, edit: Edit) -> None:
    """Who signs again signs the change as well: for the first signer it stays one."""
    attacked = updated(signed, edit)
    try:
        again = world.sign(attacked, field_name="Sau")
    except Exception:  # noqa: BLE001  pyHanko does not sign all of these
        pytest.skip("cannot be signed again")
    assert not passes(again, world)


def test_appearances_that_readers_are_told_to_make_anew(world: World, signed: bytes) -> None:
    """Only a look at the page tells: every object that was changed may be changed."""
    one = judge(updated(signed, appearances_to_be_made_anew), world)
    assert one is not None
    assert (one.changes.modified, one.changes.details[-1]) == (True, "page-differs 1")


# Certified documents


def comment(writer: IncrementalPdfFileWriter) -> None:
    note = writer.add_object(entry(Type="/Annot", Subtype="/Text", Rect=[400, 700, 420, 720], Contents="x"))
    write(writer, page_of(writer, 1), Annots=[note])


def fill(writer: IncrementalPdfFileWriter) -> None:
    write(writer, field_of(writer), V="16")


def empty_box(writer: IncrementalPdfFileWriter) -> None:
    append_signature_field(writer, SigFieldSpec("Mới", on_page=1, box=(300, 50, 500, 110)))


@pytest.mark.parametrize(
    ("edit", "levels"),
    [(comment, {3}), (fill, {2, 3}), (empty_box, {3})],
    ids=["evil annotation", "filling", "sneaky signature"],
)
def test_what_a_certification_permits(
    world: World, certified: dict[MDPPerm, bytes], edit: Edit, levels: set[int]
) -> None:
    """DocMDP 1 permits nothing, 2 filling, 3 comments too; a new visible box is no signature (ISO 32000-1 §12.8.2.2)."""
    permitted = {level.value for level, pdf in certified.items() if passes(updated(pdf, edit), world)}
    assert levels == permitted


@pytest.mark.parametrize("subtype", ["/Stamp", "/FreeText", "/Redact", "/Watermark", "/Square", "/3D", "/Screen"])
@pytest.mark.parametrize("level", list(MDPPerm))
def test_annotations_that_cover(world: World, certified: dict[MDPPerm, bytes], subtype: str, level: MDPPerm) -> None:
    """Evil annotation attack: what hides certified text never passes, whatever annotations are permitted."""

    def cover(writer: IncrementalPdfFileWriter) -> None:
        look = writer.add_object(form_xobject(b"1 g 0 0 595 842 re f " + HIDDEN_TEXT))
        note = writer.add_object(
            entry(Type="/Annot", Subtype=subtype, F=4, Rect=[0, 400, 595, 842], Contents="x", AP={"N": look})
        )
        write(writer, page_of(writer, 1), Annots=[note])

    assert not passes(updated(certified[level], cover), world)


# Bytes: incremental saving, wrapping, forgery


def body_only(pdf: bytes) -> bytes:
    """ISA: new objects without a table."""
    return pdf + b"\n4 0 obj\n<</Length 5>>\nstream\nq Q q\nendstream\nendobj\n"


def body_and_marker(pdf: bytes) -> bytes:
    return body_only(pdf) + b"%%EOF\n"


def body_and_table_without_trailer(pdf: bytes) -> bytes:
    return body_only(pdf) + b"xref\n4 1\n%010d 00000 n \nstartxref\n%d\n%%%%EOF\n" % (len(pdf) + 1, len(pdf) + 60)


def comment_bytes(pdf: bytes) -> bytes:
    return pdf + b"% Pay 9000\n"


def table_only(pdf: bytes, rows: bytes) -> bytes:
    """A revision that consists of its cross-reference table."""
    previous = re.findall(rb"startxref\s+(\d+)", pdf)[-1]
    size, root = re.findall(rb"/Size (\d+)", pdf)[-1], re.findall(rb"/Root (\d+ \d+ R)", pdf)[-1]
    trailer = b"trailer\n<</Size %s/Root %s/Prev %s>>\n" % (size, root, previous)
    return pdf + b"xref\n" + rows + trailer + b"startxref\n%d\n%%%%EOF\n" % len(pdf)


def cover_freed(pdf: bytes) -> bytes:
    """Shadow attack "hide": the cover's object is free from now on."""
    cover = re.search(rb"/Cover (\d+) 0 R", pdf)
    assert cover is not None
    return table_only(pdf, b"%s 1\n0000000000 00001 f \n" % cover[1])


def contents_elsewhere(pdf: bytes) -> bytes:
    """The number of the page's content leads to another object of the same signed bytes."""
    contents = re.search(rb"/Contents (\d+) 0 R", pdf)
    assert contents is not None
    other = pdf.index(b"Tj ET", pdf.index(b"Tj ET", pdf.index(b"Mallory") + 40))
    start = pdf.rindex(b" obj", 0, other)
    start = pdf.rindex(b"\n", 0, start) + 1
    return table_only(pdf, b"%s 1\n%010d 00000 n \n" % (contents[1], start))


def second_document(pdf: bytes) -> bytes:
    return pdf + shadow_ready()


def second_document_before(pdf: bytes) -> bytes:
    return shadow_ready() + pdf


def _gap(pdf: bytes) -> tuple[int, int]:
    start = pdf.rindex(b"/Contents <") + len(b"/Contents ")
    return start, pdf.index(b">", start) + 1


def _byte_range(pdf: bytes, new: bytes) -> bytes:
    found = list(re.finditer(rb"/ByteRange \[[^\]]*\]\s*", pdf))[-1]
    room = found.end() - found.start()
    return pdf[: found.start()] + new.ljust(room)[: max(room, len(new))] + pdf[found.end() :]


def wrapped(pdf: bytes) -> bytes:
    """SWA: the second signed part moves to the end; its place is taken by other objects."""
    start, end = _gap(pdf)
    tail = pdf[end:]
    other = b">>\nendobj\n4 0 obj\n<</Length 5>>\nstream\nq Q q\nendstream\nendobj\n"
    moved = pdf[:end] + other + b"%" * 50 + b"\n" + tail
    return _byte_range(moved, b"/ByteRange [0 %d %d %d]" % (start, len(moved) - len(tail), len(tail)))


def gap_widened(pdf: bytes) -> bytes:
    """Bytes beside the value, inside what is not signed."""
    start, end = _gap(pdf)
    wider = pdf[:end] + b" /Reason (Pay 9000) " + pdf[end:]
    tail = len(pdf) - end
    return _byte_range(wider, b"/ByteRange [0 %d %d %d]" % (start, len(wider) - tail, tail))


def second_contents(pdf: bytes) -> bytes:
    start, end = _gap(pdf)
    return pdf[: start - 10] + b"/Contents <00>" + pdf[start - 10 : end] + pdf[end:]


def value_in_a_comment(pdf: bytes) -> bytes:
    start, end = _gap(pdf)
    return pdf[:start] + b"%" + pdf[start + 1 : end] + pdf[end:]


FORGED_RANGES = (
    b"", b"/ByteRange null", b"/ByteRange []", b"/ByteRange [0 0 0 0]", b"/ByteRange [0 1 1 1]", b"/ByteRange [0]",
    b"/ByteRange [0 -1 2 3]", b"/ByteRange [0 10 20 99999999]", b"/ByteRange [a b c d]", b"/ByteRange [0.0 1 2 3]",
    b"/ByteRange [-0 4294967296 1 1]", b"/ByteRange [0 9 9 9 9 9]", b"/ByteRange 5", b"/ByteRange (0 1 2 3)",
    b"/ByteRange [0 100 50 100]", b"/ByteRange [10 90 200 300]",
)  # fmt: skip
FORGED_VALUES = (
    b"<>",
    b"<00>",
    b"null",
    b"()",
    b"<" + b"00" * 40 + b">",
    b"[]",
    b"5 0 R",
    b"true",
    b"(abc)",
    b"<3080>",
)


@pytest.mark.parametrize(
    "attack",
    [
        body_only, body_and_marker, body_and_table_without_trailer, comment_bytes, second_document,
        second_document_before, cover_freed, contents_elsewhere, wrapped, gap_widened, second_contents, value_in_a_comment,
    ],
    ids=lambda attack: attack.__name__,
)  # fmt: skip
def test_bytes_around_a_signature(world: World, signed: bytes, attack: Callable[[bytes], bytes]) -> None:
    """Nothing that no signature covers and no revision accounts for passes."""
    assert not passes(attack(signed), world)


@pytest.mark.parametrize("forged", FORGED_RANGES, ids=range(len(FORGED_RANGES)))
def test_forged_byte_ranges(world: World, signed: bytes, forged: bytes) -> None:
    """USF: a byte range that is missing or senseless makes no valid signature."""
    assert not passes(_byte_range(signed, forged), world)


@pytest.mark.parametrize("forged", FORGED_VALUES, ids=range(len(FORGED_VALUES)))
def test_forged_values(world: World, signed: bytes, forged: bytes) -> None:
    """USF: neither does a value that is missing, empty or no signature, whether or not its room is kept."""
    start, end = _gap(signed)
    assert not passes(signed[:start] + forged.ljust(end - start) + signed[end:], world)
    assert not passes(signed[:start] + forged + signed[end:], world)


def test_a_revision_left_out_of_the_chain(world: World, signed: bytes) -> None:
    """The last table goes on from before the signature: what is shown is not what was signed."""
    plain = shadow_ready()
    attacked = updated(signed, fill)
    earlier = re.findall(rb"startxref\s+(\d+)", plain)[-1]
    last = list(re.finditer(rb"/Prev (\d+)", attacked))[-1]
    attacked = attacked[: last.start(1)] + earlier.ljust(len(last[1])) + attacked[last.end(1) :]
    assert not passes(attacked, world)


# Harmless


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


@pytest.mark.parametrize(
    "edit",
    [info, metadata, number_rewritten, page_written_again, tree_written_again, unused_object, filled, highlighted,
     comment, empty_box, fill],
    ids=lambda edit: edit.__name__,
)  # fmt: skip
def test_harmless_rewriting(world: World, signed: bytes, edit: Edit) -> None:
    """What no reader sees, and what people do to documents, does not break the signature before it."""
    one = judge(updated(signed, edit), world)
    assert one is not None
    assert (one.changes.modified, one.changes.kind) == (False, "allowed"), one.changes.details
