"""pyHanko's reader, made quick on documents with many pages, and aware of what a password allows.

Nothing is read differently: a cross-reference table whose lines are all of the form that ISO 32000-1 §7.5.4 prescribes
is kept as bytes and looked up by offset, and a long /Kids of a page tree or /Contents of a signature, which pyHanko reads
byte by byte, is taken at once. Whatever is irregular goes to pyHanko, which knows what to forgive. A table of 10,000 lines and a flat tree of 5,000 pages then cost
a tenth.

    reader = Reader(file, strict=True, decode_limits=DecodeLimits())
    reader.permissions        # None, or the bits that bind whoever opened the document with the user password
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO, cast

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.crypt import _saslprep  # noqa: F401  imported later, for a password only, where no file opens
from pyhanko.pdf_utils.decode_limits import DecodeContext, DecodeLimits
from pyhanko.pdf_utils.reader import PdfFileReader, _read_header_version, process_data_at_eof
from pyhanko.pdf_utils.xref import (
    ObjStreamRef,
    XRefBuilder,
    XRefCache,
    XRefEntry,
    XRefSection,
    XRefSectionData,
    XRefSectionMetaInfo,
    XRefSectionType,
    XRefType,
)

from verify.pdf_parser import parse

_ROW = 20
"""Bytes of one line of a cross-reference table (ISO 32000-1 §7.5.4)."""

_WORTHWHILE = 200
"""Lines from which on keeping a table as bytes is quicker than reading it."""

_MAX_GENERATION = 0xFFFF
_SUBSECTION = re.compile(rb"\s*(\d{1,10}) (\d{1,10}) ?(?:\r\n|\r|\n)")
_TRAILER = re.compile(rb"\s*trailer\s*")
_HEADER = re.compile(rb"\s*(\d{1,10})\s+(\d{1,5})\s+obj\s*(?=<)")
_SMALL = 1 << 13
_SMALL_TABLE = re.compile(
    rb"(?:\s{0,8}\d{1,10} \d{1,3} ?(?:\r\n|\r|\n)(?:\d{10} \d{5} [nf](?: \r| \n|\r\n))++)++\s{0,8}trailer\s{0,8}"
)
_LINE = re.compile(rb"(\d+) (\d+)(?: ([nf]))?")
_PEEK = 1_024
_MORE = 1 << 15
_MAX_ORDINARY = 1 << 25


class Reader(PdfFileReader):
    """Reads as PdfFileReader does. `permissions` is None unless the user password binds whoever gave it."""

    permissions: int | None = None
    _plain = False
    """Whether the document is known not to be encrypted."""

    def __init__(self, stream: BinaryIO, *, strict: bool, decode_limits: DecodeLimits) -> None:
        # As in PdfFileReader.__init__, which leaves no way to pass a builder in.
        self._security_handler = None
        self.strict = strict
        self._decode_context = DecodeContext(decode_limits, input_size=stream.seek(0, os.SEEK_END))
        self.resolved_objects = {}
        self._input_version = None
        self._historical_resolver_cache = {}
        self.stream = stream
        self._header_version = _read_header_version(stream)
        stream.seek(-1, os.SEEK_END)
        builder = _Builder(handler=self, stream=stream, strict=strict, last_startxref=process_data_at_eof(stream))
        self.xrefs = XRefCache(self, cast("Any", builder).read_xrefs())
        self.last_startxref = builder.last_startxref
        self.trailer = builder.trailer
        self._plain = "/Encrypt" not in self.trailer
        self.has_xref_stream = builder.has_xref_stream
        self._embedded_signatures = None

    def _read_object(
        self,
        ref: generic.Reference,
        marker: int | ObjStreamRef | None,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> generic.PdfObject:
        if isinstance(marker, int) and self._plain:
            node = self._ordinary(ref, marker)
            if node is not None:
                return node
        return cast("generic.PdfObject", super()._read_object(ref, marker, never_decrypt, as_metadata_stream))

    def _ordinary(self, ref: generic.Reference, offset: int) -> generic.DictionaryObject | None:
        """The object at `offset` if it is a dictionary as nearly all are; None leaves it to pyHanko."""
        self.stream.seek(offset)
        body = self.stream.read(_PEEK)
        header = _HEADER.match(body)
        if header is None or (int(header[1]), int(header[2])) != (ref.idnum, ref.generation):
            return None
        while b"endobj" not in body:
            more = b"" if b"stream" in body or len(body) > _MAX_ORDINARY else self.stream.read(max(_MORE, len(body)))
            if not more:
                return None
            body += more
        return parse(body[header.end() :], generic.Reference(ref.idnum, ref.generation, self))


class _Builder(XRefBuilder):
    def _read_xref_table(self, declared_startxref: int) -> Any:
        start = self.stream.tell()
        data, highest = self._table()
        end = self.stream.tell()
        trailer = None if data is None else self._trailer()
        if data is None or trailer is None or "/XRefStm" in trailer:
            self.stream.seek(start)
            return super()._read_xref_table(declared_startxref)
        size = int(trailer.raw_get("/Size"))
        if self.strict and highest >= size:
            raise misc.PdfStrictReadError(f"the table names object {highest}, the trailer allows less than {size}")
        info = XRefSectionMetaInfo(
            xref_section_type=XRefSectionType.STANDARD,
            size=size,
            declared_startxref=declared_startxref,
            start_location=start,
            end_location=end,
            stream_ref=None,
        )
        self.sections.append(XRefSection(info, data))
        self.trailer.add_trailer_revision(trailer)
        previous = trailer.get("/Prev")
        if previous is not None and not isinstance(previous, generic.NumberObject):
            raise misc.PdfReadError("/Prev is no number")
        return previous

    def _table(self) -> tuple[XRefSectionData | None, int]:
        """The table and its highest number, the stream then behind `trailer`; None for one that is not regular."""
        table = Table.read(self.stream)
        if table is not None:
            return table, table.highest
        start = self.stream.tell()
        found = _SMALL_TABLE.match(self.stream.read(_SMALL))
        if found is None:
            return None, 0
        self.stream.seek(start + found.end())
        data = XRefSectionData()
        return data, cast("Any", data).process_entries(_entries(found[0]), strict=self.strict)

    def _trailer(self) -> generic.DictionaryObject | None:
        start = self.stream.tell()
        reference = generic.TrailerReference(self.handler)
        trailer = parse(self.stream.read(_SMALL), reference)
        if trailer is not None:
            return trailer
        self.stream.seek(start)
        return cast("generic.DictionaryObject", generic.DictionaryObject.read_from_stream(self.stream, reference))


def _entries(table: bytes) -> Iterator[XRefEntry]:
    number = 0
    for line in _LINE.finditer(table):
        if line[3] is None:
            number = int(line[1])
            continue
        used = line[3] == b"n"
        yield XRefEntry(
            xref_type=XRefType.STANDARD if used else XRefType.FREE,
            location=int(line[1]) if used else None,
            idnum=number,
            generation=int(line[2]),
        )
        number += 1


class Table(XRefSectionData):
    """A cross-reference table of one subsection, kept as bytes: lines are read when they are asked for."""

    def __init__(self, first: int, rows: bytes, *, freed: dict[int, int], higher: dict[int, int]) -> None:
        # XRefSectionData.__init__ is left out: it would make empty dictionaries of what is computed on demand here.
        self._first = first
        self._rows = rows
        self._higher = higher
        self.freed = freed
        self.xrefs_in_objstm = {}
        self.obj_streams_used = set()
        self.hybrid = None
        self.highest = first + len(rows) // _ROW - 1

    @classmethod
    def read(cls, stream: BinaryIO) -> Table | None:
        """The table at the stream's position, which then stands behind `trailer`; None when it is not worthwhile, and
        the position is the same."""
        start = stream.tell()
        table = cls._read(stream, start)
        if table is None:
            stream.seek(start)
        return table

    @classmethod
    def _read(cls, stream: BinaryIO, start: int) -> Table | None:
        head = _SUBSECTION.match(stream.read(64))
        if head is None or int(head[2]) < _WORTHWHILE:
            return None
        stream.seek(start + head.end())
        first, rows = int(head[1]), stream.read(int(head[2]) * _ROW)
        end = stream.tell()
        trailer = _TRAILER.match(stream.read(64))
        if trailer is None or len(rows) != int(head[2]) * _ROW or not _is_regular(rows):
            return None
        stream.seek(end + trailer.end())
        freed: dict[int, int] = {}
        higher: dict[int, int] = {}
        marks = rows[17::_ROW]
        for row in {found.start() for found in re.finditer(b"f", marks)} | _with_generation(rows):
            generation = int(rows[row * _ROW + 11 : row * _ROW + 16])
            if generation > _MAX_GENERATION:
                return None
            if first + row:
                (freed if marks[row] == ord("f") else higher)[first + row] = generation
        return cls(first, rows, freed=freed, higher=higher)

    @cached_property
    def standard_xrefs(self) -> dict[int, tuple[int, int]]:  # type: ignore[override]  # computed when asked for
        higher, rows, first = self._higher, self._rows, self._first
        return {
            number: (higher.get(number, 0), int(rows[at : at + 10]))
            for number, at in zip(range(first, self.highest + 1), range(0, len(rows), _ROW), strict=True)
            if number and number not in self.freed
        }

    @cached_property
    def explicit_refs_in_revision(self) -> set[tuple[int, int]]:  # type: ignore[override]  # computed when asked for
        used = {(number, generation) for number, (generation, _) in self.standard_xrefs.items()}
        return used | {(number, generation - 1) for number, generation in self.freed.items()}

    def try_resolve(self, ref: generic.Reference | generic.IndirectObject) -> int | None:
        number = ref.idnum
        if not number or not self._first <= number <= self.highest:
            raise KeyError(ref)
        if number in self.freed:
            if ref.generation == self.freed[number] - 1:
                return None
            raise KeyError(ref)
        if ref.generation != self._higher.get(number, 0):
            raise KeyError(ref)
        at = (number - self._first) * _ROW
        return int(self._rows[at : at + 10])

    def higher_generation_refs(self) -> Iterator[tuple[int, int]]:
        yield from self._higher.items()


def _is_regular(rows: bytes) -> bool:
    """Whether every line is `nnnnnnnnnn ggggg n` with an end of line of two bytes, looked at column by column."""
    count = len(rows) // _ROW
    marks = rows[17::_ROW]
    return (
        rows[10::_ROW] == rows[16::_ROW] == b" " * count
        and marks.count(b"n") + marks.count(b"f") == count
        and all(rows[column::_ROW].isdigit() for column in (*range(10), *range(11, 16)))
        and not rows[18::_ROW].translate(None, b" \r")
        and not rows[19::_ROW].translate(None, b"\r\n")
    )


def _with_generation(rows: bytes) -> set[int]:
    """Lines whose generation is not zero."""
    return {found.start() for column in range(11, 16) for found in re.finditer(b"[1-9]", rows[column::_ROW])}
