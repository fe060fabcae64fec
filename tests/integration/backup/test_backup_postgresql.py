"""Backup and restore of an appliance on PostgreSQL, with the server's own tools; and what a way back and up again keeps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.backup.envelope import BackupUnusable
from api.store import schema
from api.store.database import open_database
from api.store.encryption import keys
from api.workflows import restoring
from api.workflows.restoring import HomeNotEmpty, restore
from tests.documents import pdf
from tests.http_support import House, house
from tests.integration.backup.test_backup import STORAGE, WITH, made, names, sign
from tests.integration.store.test_postgresql import binary, server

__all__ = ["server"]
pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pdf(tmp_path_factory.mktemp("document") / "plain.pdf").read_bytes()


@pytest.fixture
def database(server: str) -> Callable[[str], str]:
    """Makes an empty database of this name; its URL."""
    if binary("pg_dump") is None or binary("pg_restore") is None:
        pytest.skip("no client programs of PostgreSQL (pg_dump, pg_restore) on this machine")

    def make(name: str) -> str:
        admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return server.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture
def home(tmp_path: Path, database: Callable[[str], str]) -> House:
    """An appliance that names its database in kyso.toml, its documents encrypted."""
    folder, url = tmp_path / "home", database("kyso_first")
    keys.make(folder / "secrets" / "storage.key")
    (folder / "kyso.toml").write_text(f'database = "{url}"\n[storage]\nkey_file = "secrets/storage.key"\n')
    return house(folder, storage=STORAGE, database=url)


def tables(url: str) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return sa.inspect(connection).get_table_names()


def test_a_restored_appliance_goes_on_in_an_empty_database(
    home: House, document: bytes, tmp_path: Path, database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made while documents are signed: of one moment, so that ledger and documents fit. Its documents are handed out, its
    ledger is whole and append-only as before, its callers' keys work, and it signs on."""
    before = sign(home, document)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sign(home, document)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        file = made(home, tmp_path)
    finally:
        stop.set()
        thread.join()
    after = sign(home, document)
    assert {"database.dump", "kyso.toml"} <= names(file)
    assert restore(file, tmp_path / "unused", key=WITH, dry=True).keys
    bare = database("kyso_bare")
    monkeypatch.setenv("KYSO_DATABASE", bare)
    done = restore(file, tmp_path / "bare", key=WITH)
    monkeypatch.delenv("KYSO_DATABASE")
    again = house(tmp_path / "bare", storage=STORAGE, database=bare)
    again.secrets.update(home.secrets)
    assert document == again.ask("GET", f"/v1/signatures/{before}/document").content[: len(document)]
    assert 404 == again.ask("GET", f"/v1/signatures/{after}").status_code
    again.services.ledger.verify()
    (restored,) = again.services.ledger.read(since=done.manifest.ledger_size, limit=1)
    assert ("restored", done.manifest.ledger_root) == (restored.facts["what"], restored.facts["ledger_root"])
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), again.services.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")
    assert sign(again, document)


def test_a_database_in_which_something_is_stays_as_it_is(home: House, document: bytes, tmp_path: Path) -> None:
    """The one that kyso.toml names still serves the former machine: nothing is restored over it."""
    file = made(home, tmp_path)
    with pytest.raises(HomeNotEmpty):
        restore(file, tmp_path / "bare", key=WITH)
    assert not (tmp_path / "bare").exists()
    assert sign(home, document)


def test_a_restore_that_fails_leaves_the_database_empty(
    home: House, tmp_path: Path, database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump that is cut, and a folder that cannot take its place: neither the folder nor a table is there, and the next
    try goes through."""
    file, bare = made(home, tmp_path), database("kyso_bare")
    monkeypatch.setenv("KYSO_DATABASE", bare)

    def cut(content: object, folder: Path) -> object:
        manifest = unpack(content, folder)
        dump = folder / "database.dump"
        dump.write_bytes(dump.read_bytes()[:-2000])
        return manifest

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    unpack = restoring._unpack
    for name, replaced, error in (("_unpack", cut, BackupUnusable), ("_take_place", full, OSError)):
        with monkeypatch.context() as patched:
            patched.setattr(restoring, name, replaced)
            with pytest.raises(error):
                restore(file, tmp_path / "bare", key=WITH)
        assert not (tmp_path / "bare").exists()
        assert [] == tables(bare)
    restore(file, tmp_path / "bare", key=WITH)
    assert "ledger" in tables(bare)


def test_an_older_program_s_backup_is_brought_up_and_a_way_back_keeps_documents(
    home: House, document: bytes, tmp_path: Path, database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back behind the last version, backed up there, restored by this program: migrated, its ledger whole, its documents
    handed out."""
    signed = sign(home, document)
    former = schema.versions()[-2]
    home.services.database.go_back(former)
    file, bare = made(home, tmp_path), database("kyso_bare")
    monkeypatch.setenv("KYSO_DATABASE", bare)
    assert former == restore(file, tmp_path / "bare", key=WITH).manifest.schema_version
    again = house(tmp_path / "bare", storage=STORAGE, database=bare)
    again.secrets.update(home.secrets)
    assert schema.versions()[-1] == again.services.database.read(schema.current)
    assert document == again.ask("GET", f"/v1/signatures/{signed}/document").content[: len(document)]
    again.services.ledger.verify()
    open_database(bare).close()
