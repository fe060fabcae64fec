"""Uploads in pieces, with their rows in a PostgreSQL: of two that send the same part one gets through, and they are swept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from api import resuming
from tests.http_support import house
from tests.integration.store.test_postgresql import database_of, server  # noqa: F401 - a fixture

pytestmark = pytest.mark.appliance


def test_pieces_follow_one_another_and_are_swept(tmp_path: Path, server: str) -> None:  # noqa: F811 - the fixture
    home = house(tmp_path / "home", database=database_of(server, "kyso_uploads"))
    owner = home.callers["client"].id
    made = resuming.begin(home.services, owner, name="a.pdf", size=10, limit=100)
    one, other = resuming.Taking(home.services, made), resuming.Taking(home.services, made)
    one.feed(b"12345")
    other.feed(b"123")
    one.store()
    with pytest.raises(resuming.UploadOffsetWrong):
        other.store()
    rest = resuming.Taking(home.services, resuming.find(home.services, owner, made.id))
    rest.feed(b"67890")
    rest.store()
    with resuming.opened(home.services, owner, f"upload:{made.id}") as whole:
        assert b"1234567890" == whole.file.read()
    assert 2 == len(list(home.services.blobs.files()))
    assert 1 == resuming.sweep(home.services, now=time.time() + 25 * 3600)
    assert [] == list(home.services.blobs.files())
    home.services.database.close()
