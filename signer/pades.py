"""A PDF revision that holds one signature dictionary with a gap for the value: what PAdES adds to a file.

This module writes only what is appended; it neither hashes nor signs. pyHanko reads the document and keeps the
book of objects; its writer copies the whole original and rewrites metadata, which a signature does not need.
Document metadata (/Info, XMP) stays as it was, so that a PDF/A file's two records of it cannot drift apart.

In the same revision, before the signature: fields for later signers (`fields`) and form values (`filling`). What former
signers (`permissions`) and the form's author (`seeds`) forbid is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.form_tools import annot_width_height, get_single_field_annot
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigSeedSubFilter, ensure_sig_flags
from pyhanko.sign.signers.cms_embedder import SigMDPSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from signer import admission, anchors, archives, filling, permissions, seeds
from signer import fields as forms
from signer import stamp as stamps
from signer.errors import FieldAlreadySigned, FieldNotFound, OrderInvalid, SigningForbidden
from signer.fields import Field
from signer.model import Anchor, FieldPlan, Place, SignOrder, Stamp
from signer.permissions import Restrictions
from signer.revision import RevisionWriter
from signer.seeds import Wishes
from signer.stamp import looks
from signer.stamp import places as layout
from signer.stamp.looks import Held
from signer.stamp.views import View
from verify.pdf import get

_MOST_FIELDS = 200

_UPRIGHT = {0: None, 90: (0, 1, -1, 0, 0, 0), 180: (-1, 0, 0, -1, 0, 0), 270: (0, -1, 1, 0, 0, 0)}
"""/Matrix of an appearance that reads upright on a page turned by /Rotate (ISO 32000-1 §12.5.5)."""


@dataclass(frozen=True)
class Revision:
    """What goes behind the original: the bytes, where the gap for /Contents is in the whole file, and the field."""

    appended: bytes
    gap_start: int
    gap_end: int
    field: str


def append_signature(
    reader: PdfFileReader, order: SignOrder, *, size: int, contents_size: int, digest: str
) -> Revision:
    """The revision that signs `reader`'s document of `size` bytes, with room for `contents_size` bytes of CMS.

    1. What is there, and what it forbids.
    2. Which field is signed, and whether it may be.
    3. Fields for others, form values.
    4. The signature.

    Raises SignerError where the order does not fit the document.
    """
    writer = RevisionWriter(reader.stream, prev=reader)
    # 1
    fields = forms.survey(writer)
    restrictions = permissions.read(fields, root=writer.root)
    if not restrictions.signed and forms.settle(writer):
        fields = forms.survey(writer)
    places = _plan(writer, reader, order, fields, restrictions)
    held = None if order.look is None else looks.contents(order)
    if held is not None:
        order = _by_rule(writer, order, held, fields, planned=places)
    # 2
    name = _choose_field(fields, order)
    planned = {plan.name for plan in order.fields}
    if name not in planned:
        restrictions.require_signing(name, is_new=name not in fields)
    target = fields[name].dictionary if name in fields else _planned_target(order, name)
    if name in fields and fields[name].is_read_only:
        raise SigningForbidden(field=name, reason="field-read-only")
    wishes = seeds.read(target, order, digest=digest, restrictions=restrictions)
    if wishes.certify is not None:
        restrictions.require_first(wishes.certify.value)
    # 3
    created = {plan.name: forms.create(writer, plan, place=where) for plan, where in places}
    if order.fill:
        known = forms.survey(writer) if order.fields else fields
        filling.fill(writer, known, order.fill, restrictions=restrictions)
    # 4
    place = _place(writer, reader, order)
    if held is not None and place is not None:
        layout.require_free(writer, place, held)
    dictionary = _sign(
        writer,
        replace(order, reason=wishes.reason),
        held=held,
        field=created.get(name) or _reference(fields.get(name)) or forms.create_bare(writer, name, place=place),
        mdp=_mdp(wishes, digest=digest),
        room=2 * contents_size,
    )
    appended = writer.appended(size)
    end = size + len(appended.getbuffer())
    gap_start, gap_end = dictionary.contents.offsets
    dictionary.byte_range.fill_offsets(appended, gap_start, gap_end, end)
    return Revision(appended.getvalue(), gap_start, gap_end, name)


def _sign(
    writer: RevisionWriter,
    order: SignOrder,
    *,
    held: Held | None,
    field: generic.IndirectObject,
    mdp: SigMDPSetup | None,
    room: int,
) -> SignatureObject:
    """The signature dictionary with its gap as the value of its field, and what is seen of it."""
    ensure_sig_flags(writer)
    values = field.get_object()
    _draw(writer, values, order, held=held)
    dictionary = SignatureObject(
        timestamp=order.signing_time,
        subfilter=SigSeedSubFilter.PADES,
        name=order.name,
        location=order.location,
        reason=order.reason,
        contact_info=order.contact,
        bytes_reserved=room,
    )
    reference = writer.add_object(dictionary)
    values[pdf_name("/V")] = reference
    writer.mark_update(field)
    if mdp is not None:
        mdp.apply(reference, writer)
    return dictionary


def _planned_target(order: SignOrder, name: str) -> generic.DictionaryObject:
    """What is asked of who signs a field that the same revision creates: its lock, if it is to have one."""
    plan = next((plan for plan in order.fields if plan.name == name and plan.lock), None)
    return generic.DictionaryObject({} if plan is None else {pdf_name("/Lock"): forms.lock_of(plan)})


def _reference(field: Field | None) -> generic.IndirectObject | None:
    if field is None:
        return None
    return generic.IndirectObject(field.reference.idnum, field.reference.generation, field.reference.pdf)


def _mdp(wishes: Wishes, *, digest: str) -> SigMDPSetup | None:
    """Certification and lock as references of the signature (ISO 32000-1 §12.8.1, Table 253)."""
    if wishes.certify is None and wishes.lock is None:
        return None
    levels = [level for level in (wishes.certify, wishes.level) if level is not None]
    return SigMDPSetup(
        md_algorithm=digest,
        certify=wishes.certify is not None,
        field_lock=wishes.lock,
        docmdp_perms=min(levels, key=lambda level: level.value, default=None),
    )


# --- fields -----------------------------------------------------------------------------------------------------------


def _plan(
    writer: IncrementalPdfFileWriter,
    reader: PdfFileReader,
    order: SignOrder,
    fields: Mapping[str, Field],
    restrictions: Restrictions,
) -> list[tuple[FieldPlan, Place]]:
    """The fields to create, each with its place. Raises SignerError before anything is written."""
    if order.certify not in (None, 1, 2, 3):
        raise OrderInvalid("a certification has level 1, 2 or 3", reason="certify")
    if order.certify == 1 and order.fields:
        raise OrderInvalid("after a certification of level 1 nobody could use the fields", reason="certify")
    if len(order.fields) > _MOST_FIELDS or len({plan.name for plan in order.fields}) != len(order.fields):
        raise OrderInvalid("a field is to be created twice, or too many are", reason="fields")
    places = []
    for plan in order.fields:
        forms.require_name(plan.name)
        if plan.lock and plan.kind != "signature":
            raise OrderInvalid("only a signature closes other fields", reason="lock", field=plan.name)
        if plan.name in fields or any(name.startswith(f"{plan.name}.") for name in fields):
            raise OrderInvalid("the document has a field of this name", reason="field-exists", field=plan.name)
        restrictions.require_creation(plan.name)
        if plan.kind != "signature":
            restrictions.require_unsigned(plan.name)
        place = _located(writer, reader, order, plan.place, plan.anchor, field=plan.name)
        if place is None:
            raise OrderInvalid("a field for others needs a place", reason="field-place", field=plan.name)
        places.append((plan, place))
    return places


def _by_rule(
    writer: IncrementalPdfFileWriter,
    order: SignOrder,
    held: Held,
    fields: Mapping[str, Field],
    *,
    planned: list[tuple[FieldPlan, Place]],
) -> SignOrder:
    """The order with the place that its look's rule gives, unless it has one of its own: a place, words or a field."""
    is_there = order.field is not None and (order.field in fields or any(one.name == order.field for one, _ in planned))
    if order.place is not None or order.anchor is not None or is_there:
        return order
    return replace(order, place=layout.by_rule(writer, order, held, fields, planned=[place for _, place in planned]))


