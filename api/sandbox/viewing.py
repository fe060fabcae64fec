"""What an official is shown of a document before signing it, made in a worker: sizes of pages and places that are taken,
pages as small pictures, an XML document as a plain tree.

Boxes are told as people see the page: in points from the lower left corner of what is shown, after cropping and turning.
`Page.corner` and `Page.turn` lead back to the page's own coordinates (`api.sessions.geometry`).

What PDFium shows is no evidence: the consent is to the document's SHA-256. Everything is bounded, whatever it says.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import BinaryIO

import msgspec
import pypdfium2
from lxml import etree
from PIL import Image, WebPImagePlugin  # noqa: F401 - the format is known once its plugin is imported
from pypdfium2 import raw

from api.sandbox.calls import Drawn, Leaf, Look, Outline, Outlined, Page, PagePicture, Survey, Surveyed, Taken
from api.sandbox.rendering import LARGEST, PageNotFound
from signer import admission, anchors, procedures
from signer.model import SignOrder
from verify import pdfium
from verify.document import Limits, sniff
from verify.errors import DocumentBroken
from verify.xml.document import XmlDocument

LOOKING = 6.0
"""Seconds of CPU for the fields of all pages; the pages after that are said not to have been looked at."""
MOST_PAGES = 5_000
LEAVES = 20_000
"""Elements of an XML document that are told; a reader is told that there are more."""
LONGEST_TEXT = 20_000
DEEPEST = 60
FINE, COARSE = (tuple(round(round(value * steps / 255) * 255 / steps) for value in range(256)) * 3 for steps in (15, 7))
"""Sixteen and eight steps of each colour: smooth to the eye, and what packs best."""
COARSE_TO = 800
"""Pixels of width up to which eight steps do."""
Image.preinit()  # a worker opens no file later


def survey(document: BinaryIO, order: Survey) -> Surveyed:
    """What can be signed, and how. Raises what preparing a signature raises for a document that cannot be."""
    document.seek(0)
    kind = sniff(document)
    document.seek(0)
    if kind == "XML":
        XmlDocument.read(document, limits=Limits())
        return Surveyed("XML", (), (), True, ())
    asked = SignOrder(b"", (), "", datetime.now(UTC), field=order.field)
    admitted = admission.admit(document, asked, out=BytesIO(), sha256=order.sha256)
    with pdfium.opened(document) as pdf:
        pages = tuple(_page(pdf, number) for number in range(1, min(len(pdf), MOST_PAGES) + 1))
        taken, looked = _taken(pdf, pages)
    anchored = None if order.anchor is None else anchors.find(document, order.anchor)
    facts = msgspec.json.encode(procedures.read(document)).decode() if order.facts else None
    return Surveyed("PDF", pages, taken, looked, admitted.warnings, anchored, facts)


def _page(pdf: pdfium.Document, number: int) -> Page:
    """Raises DocumentBroken for a page that cannot be loaded."""
    try:
        leaf = pdf[number - 1]
    except pypdfium2.PdfiumError as error:
        raise DocumentBroken("a page cannot be shown", reason=str(error), page=number) from error
    left, bottom, right, top = leaf.get_bbox()
    width, height = leaf.get_size()
    turn = leaf.get_rotation()
    leaf.close()
    return Page(width, height, (left, bottom, right, top), turn)


def _taken(pdf: pdfium.Document, pages: tuple[Page, ...]) -> tuple[tuple[Taken, ...], bool]:
    """The widgets of all pages, in the pages' own coordinates, and whether all pages were looked at."""
    until = time.process_time() + LOOKING
    found: list[Taken] = []
    if pdf.formenv is None:
        return (), True
    for number in range(1, len(pages) + 1):
        if time.process_time() > until or len(found) > LEAVES:
            return tuple(found), False
        leaf = pdf[number - 1]
        found += list(_widgets(leaf, pdf.formenv.raw, number))
        leaf.close()
    return tuple(found), True


