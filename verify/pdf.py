"""Opens a PDF safely: whatever pyHanko raises on a hostile file comes out as a VerifyError.

Serves signer and verifier. It finds and judges nothing: signatures are read by `verify.pdf_signatures`.

    with open("a.pdf", "rb") as file:
        reader = open_reader(file, limits=Limits())
        pages = check_pages(reader, limits=Limits())
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, cast

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import (
    AuthStatus,
    pdfmac,  # noqa: F401  imported later by the reader, where no file opens
)
from pyhanko.pdf_utils.crypt.api import PdfMacStatus
from pyhanko.pdf_utils.decode_limits import DecodeLimits, DecodePurpose, DocumentDecodeBudget, StreamDecodeLimits
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from verify.document import Limits, check_size, header_offset
from verify.errors import DocumentBroken, DocumentEncrypted, DocumentTooComplex, VerifyError
from verify.pdf_reader import Reader

Tolerance = Literal["harmless", "lenient", "loose"]
"""`harmless`: strict, but for hybrid-reference files; what is signed must read the same everywhere.
`lenient`: strict where possible, else what readers forgive; for judging, where a warning says so. `loose`: forgive."""

_RETIRED = 5
"""Revision of the standard security handler that never became part of ISO 32000-2 (deprecated there, Table 21): weaker
than the one before and after it, and pyHanko does not know it."""

UNEXPECTED = (
    PdfError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
)
"""What pyHanko's parser was seen to raise on mutated files, beside RecursionError and MemoryError."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turns whatever a parser raises into DocumentBroken or DocumentTooComplex."""
    try:
        yield
    except VerifyError:
        raise
    except (RecursionError, MemoryError, PdfDecodeLimitError) as error:
        raise DocumentTooComplex(reason=type(error).__name__) from error
    except UNEXPECTED as error:
        raise DocumentBroken(reason=type(error).__name__) from error


def open_reader(
    file: BinaryIO, *, limits: Limits, password: str | None = None, tolerance: Tolerance = "harmless"
) -> Reader:
    """A reader over `file`, which must stay open. Raises a VerifyError, whatever the bytes are.

    1. The header stands at the first byte; `lenient` skips what stands before it.
    2. Strict reading; hybrid-reference files (and under `lenient` all others that fail) are read again without.
    3. The catalog is a dictionary, the number of objects is bounded, an encrypted file opens.
    """
    check_size(file, limits=limits)
    with refusing():
        offset = header_offset(file)
        if offset and tolerance == "harmless":
            raise DocumentBroken("bytes stand before the PDF header", reason="bytes-before-header", count=offset)
        stream = Shifted(file, offset) if offset else file
        try:
            reader = _open(stream, strict=tolerance != "loose", limits=limits)
            if reader.xrefs.hybrid_xrefs_present:
                reader = _open(stream, strict=False, limits=limits)
            _check(reader, password=password, limits=limits)
        except (DocumentEncrypted, DocumentTooComplex, PdfDecodeLimitError):
            raise
        except (*UNEXPECTED, DocumentBroken):
            if tolerance == "harmless":
                raise
            reader = _open(stream, strict=False, limits=limits)
            _check(reader, password=password, limits=limits)
        return reader


def check_pages(reader: Reader, *, limits: Limits) -> int:
    """The number of pages. Raises DocumentBroken when the page tree loops or is no tree."""
    with refusing():
        seen: set[tuple[int, int]] = set()
        todo: list[generic.PdfObject] = [reader.root.raw_get("/Pages")]
        pages = 0
        while todo:
            node = todo.pop()
            if isinstance(node, generic.IndirectObject):
                key = (node.reference.idnum, node.reference.generation)
                if key in seen:
                    raise DocumentBroken("the page tree loops", reason="page-tree-loop")
                seen.add(key)
                node = node.get_object()
            if not isinstance(node, generic.DictionaryObject):
                raise DocumentBroken("a page is no dictionary", reason="page-tree")
            if "/Kids" in node:
                todo.extend(node["/Kids"])
            else:
                pages += 1
            if len(seen) + len(todo) > limits.objects:
                raise DocumentTooComplex(reason="page-tree")
        return pages


def get(values: Any, key: str) -> Any:
    """The value behind a key of a dictionary, dereferenced; None when there is none or it cannot be read."""
    if not isinstance(values, generic.DictionaryObject) or key not in values:
        return None
    try:
        return values[key]
    except (*UNEXPECTED, RecursionError):
        return None


def _open(stream: BinaryIO | Shifted, *, strict: bool, limits: Limits) -> Reader:
    stream.seek(0)
    return Reader(cast("BinaryIO", stream), strict=strict, decode_limits=_decode_limits(limits))


def _decode_limits(limits: Limits) -> DecodeLimits:
    structure = StreamDecodeLimits(max_ratio=100, ratio_floor=1 << 22, max_output_size=limits.decoded_stream)
    return DecodeLimits(
        per_stream=StreamDecodeLimits(max_output_size=limits.decoded_stream),
        per_purpose={
            DecodePurpose.OBJECT_STREAM: structure,
            DecodePurpose.XREF_STREAM: structure,
            DecodePurpose.XMP_METADATA: structure,
        },
        document_budget=DocumentDecodeBudget(base_allowance=limits.decoded_total, max_ratio=1),
    )


def _check(reader: Reader, *, password: str | None, limits: Limits) -> None:
    if reader.encrypted:
        _decrypt(reader, password)
    if reader.xrefs.total_revisions > limits.revisions:
        raise DocumentTooComplex(reason="revisions", count=reader.xrefs.total_revisions)
    if not isinstance(reader.root, generic.DictionaryObject):
        raise DocumentBroken("the catalog is no dictionary", reason="catalog")


def _decrypt(reader: Reader, password: str | None) -> None:
    """Many encrypted files open with the empty user password; then nothing is asked for. What the user password does
    not allow (ISO 32000-1 Table 22) is noted in `reader.permissions`; the owner password allows everything."""
    if get(reader.trailer["/Encrypt"], "/R") == _RETIRED:
        raise DocumentEncrypted("encrypted as Acrobat 9 did, by revision 5", reason="encryption-not-supported")
    try:
        result = reader.decrypt(password or "")
    except (*UNEXPECTED, RecursionError) as error:
        raise DocumentEncrypted(reason=type(error).__name__) from error
    if result.mac_status == PdfMacStatus.FAILED:
        raise DocumentBroken("the document's integrity code (ISO/TS 32004) is wrong", reason="mac")
    if result.status == AuthStatus.FAILED:
        raise DocumentEncrypted(reason="password-wrong" if password else "password-missing")
    if result.status == AuthStatus.USER and result.permission_flags is not None:
        reader.permissions = result.permission_flags.as_uint32()


def has_mac(reader: PdfFileReader) -> bool:
    """Whether an encrypted document has an integrity code over all of it (ISO/TS 32004)."""
    handler = reader.security_handler
    return "/AuthCode" in reader.trailer or (handler is not None and handler.pdf_mac_enabled)


class Shifted(io.RawIOBase):
    """A read-only view of a file that starts some bytes into it: the offsets in such a PDF count from its header."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self.offset = offset

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET:
            return self._file.seek(position + self.offset) - self.offset
        return self._file.seek(position, whence) - self.offset

    def tell(self) -> int:
        return self._file.tell() - self.offset

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # narrower than Buffer
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
