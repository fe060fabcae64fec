"""Rows of the directory's tables as values, and the questions that find them.

What is asked with each signature goes through `Statement`. A row counts while nothing superseded it; `Known` asks for what
was known at an earlier change instead, so that an old signature can be read with the directory of its day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa

from api.directory.model import Delegation, KeyOwner, Organisation, OrganisationId, Period, Person, Post, Role
from api.store import directory_tables as tables
from api.store.statement import Statement

Value = TypeVar("Value")
Key = Mapping[str, Any]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "organisation": ("id", "code", "name", "kind", "parent", "merged_into"),
    "person": ("id", "code", "name"),
    "person_subject": ("id", "subject", "person"),
    "post": ("id", "person", "organisation", "title", "rank"),
    "person_role": ("id", "person", "organisation", "role"),
    "delegation": ("id", "form", "giver", "receiver", "organisation", "reference"),
    "certificate": ("id", "sha256", "person", "organisation", "public_key_sha256", "subject_sha256"),
    "key_owner": ("id", "ref", "organisation", "person"),
}
"""What each table says beside the two times, in the order of its columns."""
TABLES: Mapping[str, sa.Table] = {name: getattr(tables, name) for name in COLUMNS}
PERSONAL: Mapping[str, tuple[str, ...]] = {"person": ("code", "name"), "person_subject": ("subject",)}
"""What the erasure of a person takes away, and what no digest covers."""


def in_force(connection: sa.Connection, table: str, at: int, /, **equal: str) -> list[tuple[Any, ...]]:
    """Rows that hold at a time, as of now's knowledge, whose columns equal: values, then both ends of their period."""
    return _in_force(table, tuple(sorted(equal))).rows(connection, {**equal, "the_time": at})


def as_known(connection: sa.Connection, table: str, identity: str, *, change: int, at: int) -> tuple[Any, ...] | None:
    """The row of a thing as it was known after a change of the directory, for a time."""
    rows = _as_known(table).rows(connection, {"the_id": identity, "the_change": change, "the_time": at})
    return rows[0] if rows else None


@cache
def _in_force(table: str, equal: tuple[str, ...]) -> Statement:
    found = TABLES[table]
    wanted = [found.c[name] == sa.bindparam(name) for name in equal]
    return Statement(_columns(found).where(*wanted, found.c.superseded.is_(None), *_holds(found)).order_by(found.c.row))


@cache
def _as_known(table: str) -> Statement:
    found = TABLES[table]
    change: sa.BindParameter[int] = sa.bindparam("the_change")
    known = (found.c.recorded <= change, sa.or_(found.c.superseded.is_(None), found.c.superseded > change))
    return Statement(_columns(found).where(found.c.id == sa.bindparam("the_id"), *known, *_holds(found)))


def _columns(table: sa.Table) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in COLUMNS[table.name]), table.c.valid_from, table.c.valid_to)


def _holds(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    at: sa.BindParameter[int] = sa.bindparam("the_time")
    return table.c.valid_from <= at, sa.or_(table.c.valid_to.is_(None), table.c.valid_to > at)


def current(connection: sa.Connection, table: str, *wanted: sa.ColumnElement[bool]) -> Iterable[tuple[Any, ...]]:
    """All rows that nothing superseded, whenever they hold: values, both ends of their period, and `row`."""
    found = TABLES[table]
    chosen = _columns(found).add_columns(found.c.row).where(found.c.superseded.is_(None), *wanted).order_by(found.c.row)
    return (tuple(row) for row in connection.execute(chosen, execution_options={"yield_per": 1000}))


def organisation(row: tuple[Any, ...]) -> Organisation:
    identity, code, name, kind, parent, merged_into, start, end = row
    return Organisation(identity, code, name, kind, parent, Period(start, end), merged_into)


def person(row: tuple[Any, ...]) -> Person:
    identity, code, name, start, end = row
    return Person(identity, code, name, Period(start, end))


def post(row: tuple[Any, ...]) -> Post:
    identity, who, where, title, rank, start, end = row
    return Post(identity, who, where, title, rank, Period(start, end))


def role(row: tuple[Any, ...]) -> Role:
    identity, who, where, what, start, end = row
    return Role(identity, who, where, what, Period(start, end))


def delegation(row: tuple[Any, ...]) -> Delegation:
    identity, form, giver, receiver, where, reference, start, end = row
    return Delegation(identity, form, giver, receiver, where, reference, Period(start, end))


def key_owner(row: tuple[Any, ...], *, now: OrganisationId | None) -> KeyOwner:
    """`now` is the organisation that answers for it; none leaves it with the one that it was given to."""
    _, ref, organisation_, person_, start, end = row
    return KeyOwner(ref, now or organisation_, organisation_, person_, Period(start, end))
