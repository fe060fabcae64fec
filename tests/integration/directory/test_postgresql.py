"""The directory on PostgreSQL, where a server is there: imports, a merger, questions, erasure, and the proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.directory import Authority, listing, people, proving
from api.store.database import Database, open_database
from tests.directory_support import NOW, Book, counted, day
from tests.integration.store.test_postgresql import server  # noqa: F401 - the fixture below takes it

pytestmark = pytest.mark.appliance


@pytest.fixture
def database(server: str) -> Iterator[Database]:  # noqa: F811 - a fixture
    """A database that is made and migrated here, by one."""
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE directory")
    admin.dispose()
    opened = open_database(server.replace("/postgres?", "/directory?"), busy_seconds=30.0)
    yield opened
    opened.close()


def test_the_same_answers_on_postgresql(database: Database, tmp_path: Path) -> None:
    """What the other tests show on SQLite, once through."""
    book = Book(tmp_path, database).filled()
    at = int(NOW.timestamp())
    assert isinstance(
        book.directory.may_sign_for(book.person("p2"), book.organisation("A"), "KT", day("2026-01-01")), Authority
    )
    merged = "mã;tên;loại;từ;đến;sáp nhập vào\nN;Mới;đảng ủy cơ sở;2026-07-01;;\nA;;;;2026-06-30;N\nB;;;;2026-06-30;N\n"
    done = book.take(organisations=merged)
    assert {"organisations": {"new": 1, "ended": 2}, "posts": {"ended": 3}} == counted(done)
    seal = book.directory.owner_of_key("seal-a")
    assert seal is not None
    assert seal.organisation == book.organisation("N")
    assert {"organisation", "person", "directory"} == set(book.directory.facts(key="key-p1"))
    scope = book.directory.scope(book.organisation("N"))
    assert 1 == len(database.read(listing.members, scope, at))
    assert ["p1", "p2"] == [one.code for one in database.read(listing.people, at, among=None, after="", limit=2)]
    book.take(keys="khóa;đến\nkey-p1;2026-06-30\n")
    people.erase(database, book.person("p1"), caller="tester", clock=lambda: NOW)
    assert proving.Proof(3, (), 0) == database.read(proving.examine)
