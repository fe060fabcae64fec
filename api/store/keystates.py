"""Keys that an administrator has disabled: they sign nothing until they are enabled again, whatever a caller may.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> database.write(set_, "seal", disabled=True, by="c1")
>>> database.read(disabled, "seal"), database.read(all_disabled)
(True, frozenset({'seal'}))
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from api.store.change_tables import disabled_key as table


def set_(connection: sa.Connection, ref: str, *, disabled: bool, by: str) -> None:
    connection.execute(table.delete().where(table.c.ref == ref))
    if disabled:
        connection.execute(table.insert().values(ref=ref, disabled_by=by, disabled_at=time.time()))


def disabled(connection: sa.Connection, ref: str) -> bool:
    return connection.execute(sa.select(table.c.ref).where(table.c.ref == ref)).one_or_none() is not None


def all_disabled(connection: sa.Connection) -> frozenset[str]:
    return frozenset(connection.execute(sa.select(table.c.ref)).scalars())
