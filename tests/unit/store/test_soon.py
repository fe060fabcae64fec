"""Pieces of one transaction: those that came while it waited for its turn, and those that nobody waits for."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.errors import ClaimLost
from api.store import signatures
from api.store.database import BATCH, Database, open_database
from api.store.tables import sealed

pytestmark = pytest.mark.appliance


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


def put(connection: sa.Connection, name: str) -> None:
    connection.execute(sealed.insert().values(signature=name, value=b"v"))


def names(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(sealed.c.signature).order_by(sa.text("rowid"))).scalars())


def commits(database: Database) -> list[sa.Connection]:
    """Grows with each transaction that is committed from now on."""
    found: list[sa.Connection] = []
    sa.event.listen(database.engine, "commit", found.append)
    return found


def test_what_is_written_soon_goes_with_the_next_write_and_before_it(database: Database) -> None:
    """Nothing is stored by itself; the next write of any thread takes it along, in one transaction."""
    database.write_soon(put, "first")
    assert database.read(names) == []

    found = commits(database)
    seen = database.write(names)

    assert (seen, database.read(names), len(found)) == (["first"], ["first"], 1)


def test_more_pieces_than_a_batch_are_all_stored(database: Database) -> None:
    """The writer goes on until its own piece, which stands behind all the others, is stored."""
    expected = [f"{number:04}" for number in range(2 * BATCH + 5)]
    for name in expected:
        database.write_soon(put, name)

    database.write(put, "last")

    assert database.read(names) == [*expected, "last"]


def test_a_piece_that_fails_takes_no_other_with_it_and_shows_in_the_step_behind_it(database: Database) -> None:
    """A record that another process took over: the step that was to come soon is lost, and so is the one behind it."""
    hold = database.write(
        signatures.create, caller="c", order="{}", document_sha256="00", document_blob="b", prepared=b"p"
    )
    lost = signatures.Hold(hold.id, "another")
    database.write_soon(signatures.to_completing, lost, value=b"value")
    database.write_soon(put, "neighbour")

    with pytest.raises(ClaimLost):
        database.write(signatures.to_signed, lost, result="{}", signed_blob="b", signed_sha256="00")

    record = database.read(signatures.get, hold.id)
    assert record is not None
    assert (record.state, record.value) == ("signing", None)
    assert database.read(names) == ["neighbour"]


def test_writers_that_come_while_another_process_has_the_lock_share_a_transaction(
    database: Database, tmp_path: Path
) -> None:
    """One waits for the lock, four more come: when it is free there is one commit."""
    found = commits(database)
    other = sqlite3.connect(tmp_path / "kyso.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    threads = [threading.Thread(target=database.write, args=(put, str(number))) for number in range(5)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 5
    while len(database._waiting) < len(threads) and time.monotonic() < until:
        time.sleep(0.01)
    other.execute("ROLLBACK")
    for thread in threads:
        thread.join(timeout=10)

    assert sorted(database.read(names)) == ["0", "1", "2", "3", "4"]
    assert len(found) == 1
