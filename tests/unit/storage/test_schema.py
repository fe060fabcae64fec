"""The way back to each version of the database, and the copy that is made before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.errors import DatabaseUnavailable, DatabaseVersionUnknown
from api.store import schema
from api.store.database import Database, open_database
from api.store.schema import DowngradeRefused
from api.store.tables import metadata

pytestmark = pytest.mark.appliance


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'kyso.db'}"


def differences(database: Database) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_every_version_can_be_left_and_reached_again(url: str) -> None:
    """One at a time back to the first and up again: the schema is the one that the program expects, and rows stay."""
    database = open_database(url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO signature (id, caller, state, order_json, document_sha256, document_blob, created_at, updated_at,"
            " held_until) VALUES ('sig_1', 'c', 'completing', '{}', 'ab', 'blob', 1, 1, 0)"
        )
        connection.exec_driver_sql("INSERT INTO preparation VALUES ('sig_1', x'0102')")
    for target in reversed(schema.versions()[:-1]):
        assert 1 == len(database.go_back(target))
        assert target == database.read(schema.current)
    held = database.read(lambda c: c.exec_driver_sql("SELECT prepared FROM signature").scalar())
    assert b"\x01\x02" == held
    database.close()
    again = open_database(url)
    assert schema.newest() == again.read(schema.current)
    assert [] == differences(again)
    assert b"\x01\x02" == again.read(lambda c: c.exec_driver_sql("SELECT prepared FROM preparation").scalar())
    again.close()


def test_each_way_back_says_what_it_loses() -> None:
    """In the words of the migration itself."""
    told = schema.losses(schema.versions())
    assert all(told)
    assert len(schema.versions()) == len(told)


def test_a_database_is_copied_before_it_is_migrated(url: str, tmp_path: Path) -> None:
    """Either way; a new one is not; the newest three copies stay, each whole and private."""
    database = open_database(url)
    assert [] == list(tmp_path.glob("*.before-*"))
    versions = schema.versions()
    for target in (*reversed(versions[-6:-1]), versions[-6]):
        database.go_back(target) if target != database.read(schema.current) else None
    database.close()
    copies = sorted(tmp_path.glob("kyso.db.before-*"))
    assert schema.COPIES == len(copies)
    for copy in copies:
        assert 0o600 == copy.stat().st_mode & 0o777
        with sqlite3.connect(copy) as held:
            assert (copy.name.removeprefix("kyso.db.before-"),) == held.execute(
                "SELECT version_num FROM alembic_version"
            ).fetchone()
            assert ("ok",) == held.execute("PRAGMA integrity_check").fetchone()
    open_database(url).close()
    assert (tmp_path / f"kyso.db.before-{versions[-6]}").exists()


def test_without_a_copy_nothing_is_migrated(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is noticed before, not in the middle."""
    database = open_database(url)
    database.go_back(schema.versions()[-2])
    database.close()

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schema, "sync", full)
    with pytest.raises(DatabaseUnavailable):
        open_database(url)
    monkeypatch.undo()
    assert schema.versions()[-2] == open_database(url, migrate=False).read(schema.current)
    assert [] == list(tmp_path.glob(".*.draft"))


def test_what_has_no_place_in_the_older_version_stands_against_it(url: str) -> None:
    """A preparation that waits would wait for ever there; nothing is changed then. Unknown versions are no target."""
    database = open_database(url)
    with database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO signature (id, caller, state, order_json, document_sha256, document_blob, created_at,"
                " updated_at, held_until) VALUES ('sig_1', 'c', 'prepared', '{}', 'ab', 'blob', 1, 1, 0)"
            )
        )
    with pytest.raises(DowngradeRefused):
        database.go_back("0001_spine")
    assert schema.newest() == database.read(schema.current)
    for target in ("9999_future", "0000"):
        with pytest.raises(DatabaseVersionUnknown):
            database.go_back(target)
    database.close()
