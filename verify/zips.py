"""ZIP files of our own making, written always alike and read by a reader that has nothing to unpack.

Entries are stored, never compressed; local headers, contents and directory follow each other without a gap, so that each
octet of the file belongs to exactly one part of it, and every octet of a header is the only one it may be. That leaves no room for bombs, overlapping or hidden entries, or for
two readers to see different files. Reading costs one pass over the directory, whose size is bounded. Nothing is ever
written to a disk under a name from the file; links and folders are refused.

    with path.open("wb") as out:
        write(out, (("manifest.json", b"{}"), ("document.pdf", file)))
    with path.open("rb") as file:
        for entry in entries(file):           # raises ZipRefused
            read(file, entry)
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from verify.document import chunks, size_of

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,99}/){0,3}[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What an entry may be called: no absolute path, no `..`, no back-slash, no folder by itself."""
MOST = 5_000
LARGEST = 0xFFFFFFFE
"""Octets of a whole file: ZIP64 is neither written nor read."""

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_VERSION, _MADE_BY_UNIX = 20, 3 << 8
_UNDATED = (0, 1 << 5 | 1)
"""1 January 1980, the first day that a ZIP knows: time, date."""
_REGULAR, _KINDS = 0o100000, 0o170000
_LONGEST_NAME = 404


class ZipRefused(ValueError):
    """The file is no ZIP of stored files without gaps. `reason` is a code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """One stored file: `size` octets from `offset` on."""

    name: str
    offset: int
    size: int
    crc: int


def looks_like_one(head: bytes) -> bool:
    """Whether a file that begins so is a ZIP, perhaps an empty one."""
    return head.startswith((LOCAL, END))


def first_name(head: bytes) -> str:
    """What the first entry of a ZIP is called that begins so; empty when that cannot be told."""
    if not head.startswith(LOCAL) or len(head) < _LOCAL.size:
        return ""
    length = _LOCAL.unpack_from(head)[9]
    return head[_LOCAL.size : _LOCAL.size + length].decode("ascii", "replace")


def write(out: BinaryIO, files: Iterable[tuple[str, bytes | BinaryIO]]) -> None:
    """The ZIP of these files in this order, the same octets each time. A file that is read is read twice.

    Raises ZipRefused for a name or a size that cannot be.
    """
    directory: list[bytes] = []
    offset = 0
    for name, content in files:
        if not NAME.fullmatch(name) or len(directory) == MOST:
            raise ZipRefused("file-name", name)
        size = len(content) if isinstance(content, bytes) else size_of(content)
        crc = 0
        for piece in _pieces(content, size=size):
            crc = zlib.crc32(piece, crc)
        entry = Entry(name, offset + _LOCAL.size + len(name), size, crc)
        header = _local(entry)
        directory.append(_central(entry))
        if offset + len(header) + size > LARGEST:
            raise ZipRefused("too-large")
        out.write(header)
        for piece in _pieces(content, size=size):
            out.write(piece)
        offset += len(header) + size
    length = sum(map(len, directory))
    if offset + length + _END.size > LARGEST:
        raise ZipRefused("too-large")
    for one in directory:
        out.write(one)
    out.write(_END.pack(END, 0, 0, len(directory), len(directory), length, offset, 0))


def entries(file: BinaryIO) -> tuple[Entry, ...]:
    """The files in it, in order. Raises ZipRefused.

    1. The end record is the last 22 octets; the directory lies right before it and is of a bounded size.
    2. Each directory entry is of a stored, plain file with a harmless name that no other has, written as `write` does.
    3. Its local header is too, and stands right behind the file before; the last one ends where the directory begins.
    """
    # 1
    size = size_of(file)
    if size < _END.size or size > LARGEST:
        raise ZipRefused("zip" if size < _END.size else "too-large")
    file.seek(size - _END.size)
    magic, disk, first_disk, here, count, length, start, comment = _END.unpack(file.read(_END.size))
    if magic != END or disk or first_disk or here != count or comment or start + length + _END.size != size:
        raise ZipRefused("zip")
    if count > MOST or length > MOST * (_CENTRAL.size + _LONGEST_NAME):
        raise ZipRefused("too-many")
    file.seek(start)
    directory = file.read(length)
    # 2
    found: dict[str, Entry] = {}
    at, offset = 0, 0
    for _ in range(count):
        entry, at = _entry(directory, at, offset=offset)
        if entry.name in found:
            raise ZipRefused("twice", entry.name)
        # 3
        offset = entry.offset + entry.size
        if offset > start:
            raise ZipRefused("zip")
        header = _local(entry)
        file.seek(entry.offset - len(header))
        if file.read(len(header)) != header:
            raise ZipRefused("zip", entry.name)
        found[entry.name] = entry
    if at != length or offset != start:
        raise ZipRefused("zip")
    return tuple(found.values())


def contents(file: BinaryIO, entry: Entry) -> Iterator[memoryview]:
    """The octets of one entry, piece by piece. Raises ZipRefused at the end when they are not what its CRC is of."""
    crc = 0
    try:
        for piece in chunks(file, start=entry.offset, length=entry.size):
            crc = zlib.crc32(piece, crc)
            yield piece
    except EOFError as error:
        raise ZipRefused("zip") from error
    if crc != entry.crc:
        raise ZipRefused("zip", entry.name)


def read(file: BinaryIO, entry: Entry, *, limit: int) -> bytes:
    """The octets of one entry of at most `limit`. Raises ZipRefused."""
    if entry.size > limit:
        raise ZipRefused("too-large", entry.name)
    return b"".join(bytes(piece) for piece in contents(file, entry))


def _entry(directory: bytes, at: int, *, offset: int) -> tuple[Entry, int]:
    """The directory's entry that stands `at`, and where the next one stands. The file begins at `offset`."""
    if at + _CENTRAL.size > len(directory):
        raise ZipRefused("zip")
    (_, _, _, flags, method, _, _, crc, packed, size, length, _, _, _, _, mode, _) = _CENTRAL.unpack_from(directory, at)
    end = at + _CENTRAL.size + length
    if length > _LONGEST_NAME or end > len(directory):
        raise ZipRefused("zip")
    name = directory[at + _CENTRAL.size : end].decode("ascii", "replace")
    if not NAME.fullmatch(name):
        raise ZipRefused("file-name", name)
    if method or flags or packed != size:
        raise ZipRefused("packed", name)
    if mode >> 16 & _KINDS not in (0, _REGULAR):
        raise ZipRefused("link", name)
    entry = Entry(name, offset + _LOCAL.size + length, size, crc)
    if directory[at:end] != _central(entry):
        raise ZipRefused("zip", name)
    return entry, end


def _local(entry: Entry) -> bytes:
    """The header before a file: there is one way to write it, so that comparing is checking."""
    size, name = entry.size, entry.name.encode("ascii")
    return _LOCAL.pack(LOCAL, _VERSION, 0, 0, *_UNDATED, entry.crc, size, size, len(name), 0) + name


def _central(entry: Entry) -> bytes:
    """The same for the directory."""
    size, name = entry.size, entry.name.encode("ascii")
    begins = entry.offset - _LOCAL.size - len(name)
    said = (CENTRAL, _MADE_BY_UNIX | _VERSION, _VERSION, 0, 0, *_UNDATED, entry.crc, size, size, len(name))
    return _CENTRAL.pack(*said, 0, 0, 0, 0, (_REGULAR | 0o644) << 16, begins) + name


def _pieces(content: bytes | BinaryIO, *, size: int) -> Iterable[bytes | memoryview]:
    return (content,) if isinstance(content, bytes) else chunks(content, start=0, length=size)
