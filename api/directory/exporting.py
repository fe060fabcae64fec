"""The directory as files that another appliance imports: JSON with everything, or a CSV for each kind.

What holds or will hold is written with all of its past that is not superseded, codes instead of ids, dates as people write
them; an import of it into an empty directory gives the same answers, and into the same one changes nothing. Erased people
have no code, so that what hangs on them is left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any, BinaryIO

import sqlalchemy as sa

from api.directory import records, rows
from api.directory.records import RecordKind
from api.directory.times import shown_end, shown_start

_FORMULA = ("=", "+", "-", "@", "'")
"""How a cell begins that a spreadsheet would calculate, or whose first character an import takes away."""


def entries(connection: sa.Connection, kind: RecordKind, *, zone: tzinfo) -> Iterator[dict[str, str]]:
    """The lines of one kind, by field; what is empty is left out."""
    codes = {**_codes(connection, "organisation"), **_codes(connection, "person")}
    subjects: dict[str, list[str]] = {}
    if kind is records.PEOPLE:
        for _, subject, person, _, end, _ in rows.current(connection, "person_subject"):
            if subject is not None and end is None:
                subjects.setdefault(person, []).append(subject)
    references = {
        "parent", "merged_into", "person", "organisation", "giver", "receiver"
    }  # fmt: skip
    for identity, *values, start, end, _ in rows.current(connection, kind.table):
        said = dict(zip(kind.columns, values, strict=True))
        entry = {name: codes.get(value, "") if name in references else value for name, value in said.items() if value}
        if any(not value for value in entry.values()) or (kind is records.PEOPLE and "code" not in entry):
            continue
        if identity in subjects and end is None:
            entry["subjects"] = " ".join(sorted(subjects[identity]))
        entry |= {"from": shown_start(start, zone), "to": shown_end(end, zone)}
        yield {name: value for name, value in entry.items() if value}


def write_json(connection: sa.Connection, out: BinaryIO, *, zone: tzinfo) -> None:
    """One object with a list for each kind."""
    made = {kind.name: list(entries(connection, kind, zone=zone)) for kind in records.KINDS}
    out.write(json.dumps(made, ensure_ascii=False, indent=1).encode() + b"\n")


def csv_files(connection: sa.Connection, *, zone: tzinfo) -> Iterator[tuple[str, bytes]]:
    """A file for each kind that has lines: UTF-8 with its mark and `;`, as Excel opens it by a double click."""
    for kind in records.KINDS:
        lines = list(entries(connection, kind, zone=zone))
        if lines:
            yield f"{kind.name}.csv", _csv(lines, _columns(kind))


def _columns(kind: RecordKind) -> tuple[str, ...]:
    own = kind.columns + (("subjects",) if kind is records.PEOPLE else ())
    return (*own, "from", "to")


def _csv(lines: Iterable[Mapping[str, str]], columns: tuple[str, ...]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_cell(line.get(name, "")) for name in columns])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _codes(connection: sa.Connection, table: str) -> dict[str, Any]:
    return {row[0]: row[1] for row in rows.current(connection, table) if row[1] is not None}
