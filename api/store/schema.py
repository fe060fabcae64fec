"""The schema's version, and the way to the newest one.

The newest version is the last file of `migrations/versions`, by name; a test proves that Alembic thinks so too. Alembic
costs half a second to import, so it is imported only where something is to be migrated. All of a migration is one
transaction under a lock: processes that start at once wait for the first, and a kill leaves the old schema.

>>> newest()[:4]
'0001'
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from api.errors import DatabaseVersionUnknown

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x6B79736F
"""PostgreSQL advisory lock ("kyso"): one process migrates at a time. SQLite's write lock does that by itself."""


def versions() -> tuple[str, ...]:
    """The names of all versions, oldest first: the stems of the migration files."""
    return tuple(sorted(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def newest() -> str:
    """The version that this program works with."""
    return versions()[-1]


def current(connection: sa.Connection) -> str | None:
    """The version of the database; None when there is no schema yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def migrate(engine: sa.Engine, transaction: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
    """Bring the database to the newest version; raise DatabaseVersionUnknown when it is ahead of this program."""
    with engine.connect() as connection:
        if _is_newest(connection):
            return
    with transaction() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if _is_newest(connection):  # another process was quicker
            return
        _run(connection, newest())


def _is_newest(connection: sa.Connection) -> bool:
    version = current(connection)
    if version is not None and version not in versions():
        raise DatabaseVersionUnknown(f"the database has version {version}", version=version)
    return version == newest()


def _run(connection: sa.Connection, target: str) -> None:
    from alembic import command  # noqa: PLC0415 - half a second that only a migration needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
