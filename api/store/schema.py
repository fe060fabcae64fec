"""The schema's version, the way to the newest one, and the way back.

Before a SQLite database is migrated, either way, a copy of it is laid beside it (`kyso.db.before-0011_changes`: what it
was), of which the newest `COPIES` stay. A PostgreSQL database is backed up by its own means (`api.workflows.backup`).

The newest version is the last file of `migrations/versions`, by name; a test proves that Alembic thinks so too. Alembic
costs half a second to import, so it is imported only where something is to be migrated. All of a migration is one
transaction under a lock: processes that start at once wait for the first, and a kill leaves the old schema.

>>> newest()[:4]
'0001'
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import sqlalchemy as sa

from api.errors import ApiError, DatabaseUnavailable, DatabaseVersionUnknown
from api.store.blobs import sync

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x6B79736F
"""PostgreSQL advisory lock ("kyso"): one process migrates at a time. SQLite's write lock does that by itself."""

COPIES = 3
"""Copies of a SQLite database from before its migrations that stay beside it."""


class DowngradeRefused(ApiError):
    """The database cannot go back: what it holds has no place in the older version."""

    code = "downgrade-refused"


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
        _lay_copy_beside(engine, current(connection))
        _run(connection, newest())


def go_back(
    engine: sa.Engine, transaction: Callable[[], AbstractContextManager[sa.Connection]], *, target: str
) -> tuple[str, ...]:
    """Bring the database back to an older version; the versions that were left, newest first.

    Raises DatabaseVersionUnknown for a version that is not among its own, DowngradeRefused where something in the data
    stands against it."""
    with transaction() as connection:
        version = current(connection)
        if version not in versions() or target not in versions() or target > version:
            raise DatabaseVersionUnknown(f"there is no way from {version} to {target}", version=str(version))
        left = tuple(one for one in reversed(versions()) if target < one <= version)
        _lay_copy_beside(engine, version)
        try:
            _run(connection, target)
        except RuntimeError as error:
            raise DowngradeRefused(str(error), version=target) from None
    return left


def losses(left: tuple[str, ...]) -> tuple[str, ...]:
    """What going back behind each of these versions loses, in the words of its migration."""
    found = []
    for name in left:
        spec = spec_from_file_location(name, MIGRATIONS / "versions" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(" ".join((module.downgrade.__doc__ or "").split()))
    return tuple(found)


def _lay_copy_beside(engine: sa.Engine, version: str | None) -> None:
    """A consistent copy of a SQLite database that has a schema, durable, before it is changed."""
    file = engine.url.database
    if engine.dialect.name != "sqlite" or version is None or not file or file == ":memory:":
        return
    source = Path(file)
    target = source.with_name(f"{source.name}.before-{version}")
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as held:
            with contextlib.closing(sqlite3.connect(draft)) as copy:
                draft.chmod(0o600)
                held.backup(copy)
            sync(draft)
        draft.replace(target)
        sync(source.parent)
    except (OSError, sqlite3.Error) as error:
        draft.unlink(missing_ok=True)
        raise DatabaseUnavailable(f"no copy could be laid beside the database: {error}", reason=str(error)) from error
    copies = sorted(source.parent.glob(f"{source.name}.before-*"), key=lambda one: one.stat().st_mtime_ns)
    for old in copies[:-COPIES]:
        old.unlink(missing_ok=True)


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
    if target < (current(connection) or ""):
        command.downgrade(config, target)
    else:
        command.upgrade(config, target)
