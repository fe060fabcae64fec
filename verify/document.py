"""The gate: what a file is, by its content, and what reading it may cost.

Not a parser: it looks at the first kilobyte and at the size. Names and MIME types are never believed.

    kind = sniff(file)                  # "PDF" or "XML"; raises EmptyDocument, NotADocument
    check_size(file, limits=Limits())   # raises DocumentTooLarge
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from verify.errors import DocumentTooLarge, EmptyDocument, NotADocument

Kind = Literal["PDF", "XML"]

MIB = 1 << 20
CHUNK = MIB
"""Bytes read at a time: a document is never held in memory as a whole."""

HEAD = 1024
"""A PDF header may stand anywhere in the first 1024 bytes for lenient readers (ISO 32000-1, Annex H.3, note 13)."""

_PDF_HEADER = re.compile(rb"%PDF-\d\.\d")
_XML_START = re.compile(rb"\s*<(\?[A-Za-z_\x80-\xff]|[A-Za-z_\x80-\xff][\w.\-\x80-\xff]*[\s:>/]|!--|!DOCTYPE)")
"""A declaration or any other processing instruction, an element (whose name may be Vietnamese), a comment, a DTD."""
_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UNMARKED = {b"<\x00?\x00": "utf-16-le", b"\x00<\x00?": "utf-16-be"}
"""UTF-16 without a mark, which a declaration tells (XML 1.0, annex F.1)."""


@dataclass(frozen=True)
class Limits:
    """What one document may cost. Sizes in bytes, times in seconds of CPU."""

    document: int = 1 << 30
    cms: int = 16 * MIB
    """The largest /Contents that is parsed."""
    decoded_stream: int = 64 * MIB
    """The largest object, cross-reference or metadata stream after decompression."""
    decoded_total: int = 256 * MIB
    objects: int = 1_000_000
    """Indirect objects a cross-reference table may name."""
    fields: int = 5_000
    """Form fields that are looked at."""
    signatures: int = 500
    xml: int = 64 * MIB
    """The largest XML document, and the largest detached file that is parsed as one."""
    xml_memory: int = 768 * MIB
    """What the tree of an XML document may take, by estimate."""
    xml_depth: int = 256
    xml_attributes: int = 1_000
    """Attributes of one element, and namespace declarations in force at one place."""
    xml_namespaces: int = 256
    """Namespaces in scope of one element, where they are canonicalised inclusively."""
    references: int = 1_000
    """ds:Reference elements of one document, those in manifests included."""
    transforms: int = 10
    """ds:Transform elements of one reference."""
    digested: int = 512 * MIB
    """Octets that all references of a document canonicalise."""
    revisions: int = 1_000
    comparisons: int = 2_000_000
    """References followed when revisions are compared."""
    seconds: float = 20.0
    """CPU for comparing revisions and searching paths, each."""
    drawing: float = 8.0
    """CPU for drawing pages of two revisions; 0: none are drawn, and what could be seen of a change is not known."""


def sniff(file: BinaryIO) -> Kind:
    """What the file is, by its content. Raises EmptyDocument, NotADocument. The position is left at the start."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    if not head:
        raise EmptyDocument
    if b"%PDF-" in head and _PDF_HEADER.search(head):
        return "PDF"
    if _XML_START.match(_without_bom(head)):
        return "XML"
    raise NotADocument


def header_offset(file: BinaryIO) -> int:
    """Bytes before `%PDF-`: zero in a sound file. Raises NotADocument when there is no header."""
    file.seek(0)
    found = _PDF_HEADER.search(file.read(HEAD))
    file.seek(0)
    if found is None:
        raise NotADocument
    return found.start()


def size_of(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def check_size(file: BinaryIO, *, limits: Limits) -> int:
    """The size of the file. Raises EmptyDocument, DocumentTooLarge."""
    size = size_of(file)
    if size == 0:
        raise EmptyDocument
    if size > limits.document:
        raise DocumentTooLarge(size=size, limit=limits.document)
    return size


def chunks(file: BinaryIO, *, start: int, length: int) -> Iterator[memoryview]:
    """The bytes [start, start + length) in pieces of at most CHUNK. A file that ends before is an EOFError."""
    file.seek(start)
    buffer = bytearray(min(CHUNK, max(length, 1)))
    while length:
        view = memoryview(buffer)[: min(len(buffer), length)]
        read = file.readinto(view) if hasattr(file, "readinto") else _read_into(file, view)
        if not read:
            raise EOFError("the file ends before the range")
        yield view[:read]
        length -= read


def _read_into(file: BinaryIO, view: memoryview) -> int:
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)


def sha256_of(file: BinaryIO, *, size: int) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(file, start=0, length=size):
        digest.update(chunk)
    return digest.hexdigest()


def _without_bom(head: bytes) -> bytes:
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, "ignore").encode()
    if encoding := _UNMARKED.get(head[:4], ""):
        return head.decode(encoding, "ignore").encode()
    return head
