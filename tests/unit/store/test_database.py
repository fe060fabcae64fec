"""The database: opened by many at once, migrated once, written so that an answer means durable."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.errors import DatabaseUnavailable, DatabaseVersionUnknown, NotFound, RequestInvalid
from api.store import callers, schema
from api.store.database import Database, open_database
from api.store.tables import metadata

pytestmark = pytest.mark.spine


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


def pragma(database: Database, name: str) -> object:
    with database.engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_sqlite_writes_are_durable_and_readers_do_not_wait(database: Database) -> None:
    """Write-ahead log, an fsync with each commit, foreign keys."""
    assert pragma(database, "journal_mode") == "wal"
    assert pragma(database, "synchronous") == 2  # FULL
    assert pragma(database, "foreign_keys") == 1
    assert pragma(database, "busy_timeout") == 10_000


def test_the_newest_version_is_the_one_alembic_names(database: Database) -> None:
    """The short cut by file names agrees with the chain of revisions, which has one end."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.newest()]
    assert database.read(schema.current) == schema.newest()


def test_migrations_lead_to_the_tables_the_program_expects(database: Database) -> None:
    """Alembic finds no difference between a migrated database and the metadata."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_database_of_a_newer_program_is_left_alone(database: Database, tmp_path: Path) -> None:
    """An unknown version is refused, not migrated."""
    with database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_future'")
    with pytest.raises(DatabaseVersionUnknown) as caught:
        open_database(f"sqlite:///{tmp_path / 'kyso.db'}")
    assert caught.value.facts["version"] == "9999_future"


def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    """Six processes open a database that is not there yet: all succeed, and there is one schema."""
    program = (
        "import sys; from api.store.database import open_database; from api.ledger import Ledger\n"
        "print(Ledger(open_database(sys.argv[1])).append('INTENT', {}))"
    )
    url = f"sqlite:///{tmp_path / 'a%b' / 'kyso.db'}"
    (tmp_path / "a%b").mkdir()
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    answers = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 6
    assert sorted(int(answer) for answer in answers) == [1, 2, 3, 4, 5, 6]


def test_a_second_start_does_not_import_the_migration_tool(database: Database, tmp_path: Path) -> None:
    """Alembic costs half a second: a database that is up to date is opened without it."""
    program = (
        "import sys; from api.store.database import open_database; open_database(sys.argv[1]); "
        "sys.exit('alembic' in sys.modules)"
    )
    url = f"sqlite:///{tmp_path / 'kyso.db'}"
    assert subprocess.run([sys.executable, "-c", program, url], check=False).returncode == 0


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a migration is one transaction, the tables it created included."""
    real = schema._run

    def fails(connection: sa.Connection, target: str) -> None:
        real(connection, target)
        raise RuntimeError("pulled plug")

    url = f"sqlite:///{tmp_path / 'kyso.db'}"
    monkeypatch.setattr(schema, "_run", fails)
    with pytest.raises(RuntimeError, match="pulled plug"):
        open_database(url)
    monkeypatch.setattr(schema, "_run", real)
    with open_database(url, migrate=False).engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    assert open_database(url).read(schema.current) == schema.newest()


def test_a_database_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """A missing folder and a file that is no database: a code, no driver error."""
    with pytest.raises(DatabaseUnavailable):
        open_database(f"sqlite:///{tmp_path / 'missing' / 'kyso.db'}")
    (tmp_path / "kyso.db").write_bytes(b"%PDF-1.7 " * 1000)
    with pytest.raises(DatabaseUnavailable):
        open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


def test_a_write_inside_a_write_is_a_programming_error(database: Database) -> None:
    """It would wait for itself: it is refused at once."""

    def nested(_connection: sa.Connection) -> None:
        database.write(lambda _: None)

    with pytest.raises(RuntimeError, match="inside a write"):
        database.write(nested)
    assert database.write(lambda _: 7) == 7


def test_a_thread_that_is_interrupted_leaves_nobody_waiting(database: Database) -> None:
    """KeyboardInterrupt in the thread that commits for others: they are told, and the next write works."""
    entered, outcomes = threading.Event(), []

    def interrupted(_connection: sa.Connection) -> None:
        entered.set()
        raise KeyboardInterrupt

    def victim() -> None:
        try:
            database.write(interrupted)
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    thread = threading.Thread(target=victim)
    thread.start()
    thread.join(timeout=5)
    assert entered.is_set()
    assert outcomes == ["interrupted"]
    assert database.write(lambda _: 7) == 7


def test_an_api_key_is_known_once_and_never_stored(database: Database, tmp_path: Path) -> None:
    """`create` gives the only copy of the secret; the file holds none of it."""
    secret = database.write(callers.create, name="Hệ thống TTHC", role="client", keys=("seal-*", "demo"))
    caller = database.read(callers.find, secret)
    assert caller is not None
    assert (caller.name, caller.role, caller.keys) == ("Hệ thống TTHC", "client", ("seal-*", "demo"))
    assert [caller.may_use(key) for key in ("seal-1", "demo", "demo2", "SEAL-1", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not any(secret.split("_")[2].encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_api_keys_that_are_not_quite_right_open_nothing(database: Database) -> None:
    """Wrong secret, wrong id, wrong form, odd characters, a revoked caller."""
    secret = database.write(callers.create, name="c", role="client", keys=())
    prefix, identity, rest = secret.split("_")
    wrong = ["", "_", "__", secret[:-1], secret + "0", f"{prefix}_{identity}_", f"{prefix}_{'0' * 12}_{rest}",
             f"kyso_{identity}\x00_{rest}", f"KYSO_{identity}_{rest}", "kyso_é_x", f"kyso_{identity}_\ud800"]  # fmt: skip
    assert [database.read(callers.find, key) for key in wrong] == [None] * len(wrong)
    found = database.read(callers.find, secret)
    assert found is not None
    database.write(callers.revoke, found.id)
    assert database.read(callers.find, secret) is None
    assert database.read(callers.listed) == ()
    with pytest.raises(NotFound, match="no caller"):
        database.write(callers.revoke, found.id)


def test_an_unknown_role_is_refused(database: Database) -> None:
    """A slip of the pen does not make a caller with no rights or odd ones."""
    with pytest.raises(RequestInvalid, match="no such role"):
        database.write(callers.create, name="c", role="admin", keys=())
