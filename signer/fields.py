"""The fields of a form, and new ones: which there are, where one may stand, how it is created.

Not the signature's own dictionary (`pades`) and not values (`filling`).

    fields = survey(writer)                         # by full name, with what is inherited
    create(writer, FieldPlan("so", kind="text", place=Place(1, (50, 700, 150, 720))), place=...)
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SignatureFormField

from signer import archives
from signer.errors import OrderInvalid, PlaceOutsidePage
from signer.model import FieldPlan, Place
from verify.document import Limits
from verify.errors import DocumentTooComplex
from verify.pdf import UNEXPECTED, get
from verify.pdf_reader import Reader

_EDGE = 0.5
"""Points by which a box may overlap the page's edge: coordinates are often rounded."""

_WHERE_NONE_IS_SAID = (0, 0, 612, 792)
"""The page that readers show where a file forgets its /MediaBox."""
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""
_PAGE_TREE_DEPTH = 100
_LONGEST_NAME = 127
_INHERITED = ("/FT", "/Ff", "/V", "/DA", "/Q", "/MaxLen", "/Opt")

_SIMPLE_BOX = {b"FT", b"T", b"V", b"F", b"P", b"Rect", b"Type", b"Subtype", b"AP", b"TU"}
_PLAIN_TITLE = re.compile(rb"\(([0-9A-Za-z _-]+)\)")
_REFERENCE = re.compile(rb"(\d+) (\d+) R")

READ_ONLY = 1
KIND_KEY = pdf_name("/KysoKind")
"""Private entry (ISO 32000-1 Annex E) that says what a text field takes; readers pass over it."""


@dataclass(frozen=True)
class Field:
    """A field at the end of its branch of the form. `inherited` holds what it has itself or from above; a signature
    that says nothing of what it permits (/Reference, ISO 32000-1 Table 252) is left unread there, as its reference."""

    name: str
    reference: generic.Reference
    widgets: tuple[generic.IndirectObject, ...]
    inherited: dict[str, Any]
    has_lock: bool

    @property
    def dictionary(self) -> generic.DictionaryObject:
        return cast("generic.DictionaryObject", self.reference.get_object())

    @property
    def kind(self) -> str:
        return str(self.inherited.get("/FT", ""))

    @property
    def flags(self) -> int:
        flags = self.inherited.get("/Ff", 0)
        return flags if isinstance(flags, int) else 0

    @property
    def is_read_only(self) -> bool:
        return bool(self.flags & READ_ONLY)

    @property
    def is_signed(self) -> bool:
        return self.kind == "/Sig" and self.inherited.get("/V") is not None


