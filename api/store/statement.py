"""Statements of the path that every signature takes: their SQL is made once, and given to the driver itself.

SQLAlchemy Core finds its compiled form of a statement again for each execution and wraps what comes back; both cost more
than SQLite takes to run it. A `Statement` keeps the text for each dialect and hands out plain tuples. It is for
expressions with bound parameters alone: no value in the expression itself, no list that grows, no type that has to be
converted. Errors are those of SQLAlchemy. The connection must be in a transaction (`Database.read` and `write` see to
that), as the driver would begin none by itself.

>>> import sqlalchemy as sa
>>> table = sa.table("t", sa.column("a"), sa.column("b"))
>>> statement = Statement(sa.select(table.c.a).where(table.c.b == sa.bindparam("wanted")))
>>> with sa.create_engine("sqlite://").begin() as connection:
...     _ = connection.exec_driver_sql("CREATE TABLE t (a, b)")
...     _ = connection.exec_driver_sql("INSERT INTO t VALUES (1, 2)")
...     statement.rows(connection, {"wanted": 2})
[(1,)]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True)
class Statement:
    """An expression and its text in each dialect that was met, with the order of its parameters."""

    expression: sa.Executable
    _texts: dict[str, tuple[str, tuple[str, ...] | None]] = field(default_factory=dict)

    def rows(self, connection: sa.Connection, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows it finds; `parameters` are those of the expression, by name."""
        found: list[tuple[Any, ...]] = self._execute(connection, parameters or {}).fetchall()
        return found

    def change(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> int:
        """How many rows it inserted, changed or deleted."""
        count: int = self._execute(connection, parameters).rowcount
        return count

    def _execute(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> Any:
        """The driver's cursor."""
        dialect = connection.dialect
        text, order = self._texts.get(dialect.name) or self._text(dialect, parameters)
        values = parameters if order is None else [parameters[name] for name in order]  # None: taken by name
        driver: Any = connection.connection.driver_connection
        try:
            return driver.execute(text, values)
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, dialect=dialect) from error

    def _text(self, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> tuple[str, tuple[str, ...] | None]:
        assert isinstance(self.expression, sa.ClauseElement)
        compiled = self.expression.compile(dialect=dialect, column_keys=list(parameters) or None)
        assert isinstance(compiled, sa.Compiled)
        order = getattr(compiled, "positiontup", None)
        found = (str(compiled), None if order is None else tuple(order))
        self._texts[dialect.name] = found
        return found
