"""What SQLAlchemy does not spell for both databases: INSERT … ON CONFLICT DO NOTHING, and a time as the ledger writes it."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def insert_if_absent(connection: sa.Connection, table: sa.Table, **values: object) -> bool:
    """Insert the row unless one with the same primary or unique key is there; True when it was inserted."""
    # SQLAlchemy keeps the count of an INSERT only when told to; psycopg's cursor is closed by then.
    done = connection.execute(
        _statement(connection.dialect.name, table), values, execution_options={"preserve_rowcount": True}
    )
    return done.rowcount == 1


@cache
def _statement(dialect: str, table: sa.Table) -> sa.Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


class utc_text(FunctionElement[str]):  # noqa: N801 - named like the functions of SQL
    """Unix seconds as `2026-11-22T09:00:00`, in UTC, to be compared with the beginning of a ledger line's time."""

    type = sa.Text()
    inherit_cache = True


@compiles(utc_text, "sqlite")
def _sqlite_text(element: utc_text, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%S', {compiler.process(element.clauses, **kw)}, 'unixepoch')"


@compiles(utc_text, "postgresql")
def _postgresql_text(element: utc_text, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"to_char(to_timestamp({seconds}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