def form_of(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject | None:
    """The document's form, None if it has none. (XFA forms are not admitted at all: `signer.admission`.)"""
    form = get(writer.root, "/AcroForm")
    return form if isinstance(form, generic.DictionaryObject) else None


def survey(writer: IncrementalPdfFileWriter) -> dict[str, Field]:
    """All fields by full name. Raises OrderInvalid for a form that is none, DocumentTooComplex for too large a one."""
    form = form_of(writer)
    top = get(form, "/Fields")
    found: dict[str, Field] = {}
    if top is None:
        return found
    if not isinstance(top, generic.ArrayObject):
        raise OrderInvalid("the document's form cannot be read", reason="form")
    todo: list[tuple[generic.PdfObject, str, dict[str, Any]]] = [(item, "", {}) for item in reversed(top)]
    seen: set[generic.Reference] = set()
    while todo:
        item, prefix, above = todo.pop()
        if not isinstance(item, generic.IndirectObject) or item.reference in seen:
            continue
        seen.add(item.reference)
        if len(seen) > Limits().fields:
            raise DocumentTooComplex(reason="fields", count=len(seen))
        if not prefix and (field := _simple_box(item)) is not None:
            found.setdefault(field.name, field)
            continue
        dictionary = _dictionary(item)
        if dictionary is None:
            continue
        partial = get(dictionary, "/T")
        name = ".".join(part for part in (prefix, str(partial) if partial is not None else "") if part)
        inherited = above | {key: value for key in _INHERITED if (value := _value(dictionary, key)) is not None}
        kids = get(dictionary, "/Kids")
        kids = list(kids) if isinstance(kids, generic.ArrayObject) else []
        named = [kid for kid in kids if "/T" in (_dictionary(kid) or ())]
        todo.extend((kid, name, inherited) for kid in reversed(named))
        if not named and name:
            widgets = tuple(kid for kid in kids if isinstance(kid, generic.IndirectObject)) or (item,)
            found.setdefault(name, Field(name, item.reference, widgets, inherited, "/Lock" in dictionary))
    return found


def _simple_box(item: generic.IndirectObject) -> Field | None:
    """The field, if it is a signature's without kids or lock, as its text shows: a long chain has many of them."""
    reader = item.reference.pdf
    if not isinstance(reader, Reader):
        return None
    try:
        entries = reader.flat(item.reference)
    except UNEXPECTED:
        return None
    if entries is None or entries.get(b"FT") != b"/Sig" or not _SIMPLE_BOX.issuperset(entries):
        return None
    title = _PLAIN_TITLE.fullmatch(entries.get(b"T", b""))
    value = _REFERENCE.fullmatch(entries.get(b"V", b""))
    if title is None or value is None:
        return None
    signature = generic.Reference(int(value[1]), int(value[2]), reader)
    if not reader.is_flat(signature, without=b"/Reference"):
        return None
    inherited = {"/FT": pdf_name("/Sig"), "/V": generic.IndirectObject(signature.idnum, signature.generation, reader)}
    return Field(title[1].decode("ascii"), item.reference, (item,), inherited, has_lock=False)


def settle(writer: IncrementalPdfFileWriter) -> bool:
    """Fields that the form lists as dictionaries become objects of their own, as ISO 32000-1 Table 218 has them; whether
    there were any. Later revisions could not be compared otherwise. For documents that nobody has signed."""
    top = get(form_of(writer), "/Fields")
    if not isinstance(top, generic.ArrayObject):
        return False
    direct = [at for at, item in enumerate(top) if isinstance(item, generic.DictionaryObject)]
    for at in direct:
        top[at] = writer.add_object(top.raw_get(at))
    if direct:
        writer.update_container(top)
    return bool(direct)


def _value(dictionary: generic.DictionaryObject, key: str) -> Any:
    if key == "/V" and key in dictionary:
        raw = dictionary.raw_get(key)
        if isinstance(raw, generic.IndirectObject) and isinstance(raw.reference.pdf, Reader):
            try:
                if raw.reference.pdf.is_flat(raw.reference, without=b"/Reference"):
                    return raw
            except UNEXPECTED:
                return None
    return get(dictionary, key)


def require_name(name: str) -> None:
    """Raises OrderInvalid for a name that cannot be shown, or that would make a branch of the form (§12.7.3.2)."""
    if (
        not name.strip()
        or len(name) > _LONGEST_NAME
        or "." in name
        or any(unicodedata.category(char).startswith("C") for char in name)
    ):
        raise OrderInvalid(
            "the field's name is empty, too long, or has a full stop or control characters", reason="field-name"
        )


def require_place(writer: IncrementalPdfFileWriter, place: Place, **facts: str) -> None:
    """Raises PlaceOutsidePage if the box is not on the visible part of the page."""
    left, bottom, right, top = place.box
    if not all(map(math.isfinite, place.box)) or left >= right or bottom >= top:
        raise PlaceOutsidePage("the box is empty or upside down", page=place.page, **facts)
    page = page_of(writer, place.page)
    x1, y1, x2, y2 = visible(page)
    if left < x1 - _EDGE or right > x2 + _EDGE or bottom < y1 - _EDGE or top > y2 + _EDGE:
        raise PlaceOutsidePage(page=place.page, **facts)


def visible(page: generic.DictionaryObject) -> Box:
    """The part of a page that is shown, in its own coordinates: the crop box within the media box (ISO 32000-1
    §14.11.2.1). Raises PlaceOutsidePage for a page that shows nothing."""
    media = box_of(inherited(page, "/MediaBox")) or _WHERE_NONE_IS_SAID
    crop = box_of(inherited(page, "/CropBox")) or media
    seen = (max(crop[0], media[0]), max(crop[1], media[1]), min(crop[2], media[2]), min(crop[3], media[3]))
    if seen[0] >= seen[2] or seen[1] >= seen[3]:
        raise PlaceOutsidePage("the page shows nothing", reason="page-size")
    return seen


def box_of(value: Any) -> Box | None:
    """Four finite numbers in an array as left, bottom, right, top; None for anything else."""
    if not isinstance(value, generic.ArrayObject) or len(value) != 4:
        return None
    try:
        x1, y1, x2, y2 = (float(value[edge]) for edge in range(4))
    except (TypeError, ValueError, OverflowError):
        return None
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        return None
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def page_of(writer: IncrementalPdfFileWriter, number: int) -> generic.DictionaryObject:
    """The page, counted from 1. Raises PlaceOutsidePage if there is none."""
    try:
        if number < 1:
            raise PlaceOutsidePage(page=number)
        page = writer.find_page_for_modification(number - 1)[0].get_object()
    except PdfError as error:
        raise PlaceOutsidePage(page=number) from error
    if not isinstance(page, generic.DictionaryObject):
        raise PlaceOutsidePage(page=number)
    return page


def inherited(node: object, key: str) -> Any:
    """An inheritable page attribute (ISO 32000-1 §7.7.3.4); bounded, as a hostile tree may be its own parent."""
    for _ in range(_PAGE_TREE_DEPTH):
        if not isinstance(node, generic.DictionaryObject):
            return None
        if key in node:
            return get(node, key)
        node = get(node, "/Parent")
    raise DocumentTooComplex("the page tree is too deep")


def turn_of(page: object) -> int:
    """Quarter turns of a page, in degrees; odd values count as none."""
    turn = inherited(page, "/Rotate")
    degrees = int(turn) % 360 if isinstance(turn, int | Decimal) else 0
    return degrees if degrees in (0, 90, 180, 270) else 0


def create(writer: IncrementalPdfFileWriter, plan: FieldPlan, *, place: Place) -> generic.IndirectObject:
    """Add an empty field, with its empty appearance, so that no reader is asked to draw it."""
    page_ref = writer.find_page_for_modification(place.page - 1)[0]
    field = SignatureFormField(plan.name, box=place.box, include_on_page=page_ref)
    if plan.kind != "signature":
        _make_text(writer, field, plan, turn=turn_of(page_ref.get_object()))
    if plan.lock:
        field[pdf_name("/Lock")] = writer.add_object(lock_of(plan))
    if plan.label:
        field[pdf_name("/TU")] = generic.TextStringObject(plan.label)
    width, height = place.box[2] - place.box[0], place.box[3] - place.box[1]
    if turn_of(page_ref.get_object()) in (90, 270) and plan.kind != "signature":
        width, height = height, width
    blank = generic.StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject(generic.FloatObject(round(x, 3)) for x in (0, 0, width, height)),
            pdf_name("/Resources"): generic.DictionaryObject(),
        },
        stream_data=b"",
    )
    field[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(blank)})
    return add(writer, field)