def _widgets(leaf: pypdfium2.PdfPage, form: object, number: int) -> Iterator[Taken]:
    for index in range(raw.FPDFPage_GetAnnotCount(leaf)):
        annotation = raw.FPDFPage_GetAnnot(leaf, index)
        if not annotation:
            continue
        try:
            kind, box = raw.FPDFAnnot_GetFormFieldType(form, annotation), raw.FS_RECTF()
            if kind < 0 or not raw.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
                continue
            sides = (
                min(box.left, box.right),
                min(box.bottom, box.top),
                max(box.left, box.right),
                max(box.bottom, box.top),
            )
            if sides[2] - sides[0] > 1 and sides[3] - sides[1] > 1:
                signs = kind == raw.FPDF_FORMFIELD_SIGNATURE
                filled = bool(raw.FPDFAnnot_HasKey(annotation, b"V"))
                yield Taken(number, sides, _name(form, annotation), signature=signs, filled=filled)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _name(form: object, annotation: object) -> str:
    """The full name of a widget's field; empty when there is none, or when it is longer than anybody's."""
    length = raw.FPDFAnnot_GetFormFieldName(form, annotation, None, 0)
    if not 2 < length <= 2048:
        return ""
    buffer = ctypes.create_string_buffer(length)
    raw.FPDFAnnot_GetFormFieldName(form, annotation, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)
    return buffer.raw[: length - 2].decode("utf-16-le", "replace")


# --- pictures ---------------------------------------------------------------------------------------------------------


def draw(document: BinaryIO, order: Look) -> Drawn:
    """The page as a small WebP. Raises PageNotFound, DocumentBroken."""
    with pdfium.opened(document) as pdf:
        if not 1 <= order.page <= len(pdf):
            raise PageNotFound(page=order.page, pages=len(pdf))
        leaf = pdf[order.page - 1]
        width, height = (max(one, 1.0) for one in leaf.get_size())
        scale = min(order.width / width, LARGEST / width, LARGEST / height)
        bitmap = leaf.render(scale=scale, rev_byteorder=True, force_bitmap_format=raw.FPDFBitmap_BGR)
        size = bitmap.width, bitmap.height
        pixels = Image.frombuffer("RGB", size, bitmap.buffer, "raw", "RGB", bitmap.stride, 1)
        return Drawn(PagePicture(order.page, small_webp(pixels), *size))


def small_webp(pixels: Image.Image) -> bytes:
    """WebP without loss (RFC 9649 §3), of fewer steps a colour: a page of text is a quarter to a half smaller than as PNG.

    >>> small_webp(Image.new("RGB", (2, 2)))[8:16]
    b'WEBPVP8L'
    """
    packed = BytesIO()
    steps = pixels.point(COARSE if pixels.width <= COARSE_TO else FINE)
    steps.save(packed, "WEBP", lossless=True, method=2, quality=60)
    return packed.getvalue()


# --- XML --------------------------------------------------------------------------------------------------------------


def outline(document: BinaryIO, _: Outline) -> Outlined:
    """The elements of an XML document in order, each with its depth, attributes and own text: for people to read.

    Signatures are told by their element alone."""
    document.seek(0)
    root = XmlDocument.read(document, limits=Limits()).root
    found: list[Leaf] = []
    waiting: list[tuple[etree._Element, int]] = [(root, 0)]
    while waiting and len(found) < LEAVES:
        element, depth = waiting.pop()
        if not isinstance(element.tag, str):
            continue
        name = etree.QName(element)
        signature = name.namespace == "http://www.w3.org/2000/09/xmldsig#" and name.localname == "Signature"
        pieces = [element.text or "", *(child.tail or "" for child in element)]
        text = " ".join(" ".join(pieces).split())[:LONGEST_TEXT]
        attributes = tuple((etree.QName(key).localname, str(value)[:LONGEST_TEXT]) for key, value in element.items())
        found.append(
            Leaf(min(depth, DEEPEST), name.localname, attributes, "" if signature else text, signature=signature)
        )
        if not signature:
            waiting += [(child, depth + 1) for child in reversed(element)]
    return Outlined(tuple(found), more=bool(waiting))
