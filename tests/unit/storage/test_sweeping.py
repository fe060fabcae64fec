"""Files that no record names: swept after a crash, never while somebody may still name them, never for a wrong database."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from api.composition import compose
from api.settings import Settings
from api.store import owners
from api.store.encryption import keys
from api.store.tables import erasure, metadata
from api.workflows.sweeping import APART, NOTE, Sweeper
from tests.cli_support import ROOT
from tests.documents import pdf
from tests.http_support import SECRET, House, house
from tests.unit.storage import dying

pytestmark = pytest.mark.appliance

LATER = APART + 1


def names(home: House | Path) -> set[str]:
    folder = home / "home" / "blobs" if isinstance(home, Path) else home.services.settings.blobs
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != NOTE}


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What processes left that were killed, a folder for each place."""
    folder = tmp_path_factory.mktemp("dying")
    command = [sys.executable, "-m", dying.__name__, str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=300)
    return folder


@pytest.mark.parametrize("place", dying.PLACES)
def test_what_a_killed_process_left_goes_and_the_rest_stays(dead: Path, place: str) -> None:
    """Killed between the two steps, wherever that is: the file without an owner is there after the crash, is there after
    the first look, and is gone after one that is long enough behind it; every file that a record names stays."""
    home = dead / place
    needed = set(json.loads((home / "needed.json").read_text()))
    services = compose(Settings(home=home / "home"), permit_secret=SECRET, tokens={})
    sweeper = Sweeper()
    assert needed < names(home)
    assert 0 == sweeper.look(services, now=0)
    assert 0 == sweeper.look(services, now=APART - 1)
    assert needed < names(home)
    assert 1 == sweeper.look(services, now=LATER)
    assert needed == names(home)
    assert 0 == sweeper.look(services, now=3 * LATER)


@pytest.fixture(params=["plain", "encrypted"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    if request.param == "plain":
        return house(tmp_path / "home")
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    return house(tmp_path / "home", storage={"key_file": "secrets/storage.key"})


def test_whatever_is_named_stays(home: House, tmp_path: Path) -> None:
    """A signed document, whose id says another form than its file's name, in a plain store and an encrypted one; and
    what nobody names goes from both."""
    dying.sign(home, pdf(tmp_path / "a.pdf"))
    needed = names(home)
    home.services.blobs.put(io.BytesIO(b"%PDF"))
    sweeper = Sweeper()
    assert [0, 1] == [sweeper.look(home.services, now=now) for now in (0, LATER)]
    assert needed == names(home)


def test_who_names_a_file_between_two_looks_keeps_it(tmp_path: Path) -> None:
    """A request that was slow: its file was there at the first look and nobody's, and is somebody's at the second. What
    another process saw at the first look does not count for one that starts later."""
    home = house(tmp_path / "home")
    dying.sign(home, pdf(tmp_path / "a.pdf"))
    blob = home.services.blobs.put(io.BytesIO(b"%PDF"))
    sweeper = Sweeper()
    sweeper.look(home.services, now=0)
    home.services.database.write(lambda c: c.execute(batch_row(blob)))
    assert 0 == sweeper.look(home.services, now=LATER)
    assert 0 == Sweeper().look(home.services, now=9 * LATER)
    assert home.services.blobs.size(blob)


@pytest.mark.parametrize("other", ["older", "empty", "of another service"])
def test_with_another_database_nothing_goes(tmp_path: Path, other: str) -> None:
    """An operator starts the service with an older copy of the database, or none: not one document is lost by that, and
    with the right database again all is as it was."""
    home = house(tmp_path / "home")
    older = tmp_path / "older.db"
    dying.sign(home, pdf(tmp_path / "a.pdf"))
    with contextlib.closing(sqlite3.connect(home.services.settings.home / "kyso.db")) as database:
        database.execute(f"VACUUM INTO '{older}'")
    dying.sign(home, pdf(tmp_path / "a.pdf"))
    sweeper, kept = Sweeper(), names(home)
    sweeper.look(home.services, now=0)
    if other == "of another service":
        dying.sign(stranger := house(tmp_path / "stranger"), pdf(tmp_path / "a.pdf"))
        wrong = stranger.services.settings.home / "kyso.db"
    else:
        wrong = older if other == "older" else tmp_path / "none.db"
    settings = Settings(home=home.services.settings.home, database=f"sqlite:///{wrong}")
    services = compose(settings, permit_secret=SECRET, tokens={})
    looks = Sweeper()
    assert [0, 0] == [looks.look(services, now=now) for now in (0, LATER)]
    assert kept == names(home)
    assert [0, 0] == [sweeper.look(home.services, now=now) for now in (LATER, 3 * LATER)]
    assert kept == names(home)


def test_a_store_of_which_the_database_knows_nothing_is_left_alone(tmp_path: Path) -> None:
    """Before the first look nothing says whose files they are: where not one of them is known, it is no crash that left
    them."""
    home, other = house(tmp_path / "home"), house(tmp_path / "other")
    for one in (home, other):
        dying.sign(one, pdf(tmp_path / "a.pdf"))
    database = f"sqlite:///{other.services.settings.home}/kyso.db"
    services = compose(Settings(home=home.services.settings.home, database=database), permit_secret=SECRET, tokens={})
    kept, sweeper = names(home), Sweeper()
    assert [0, 0] == [sweeper.look(services, now=now) for now in (0, LATER)]
    assert kept == names(home)


def test_every_column_that_holds_a_blob_is_looked_at() -> None:
    """A table that is added with documents of its own is named in `api.store.owners`, or its documents would be swept.
    What is to be erased anyway may go by either way."""
    looked_at = {*owners.WHILE_IT_WAITS, *owners.BY_STATE, erasure.c.blob}
    found = {column for table in metadata.tables.values() for column in table.columns if "blob" in column.name}
    assert looked_at == found


def batch_row(blob: str):
    from api.store.tables import batch_document

    row = {"batch": "bat_1", "number": 1, "name": "a", "sha256": "0", "size": 1, "blob": blob}
    return batch_document.insert().values(row)
