"""Files of the directory as lines: CSV as spreadsheets write it, or JSON.

CSV: UTF-8 with or without byte order mark, or Excel's "Unicode text" (UTF-16 with mark); `;`, `,` or tab; `sep=;` in the
first line; quoted cells with breaks in them; empty lines and columns at the end; spaces that do not break. One kind a
file, by its name or the `table` that the caller names; or all kinds in one file with a column `table`. JSON: an object
with a list for each kind, or one list.

A line is its cells by field, texts in NFC, without what is empty. Everything is bounded: octets, lines, cells. Nothing here
knows what is on record.

    for kind in records.KINDS:
        for line in lines(source, kind, faults): …
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from api.directory import records
from api.directory.faults import Bad, Faults
from api.directory.records import Field, RecordKind
from api.directory.rules import plain

LARGEST = 64 << 20
"""Octets of all files of an import together."""
MOST_LINES = 500_000
MOST_CELLS = 64
LONGEST_CELL = 20_000
"""Characters; a certificate in PEM has some 3,000."""
IGNORED = frozenset(map(plain, ("ghi chú", "note", "notes", "remark", "stt", "số thứ tự", "no")))
"""Columns that people add for themselves; so is one whose header begins with `#`."""
_DELIMITERS = ";,\t|"
_BREAKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\r": " ", "\n": " ", "\t": " ", "\u200b": None, "\ufeff": None})

csv.field_size_limit(LONGEST_CELL)


@dataclass(frozen=True)
class Source:
    """A file to import. `open` gives it from its beginning, as often as asked; `folder` is where files lie that it
    names (none where it came over the network)."""

    name: str
    open: Callable[[], BinaryIO]
    kind: RecordKind | None = None
    folder: Path | None = None

    @cached_property
    def is_json(self) -> bool:
        with self.open() as file:
            head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        return head[:1] in (b"{", b"[")

    @cached_property
    def sections(self) -> Mapping[str, list[Any]]:
        """Of JSON: the lists by kind. Raises Bad."""
        with self.open() as file:
            return _sections(file.read(LARGEST + 1), self.kind)

    @classmethod
    def of_bytes(cls, name: str, data: bytes, *, kind: RecordKind | None = None) -> Source:
        return cls(name, lambda: io.BytesIO(data), kind)

    @classmethod
    def of_path(cls, path: Path) -> Source:
        return cls(path.name, lambda: path.open("rb"), records.kind_of_file(path.name), path.parent)


@dataclass(frozen=True, slots=True)
class Line:
    """`cells` by the field's name; a cell that was empty is not there."""

    number: int
    cells: Mapping[str, str] = field(default_factory=dict)


def lines(source: Source, kind: RecordKind, faults: Faults) -> Iterator[Line]:
    """The lines of one kind in a file, in their order; what cannot be read goes to `faults`."""
    try:
        yield from _of_json(source, kind, faults) if source.is_json else _of_csv(source, kind, faults)
    except Bad as bad:
        faults.add(source.name, int(bad.facts.pop("at", 0)), bad)
    except OSError as error:
        faults.add(source.name, 0, Bad("file-unreadable", reason=error.strerror or ""))


def text_of(cell: object) -> str:
    """A cell as text in NFC, without spaces around it. Raises Bad for what nobody should put into a name."""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise Bad("cell-not-text")
    text = str(cell)
    if not text.isascii() or not text.isprintable():
        text = unicodedata.normalize("NFC", text.translate(_BREAKS))
        if not text.isprintable():  # controls, and marks that turn the direction of writing
            raise Bad("control-characters")
    text = text.strip()
    # What we put before a cell that a spreadsheet would take for a formula, and what people put before numbers.
    return text[1:] if text[:1] == "'" and len(text) > 1 else text


# --- JSON --------------------------------------------------------------------------------------------------------------


def _sections(data: bytes, kind: RecordKind | None) -> dict[str, list[Any]]:
    if len(data) > LARGEST:
        raise Bad("file-too-large", limit=LARGEST)
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Bad("json-unreadable", at=getattr(error, "lineno", 0)) from None
    if isinstance(found, list) and kind is not None:
        return {kind.name: found}
    if not isinstance(found, dict):
        raise Bad("json-shape")
    sections: dict[str, list[Any]] = {}
    for word, entries in found.items():
        known = records.kind_of(word)
        if known is None:
            if word in ("format", "exported_at", "as_of"):  # what an export says of itself
                continue
            raise Bad("table-unknown", word=word)
        if not isinstance(entries, list):
            raise Bad("json-shape")
        sections.setdefault(known.name, []).extend(entries)
    if sum(map(len, sections.values())) > MOST_LINES:
        raise Bad("too-many-lines", limit=MOST_LINES)
    return sections


