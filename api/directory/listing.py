"""People of some organisations, a page at a time. Whether the one who asks may see them is not decided here
(`api.workflows.directory`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from api.directory import rows
from api.directory.model import Person

BATCH = 500
"""Organisations in one question."""
HOLDING = ("post", "person_role")
"""Tables by which somebody belongs to an organisation."""


def members(connection: sa.Connection, organisations: Iterable[str], at: int) -> frozenset[str]:
    """Ids of those who hold a post or a role in any of these then."""
    wanted = sorted(organisations)
    found: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        for name in HOLDING:
            table = rows.TABLES[name]
            chosen = sa.select(table.c.person).where(
                table.c.organisation.in_(wanted[start : start + BATCH]), table.c.superseded.is_(None), *_at(table, at)
            )
            found.update(connection.execute(chosen).scalars())
    return frozenset(found)


def people(
    connection: sa.Connection, at: int, *, among: frozenset[str] | None, after: str, limit: int
) -> tuple[Person, ...]:
    """Up to `limit` people with codes behind `after`, by their codes; `among` leaves out all others."""
    table = rows.TABLES["person"]
    chosen = (
        sa.select(*(table.c[name] for name in rows.COLUMNS["person"]), table.c.valid_from, table.c.valid_to)
        .where(table.c.superseded.is_(None), table.c.code > after, *_at(table, at))
        .order_by(table.c.code)
    )
    if among is None:
        return tuple(rows.person(tuple(row)) for row in connection.execute(chosen.limit(limit)))
    found: list[Person] = []
    members_in_order: Sequence[str] = sorted(among)
    for start in range(0, len(members_in_order), BATCH):
        part = chosen.where(table.c.id.in_(members_in_order[start : start + BATCH])).limit(limit)
        found.extend(rows.person(tuple(row)) for row in connection.execute(part))
    return tuple(sorted(found, key=lambda one: one.code or "")[:limit])


def _at(table: sa.Table, at: int) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.valid_from <= at, sa.or_(table.c.valid_to.is_(None), table.c.valid_to > at)
