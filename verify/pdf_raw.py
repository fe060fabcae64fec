"""The objects of a PDF as the bytes they are, in the order of the file: for looking at what a parser glosses over.

It resolves nothing and decodes nothing. One object is the bytes from where a cross-reference points to where the next
thing begins; of a large one only head and tail are read, so that a document of any size costs by its objects.

    raw = RawObjects(file, reader, limit=2_000)
    for one in raw:
        one.number, one.head            # b"7 0 obj\n<</Type/Page …", up to 16 KiB of it
    raw.complete                        # False when there are more objects than `limit`
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

HEAD = 1 << 14
TAIL = 1 << 10
_WINDOW = 1 << 20

LENGTH = re.compile(rb"/Length\s+(\d+)(?:\s+(\d+)\s+R)?")
_NUMBER = re.compile(rb"\s*\d+\s+\d+\s+obj\s*(\d+)")


class RawObject(NamedTuple):
    """One object at `offset`: `head` are its first bytes, `tail` its last, both the whole of it if it is small."""

    number: int
    generation: int
    offset: int
    end: int
    head: bytes
    tail: bytes
    current: bool
    """False for an object that a later revision replaced or freed."""

    @property
    def dictionary(self) -> bytes:
        """What stands before the stream, if there is one."""
        at = self.head.find(b"stream")
        return self.head if at < 0 else self.head[:at]


class RawObjects:
    """All objects that any revision's cross-references place in the file, at most `limit` of them, once each."""

    def __init__(self, file: BinaryIO, reader: PdfFileReader, *, limit: int) -> None:
        self._file = file
        self._reader = reader
        self._octets: bytes | None = getattr(reader, "octets", None)
        self._shift = int(getattr(reader.stream, "offset", 0))
        self.size = file.seek(0, os.SEEK_END)
        self.sections = [reader.xrefs.get_xref_container_info(number) for number in range(reader.xrefs.total_revisions)]
        self.compressed: dict[int, int] = {}
        """Object number → object stream, for the objects of the last revision that stand in one."""
        self._places: dict[int, tuple[int, int]] = {}
        current = self._collect()
        self._current = set(current.values())
        self.count = len(self._places)
        self.complete = self.count <= limit
        self.offsets = sorted(self._places)[:limit]
        self._marks = sorted({*self._places, *self._other_marks(), self.size})

    @property
    def in_memory(self) -> bool:
        """Whether going through the objects again costs no reading."""
        return self._octets is not None

    def __iter__(self) -> Iterator[RawObject]:
        start, window = 0, self._octets or b""
        marks, places, current = self._marks, self._places, self._current
        for offset in self.offsets:
            end = marks[bisect_right(marks, offset)]
            if end - offset <= HEAD:
                if offset < start or end > start + len(window):
                    self._file.seek(offset)
                    start, window = offset, self._file.read(_WINDOW if self.complete else HEAD)
                head = tail = window[offset - start : end - start]
            else:
                head, tail = self._read(offset, HEAD), self._read(end - TAIL, TAIL)
            number, generation = places[offset]
            yield RawObject(number, generation, offset, end, head, tail, offset in current)

    def between(self, start: int, end: int) -> bytes:
        """At most HEAD bytes of [start, end)."""
        return self._read(start, min(end - start, HEAD))

    def marks_from(self, offset: int) -> int:
        """Where the next thing begins."""
        return self._marks[bisect_right(self._marks, offset)]

    def length_of(self, dictionary: bytes) -> int | None:
        """The value of /Length, looked up if it is a reference; None when there is none that can be read."""
        found = LENGTH.search(dictionary)
        if found is None:
            return None
        if found[2] is None:
            return int(found[1])
        try:
            place = self._reader.xrefs[generic.Reference(int(found[1]), int(found[2]), self._reader)]
        except KeyError:
            return None
        value = _NUMBER.match(self._read(place + self._shift, 64)) if isinstance(place, int) else None
        return int(value[1]) if value else None

    def _read(self, start: int, length: int) -> bytes:
        if self._octets is not None:
            return self._octets[start : start + length]
        self._file.seek(start)
        return self._file.read(length)

    def _collect(self) -> dict[int, int]:
        """Fills `_places`; returns where the last revision has its objects."""
        current: dict[int, int] = {}
        for number in range(self._reader.xrefs.total_revisions):
            data = self._reader.xrefs.get_xref_data(number)
            parts = [data, *([data.hybrid.xref_data] if data.hybrid is not None else [])]
            for part in parts:
                for freed in part.freed:
                    current.pop(freed, None)
                    self.compressed.pop(freed, None)
            for part in reversed(parts):
                placed = {
                    at + self._shift: (idnum, generation)
                    for idnum, (generation, at) in part.standard_xrefs.items()
                    if 0 < at + self._shift < self.size
                }
                self._places.update(placed)
                current.update({idnum: at for at, (idnum, _) in placed.items()})
                for idnum in part.standard_xrefs:
                    self.compressed.pop(idnum, None)
                for idnum, place in part.xrefs_in_objstm.items():
                    self.compressed[idnum] = place.obj_stream_id
                    current.pop(idnum, None)
        return current

    def _other_marks(self) -> Iterator[int]:
        for section in self.sections:
            yield section.start_location + self._shift
            at = self._read(max(0, section.start_location + self._shift - 8), 8).rfind(b"xref")
            if at >= 0:  # pyHanko counts the table from behind its keyword
                yield max(0, section.start_location + self._shift - 8) + at
