"""Revisions that change what a signed page shows or does, each by the way it takes."""

from __future__ import annotations

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from tests.unit.signer.test_filling import entry
from tests.unit.verify.attacks.scene import (
    HIDDEN_TEXT,
    LETTER,
    Edit,
    cover_of,
    field_of,
    form_xobject,
    page_of,
    stream_of,
    write,
)

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
