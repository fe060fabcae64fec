"""Which blobs the database still has a use for: what every record, batch and session would open, and nothing else.

A blob of whose file no row tells will never be opened again. Whoever adds a column that holds a blob's id names it here;
a test walks all tables for one that is missing.

>>> named("s" + 32 * "a" + "-1") == named(32 * "a") == 32 * "a"
True
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from api.store.database import Database
from api.store.signing_tables import signing_document
from api.store.tables import batch_document, ledger, signature
from api.store.upload_tables import upload_piece

PAGE = 1000
"""Rows read at a time: a long reading transaction would keep SQLite's log from being written back."""
WHILE_IT_WAITS = (batch_document.c.blob, signing_document.c.blob, upload_piece.c.blob)
"""Documents that wait to be signed: none once nothing is left to do; pieces of uploads, until they expire."""
BY_STATE = (signature.c.document_blob, signature.c.signed_blob)
"""A record's own: which of them it still needs, its state says."""

_ID = re.compile(r"s?([0-9a-f]{32})(?:-1)?")
_KEPT = sa.case((signature.c.order_json.contains('"kept"'), signature.c.order_json))
"""An order that names further blobs; the others are not read, some hold pictures."""


def named(blob: str) -> str | None:
    """What all ids and files of one blob have in common; None for what is no blob."""
    found = _ID.fullmatch(blob)
    return None if found is None else found[1]


def all_of_them(database: Database) -> Iterator[str]:
    """Names (`named`) of the blobs that are needed, some of them more than once."""
    for blob in _given(database):
        name = named(blob)
        if name is not None:
            yield name


def last_line(database: Database) -> tuple[int, str] | None:
    """Number and leaf hash of the ledger's newest line: which database this is, and how far."""
    newest = sa.select(ledger.c.number, ledger.c.leaf_hash).order_by(ledger.c.number.desc()).limit(1)
    row = database.read(lambda connection: connection.execute(newest).one_or_none())
    return None if row is None else (int(row.number), bytes(row.leaf_hash).hex())


def has_line(database: Database, number: int, leaf: str) -> bool:
    """Whether this is a line of the ledger."""
    chosen = sa.select(ledger.c.leaf_hash).where(ledger.c.number == number)
    found = database.read(lambda connection: connection.execute(chosen).scalar())
    return found is not None and bytes(found).hex() == leaf


def _given(database: Database) -> Iterator[str]:
    after = ""
    while rows := database.read(_records, after=after):
        after = str(rows[-1].id)
        for row in rows:
            yield from _of(row)
    for column in WHILE_IT_WAITS:
        yield from database.read(_values, column)


def _values(connection: sa.Connection, column: sa.ColumnElement[str | None]) -> list[str]:
    return [str(blob) for blob in connection.execute(sa.select(column).where(column.is_not(None))).scalars()]


def _records(connection: sa.Connection, *, after: str) -> list[sa.Row[Any]]:
    chosen = (
        sa.select(signature.c.id, signature.c.state, *BY_STATE, _KEPT.label("order"))
        .where(signature.c.id > after, signature.c.state != "refused")
        .order_by(signature.c.id)
        .limit(PAGE)
    )
    return list(connection.execute(chosen))


def _of(row: sa.Row[Any]) -> Iterator[str]:
    kept = {} if row.order is None else json.loads(row.order).get("kept") or {}
    yield from (str(blob) for _, blob in kept.get("detached", ()))
    is_signed = row.state == "signed"
    # Of a signed one, the document as it came is needed only where the signature stands beside it, and its draft has
    # become the signed document or was lifted into another file.
    others = (
        row.signed_blob,
        None if is_signed else row.document_blob,
        None if is_signed and kept.get("name") is None else kept.get("original"),
    )
    yield from (str(blob) for blob in others if blob is not None)