def _of_json(source: Source, kind: RecordKind, faults: Faults) -> Iterator[Line]:
    for number, entry in enumerate(source.sections.get(kind.name, ()), 1):
        place = f"{source.name}: {kind.name}"
        try:
            if not isinstance(entry, dict):
                raise Bad("json-shape")  # noqa: TRY301 - told with its line below
            yield Line(number, dict(_cells_of(entry, kind)))
        except Bad as bad:
            faults.add(place, number, bad)


def _cells_of(entry: Mapping[str, Any], kind: RecordKind) -> Iterator[tuple[str, str]]:
    for word, value in entry.items():
        known = kind.headers.get(plain(word))
        if known is None:
            if plain(word) in IGNORED:
                continue
            raise Bad("column-unknown", column=word)
        cell = " ".join(map(text_of, value)) if isinstance(value, list) else "" if value is None else text_of(value)
        if cell:
            yield known.name, cell


# --- CSV ---------------------------------------------------------------------------------------------------------------


def _of_csv(source: Source, kind: RecordKind, faults: Faults) -> Iterator[Line]:
    with source.open() as file:
        if file.seek(0, io.SEEK_END) > LARGEST:
            raise Bad("file-too-large", limit=LARGEST)
        file.seek(0)
        reader, skipped = _reader(file)
        rows = _rows(reader)
        header = next((row for row in rows if any(cell.strip() for cell in row)), None)
        if header is None:
            raise Bad("file-empty")
        header = [cell.translate(_BREAKS).strip() for cell in header]
        tables = [index for index, word in enumerate(header) if plain(word) in records.TABLE_HEADERS]
        if not tables:
            if source.kind is None:
                raise Bad("kind-of-file-unknown", file=source.name)
            if source.kind is not kind:
                return
        chosen = _fields(header, kind, is_mixed=bool(tables))
        for row in rows:
            number = reader.line_num + skipped
            if not any(map(str.strip, row)):
                continue
            try:
                line = _line(row, chosen, kind, tables, number=number)
            except Bad as bad:
                faults.add(source.name, number, bad)
                continue
            if line is not None:
                yield line


def _reader(file: BinaryIO) -> tuple[Any, int]:
    """The file's rows, and how many lines stood before the first of them."""
    mark = file.read(3)
    file.seek(0)
    encoding = "utf-16" if mark[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        first = text.readline(LONGEST_CELL)
    except UnicodeDecodeError:
        raise Bad("file-not-utf8", at=1) from None
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        return csv.reader(text, delimiter=first.strip()[4], strict=True), 1
    delimiter = max(_DELIMITERS, key=first.count)
    return csv.reader(itertools.chain((first,), text), delimiter=delimiter, strict=True), 0


def _rows(reader: Any) -> Iterator[list[str]]:
    """Rows; what csv and the decoder cannot read ends the file."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError:
            raise Bad("file-not-utf8", at=reader.line_num + 1) from None
        except csv.Error as error:
            raise Bad("csv-unreadable", at=reader.line_num, reason=str(error)) from None
        if reader.line_num > MOST_LINES:
            raise Bad("too-many-lines", limit=MOST_LINES)
        yield row


def _fields(header: list[str], kind: RecordKind, *, is_mixed: bool) -> list[Field | None]:
    """Which field each column is. Raises Bad for columns that nobody knows, or twice the same."""
    if len(header) > MOST_CELLS:
        raise Bad("too-many-columns", limit=MOST_CELLS)
    found: list[Field | None] = []
    everywhere = {word for one in records.KINDS for word in one.headers} if is_mixed else frozenset()
    for word in header:
        known = kind.headers.get(plain(word))
        ours = word.startswith("#") or plain(word) in ("", *IGNORED, *records.TABLE_HEADERS, *everywhere)
        if known is None and not ours:
            raise Bad("column-unknown", column=word, known=", ".join(one.name for one in kind.fields))
        if known is not None and known in found:
            raise Bad("column-twice", column=word)
        found.append(known)
    if not is_mixed and (
        missing := kind.needed.intersection(kind.key) - {one.name for one in found if one is not None}
    ):
        raise Bad("columns-missing", columns=", ".join(sorted(missing)))
    return found


def _line(
    row: list[str], chosen: list[Field | None], kind: RecordKind, tables: list[int], *, number: int
) -> Line | None:
    """One line; None for one of another kind."""
    if len(row) > len(chosen) and any(cell.strip() for cell in row[len(chosen) :]):
        raise Bad("cells-too-many", cells=len(row), columns=len(chosen))
    if tables:
        word = row[tables[0]] if tables[0] < len(row) else ""
        named = records.kind_of(word)
        if named is None:
            raise Bad("table-unknown", word=word)
        if named is not kind:
            return None
    cells = {}
    for known, cell in zip(chosen, row, strict=False):
        if known is not None and cell:
            text = text_of(cell)
            if len(text) > known.longest:
                raise Bad("too-long", column=known.name, limit=known.longest)
            if text:
                cells[known.name] = text
    return Line(number, cells)
