"""Rules in the database: each change is a new version, and what was in force before stays readable.

>>> import tempfile
>>> from api.rights.text import RuleText
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> rule = RuleText(callers="*", keys="seal-*", per_day=100)
>>> database.write(put, name="dau", rule=rule, by="cli:root").version
1
>>> [(kept.name, kept.version, kept.text.per_day) for kept in database.read(in_force)]
[('dau', 1, 100)]
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from api.errors import NotFound, RequestInvalid
from api.rights.text import NAME, RuleText, digest, parse
from api.store.tables import rights as table
from api.store.tables import rights_use as use_table


@dataclass(frozen=True)
class Kept:
    """One version of a rule; `ended_at` is None while it is in force."""

    name: str
    version: int
    text: RuleText
    sha256: str
    set_by: str
    set_at: float
    ended_by: str | None
    ended_at: float | None


def put(connection: sa.Connection, *, name: str, rule: RuleText, by: str) -> Kept:
    """Set a rule, instead of the one of this name. Raises RequestInvalid for an odd name."""
    if not NAME.fullmatch(name):
        raise RequestInvalid("name: up to 40 of a-z, 0-9, _ and -", field="name")
    now, text = time.time(), rule.canonical()
    _end(connection, name, by=by, at=now)
    newest = sa.select(sa.func.coalesce(sa.func.max(table.c.version), 0)).where(table.c.name == name)
    version = connection.execute(newest).scalar_one() + 1
    connection.execute(
        table.insert().values(name=name, version=version, rule_json=text, sha256=digest(text), set_by=by, set_at=now)
    )
    return Kept(name, version, rule, digest(text), by, now, None, None)


def remove(connection: sa.Connection, *, name: str, by: str) -> None:
    """End a rule; its counts are forgotten. Raises NotFound."""
    if _end(connection, name, by=by, at=time.time()) == 0:
        raise NotFound(f"no rule {name}")
    connection.execute(use_table.delete().where(use_table.c.rule == name))


def in_force(connection: sa.Connection) -> tuple[Kept, ...]:
    """The rules that count, by name."""
    chosen = sa.select(table).where(table.c.ended_at.is_(None)).order_by(table.c.name)
    return tuple(_kept(row) for row in connection.execute(chosen))


def history(connection: sa.Connection, name: str) -> tuple[Kept, ...]:
    """Every version of a rule, the newest first; empty when there was none."""
    chosen = sa.select(table).where(table.c.name == name).order_by(table.c.version.desc())
    return tuple(_kept(row) for row in connection.execute(chosen))


def _end(connection: sa.Connection, name: str, *, by: str, at: float) -> int:
    change = table.update().where(table.c.name == name, table.c.ended_at.is_(None)).values(ended_by=by, ended_at=at)
    return connection.execute(change).rowcount


def _kept(row: sa.Row[tuple[object, ...]]) -> Kept:
    return Kept(
        row.name,
        row.version,
        parse(row.rule_json),
        row.sha256,
        row.set_by,
        row.set_at,
        row.ended_by,
        row.ended_at,
    )
