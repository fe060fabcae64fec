"""Reads cross-reference tables quickly: those whose lines are all of the form that ISO 32000-1 §7.5.4 prescribes.

A short table is taken by one regular expression, a long one is kept as bytes (`verify.pdf_tables`), and the trailer of
a revision that another one followed is parsed only when somebody asks for an entry. Whatever is irregular, and every
cross-reference stream, goes to pyHanko, which knows what to forgive.

    builder = Builder(handler=reader, stream=file, strict=True, last_startxref=116)
    sections = builder.read_xrefs()        # oldest first; then builder.trailer
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, BinaryIO, cast

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.xref import (
    TrailerDictionary,
    XRefBuilder,
    XRefCache,
    XRefSection,
    XRefSectionData,
    XRefSectionMetaInfo,
    XRefSectionType,
    _check_xref_consistency,
)

from verify.pdf_parser import parse
from verify.pdf_tables import MAX_GENERATION, ROW, SUBSECTION, WORTHWHILE, Table

_SMALL = 1 << 13
_USED = ord("n")
"""§7.5.4. Object 0, which is always free, may say what it likes: MuPDF has it say 65536."""
_SMALL_TABLE = re.compile(
    rb"\s{0,8}((?:\d{1,10} \d{1,3} ?(?:\r\n|\r|\n)(?:\d{10} \d{5} [nf](?: \r| \n|\r\n))+\s{0,8})+)trailer\s{0,8}"
)
_SMALL_SUBSECTION = re.compile(rb"(\d{1,10}) (\d{1,3}) ?(?:\r\n|\r|\n)((?:\d{10} \d{5} [nf](?: \r| \n|\r\n))+)")
_PLAIN_TRAILER = re.compile(
    rb"<<\s*+(?:/(?:(?:Root|Info)\s++[1-9]\d{0,9} \d{1,5} R|(?:Size|Prev)\s++\d{1,18}"
    rb"|ID\s*+\[\s*+<[0-9A-Fa-f]{2,128}>\s*+<[0-9A-Fa-f]{2,128}>\s*+\])\s*+)+>>\s*+startxref\s"
)
"""A trailer of which nothing is left to be found wrong when it is parsed later: each entry can be read in one way."""

_TRAILER_KEY = re.compile(rb"/(Root|Info|Size|Prev|ID)\b")
_NUMBER_ENTRY = re.compile(rb"/(Size|Prev)\s+(\d+)")


class Builder(XRefBuilder):
    """Reads what is regular by itself, and leaves the rest to pyHanko."""

    def __init__(self, *, handler: Any, stream: BinaryIO, strict: bool, last_startxref: int) -> None:
        super().__init__(handler=handler, stream=stream, strict=strict, last_startxref=last_startxref)
        self.trailer = _Trailers()
        self.trailer.container_ref = generic.TrailerReference(handler)

    def read_xrefs(self) -> list[XRefSection]:
        """All sections, oldest first. Raises what pyHanko raises."""
        first = startxref = self.last_startxref
        seen: set[int] = set()
        while startxref is not None and startxref not in seen:
            seen.add(startxref)
            self.stream.seek(startxref)
            if self.stream.read(4) != b"xref":
                break
            self.stream.read(1)  # pyHanko counts the table from here
            before = len(self.sections)
            startxref, earlier = self._regular(startxref), startxref
            if len(self.sections) == before:
                startxref = earlier
                break
        if startxref is None:
            sections = list(reversed(self.sections))
            if self.strict:
                _check_xref_consistency(sections)
            return sections
        self.last_startxref = startxref
        try:
            return cast("list[XRefSection]", super().read_xrefs())  # type: ignore[no-untyped-call]  # pyHanko's
        finally:
            self.last_startxref = first

    def _read_xref_table(self, declared_startxref: int) -> Any:
        start, before = self.stream.tell(), len(self.sections)
        previous = self._regular(declared_startxref)
        if len(self.sections) > before:
            return previous
        self.stream.seek(start)
        return super()._read_xref_table(declared_startxref)

    def _regular(self, declared_startxref: int) -> Any:
        """Adds the section at the stream's position, if it is regular; returns /Prev."""
        start = self.stream.tell()
        data, highest = self._table()
        if data is None:
            return None
        end = self.stream.tell()
        trailer = self._trailer()
        if "/XRefStm" in trailer:
            return None
        size, previous = trailer.raw_get("/Size"), trailer.raw_get("/Prev") if "/Prev" in trailer else None
        if previous is not None and not isinstance(previous, int):
            raise misc.PdfReadError("/Prev is no number")
        if self.strict and highest >= int(size):
            raise misc.PdfStrictReadError(f"the table names object {highest}, the trailer allows less than {size}")
        info = XRefSectionMetaInfo(
            xref_section_type=XRefSectionType.STANDARD,
            size=int(size),
            declared_startxref=declared_startxref,
            start_location=start,
            end_location=end,
            stream_ref=None,
        )
        self.sections.append(XRefSection(info, data))
        self.trailer.add_trailer_revision(trailer)
        return previous

    def _table(self) -> tuple[XRefSectionData | None, int]:
        """The table and its highest number, the stream then behind `trailer`; None for one that is not regular."""
        start = self.stream.tell()
        text = self.stream.read(_SMALL)
        self.stream.seek(start)
        head = SUBSECTION.match(text)
        if head is not None and int(head[2]) >= WORTHWHILE:
            table = Table.read(self.stream)
            if table is not None:
                return table, table.highest
        found = _SMALL_TABLE.match(text)
        if found is None:
            return None, 0
        self.stream.seek(start + found.end())
        return _entries(found[1])

    def _trailer(self) -> Any:
        start = self.stream.tell()
        text, reference = self.stream.read(_SMALL), generic.TrailerReference(self.handler)
        if self.sections and (plain := _PLAIN_TRAILER.match(text)) is not None:
            keys = tuple("/" + key.decode() for key in _TRAILER_KEY.findall(plain[0]))
            if len(set(keys)) == len(keys) and "/Size" in keys:
                return _Earlier(plain[0], keys, reference)
        trailer = parse(text, reference)
        if trailer is not None:
            return trailer
        self.stream.seek(start)
        return generic.DictionaryObject.read_from_stream(self.stream, reference)


