"""Pictures for a report, in a worker: the pages that bear signatures, with their places, and pages that have changed.

What PDFium shows is no evidence, and what it fails to show is no finding: a page that cannot be drawn is left out. The
cost is bounded in pages, pixels and seconds, whatever the document says.

1. Every page is looked at for widgets of the signatures' fields, as long as that takes no more than its share of time.
2. The first pages that have some are drawn, else the first page.
3. For each signature that asks for it, the document as it was signed (its bytes up to `end`) is drawn in small beside the
   final one, page by page; where they differ, both are drawn in full, with a frame around what differs.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from typing import BinaryIO

import pypdfium2
from pypdfium2 import raw

from api.sandbox.calls import LARGEST_PICTURE, BeforeAfter, Compared, Mark, Picture, Portrait, Portray, Portrayed
from api.sandbox.rendering import png
from verify import pdfium
from verify.errors import DocumentBroken

LOOKING = 4.0
"""Seconds of CPU for step 1, and again for each comparison of step 3."""
SMALL = 320
"""Pixels of the longer side of a page when two are compared."""
GAP = 12
"""Rows of pixels without a difference that two frames may have between them and still be one."""
COMPARISONS = 3
"""Signatures whose documents are compared."""
ENOUGH = 12 * 1024 * 1024
"""Bytes of pictures after which no further page is drawn."""
NAME_BYTES = 2048


def portray(document: BinaryIO, *, order: Portray) -> Portrait:
    """The pictures; raises DocumentBroken when PDFium cannot open the document."""
    with pdfium.opened(document, password=order.password) as pdf:
        wanted = {one.id for one in order.signatures}
        places, complete = _places(pdf, wanted)
        drawn: list[Picture] = []
        for page in (sorted(places) or [1])[: order.pages]:
            if sum(len(one.png) for one in drawn) < ENOUGH:
                drawn.extend(_draw(pdf, page, longest=order.longest, places=places.get(page, ())))
        compared: list[Compared] = []
        for one in [one for one in order.signatures if one.compare and one.end is not None][:COMPARISONS]:
            compared.extend(_compare(document, pdf, one, order=order))
        return Portrait(len(pdf), tuple(drawn), tuple(compared), complete)


# 1

Place = tuple[str, tuple[float, float, float, float]]


def _places(pdf: pdfium.Document, wanted: set[str]) -> tuple[dict[int, tuple[Place, ...]], bool]:
    """The widgets of each page that belong to the wanted fields, and whether every page was looked at."""
    until = time.process_time() + LOOKING
    found: dict[int, tuple[Place, ...]] = {}
    if not wanted or pdf.formenv is None:
        return found, True
    for index in range(len(pdf)):
        if time.process_time() > until:
            return found, False
        try:
            page = pdf[index]
        except pypdfium2.PdfiumError:
            continue
        here = tuple(_widgets(page, pdf.formenv.raw, wanted))
        page.close()
        if here:
            found[index + 1] = here
    return found, True


def _widgets(page: pypdfium2.PdfPage, form: object, wanted: set[str]) -> Iterator[Place]:
    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            if raw.FPDFAnnot_GetFormFieldType(form, annotation) != raw.FPDF_FORMFIELD_SIGNATURE:
                continue
            name, rectangle = _name(form, annotation), raw.FS_RECTF()
            if name in wanted and raw.FPDFAnnot_GetRect(annotation, ctypes.byref(rectangle)):
                sides = (rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
                if abs(sides[2] - sides[0]) > 1 and abs(sides[3] - sides[1]) > 1:  # else there is nothing to be seen
                    yield name, sides
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _name(form: object, annotation: object) -> str:
    """The full name of a widget's field; empty when there is none, or when it is longer than anybody's."""
    length = raw.FPDFAnnot_GetFormFieldName(form, annotation, None, 0)
    if not 2 < length <= NAME_BYTES:
        return ""
    buffer = ctypes.create_string_buffer(length)
    raw.FPDFAnnot_GetFormFieldName(form, annotation, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)
    return buffer.raw[: length - 2].decode("utf-16-le", "replace")


# 2


def _draw(pdf: pdfium.Document, page: int, *, longest: int, places: tuple[Place, ...] = ()) -> Iterator[Picture]:
    """The page (from 1); nothing when it cannot be drawn."""
    try:
        leaf = pdf[page - 1]
        pixels, width, height = _pixels(leaf, longest=longest)
    except (pypdfium2.PdfiumError, IndexError):
        return
    marks = []
    for name, (left, bottom, right, top) in places:
        corners = [_device(leaf, width, height, x, y) for x in (left, right) for y in (bottom, top)]
        marks.append(Mark(name, _inside([x for x, _ in corners], [y for _, y in corners], width, height)))
    yield Picture(page, png(pixels, width=width, height=height, channels=3), width, height, tuple(marks))


def _pixels(leaf: pypdfium2.PdfPage, *, longest: int) -> tuple[bytes, int, int]:
    """RGB without padding, on white."""
    scale = min(longest, LARGEST_PICTURE) / max(*leaf.get_size(), 1.0)
    bitmap = leaf.render(scale=scale, rev_byteorder=True, force_bitmap_format=raw.FPDFBitmap_BGR)
    line, stride, pixels = 3 * bitmap.width, bitmap.stride, bytes(bitmap.buffer)
    if line != stride:
        pixels = b"".join(pixels[start : start + line] for start in range(0, len(pixels), stride))
    return pixels, bitmap.width, bitmap.height


def _device(leaf: pypdfium2.PdfPage, width: int, height: int, x: float, y: float) -> tuple[int, int]:
    """A point of the page in pixels of its picture: rotation and crop box are PDFium's business."""
    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(leaf, 0, 0, width, height, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return across.value, down.value


def _inside(across: list[int], down: list[int], width: int, height: int) -> tuple[int, int, int, int]:
    def held(value: int, most: int) -> int:
        return max(0, min(value, most))

    return held(min(across), width), held(min(down), height), held(max(across), width), held(max(down), height)


# 3


def _compare(document: BinaryIO, now: pdfium.Document, one: Portrayed, *, order: Portray) -> Iterator[Compared]:
    """The pages that differ; nothing when the signed document cannot be opened."""
    assert one.end is not None
    until = time.process_time() + LOOKING
    pages: list[BeforeAfter] = []
    try:
        with pdfium.opened(pdfium.Prefix(document, one.end), password=order.password) as then:
            every = range(1, max(len(then), len(now)) + 1)
            for page in dict.fromkeys((*(page for page in one.pages if page in every), *every)):
                if time.process_time() > until:
                    yield Compared(one.id, tuple(pages), more=True)
                    return
                if not _differ(then, now, page):
                    continue
                if len(pages) == order.compared:
                    yield Compared(one.id, tuple(pages), more=True)
                    return
                pages.append(_pair(then, now, page, longest=order.longest))
    except DocumentBroken:
        return
    yield Compared(one.id, tuple(pages))


def _differ(then: pdfium.Document, now: pdfium.Document, page: int) -> bool:
    if page > len(then) or page > len(now):
        return True
    try:
        return _pixels(then[page - 1], longest=SMALL) != _pixels(now[page - 1], longest=SMALL)
    except pypdfium2.PdfiumError:
        return False


def _pair(then: pdfium.Document, now: pdfium.Document, page: int, *, longest: int) -> BeforeAfter:
    before = next(_draw(then, page, longest=longest), None) if page <= len(then) else None
    after = next(_draw(now, page, longest=longest), None) if page <= len(now) else None
    if before is None or after is None:
        return BeforeAfter(page, before, after)
    old, width, height = _pixels(then[page - 1], longest=longest)
    new, *size = _pixels(now[page - 1], longest=longest)
    if size == [width, height]:
        marks = tuple(Mark("", box) for box in differences(old, new, width=width, height=height))
        after = Picture(page, after.png, after.width, after.height, marks)
    return BeforeAfter(page, before, after)


def differences(old: bytes, new: bytes, *, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Frames around what differs between two pictures in RGB of one size, from top to bottom.

    >>> differences(bytes(27), bytes(12) + b"\\xff" * 3 + bytes(12), width=3, height=3)
    [(1, 1, 2, 2)]
    """
    line = 3 * width
    frames: list[tuple[int, int, int, int]] = []
    for row in range(height):
        start = row * line
        one, other = old[start : start + line], new[start : start + line]
        if one == other:
            continue
        unlike = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
        left = (line - (unlike.bit_length() + 7) // 8) // 3
        right = (line - ((unlike & -unlike).bit_length() - 1) // 8 - 1) // 3 + 1
        if frames and row - frames[-1][3] <= GAP:
            last = frames[-1]
            frames[-1] = (min(left, last[0]), last[1], max(right, last[2]), row + 1)
        else:
            frames.append((left, row, right, row + 1))
    return frames
