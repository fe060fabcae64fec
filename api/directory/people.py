"""What the appliance holds about one person: told to them, and taken away where the law asks.

Erasing takes the name, the code and the subjects out of every row, the superseded ones too. Ids, posts, delegations and
digests of certificates stay: signatures that stand must remain explicable, and the ledger holds nothing else. Who is in
office cannot be erased: it would leave an authority of nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

import sqlalchemy as sa

from api.directory import rows
from api.directory.answers import newest_change
from api.directory.applying import apply
from api.directory.faults import PersonInOffice
from api.directory.planning import Plan
from api.directory.times import shown_end, shown_start
from api.errors import DatabaseUnavailable, LedgerUnavailable, NotFound
from api.store.database import Database

HELD = {
    "posts": ("post", ("person",)),
    "roles": ("person_role", ("person",)),
    "delegations": ("delegation", ("giver", "receiver")),
    "keys": ("key_owner", ("person",)),
    "certificates": ("certificate", ("person",)),
    "subjects": ("person_subject", ("person",)),
}
"""Sections of what is told of a person: table, and the columns that name one."""
OFFICES = ("posts", "roles", "delegations", "keys")


def told(connection: sa.Connection, person: str, *, zone: tzinfo) -> dict[str, Any]:
    """Everything on record about a person, also what was superseded. Raises NotFound."""
    named = _all(connection, "person", ("id",), person, zone)
    if not named:
        raise NotFound
    found: dict[str, Any] = {"id": person, "names": named}
    for section, (table, columns) in HELD.items():
        found[section] = _all(connection, table, columns, person, zone)
    return found


def erase(database: Database, person: str, *, caller: str, clock: Callable[[], datetime]) -> int:
    """Forget who the person was; the number of the ledger's line. Raises NotFound, PersonInOffice."""

    def work(connection: sa.Connection) -> int:
        at = clock()
        now = int(at.timestamp())
        table = rows.TABLES["person"]
        if not connection.execute(sa.select(table.c.id).where(table.c.id == person)).first():
            raise NotFound
        for section in OFFICES:
            name, columns = HELD[section]
            if any(_holds(row, now) for column in columns for row in _current(connection, name, column, person)):
                raise PersonInOffice(section=section)
        plan = Plan(newest_change(connection), now)
        _, line = apply(connection, plan, kind="erasure", caller=caller, facts={"person": person}, at=at)
        connection.execute(table.update().where(table.c.id == person).values(name=None, code=None))
        subjects = rows.TABLES["person_subject"]
        connection.execute(subjects.update().where(subjects.c.person == person).values(subject=None))
        return line

    try:
        return database.write(work)
    except DatabaseUnavailable as error:
        raise LedgerUnavailable(f"the ledger cannot be written: {error}", **error.facts) from error


def _current(connection: sa.Connection, table: str, column: str, person: str) -> list[tuple[Any, ...]]:
    return list(rows.current(connection, table, rows.TABLES[table].c[column] == person))


def _holds(row: tuple[Any, ...], now: int) -> bool:
    """Whether it holds now or will."""
    end = row[-2]
    return end is None or end > now


def _all(
    connection: sa.Connection, table: str, columns: tuple[str, ...], person: str, zone: tzinfo
) -> list[dict[str, Any]]:
    found = rows.TABLES[table]
    chosen = sa.select(found).where(sa.or_(*(found.c[name] == person for name in columns))).order_by(found.c.row)
    told_ = []
    for row in connection.execute(chosen):
        said = {name: getattr(row, name) for name in rows.COLUMNS[table] if getattr(row, name) is not None}
        times = {"from": shown_start(row.valid_from, zone), "to": shown_end(row.valid_to, zone)}
        told_.append({**said, **times, "corrected": row.superseded is not None})
    return told_
