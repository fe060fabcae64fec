"""PDFs for tests, made on the spot: plain, with fields, with object streams, turned, large."""

from __future__ import annotations

import io
import os
from pathlib import Path

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field


def pdf(
    path: Path,
    *,
    pages: int = 1,
    fields: tuple[SigFieldSpec, ...] = (),
    object_streams: bool = False,
    rotate: int = 0,
    ballast: int = 0,
) -> Path:
    """Write a PDF of A4 pages to `path`; `ballast` bytes of incompressible stream make it as large as wanted."""
    writer = PdfFileWriter(stream_xrefs=object_streams)
    for _ in range(pages):
        contents = writer.add_object(generic.StreamObject(stream_data=b"0 0 m 100 100 l S\n"))
        page = PageObject(contents=contents, media_box=(0, 0, 595, 842))
        if rotate:
            page[pdf_name("/Rotate")] = generic.NumberObject(rotate)
        writer.insert_page(page)
    if ballast:
        writer.add_object(generic.StreamObject(stream_data=os.urandom(ballast)))
    for field in fields:
        append_signature_field(writer, field)
    buffer = io.BytesIO()
    writer.write(buffer)
    path.write_bytes(buffer.getvalue())
    return path
