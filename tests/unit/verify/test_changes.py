"""What happened after a signature: comments and filling are told from changes to what was signed.

Each case is a signed document and a later revision, written with pyHanko's plain writer as any program might.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, SigFieldSpec, append_signature_field

from tests.pki import Authority
from tests.unit.signer.conftest import Hand
from tests.unit.signer.test_filling import entry
from tests.unit.signer.test_permissions import ours

pytestmark = pytest.mark.pades

Edit = Callable[[IncrementalPdfFileWriter], None]
GONE = 900
"""A number that the signed document refers to and does not have."""


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand(Authority.root().authority().signer())


def document(path: Path, *, lock: FieldMDPSpec | None = None) -> Path:
    """A tagged page with two paragraphs, a comment, a text field whose widget stands apart, and a box to sign."""
    writer = PdfFileWriter()
    contents = writer.add_object(generic.StreamObject(stream_data=b"/P <</MCID 0>> BDC 0 0 m 9 9 l S EMC"))
    page = writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 595, 842)))
    page_object = page.get_object()
    page_object[pdf_name("/Contents")] = generic.ArrayObject([contents, generic.IndirectObject(GONE, 0, writer)])
    page_object[pdf_name("/StructParents")] = generic.NumberObject(0)
    note = writer.add_object(entry(Type="/Annot", Subtype="/Text", Rect=[10, 800, 30, 820], Contents="Ghi chú", P=page))
    writer.register_annotation(page, note)
    append_signature_field(writer, SigFieldSpec("ky", on_page=0, box=(50, 50, 250, 110), field_mdp_spec=lock))
    field = entry(T="x", FT="/Tx", V="cũ")
    reference = writer.add_object(field)
    widget = writer.add_object(
        entry(Type="/Annot", Subtype="/Widget", Rect=[50, 700, 250, 720], P=page, Parent=reference)
    )
    field[pdf_name("/Kids")] = generic.ArrayObject([widget])
    writer.root["/AcroForm"]["/Fields"].append(reference)
    writer.register_annotation(page, widget)
    tree = entry(Type="/StructTreeRoot", ParentTreeNextKey=1)
    root = writer.add_object(tree)
    body = writer.add_object(entry(Type="/StructElem", S="/Document", P=root))
    first = writer.add_object(entry(Type="/StructElem", S="/P", P=body, Pg=page, K=0))
    second = writer.add_object(entry(Type="/StructElem", S="/P", P=body, Pg=page, K=1))
    body.get_object()[pdf_name("/K")] = generic.ArrayObject([first, second])
    tree[pdf_name("/K")] = body
    tree[pdf_name("/ParentTree")] = writer.add_object(entry(Nums=[0, generic.ArrayObject([first, second])]))
    writer.root[pdf_name("/StructTreeRoot")] = root
    buffer = io.BytesIO()
    writer.write(buffer)
    path.write_bytes(buffer.getvalue())
    return path


def edited(path: Path, out: Path, edit: Edit) -> Path:
    with path.open("rb") as file, out.open("wb") as target:
        writer = IncrementalPdfFileWriter(file, strict=False)
        edit(writer)
        writer.write(target)
    return out


def page_of(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    return writer.root["/Pages"]["/Kids"][0].get_object()


def annotate(writer: IncrementalPdfFileWriter, **values: object) -> generic.IndirectObject:
    reference = writer.add_object(entry(**{"Type": "/Annot", "Rect": [300, 300, 400, 340], **values}))
    annotations = page_of(writer)["/Annots"]
    annotations.append(reference)
    writer.update_container(annotations)
    return reference


def tagged(writer: IncrementalPdfFileWriter, **values: object) -> None:
    """A structure element at the end of the document's."""
    body = writer.root["/StructTreeRoot"]["/K"]
    new = writer.add_object(entry(**{"Type": "/StructElem", "S": "/Annot", "P": body, **values}))
    body["/K"].append(new)
    writer.update_container(body["/K"])


def comment(writer: IncrementalPdfFileWriter) -> None:
    look = writer.add_object(generic.StreamObject(entry(Subtype="/Form", BBox=[0, 0, 9, 9]), stream_data=b""))
    annotate(writer, Subtype="/FreeText", Contents="Đã xem", AP={"N": look})


def commented_and_tagged(writer: IncrementalPdfFileWriter) -> None:
    note = annotate(writer, Subtype="/Text", Contents="Đã xem", StructParent=1)
    tagged(writer, K=entry(Type="/OBJR", Obj=note))


