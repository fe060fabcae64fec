"""Statements of the path that every signature takes: their SQL is made once, and handed to the driver as it stands.

SQLAlchemy Core finds its compiled form of a statement again for each execution, which costs more than SQLite takes to
run it. A `Statement` keeps the text for each dialect. It is for expressions with bound parameters alone: no value in
the expression itself, no list that grows, no type that has to be converted.

>>> import sqlalchemy as sa
>>> table = sa.table("t", sa.column("a"), sa.column("b"))
>>> statement = Statement(sa.select(table.c.a).where(table.c.b == sa.bindparam("wanted")))
>>> with sa.create_engine("sqlite://").connect() as connection:
...     _ = connection.exec_driver_sql("CREATE TABLE t (a, b)")
...     _ = connection.exec_driver_sql("INSERT INTO t VALUES (1, 2)")
...     statement.run(connection, {"wanted": 2}).scalar()
1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True)
class Statement:
    """An expression and its text in each dialect that was met, with the order of its parameters."""

    expression: sa.Executable
    _texts: dict[str, tuple[str, tuple[str, ...] | None]] = field(default_factory=dict)

    def run(self, connection: sa.Connection, parameters: Mapping[str, Any] | None = None) -> sa.CursorResult[Any]:
        """Execute it; `parameters` are those of the expression, by name."""
        text, order = self._texts.get(connection.dialect.name) or self._text(connection.dialect, parameters or {})
        if not parameters:
            return connection.exec_driver_sql(text)
        if order is None:  # a driver that takes them by name
            return connection.exec_driver_sql(text, dict(parameters))
        return connection.exec_driver_sql(text, tuple([parameters[name] for name in order]))

    def _text(self, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> tuple[str, tuple[str, ...] | None]:
        assert isinstance(self.expression, sa.ClauseElement)
        compiled = self.expression.compile(dialect=dialect, column_keys=list(parameters) or None)
        assert isinstance(compiled, sa.Compiled)
        order = getattr(compiled, "positiontup", None)
        found = (str(compiled), None if order is None else tuple(order))
        self._texts[dialect.name] = found
        return found