def _place(writer: IncrementalPdfFileWriter, reader: PdfFileReader, order: SignOrder) -> Place | None:
    return _located(writer, reader, order, order.place, order.anchor)


def _located(
    writer: IncrementalPdfFileWriter,
    reader: PdfFileReader,
    order: SignOrder,
    place: Place | None,
    anchor: Anchor | None,
    **facts: str,
) -> Place | None:
    if place is not None and anchor is not None:
        raise OrderInvalid("a field stands at a place or at words, not both", reason="place-and-anchor", **facts)
    if anchor is not None:
        place = anchors.find(reader.stream, anchor, password=order.password)
        facts["anchor"] = anchor.text
    if place is not None:
        forms.require_place(writer, place, **facts)
    return place


def _choose_field(fields: Mapping[str, Field], order: SignOrder) -> str:
    """The name of the field to sign, existing or new, by the rule of `SignOrder`."""
    boxes = {name: field.is_signed for name, field in fields.items() if field.kind == "/Sig"}
    planned = {plan.name for plan in order.fields if plan.kind == "signature"}
    empty = [name for name, filled in boxes.items() if not filled]
    is_placed = order.place is not None or order.anchor is not None
    if order.field is None:
        if not is_placed and len(empty) == 1:
            return empty[0]
        if not is_placed and empty:
            raise FieldNotFound("several fields are empty: name one", fields=", ".join(empty))
        taken = {*fields, *(plan.name for plan in order.fields)}
        return next(name for number in range(1, len(taken) + 2) if (name := f"Signature{number}") not in taken)
    if order.field not in boxes and order.field not in planned:
        forms.require_name(order.field)
        if order.field in fields or any(plan.name == order.field for plan in order.fields):
            raise OrderInvalid("the field takes no signature", reason="field-type", field=order.field)
        if not is_placed and empty:
            raise FieldNotFound(field=order.field, fields=", ".join(empty))
        return order.field
    if boxes.get(order.field):
        raise FieldAlreadySigned(field=order.field)
    if is_placed:
        raise OrderInvalid("the field exists and has its own place", reason="place-of-existing-field")
    return order.field