def lock_of(plan: FieldPlan) -> generic.DictionaryObject:
    """The signature field lock dictionary (ISO 32000-1 Table 233): it closes the fields that are named."""
    return generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/SigFieldLock"),
            pdf_name("/Action"): pdf_name("/Include"),
            pdf_name("/Fields"): generic.ArrayObject(map(generic.TextStringObject, plan.lock)),
        }
    )


def create_bare(writer: IncrementalPdfFileWriter, name: str, *, place: Place | None) -> generic.IndirectObject:
    """Add a signature field that is about to be signed; without a place it is invisible."""
    page_ref = writer.find_page_for_modification(0 if place is None else place.page - 1)[0]
    box = None if place is None else place.box
    return add(writer, SignatureFormField(name, box=box, include_on_page=page_ref))


def add(writer: IncrementalPdfFileWriter, field: SignatureFormField) -> generic.IndirectObject:
    """Put the field into the form and on its page."""
    reference = writer.add_object(field)
    fields = _form(writer)["/Fields"]
    fields.append(reference)
    writer.update_container(fields)
    page = get(field, "/P")
    if not isinstance(get(page, "/Annots"), generic.ArrayObject):
        page.pop("/Annots", None)  # null, or a reference to nothing: both mean that there are none (§7.3.9, §7.3.10)
    field.register_widget_annotation(writer, reference)
    return reference


def _make_text(writer: IncrementalPdfFileWriter, field: SignatureFormField, plan: FieldPlan, *, turn: int) -> None:
    field[pdf_name("/FT")] = pdf_name("/Tx")
    field[pdf_name("/F")] = generic.NumberObject(4)  # printed; not locked, as it is there to be filled
    # What a reader needs to let somebody type; what we fill ourselves brings its own font.
    field[pdf_name("/DA")] = pdf_string(f"{archives.form_font(writer, _form(writer))} 0 Tf 0 g")
    if plan.max_length is not None:
        field[pdf_name("/MaxLen")] = generic.NumberObject(plan.max_length)
    if plan.kind == "date":
        field[KIND_KEY] = pdf_name("/Date")
    if turn:
        field[pdf_name("/MK")] = generic.DictionaryObject({pdf_name("/R"): generic.NumberObject(turn)})


def _form(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    """The form, made where there is none."""
    form = form_of(writer)
    if form is None:
        form = generic.DictionaryObject()
        writer.root[pdf_name("/AcroForm")] = writer.add_object(form)
        writer.update_root()
    if not isinstance(get(form, "/Fields"), generic.ArrayObject):
        form[pdf_name("/Fields")] = generic.ArrayObject()
        writer.update_container(form)
    return form


def _dictionary(item: generic.PdfObject) -> generic.DictionaryObject | None:
    try:
        value = item.get_object()
    except UNEXPECTED:
        return None
    return value if isinstance(value, generic.DictionaryObject) else None
