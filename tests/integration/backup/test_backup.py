"""A backup of a service that works, and what comes of it on a bare machine."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from api.backup import envelope
from api.backup.envelope import BackupUnusable, Key
from api.errors import DatabaseVersionUnknown, RequestInProgress
from api.ledger import Ledger
from api.schemas import OrderRequest
from api.settings import Backup
from api.store.database import open_database
from api.store.encryption import keys
from api.store.encryption.keys import StorageKeyUnknown
from api.uploads import of_file
from api.workflows import backup, restoring, signing
from api.workflows.restoring import HomeNotEmpty, restore
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance

STORAGE = {"key_file": "secrets/storage.key"}
IDENTITY = pyrage.x25519.Identity.generate()
TO, WITH = Key(recipients=(str(IDENTITY.to_public()),)), Key(identities=(str(IDENTITY),))


def sign(home: House, document: bytes) -> str:
    with of_file(io.BytesIO(document), name="a.pdf", folder=home.services.work, limit=1 << 30) as upload:
        return signing.sign(home.services, home.callers["client"], OrderRequest(key="seal"), upload).record.id


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


@pytest.fixture
def home(tmp_path: Path) -> House:
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    (tmp_path / "home" / "kyso.toml").write_text('[storage]\nkey_file = "secrets/storage.key"\n')
    (tmp_path / "home" / "policies").mkdir()
    (tmp_path / "home" / "policies" / "own.toml").write_text("# a policy\n")
    (tmp_path / "home" / "softhsm").mkdir()
    (tmp_path / "home" / "softhsm" / "token").write_text("keys")
    return house(tmp_path / "home", storage=STORAGE)


def made(home: House, tmp_path: Path, **more: object) -> Path:
    return backup.make(
        home.services, tmp_path / "kyso.age", **{"key": TO, "with_keys": True, "by": "cli:test", **more}
    ).file


def names(file: Path) -> set[str]:
    def read(source: object) -> set[str]:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            return {entry.name for entry in tar}

    with file.open("rb") as source:
        return envelope.opened(source, read, key=WITH)


def test_a_restored_appliance_goes_on_where_the_backup_was_made(home: House, document: bytes, tmp_path: Path) -> None:
    """Its documents are handed out, its ledger is whole and says that it was restored, its callers' keys work, and it
    signs on; what came after the backup is not there."""
    before = sign(home, document)
    file = made(home, tmp_path)
    after = sign(home, document)
    done = restore(file, tmp_path / "bare", key=WITH)
    assert done.keys
    again = house(tmp_path / "bare", storage=STORAGE)
    again.secrets.update(home.secrets)
    assert document == again.ask("GET", f"/v1/signatures/{before}/document").content[: len(document)]
    assert 404 == again.ask("GET", f"/v1/signatures/{after}").status_code
    again.services.ledger.verify()
    lines = again.services.ledger.read(limit=1000)
    assert ("restored", done.manifest.made_at) == (lines[-1].facts["what"], lines[-1].facts["backup_of"])
    assert done.manifest.ledger_size == lines[-1].number - 1
    assert "# a policy\n" == (tmp_path / "bare" / "policies" / "own.toml").read_text()
    assert sign(again, document)


def test_keys_are_in_a_backup_only_where_that_was_asked_for(home: House, document: bytes, tmp_path: Path) -> None:
    """Not the storage keys, not the tokens of a demo; no working files. A restore says that the keys are missing, takes them
    from elsewhere, and refuses others."""
    sign(home, document)
    file = made(home, tmp_path, with_keys=False)
    found = names(file)
    assert {"kyso.toml", "database.sqlite", "policies/own.toml", "MANIFEST.json"} <= found
    assert not [name for name in found if "storage.key" in name or "softhsm" in name or name.startswith(("tmp", "run"))]
    assert b"%PDF" not in file.read_bytes()
    kept = tmp_path / "home" / "secrets" / "storage.key"
    assert not restore(file, tmp_path / "without", key=WITH).keys
    assert restore(file, tmp_path / "with", key=WITH, storage_key=kept).keys
    assert kept.read_bytes() == (tmp_path / "with" / "secrets" / "storage.key").read_bytes()
    keys.make(tmp_path / "other.key")
    with pytest.raises(StorageKeyUnknown):
        restore(file, tmp_path / "wrong", key=WITH, storage_key=tmp_path / "other.key")
    assert not (tmp_path / "wrong").exists()


def test_a_backup_is_consistent_while_the_service_works(home: House, document: bytes, tmp_path: Path) -> None:
    """Three of them while documents are signed and deleted: each restores, and every signed document in it is there."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sign(home, document)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        files = [
            backup.make(home.services, tmp_path / f"{n}.age", key=TO, with_keys=True, by="t").file for n in range(3)
        ]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    sizes = []
    for number, file in enumerate(files):
        target = tmp_path / f"bare{number}"
        sizes.append(restore(file, target, key=WITH).manifest.ledger_size)
        again = house(target, storage=STORAGE)
        table = signing.signatures.table
        rows = again.services.database.read(lambda c: [row.signed_blob for row in c.execute(table.select())])  # noqa: B023
        for blob in filter(None, rows):
            assert b"".join(again.services.blobs.pieces(blob)).startswith(document)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize(
    "harm", ["cut", "changed", "other key", "newer", "a file more", "a name outside", "no manifest"]
)
def test_what_is_not_a_whole_backup_of_ours_leaves_nothing(
    home: House, document: bytes, tmp_path: Path, harm: str
) -> None:
    """The folder is not there afterwards, nor anything beside it."""
    sign(home, document)
    file, key, error = made(home, tmp_path), WITH, BackupUnusable
    data = file.read_bytes()
    if harm == "cut":
        file.write_bytes(data[: len(data) * 2 // 3])
    elif harm == "changed":
        file.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    elif harm == "other key":
        key = Key(identities=(str(pyrage.x25519.Identity.generate()),))
    elif harm == "newer":
        with home.services.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_future'")
        file, error = made(home, tmp_path), DatabaseVersionUnknown
    else:
        repack(file, harm)
    place = tmp_path / "place"
    place.mkdir()
    for dry in (True, False):
        with pytest.raises(error):
            restore(file, place / "bare", key=key, dry=dry)
    assert [] == list(place.iterdir())


def repack(file: Path, harm: str) -> None:
    """The same backup, harmed by somebody who can encrypt to its recipients."""
    held = pyrage.decrypt(file.read_bytes(), [IDENTITY])
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(held)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for entry in old:
            if harm == "no manifest" and entry.name == "MANIFEST.json":
                continue
            if entry.name == "MANIFEST.json" and harm in ("a file more", "a name outside"):
                extra = tarfile.TarInfo("../escaped" if harm == "a name outside" else "secrets/more")
                extra.size = 1
                new.addfile(extra, io.BytesIO(b"x"))
            new.addfile(entry, old.extractfile(entry))
    file.write_bytes(pyrage.encrypt(out.getvalue(), [IDENTITY.to_public()]))


def test_a_home_that_is_not_empty_is_left_alone(home: House, tmp_path: Path) -> None:
    """Whatever is in it; an empty one is taken."""
    file = made(home, tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "note").write_text("mine")
    with pytest.raises(HomeNotEmpty):
        restore(file, tmp_path / "used", key=WITH)
    assert ["note"] == [one.name for one in (tmp_path / "used").iterdir()]
    (tmp_path / "empty").mkdir()
    restore(file, tmp_path / "empty", key=WITH)
    assert (tmp_path / "empty" / "kyso.db").exists()


@pytest.mark.parametrize("what", ["full disk", "no blob"])
def test_a_backup_that_fails_leaves_no_file(
    home: House, document: bytes, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor working files; one that was there stays."""
    sign(home, document)
    target = tmp_path / "to" / "kyso.age"
    backup.make(home.services, target, key=TO, with_keys=False, by="t")
    before = target.read_bytes()
    add: Callable[..., object] = backup._add

    def full(tar: tarfile.TarFile, path: Path, name: str, **more: object) -> object:
        if name.startswith("blobs"):
            raise OSError(28, "No space left on device")
        return add(tar, path, name, **more)

    if what == "full disk":
        monkeypatch.setattr(backup, "_add", full)
        error: type[Exception] = OSError
    else:
        shutil.rmtree(home.services.settings.blobs / next(home.services.blobs.files()).parent.name)
        error = backup.BackupNotConsistent
    with pytest.raises(error):
        backup.make(home.services, target, key=TO, with_keys=False, by="t")
    assert ([target], before) == (list(target.parent.iterdir()), target.read_bytes())
    assert [] == list(home.services.settings.tmp.iterdir())


def test_one_backup_at_a_time(home: House, tmp_path: Path) -> None:
    """A second one is told so."""
    with backup._alone(home.services.settings.home / "backup.lock"), pytest.raises(RequestInProgress):
        made(home, tmp_path)


def test_a_log_of_uses_ends_where_the_ledger_does(tmp_path: Path) -> None:
    """A use that came after the snapshot has no line in it; neither has a line that is just being written."""
    log = tmp_path / "keeper-demo.uses"
    lines = [b'{"sequence":1}\n', b'{"ledger_number":7}\n', b'{"kind":"done"}\n', b'{"ledger_number":9}\n', b'{"ki']
    log.write_bytes(b"".join(lines))
    assert len(b"".join(lines[:3])) == backup._covered(log, 8)
    assert len(b"".join(lines[:4])) == backup._covered(log, 9)


def test_a_backup_of_an_older_program_is_brought_up(home: House, tmp_path: Path) -> None:
    """The database in it is migrated, its ledger goes on."""
    home.services.database.go_back("0011_changes")
    with pytest.raises(Exception):  # noqa: B017, PT011 - the running program and its database do not fit any more
        home.services.database.read(lambda c: c.exec_driver_sql("SELECT * FROM legal_hold").all())
    file = made(home, tmp_path)
    assert "0011_changes" == restore(file, tmp_path / "bare", key=WITH).manifest.schema_version
    database = open_database(f"sqlite:///{tmp_path / 'bare' / 'kyso.db'}")
    assert "restored" == Ledger(database).read(limit=100)[-1].facts["what"]
    database.close()
    assert restoring.FORMAT == 1


def test_backups_are_made_at_intervals_and_the_oldest_go(home: House, tmp_path: Path) -> None:
    """By a job, once whoever asks; not before it is time; encrypted to the recipients; the storage keys are not in them."""
    chosen = {"folder": tmp_path / "kept", "every": 3600, "keep": 2, "recipients": TO.recipients}
    object.__setattr__(home.services.settings, "backup", Backup(**chosen))
    kept = []
    for _ in range(3):
        assert backup.schedule(home.services)
        assert not backup.schedule(home.services)
        assert home.services.jobs.run_one(backup.handlers(home.services))
        assert not backup.schedule(home.services)
        kept = sorted((tmp_path / "kept").iterdir())
        for file in kept:
            os.utime(file, (1, 1))
        for number, file in enumerate(kept):
            file.rename(file.with_name(f"2026010{number}T000000{backup.ENDING}"))
    assert 2 == len(kept)
    newest = max((tmp_path / "kept").iterdir())
    assert "secrets/storage.key" not in names(newest)
    with pytest.raises(ValueError, match="plain"):
        Backup(folder=tmp_path)
