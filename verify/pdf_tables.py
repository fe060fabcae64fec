"""A long cross-reference table, kept as the bytes it is: lines are read when they are asked for.

One whose lines are all of the form that ISO 32000-1 §7.5.4 prescribes, of one subsection; `verify.pdf_sections` reads
the short ones, and pyHanko the irregular ones.

    table = Table.read(file)        # None: not such a table, and the position is the same
    table.highest
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.xref import XRefSectionData

ROW = 20
"""Bytes of one line of a cross-reference table (ISO 32000-1 §7.5.4)."""

WORTHWHILE = 200
"""Lines from which on keeping a table as bytes is quicker than reading it."""

MAX_GENERATION = 0xFFFF
SUBSECTION = re.compile(rb"\s*(\d{1,10}) (\d{1,10}) ?(?:\r\n|\r|\n)")
_TRAILER = re.compile(rb"\s*trailer\s*")


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
        self.highest = first + len(rows) // ROW - 1

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
        head = SUBSECTION.match(stream.read(64))
        if head is None or int(head[2]) < WORTHWHILE:
            return None
        stream.seek(start + head.end())
        first, rows = int(head[1]), stream.read(int(head[2]) * ROW)
        end = stream.tell()
        trailer = _TRAILER.match(stream.read(64))
        if trailer is None or len(rows) != int(head[2]) * ROW or not _is_regular(rows):
            return None
        stream.seek(end + trailer.end())
        freed: dict[int, int] = {}
        higher: dict[int, int] = {}
        marks = rows[17::ROW]
        for row in {found.start() for found in re.finditer(b"f", marks)} | _with_generation(rows):
            generation = int(rows[row * ROW + 11 : row * ROW + 16])
            if generation > MAX_GENERATION and first + row:
                return None
            if first + row:
                (freed if marks[row] == ord("f") else higher)[first + row] = generation
        return cls(first, rows, freed=freed, higher=higher)

    @cached_property
    def standard_xrefs(self) -> dict[int, tuple[int, int]]:  # type: ignore[override]  # computed when asked for
        higher, rows, first = self._higher, self._rows, self._first
        return {
            number: (higher.get(number, 0), int(rows[at : at + 10]))
            for number, at in zip(range(first, self.highest + 1), range(0, len(rows), ROW), strict=True)
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
        at = (number - self._first) * ROW
        return int(self._rows[at : at + 10])

    def higher_generation_refs(self) -> Iterator[tuple[int, int]]:
        yield from self._higher.items()


def _is_regular(rows: bytes) -> bool:
    """Whether every line is `nnnnnnnnnn ggggg n` with an end of line of two bytes, looked at column by column."""
    count = len(rows) // ROW
    marks = rows[17::ROW]
    return (
        rows[10::ROW] == rows[16::ROW] == b" " * count
        and marks.count(b"n") + marks.count(b"f") == count
        and all(rows[column::ROW].isdigit() for column in (*range(10), *range(11, 16)))
        and not rows[18::ROW].translate(None, b" \r")
        and not rows[19::ROW].translate(None, b"\r\n")
    )


def _with_generation(rows: bytes) -> set[int]:
    """Lines whose generation is not zero."""
    return {found.start() for column in range(11, 16) for found in re.finditer(b"[1-9]", rows[column::ROW])}