def comment_changed(writer: IncrementalPdfFileWriter) -> None:
    note = page_of(writer)["/Annots"][0].get_object()
    note[pdf_name("/Contents")] = pdf_string("Sửa")
    writer.update_container(note)


def comment_removed(writer: IncrementalPdfFileWriter) -> None:
    annotations = page_of(writer)["/Annots"]
    del annotations[0]
    writer.update_container(annotations)


ANNOTATING = (comment, commented_and_tagged, comment_changed, comment_removed)


def link_with_script(writer: IncrementalPdfFileWriter) -> None:
    annotate(writer, Subtype="/Link", A={"S": "/JavaScript", "JS": "app.alert(1)"})


def link_with_a_second_action(writer: IncrementalPdfFileWriter) -> None:
    annotate(writer, Subtype="/Link", A={"S": "/URI", "URI": "http://a", "Next": {"S": "/Launch"}})


def film(writer: IncrementalPdfFileWriter) -> None:
    annotate(writer, Subtype="/Movie")


def watermark(writer: IncrementalPdfFileWriter) -> None:
    annotate(writer, Subtype="/Watermark")


def stray_widget(writer: IncrementalPdfFileWriter) -> None:
    annotate(writer, Subtype="/Widget", FT="/Sig", T="x")


def second_widget(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][1]
    widget = annotate(writer, Subtype="/Widget", Parent=field)
    field.get_object()["/Kids"].append(widget)
    writer.update_container(field.get_object()["/Kids"])


def comment_and_content(writer: IncrementalPdfFileWriter) -> None:
    comment(writer)
    page = page_of(writer)
    page[pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=b"1 1 m 2 2 l S"))
    writer.update_container(page)


def content_supplied_later(writer: IncrementalPdfFileWriter) -> None:
    """The number that the signed page refers to becomes the appearance of a comment, and so a part of the page."""
    late = generic.StreamObject(entry(Subtype="/Form", BBox=[0, 0, 9, 9]), stream_data=b"5 5 m 6 6 l S")
    late.container_ref = generic.Reference(GONE, 0, writer)
    writer.objects[(0, GONE)] = late
    annotate(writer, Subtype="/Stamp", AP={"N": generic.IndirectObject(GONE, 0, writer)})


def content_as_appearance(writer: IncrementalPdfFileWriter) -> None:
    """The page's own stream, written again, as the appearance of a comment."""
    stream = page_of(writer)["/Contents"].raw_get(0)
    annotate(writer, Subtype="/Stamp", AP={"N": stream})
    stream.get_object()._data = b"7 7 m 8 8 l S"
    stream.get_object()._encoded_data = None
    writer.mark_update(stream.reference)


def signature_widget_removed(writer: IncrementalPdfFileWriter) -> None:
    annotations = page_of(writer)["/Annots"]
    del annotations[1]
    writer.update_container(annotations)


def structure_turned_round(writer: IncrementalPdfFileWriter) -> None:
    kids = writer.root["/StructTreeRoot"]["/K"]["/K"]
    kids.reverse()
    writer.update_container(kids)


def structure_says_otherwise(writer: IncrementalPdfFileWriter) -> None:
    element = writer.root["/StructTreeRoot"]["/K"]["/K"][0].get_object()
    element[pdf_name("/ActualText")] = pdf_string("khác")
    writer.update_container(element)


def structure_claims_content(writer: IncrementalPdfFileWriter) -> None:
    tagged(writer, S="/P", K=0)


def structure_speaks_for_a_comment(writer: IncrementalPdfFileWriter) -> None:
    note = annotate(writer, Subtype="/Text")
    tagged(writer, K=entry(Type="/OBJR", Obj=note), ActualText="khác")


def parents_lead_elsewhere(writer: IncrementalPdfFileWriter) -> None:
    numbers = writer.root["/StructTreeRoot"]["/ParentTree"]
    numbers["/Nums"][1].reverse()
    writer.update_container(numbers)


ATTACKS = (
    link_with_script,
    link_with_a_second_action,
    film,
    watermark,
    stray_widget,
    second_widget,
    comment_and_content,
    content_supplied_later,
    content_as_appearance,
    signature_widget_removed,
    structure_turned_round,
    structure_says_otherwise,
    structure_claims_content,
    structure_speaks_for_a_comment,
    parents_lead_elsewhere,
)


