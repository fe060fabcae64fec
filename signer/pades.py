"""A PDF revision that holds one signature dictionary with a gap for the value: what PAdES adds to a file.

This module writes only what is appended; it neither hashes nor signs. pyHanko reads the document and keeps the
book of objects; its writer copies the whole original and rewrites metadata, which a signature does not need.
Document metadata (/Info, XMP) stays as it was, so that a PDF/A file's two records of it cannot drift apart.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.form_tools import annot_width_height, get_single_field_annot
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import (
    FieldMDPSpec,
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    enumerate_sig_fields,
)
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from signer import stamp as stamps
from signer.errors import (
    FieldAlreadySigned,
    FieldNotFound,
    OrderInvalid,
    PlaceOutsidePage,
    SigningForbidden,
)
from signer.model import Place, SignOrder, Stamp
from signer.revision import RevisionWriter
from verify.errors import DocumentTooComplex

_EDGE = 0.5
"""Points by which a box may overlap the page's edge: coordinates are often rounded."""

_PAGE_TREE_DEPTH = 100

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

    Raises SignerError where the order does not fit the document.
    """
    writer = RevisionWriter(reader.stream, prev=reader)
    name = _choose_field(writer, order)
    _refuse_what_signers_forbade(reader, name)
    spec = None
    if order.place is not None:
        _check_place(writer, order.place)
        spec = SigFieldSpec(name, on_page=order.place.page - 1, box=cast("tuple[int, int, int, int]", order.place.box))
    embedder = PdfCMSEmbedder(new_field_spec=spec)
    try:
        steps = embedder.write_cms(name, writer)
        field = next(steps).get_object()
        _draw(writer, field, order)
        dictionary = SignatureObject(
            timestamp=order.signing_time,
            subfilter=SigSeedSubFilter.PADES,
            name=order.name,
            location=order.location,
            reason=order.reason,
            contact_info=order.contact,
            bytes_reserved=2 * contents_size,
        )
        steps.send(SigObjSetup(sig_placeholder=dictionary, mdp_setup=_lock_of(field, digest=digest)))
    except SigningError as error:
        raise OrderInvalid(str(error), reason=str(error)) from error
    appended = writer.appended(size)
    end = size + len(appended.getbuffer())
    gap_start, gap_end = dictionary.contents.offsets
    dictionary.byte_range.fill_offsets(appended, gap_start, gap_end, end)
    return Revision(appended.getvalue(), gap_start, gap_end, name)


def _choose_field(writer: IncrementalPdfFileWriter, order: SignOrder) -> str:
    """The name of the field to sign, existing or new, by the rule of `SignOrder`."""
    fields = {name: bool(value) for name, value, _ in _signature_fields(writer)}
    empty = [name for name, filled in fields.items() if not filled]
    if order.field is None:
        if order.place is None and len(empty) == 1:
            return empty[0]
        if order.place is None and empty:
            raise FieldNotFound("several fields are empty: name one", fields=", ".join(empty))
        return next(name for number in range(1, len(fields) + 2) if (name := f"Signature{number}") not in fields)
    _refuse_control_characters(order.field)
    if order.field not in fields:
        if order.place is None and empty:
            raise FieldNotFound(field=order.field, fields=", ".join(empty))
        return order.field
    if fields[order.field]:
        raise FieldAlreadySigned(field=order.field)
    if order.place is not None:
        raise OrderInvalid("the field exists and has its own place", reason="place-of-existing-field")
    return order.field


def _signature_fields(writer: IncrementalPdfFileWriter) -> Iterator[tuple[str, object, object]]:
    try:
        yield from enumerate_sig_fields(writer)
    except PdfError as error:
        raise OrderInvalid("the document's form cannot be read", reason=str(error)) from error


def _refuse_control_characters(name: str) -> None:
    if not name.strip() or len(name) > 127 or any(unicodedata.category(c).startswith("C") for c in name):
        raise OrderInvalid("the field's name is empty, too long or has control characters", reason="field-name")


def _refuse_what_signers_forbade(reader: PdfFileReader, name: str) -> None:
    """Certification without changes (DocMDP P=1) and locks on this field (FieldMDP): a signature there would break
    the earlier one, and pyHanko lets the second pass (ISO 32000-1 §12.8.2.2, §12.8.2.4)."""
    for earlier in reader.embedded_regular_signatures:
        try:
            level, lock = earlier.docmdp_level, earlier.fieldmdp
        except (PdfError, ValueError, KeyError) as error:
            raise SigningForbidden("an earlier signature's permissions cannot be read") from error
        if level == MDPPerm.NO_CHANGES:
            raise SigningForbidden(field=str(earlier.field_name), reason="certified-no-changes")
        if isinstance(lock, FieldMDPSpec) and lock.is_locked(name):
            raise SigningForbidden(field=str(earlier.field_name), reason="field-locked")


def _lock_of(field: generic.DictionaryObject, *, digest: str) -> SigMDPSetup | None:
    """The field's own /Lock becomes a FieldMDP reference of its signature (ISO 32000-1 §12.7.4.5)."""
    if "/Lock" not in field:
        return None
    try:
        return SigMDPSetup(md_algorithm=digest, field_lock=FieldMDPSpec.from_pdf_object(field["/Lock"]))
    except (PdfError, ValueError, KeyError, TypeError) as error:
        raise OrderInvalid("the field's lock cannot be read", reason="field-lock") from error


