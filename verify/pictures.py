"""Pictures of pages as PDFium draws them, of any revision of a document: to compare, not to show.

PDFium is not the judge of what a document says; it is one reader, and two pictures by the same reader of the same
content are equal to the last bit. Pictures are small (about one pixel a point), their size does not follow the page's.
A page that takes too long is given up between two of its objects; PDFium may still end the process on a hostile file,
which is why this runs in a worker.

    with Pictures(file, password=None, seconds=10.0) as pictures:
        one = pictures.draw(end=signed_end, page=0)
        other = pictures.draw(end=file_size, page=0)
        one.pixels == other.pixels
"""

from __future__ import annotations

import ctypes
import time
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

from verify import pdfium

LONGEST = 1_000
"""Pixels of the longer side."""
LARGEST_SCALE = 2.0
LARGEST_PAGE = 14_400.0
"""Points that a side may have (ISO 32000-1 Annex C.2); a larger page would not be seen well enough to be compared."""
KEPT = 6
"""Pictures that are kept for the next signature."""
OPEN = 16
"""Revisions that are open at once."""
BYTES = 4
"""A pixel is blue, green, red and nothing."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in the page's own coordinates (points)."""


class NotDrawn(Exception):
    """The page cannot be drawn; the reason is a code."""


@dataclass(frozen=True)
class Picture:
    """`pixels`: rows from the top, `BYTES` a pixel. `to_device`: x and y of the page to column and row, and back."""

    width: int
    height: int
    pixels: bytes
    to_device: tuple[float, float, float, float, float, float]

    def area(self, box: Box, *, margin: int) -> tuple[int, int, int, int]:
        """Columns and rows [left, right) and [top, bottom) that a box covers, with a margin in pixels."""
        a, b, c, d, e, f = self.to_device
        corners = [(a * x + c * y + e, b * x + d * y + f) for x in box[::2] for y in box[1::2]]
        columns, rows = [one for one, _ in corners], [one for _, one in corners]
        return (
            max(int(min(columns)) - margin, 0),
            min(int(max(columns)) + 1 + margin, self.width),
            max(int(min(rows)) - margin, 0),
            min(int(max(rows)) + 1 + margin, self.height),
        )

    def box(self, left: int, right: int, top: int, bottom: int) -> Box:
        """What `area` covers, in the page's coordinates."""
        a, b, c, d, e, f = self.to_device
        turn = a * d - b * c or 1.0
        points = [
            ((d * (x - e) - c * (y - f)) / turn, (a * (y - f) - b * (x - e)) / turn)
            for x in (left, right)
            for y in (top, bottom)
        ]
        across, up = [one for one, _ in points], [one for _, one in points]
        return round(min(across), 1), round(min(up), 1), round(max(across), 1), round(max(up), 1)


class Pictures:
    """Draws pages of the revisions of one file. `seconds` is the CPU time that all of them may cost."""

    def __init__(self, file: BinaryIO, *, password: str | None, seconds: float) -> None:
        self._file, self._password, self._left = file, password, seconds
        self._documents: OrderedDict[int, Any] = OrderedDict()
        self._kept: OrderedDict[tuple[int, int, bool], Picture] = OrderedDict()
        self.drawn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with pdfium.AT_WORK:
            while self._documents:
                self._documents.popitem()[1].close()
        self._kept.clear()

    def pages(self, *, end: int) -> int:
        """How many pages the revision that ends there has. Raises NotDrawn."""
        with pdfium.AT_WORK:
            return len(self._document(end))

    def draw(self, *, end: int, page: int, annotated: bool = True) -> Picture:
        """The page (from 0) as the revision that ends at `end` shows it, with its annotations or without any. Raises
        NotDrawn."""
        key = (end, page, annotated)
        if key not in self._kept:
            started = time.process_time()
            try:
                with pdfium.AT_WORK:
                    picture = self._draw(self._document(end), page, annotated=annotated, until=started + self._left)
            finally:
                self._left -= time.process_time() - started
            self.drawn += 1
            self._kept[key] = picture
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _document(self, end: int) -> Any:
        library = pdfium.load()
        if end not in self._documents:
            while len(self._documents) >= OPEN:
                self._documents.popitem(last=False)[1].close()
            try:
                document = library.PdfDocument(pdfium.Prefix(self._file, end), password=self._password)
                document.init_forms()  # before any page is loaded: fields are drawn by the form's own module
                self._documents[end] = document
            except library.PdfiumError as error:
                raise NotDrawn("not-opened") from error
        self._documents.move_to_end(end)
        return self._documents[end]

    def _draw(self, document: Any, number: int, *, annotated: bool, until: float) -> Picture:
        library = pdfium.load()
        raw = library.raw
        if time.process_time() > until:
            raise NotDrawn("time")
        try:
            page = document[number]
        except (library.PdfiumError, IndexError) as error:
            raise NotDrawn("page-not-loaded") from error
        try:
            across, up = page.get_size()
            if not (0 < across <= LARGEST_PAGE and 0 < up <= LARGEST_PAGE):
                raise NotDrawn("page-size")
            scale = min(LONGEST / max(across, up), LARGEST_SCALE)
            width, height = max(int(across * scale), 1), max(int(up * scale), 1)
            bitmap = raw.FPDFBitmap_Create(width, height, 0)
            if not bitmap:
                raise NotDrawn("memory")
            try:
                raw.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
                _render(raw, bitmap, page.raw, width, height, flags=raw.FPDF_ANNOT if annotated else 0, until=until)
                if annotated and document.formenv:
                    raw.FPDF_FFLDraw(document.formenv, bitmap, page.raw, 0, 0, width, height, 0, raw.FPDF_ANNOT)
                stride = raw.FPDFBitmap_GetStride(bitmap)
                pixels = ctypes.string_at(raw.FPDFBitmap_GetBuffer(bitmap), stride * height)
            finally:
                raw.FPDFBitmap_Destroy(bitmap)
            return Picture(width, height, pixels, _to_device(raw, page.raw, width, height))
        finally:
            page.close()


def _render(raw: Any, bitmap: Any, page: Any, width: int, height: int, *, flags: int, until: float) -> None:
    """PDFium asks between two objects of a page whether it should stop."""
    pause = raw.IFSDK_PAUSE()
    pause.version = 1
    is_late = type(pause.NeedToPauseNow)(lambda _: int(time.process_time() > until))
    pause.NeedToPauseNow = is_late
    state = raw.FPDF_RenderPageBitmap_Start(bitmap, page, 0, 0, width, height, 0, flags, ctypes.byref(pause))
    raw.FPDF_RenderPage_Close(page)
    if state != raw.FPDF_RENDER_DONE:
        raise NotDrawn("time" if state == raw.FPDF_RENDER_TOBECONTINUED else "failed")


def _to_device(raw: Any, page: Any, width: int, height: int) -> tuple[float, float, float, float, float, float]:
    """The matrix from the page's coordinates to pixels: PDFium answers in whole pixels, so far points are asked."""
    far = 10_000.0

    def device(x: float, y: float) -> tuple[int, int]:
        column, row = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, column, row)
        return column.value, row.value

    origin, right, above = device(0, 0), device(far, 0), device(0, far)
    return (
        (right[0] - origin[0]) / far,
        (right[1] - origin[1]) / far,
        (above[0] - origin[0]) / far,
        (above[1] - origin[1]) / far,
        float(origin[0]),
        float(origin[1]),
    )