# --- appearance -------------------------------------------------------------------------------------------------------


def _draw(
    writer: IncrementalPdfFileWriter, field: generic.DictionaryObject, order: SignOrder, *, held: Held | None
) -> None:
    """Give a field with a rectangle its appearance; a field without one stays invisible, unless a look is to be seen."""
    try:
        annotation = get_single_field_annot(field)
        width, height = (float(side) for side in annot_width_height(annotation))
    except (PdfError, TypeError, ValueError) as error:
        raise OrderInvalid("the field's rectangle cannot be read", reason="field-rectangle") from error
    if not width or not height:
        if held is not None:
            raise OrderInvalid("a look needs a place", reason="look-place")
        admission.leave_archivable(writer, annotation)
        return
    turn = forms.turn_of(get(annotation, "/P"))
    if turn in (90, 270):
        width, height = height, width
    if held is not None:
        form = _look(writer, annotation, held, width=width, height=height)
    else:
        form = _plain(writer, order, width=width, height=height)
    if (matrix := _UPRIGHT[turn]) is not None:
        form[pdf_name("/Matrix")] = generic.ArrayObject(map(generic.NumberObject, matrix))
    _keep_box(form, annotation)
    annotation[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(form)})
    writer.update_container(annotation)


def _look(
    writer: IncrementalPdfFileWriter, annotation: generic.DictionaryObject, held: Held, *, width: float, height: float
) -> generic.StreamObject:
    """In points, whatever the page's unit is: a seal is as large as it is."""
    page = get(annotation, "/P")
    unit = View.of(page).unit if isinstance(page, generic.DictionaryObject) else 1.0
    archive = archives.archive_of(writer.root)
    return looks.draw(writer, held, width=width * unit, height=height * unit, archive=archive)


def _plain(writer: IncrementalPdfFileWriter, order: SignOrder, *, width: float, height: float) -> generic.StreamObject:
    stamp = order.stamp or Stamp()
    lines = stamp.lines or stamps.default_lines(
        order.certificate, signing_time=order.signing_time, language=stamp.language, reason=order.reason
    )
    return stamps.build(writer, width=width, height=height, lines=lines, border=stamp.border)


def _keep_box(form: generic.StreamObject, annotation: generic.DictionaryObject) -> None:
    """The same box as the empty field's appearance is written as it was there, corners in any order (ISO 32000-1
    §7.9.5): EU DSS compares objects number by number, and would call the difference a change that DocMDP restricts."""
    former = get(get(get(annotation, "/AP"), "/N"), "/BBox")
    if isinstance(former, generic.ArrayObject) and _corners(former) == _corners(form["/BBox"]):
        form[pdf_name("/BBox")] = generic.ArrayObject(former)


def _corners(box: generic.ArrayObject) -> list[list[float]] | None:
    """The two horizontal and the two vertical coordinates in order; None if these are not four numbers."""
    values = list(box)
    if len(values) != 4 or not all(isinstance(one, generic.NumberObject | generic.FloatObject) for one in values):
        return None
    return [sorted(float(one) for one in values[at::2]) for at in (0, 1)]
