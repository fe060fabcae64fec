"""The same store on PostgreSQL, where a server binary and a driver are there."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.errors import IdempotencyKeyReused, LedgerUnavailable, RequestInProgress
from api.jobs import Jobs
from api.ledger import Ledger
from api.store import callers, idempotency, schema, signatures
from api.store.database import Database, open_database
from api.store.tables import metadata

pytestmark = pytest.mark.spine

FOLDERS = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, ("/usr/local/bin", "/usr/bin")))


def binary(name: str) -> str | None:
    found = (folder / name for folder in FOLDERS if (folder / name).exists())
    return str(next(found, None) or shutil.which(name) or "") or None


@pytest.fixture(scope="module")
def server() -> str:
    """A server of this run's own on a Unix socket; nothing of the machine's is touched. The URL of a new database: whoever
    makes another gives it a name of its own, for all modules share the server."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("no PostgreSQL driver (psycopg) in this environment")
    if binary("initdb") is None or binary("pg_ctl") is None:
        pytest.skip("no PostgreSQL server on this machine")
    # PostgreSQL does not run as root
    if os.geteuid() == 0 and subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode != 0:
        pytest.skip("running as root and there is no user postgres")
    return _started()


def database_of(server: str, name: str) -> str:
    """The URL of a new database of this name on the server."""
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?")


@cache
def _started() -> str:
    """Started once, and stopped when this process ends."""
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="kyso-pg-"))
    folder.chmod(0o777)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def run(*command: str, check: bool = True) -> None:
        subprocess.run([*as_user, *command], check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    run(binary("initdb") or "", "-D", f"{folder}/data", "-U", "kyso", "-A", "trust", "--no-sync")
    # Half a dozen modules leave their pools open until the run ends.
    options = f"-k {folder} -h '' -c max_connections=400"
    run(binary("pg_ctl") or "", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
    atexit.register(run, binary("pg_ctl") or "", "-D", f"{folder}/data", "-m", "immediate", "stop", check=False)
    return f"postgresql+psycopg://kyso@/postgres?host={folder}"


@pytest.fixture
def database(server: str) -> Iterator[Database]:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS kyso WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE kyso")
    admin.dispose()
    opened, url = [], server.replace("/postgres?", "/kyso?")

    def open_it() -> None:  # several at once, as when nodes start together
        opened.append(open_database(url, busy_seconds=60.0))  # one migrates, however slowly; the others wait for it

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 3
    opened.append(open_database(url, busy_seconds=2.0))
    yield opened[-1]
    for one in opened:
        one.close()


def test_migrations_lead_to_the_tables_the_program_expects(database: Database) -> None:
    """Alembic finds no difference on PostgreSQL either."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert schema.current(connection) == schema.newest()


def test_several_nodes_share_one_ledger(database: Database) -> None:
    """Three engines, twelve threads: no gap, no loss, the root is right; the table refuses changes."""
    nodes = [Ledger(open_database(str(database.engine.url))) for _ in range(3)]
    numbers: list[int] = []

    def work(ledger: Ledger) -> None:
        for _ in range(10):
            intent = ledger.append("INTENT", {"key": "seal"})
            numbers.extend([intent, ledger.append("DONE", {"intent": intent})])

    threads = [threading.Thread(target=work, args=(nodes[n % 3],)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 241))
    assert nodes[0].verify() == nodes[1].state()
    assert nodes[2].open_intents() == ()
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")


def test_records_keys_callers_and_jobs_work_as_on_sqlite(database: Database) -> None:
    """The same functions, one pass through each."""
    secret = database.write(callers.create, name="Văn thư", role="client", keys=("seal-*",))
    assert database.read(callers.find, secret).name == "Văn thư"  # type: ignore[union-attr]
    assert database.read(callers.find, "kyso_\x00_x") is None
    hold = database.write(
        signatures.create,
        caller="c",
        order='{"a":"\\u0000"}',
        document_sha256="ab",
        document_blob="b",
        prepared=b"\x00\xff",
        ledger_number=2**40,
        lease=-1,
    )
    assert database.read(signatures.unfinished) == (hold.id,)
    claims: list[signatures.Hold | None] = []
    threads = [
        threading.Thread(target=lambda: claims.append(database.write(signatures.claim, hold.id))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [claim for claim in claims if claim is not None]
    assert len(won) == 1
    database.write(signatures.to_completing, won[0], value=b"\x00")
    record = database.read(signatures.by_ledger_number, 2**40)
    assert record is not None
    assert record.prepared == b"\x00\xff"

    claim = database.write(idempotency.begin, caller="c", key="k", fingerprint="f")
    with pytest.raises(RequestInProgress):
        database.write(idempotency.begin, caller="c", key="k", fingerprint="f")
    with pytest.raises(IdempotencyKeyReused):
        database.write(idempotency.begin, caller="c", key="k", fingerprint="g")
    database.write(idempotency.finish, claim, answer="201")
    assert database.write(idempotency.begin, caller="c", key="k", fingerprint="f").answer == "201"

    jobs, done = Jobs(database), []
    assert jobs.enqueue("a", {"n": 1}, unique="u") is not None
    assert jobs.enqueue("a", {"n": 1}, unique="u") is None
    assert jobs.run_one({"a": lambda job: done.append(job.payload["n"])})
    assert done == [1]


def test_a_lock_that_somebody_keeps_refuses_the_line(database: Database) -> None:
    """Another session holds the ledger's head: LedgerUnavailable after the wait."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM ledger_head FOR UPDATE")
        with pytest.raises(LedgerUnavailable):
            Ledger(database).append("INTENT", {})
    assert Ledger(database).append("INTENT", {}) == 1