def _check_place(writer: IncrementalPdfFileWriter, place: Place) -> None:
    left, bottom, right, top = place.box
    if not all(map(math.isfinite, place.box)) or left >= right or bottom >= top:
        raise PlaceOutsidePage("the box is empty or upside down", page=place.page)
    try:
        if place.page < 1:
            raise PlaceOutsidePage(page=place.page)
        page = writer.find_page_for_modification(place.page - 1)[0].get_object()
    except PdfError as error:
        raise PlaceOutsidePage(page=place.page) from error
    visible = _inherited(page, "/CropBox") or _inherited(page, "/MediaBox")
    try:
        x1, y1, x2, y2 = (float(edge) for edge in cast("generic.ArrayObject", visible))
    except (TypeError, ValueError) as error:
        raise PlaceOutsidePage("the page has no size", page=place.page) from error
    if (
        left < min(x1, x2) - _EDGE
        or right > max(x1, x2) + _EDGE
        or bottom < min(y1, y2) - _EDGE
        or top > max(y1, y2) + _EDGE
    ):
        raise PlaceOutsidePage(page=place.page)


def _inherited(node: generic.DictionaryObject, key: str) -> generic.PdfObject | None:
    """An inheritable page attribute (ISO 32000-1 §7.7.3.4); bounded, as a hostile tree may be its own parent."""
    for _ in range(_PAGE_TREE_DEPTH):
        if key in node:
            return cast("generic.PdfObject", node[key])
        parent = node.get("/Parent")
        if not isinstance(parent, generic.DictionaryObject):
            return None
        node = parent
    raise DocumentTooComplex("the page tree is too deep")


def _draw(writer: IncrementalPdfFileWriter, field: generic.DictionaryObject, order: SignOrder) -> None:
    """Give a field with a rectangle its appearance; a field without one stays invisible."""
    try:
        annotation = get_single_field_annot(field)
        width, height = (float(side) for side in annot_width_height(annotation))
    except (PdfError, TypeError, ValueError) as error:
        raise OrderInvalid("the field's rectangle cannot be read", reason="field-rectangle") from error
    if not width or not height:
        return
    turn = _rotation(annotation)
    if turn in (90, 270):
        width, height = height, width
    stamp = order.stamp or Stamp()
    lines = stamp.lines or stamps.default_lines(
        order.certificate, signing_time=order.signing_time, language=stamp.language, reason=order.reason
    )
    form = stamps.build(writer, width=width, height=height, lines=lines, border=stamp.border)
    if (matrix := _UPRIGHT[turn]) is not None:
        form[pdf_name("/Matrix")] = generic.ArrayObject(map(generic.NumberObject, matrix))
    annotation[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(form)})
    writer.update_container(annotation)


def _rotation(annotation: generic.DictionaryObject) -> int:
    """Quarter turns of the page that shows the annotation, in degrees; odd values count as none."""
    page = annotation.get("/P")
    turn = _inherited(page, "/Rotate") if isinstance(page, generic.DictionaryObject) else 0
    degrees = int(turn) % 360 if isinstance(turn, int) else 0
    return degrees if degrees in _UPRIGHT else 0
