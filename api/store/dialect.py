"""The one statement that SQLite and PostgreSQL spell alike and SQLAlchemy does not: INSERT … ON CONFLICT DO NOTHING."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(connection: sa.Connection, table: sa.Table, **values: object) -> bool:
    """Insert the row unless one with the same primary or unique key is there; True when it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    # SQLAlchemy keeps the count of an INSERT only when told to; psycopg's cursor is closed by then.
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1
