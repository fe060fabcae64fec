"""One page of a PDF as PNG, in a worker: PDFium aborts on some hostile files.

Not an interpretation of the document: what PDFium shows is not evidence. The size of the picture is bounded in pixels,
whatever the page's size says.

>>> png(b"\\xff\\x00\\x00", width=1, height=1, channels=3)[:8]
b'\\x89PNG\\r\\n\\x1a\\n'
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from api.sandbox.calls import Rendered
from verify import pdfium
from verify.errors import VerifyError

LARGEST = 4096
"""Pixels that a side may have, whatever is asked for."""


class PageNotFound(VerifyError):
    """The document has no such page."""

    code = "page-not-found"


def render(document: BinaryIO, *, page: int, longest: int) -> Rendered:
    """The page (from 1), its fields and annotations drawn; raises PageNotFound, DocumentBroken."""
    with pdfium.opened(document) as pdf:
        pages = len(pdf)
        if not 1 <= page <= pages:
            raise PageNotFound(page=page, pages=pages)
        leaf = pdf[page - 1]
        scale = min(longest, LARGEST) / max(*leaf.get_size(), 1.0)
        bitmap = leaf.render(scale=scale, rev_byteorder=True)
        rows = _rows(bytes(bitmap.buffer), width=bitmap.width * bitmap.n_channels, stride=bitmap.stride)
        picture = png(rows, width=bitmap.width, height=bitmap.height, channels=bitmap.n_channels)
        return Rendered(picture, bitmap.width, bitmap.height, pages)


def _rows(pixels: bytes, *, width: int, stride: int) -> bytes:
    """The pixels without what pads each line; `width` and `stride` in bytes."""
    if width == stride:
        return pixels
    return b"".join(pixels[start : start + width] for start in range(0, len(pixels), stride))


def png(pixels: bytes, *, width: int, height: int, channels: int) -> bytes:
    """PNG (ISO/IEC 15948) of grey, RGB or RGBA pixels, eight bits each."""
    colour = {1: 0, 3: 2, 4: 6}[channels]
    line = width * channels
    lines = b"".join(b"\0" + pixels[start : start + line] for start in range(0, line * height, line))
    header = struct.pack("!IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + name + data + struct.pack("!I", zlib.crc32(name + data)) for name, data in chunks
    )