def hide_field(writer: IncrementalPdfFileWriter) -> None:
    page, field = page_of(writer), writer.root["/AcroForm"]["/Fields"][1].get_object()
    page["/Annots"].pop()
    writer.update_container(page["/Annots"])
    del field["/Kids"]
    writer.update_container(field)


@pytest.mark.parametrize("edit", ANNOTATING)
@pytest.mark.parametrize(("certify", "kind"), [(None, "allowed"), (3, "allowed"), (2, "forbidden"), (1, "forbidden")])
def test_comments_are_allowed_unless_a_certification_forbids_them(
    hand: Hand, tmp_path: Path, edit: Edit, certify, kind
):
    """DocMDP 3 and plain approvals let people comment; 1 and 2 do not (ISO 32000-1 Table 254)."""
    hand.sign(document(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="ky", certify=certify)
    (changes,) = ours(edited(tmp_path / "1.pdf", tmp_path / "2.pdf", edit))
    assert (kind, kind == "forbidden") == (changes.kind, changes.modified), changes


@pytest.mark.parametrize("edit", ATTACKS)
@pytest.mark.parametrize("certify", [None, 3])
def test_what_is_more_than_a_comment_is_a_modification(hand: Hand, tmp_path: Path, edit: Edit, certify):
    """However it is dressed."""
    hand.sign(document(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="ky", certify=certify)
    (changes,) = ours(edited(tmp_path / "1.pdf", tmp_path / "2.pdf", edit))
    assert ("forbidden", True) == (changes.kind, changes.modified), changes


@pytest.mark.parametrize(
    ("certify", "lock", "kind"),
    [
        (None, None, "forbidden"),
        (2, None, "forbidden"),
        (3, None, "allowed"),
        (3, FieldMDPSpec(FieldMDPAction.INCLUDE, ["x"]), "forbidden"),
    ],
)
def test_a_field_that_is_hidden(hand: Hand, tmp_path: Path, certify, lock, kind: str):
    """Taking a field's widget away hides its value: only a certification that allows any annotating allows that."""
    hand.sign(document(tmp_path / "a.pdf", lock=lock), tmp_path / "1.pdf", field="ky", certify=certify)
    (changes,) = ours(edited(tmp_path / "1.pdf", tmp_path / "2.pdf", hide_field))
    assert kind == changes.kind, changes


def test_a_signature_on_a_tagged_page_is_filling(hand: Hand, tmp_path: Path):
    """A second signature with its element in the structure, as writers of tagged files make it."""

    def sign_and_tag(writer: IncrementalPdfFileWriter) -> None:
        append_signature_field(writer, SigFieldSpec("ky2", on_page=0, box=(300, 50, 500, 110)))
        page_of(writer)[pdf_name("/Tabs")] = pdf_name("/S")
        field = writer.root["/AcroForm"]["/Fields"][-1]
        tagged(writer, S="/Form", K=entry(Type="/OBJR", Obj=field))

    hand.sign(document(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="ky")
    (changes,) = ours(edited(tmp_path / "1.pdf", tmp_path / "2.pdf", sign_and_tag))
    assert ("allowed", "revision 2: form-filled-or-signed") == (changes.kind, changes.details[-1])


def stored_otherwise(writer: IncrementalPdfFileWriter) -> None:
    """The page's box becomes an object of its own, an array of the structure a direct one."""
    page = page_of(writer)
    page[pdf_name("/MediaBox")] = writer.add_object(generic.ArrayObject(page["/MediaBox"]))
    writer.update_container(page)


def stored_otherwise_and_larger(writer: IncrementalPdfFileWriter) -> None:
    page = page_of(writer)
    page[pdf_name("/MediaBox")] = writer.add_object(entry(x=[0, 0, 595, 843])["/x"])
    writer.update_container(page)


@pytest.mark.parametrize(("edit", "kind"), [(stored_otherwise, "allowed"), (stored_otherwise_and_larger, "forbidden")])
def test_how_a_value_is_stored_does_not_matter(hand: Hand, tmp_path: Path, edit: Edit, kind: str):
    """Programs that save again turn direct objects into indirect ones; what the page says is what counts."""
    hand.sign(document(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="ky", certify=2)
    (changes,) = ours(edited(tmp_path / "1.pdf", tmp_path / "2.pdf", edit))
    assert kind == changes.kind, changes
