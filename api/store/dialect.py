"""The one statement that SQLite and PostgreSQL spell alike and SQLAlchemy does not: INSERT … ON CONFLICT DO NOTHING."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


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