class CrossReferences(XRefCache):
    """Which object is where in which revision; asks only the revisions that name the object."""

    def __init__(self, reader: Any, sections: list[XRefSection]) -> None:
        super().__init__(reader, sections)
        self._naming: dict[int, list[int]] = {}
        self._unlisted: list[int] = []
        for revision, section in enumerate(sections):
            data = section.xref_data
            if type(data) is not XRefSectionData or data.hybrid is not None or len(data.standard_xrefs) > WORTHWHILE:
                self._unlisted.append(revision)
                continue
            for numbers in (data.standard_xrefs, data.xrefs_in_objstm, data.freed):
                for number in numbers:
                    self._naming.setdefault(number, []).append(revision)

    def get_last_change(self, ref: Any) -> int:
        """The last revision that names the object. Raises KeyError."""
        return self._first_of(ref, self._candidates(ref), free=True)

    def get_introducing_revision(self, ref: Any) -> int:
        """The first revision that has the object. Raises KeyError."""
        return self._first_of(ref, reversed(list(self._candidates(ref))), free=False)

    def _first_of(self, ref: Any, revisions: Iterable[int], *, free: bool) -> int:
        for revision in revisions:
            try:
                place = self._xref_sections[revision].xref_data.try_resolve(ref)
            except KeyError:
                continue
            if free or place is not None:
                return revision
        raise KeyError(ref)

    def _candidates(self, ref: Any) -> Iterable[int]:
        """The revisions that may name the object, newest first."""
        named = reversed(self._naming.get(ref.idnum, ()))
        return heapq.merge(named, reversed(self._unlisted), reverse=True) if self._unlisted else named

    def get_historical_ref(self, ref: Any, revision: int) -> Any:
        for candidate in self._candidates(ref):
            if candidate <= revision:
                try:
                    return self._xref_sections[candidate].xref_data.try_resolve(ref)
                except KeyError:
                    continue
        return None


class _Earlier:
    """A plain trailer that a later one follows: nearly always nothing of it is ever asked for but /Size and /Prev."""

    def __init__(self, text: bytes, keys: tuple[str, ...], reference: generic.TrailerReference) -> None:
        self._text = text
        self._keys = keys
        self._reference = reference

    @cached_property
    def _parsed(self) -> generic.DictionaryObject:
        trailer = parse(self._text, self._reference)
        assert trailer is not None  # by _PLAIN_TRAILER
        return trailer

    def raw_get(self, key: str, *rest: Any) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        if key in {"/Size", "/Prev"}:
            numbers = dict(_NUMBER_ENTRY.findall(self._text))
            return generic.NumberObject(numbers[key[1:].encode()])
        return self._parsed.raw_get(key, *rest)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def items(self) -> Any:
        return self._parsed.items()


class _Trailers(TrailerDictionary):
    """All trailers as one, without parsing those of which everything was stated anew."""

    def flatten(self, revision: int | None = None) -> generic.DictionaryObject:
        trailers = self._trailer_revisions if revision is None else self._trailer_revisions[-revision - 1 :]
        whole = generic.DictionaryObject()
        for key in dict.fromkeys(key for trailer in reversed(trailers) for key in trailer):
            if key not in self.non_trailer_keys:
                newest = next(trailer for trailer in trailers if key in trailer)
                whole[generic.NameObject(key)] = newest.raw_get(key, generic.EncryptedObjAccess.PROXY)
        if revision is None:
            whole.update(self._new_changes)
        return whole


def _entries(table: bytes) -> tuple[XRefSectionData | None, int]:
    """What a short table says, and its highest number; None if it does not say how many lines it has, or the like."""
    data, highest = XRefSectionData(), 0
    for subsection in _SMALL_SUBSECTION.finditer(table):
        number, rows = int(subsection[1]), subsection[3]
        if len(rows) != int(subsection[2]) * ROW:
            return None, 0
        highest = max(highest, number + len(rows) // ROW - 1)
        for at in range(0, len(rows), ROW):
            generation = int(rows[at + 11 : at + 16])
            if generation > MAX_GENERATION and number:
                return None, 0
            if number and rows[at + 17] == _USED:
                data.standard_xrefs[number] = generation, int(rows[at : at + 10])
                data.explicit_refs_in_revision.add((number, generation))
            elif number:
                data.freed[number] = generation
                data.explicit_refs_in_revision.add((number, generation - 1))
            number += 1
    return data, highest
