"""The directory held against the ledger: whether the rows are those that each change wrote.

Each change left a digest of its rows in the ledger (`applying`); here it is made anew from the tables. Names are in no
digest, so that erasing people changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from api.directory import records, rows
from api.directory.applying import leaf
from api.ledger.line import decode
from api.store.directory_tables import directory_change
from api.store.tables import ledger


@dataclass(frozen=True)
class Proof:
    """How many changes were looked at, and those whose rows are not what the ledger says."""

    changes: int
    broken: tuple[int, ...]
    strange: int = 0
    """Rows of changes that the ledger does not know."""


def examine(connection: sa.Connection) -> Proof:
    """Compare every change with its line in the ledger."""
    chosen = (
        sa.select(directory_change.c.number, ledger.c.line)
        .outerjoin(ledger, ledger.c.number == directory_change.c.ledger_number)
        .order_by(directory_change.c.number)
    )
    broken, known = [], []
    for number, line in connection.execute(chosen):
        facts = decode(line).facts if line is not None else {}
        known.append(number)
        if facts.get("directory") != number or facts.get("rows_sha256") != _digest(connection, number):
            broken.append(number)
    return Proof(len(known), tuple(broken), _strange(connection, max(known, default=0)))


def _digest(connection: sa.Connection, number: int) -> str:
    digest = hashlib.sha256()
    for table in (kind.table for kind in records.ALL):
        for row, replaces in _written(connection, table, number):
            digest.update(leaf(table, row, replaces=replaces))
    return digest.hexdigest()


def _written(connection: sa.Connection, name: str, number: int) -> Iterator[tuple[Any, int | None]]:
    """The rows of a change, each with the one that it took the place of: the same thing, superseded by it, of the same
    or the former beginning."""
    table = rows.TABLES[name]
    former = table.alias("former")
    over = sa.and_(former.c.id == table.c.id, former.c.superseded == number, former.c.valid_from == table.c.valid_from)
    chosen = (
        sa.select(table, former.c.row.label("replaces"))
        .outerjoin(former, over)
        .where(table.c.recorded == number)
        .order_by(table.c.row)
    )
    for row in connection.execute(chosen, execution_options={"yield_per": 1000}):
        yield row._mapping, row.replaces


def _strange(connection: sa.Connection, newest: int) -> int:
    return sum(
        connection.execute(
            sa.select(sa.func.count()).where(sa.or_(table.c.recorded > newest, table.c.superseded > newest))
        ).scalar_one()
        for table in rows.TABLES.values()
    )
