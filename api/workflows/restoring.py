"""Restoring a backup into an empty KYSO_HOME: everything is checked before anything of it is there.

W1. The folder is empty or not there; nothing else is touched, and no database that is there, whoever names it.
W2. The file is opened and unpacked beside it, under names that stay inside; it must prove whole to its last byte.
W3. Every file is the one that the manifest tells, and none is missing or too many.
W4. The database is of this program or an older one, is whole, and its ledger is the one that the manifest tells. A dump of
    PostgreSQL is looked at in the empty database that kyso.toml (or KYSO_DATABASE) names, which is emptied if it is wrong.
W5. The storage keys open every encrypted file's head, where they are there.
W6. A ledger line says that this was restored, from which backup; the folder takes its place under its name at once.

Beside the service of the former machine nothing may run with the same HSM keys: uses of keys after the backup have no line
in this ledger. `kyso audit verify` with the former machine's logs of uses names each key that was so used (USE_WITHOUT_LINE).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

import sqlalchemy as sa
from pydantic import ValidationError

from api import settings as kyso_settings
from api.backup.envelope import BackupUnusable, Key, opened
from api.backup.manifest import FORMAT, NAME, File, Manifest
from api.errors import ApiError, DatabaseVersionUnknown, LedgerBroken
from api.ledger import Ledger, LedgerState
from api.settings import Settings
from api.store import schema
from api.store.blobs import sync
from api.store.database import Database, open_database
from api.store.encryption import container, keys
from api.store.encryption.keys import StorageDamaged, StorageKeyMissing, StorageKeyUnknown
from api.workflows.backup import BackupToolMissing

CHUNK = 1 << 20
LONGEST_MANIFEST = 512 << 20
DATABASES = {"sqlite": "database.sqlite", "postgresql": "database.dump"}


class HomeNotEmpty(ApiError):
    """A backup is restored into an empty folder only."""

    code = "home-not-empty"


@dataclass(frozen=True)
class Restored:
    """What was restored. `keys`: the storage keys are there, so that its documents can be read."""

    manifest: Manifest
    keys: bool


def restore(
    file: Path, home: Path, *, key: Key, storage_key: Path | None = None, dry: bool = False, by: str = "kyso"
) -> Restored:
    """W1 to W6; with `dry`, W2 to W5, and nothing is left.

    Raises HomeNotEmpty, BackupUnusable, RecipientUnusable, DatabaseVersionUnknown, LedgerBroken, StorageKeyUnknown,
    BackupToolMissing, OSError (disk full)."""
    # W1
    if not dry and home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise HomeNotEmpty(home=str(home))
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{home.name}.restoring-", dir=home.parent) as folder:
        staged = Path(folder) / "home"
        staged.mkdir(mode=0o700)
        with file.open("rb") as source:
            manifest = opened(source, lambda content: _unpack(content, staged), key=key)  # W2, W3
        database = staged / DATABASES[manifest.database]
        settings = kyso_settings.load(staged)  # as the restored kyso.toml says
        has_keys = _check_keys(staged, settings, given=storage_key)  # W5
        named = settings.database_url
        if manifest.database == "sqlite":
            database = database.rename(staged / "kyso.db")
            _check_sqlite(database, manifest)  # W4
            named = f"sqlite:///{database}"
        elif dry:
            _check_dump(database)
        if dry:
            return Restored(manifest, has_keys)
        elsewhere = _elsewhere(staged, home=home) if manifest.database == "sqlite" else None
        with contextlib.nullcontext() if manifest.database == "sqlite" else _restored_dump(database, named, manifest):
            # W6
            _note(named, manifest, by=by)
            if elsewhere is not None:
                _move(database, elsewhere)
            _take_place(staged, home)
    return Restored(manifest, has_keys)


# --- W2, W3 -----------------------------------------------------------------------------------------------------------


def _unpack(content: BinaryIO, folder: Path) -> Manifest:
    found: dict[str, File] = {}
    told: bytes | None = None
    try:
        with tarfile.open(fileobj=content, mode="r|") as tar:
            for entry in tar:
                source = tar.extractfile(entry)
                if told is not None or source is None or not entry.isreg():
                    raise BackupUnusable("the backup holds something else than files", reason="content")
                if entry.name == NAME:
                    if entry.size > LONGEST_MANIFEST:
                        raise BackupUnusable("the manifest is too long", reason="content")
                    told = source.read()
                else:
                    found[entry.name] = _place(source, folder, entry.name)
    except tarfile.TarError as error:
        raise BackupUnusable(f"the backup's content is broken: {error}", reason="content") from None
    try:
        manifest = Manifest.model_validate_json(told or b"")
    except ValidationError:
        raise BackupUnusable("the backup has no manifest", reason="content") from None
    if manifest.format != FORMAT or manifest.database not in DATABASES:
        raise BackupUnusable("the backup is of another form", reason="format")
    if {one.path: one for one in manifest.files} != found or DATABASES[manifest.database] not in found:
        raise BackupUnusable("the backup's files are not those that it names", reason="content")
    return manifest


def _place(source: IO[bytes], folder: Path, name: str) -> File:
    """One file below `folder`, for this user alone."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise BackupUnusable("a name in the backup leads outside", reason="content")
    target = folder.joinpath(*path.parts)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as out:
            while data := source.read(CHUNK):
                digest.update(data)
                size += len(data)
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise BackupUnusable("a name is in the backup twice", reason="content") from None
    return File(path=name, size=size, sha256=digest.hexdigest())


# --- W4, W5 -----------------------------------------------------------------------------------------------------------


def _elsewhere(staged: Path, *, home: Path) -> Path | None:
    """Where the restored kyso.toml wants its SQLite file, if not in `home`. The environment does not count here: it
    may be that of a service which runs. Raises HomeNotEmpty where there is a file, BackupUnusable for no path of SQLite."""
    try:
        named = str(tomllib.loads((staged / "kyso.toml").read_text("utf-8")).get("database", ""))
    except FileNotFoundError:
        return None
    if not named:
        return None
    if not named.startswith("sqlite:////"):
        raise BackupUnusable("kyso.toml names another kind of database than the backup's", reason="database")
    place = Path(named.removeprefix("sqlite:///"))
    if place == home.absolute() / "kyso.db":
        return None
    if place.exists():
        raise HomeNotEmpty("the database that kyso.toml names is there", home=str(place))
    return place


def _move(database: Path, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.move(database, place)
    sync(place)
    sync(place.parent)


def _check_sqlite(file: Path, manifest: Manifest) -> None:
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as held:
            if held.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise BackupUnusable("the database in the backup is broken", reason="database")
    except sqlite3.Error:
        raise BackupUnusable("the database in the backup is broken", reason="database") from None
    database = open_database(f"sqlite:///{file}", migrate=False)
    try:
        _check(database, manifest)
    finally:
        database.close()


def _check(database: Database, manifest: Manifest) -> None:
    version = database.read(schema.current)
    if version not in schema.versions():
        raise DatabaseVersionUnknown(f"the backup has version {version}", version=str(version))
    told = LedgerState(manifest.ledger_size, manifest.ledger_root)
    if Ledger(database).verify(known=(told,)).size != told.size:
        raise LedgerBroken("the ledger in the backup is not the one that it tells")


def _check_dump(dump: Path) -> None:
    """All of it can be read; what stands in its ledger shows only in a server."""
    _pg_restore("--file=/dev/null", str(dump))


@contextlib.contextmanager
def _restored_dump(dump: Path, named: str, manifest: Manifest) -> Iterator[None]:
    """The database that kyso.toml names, filled from the dump. It must be empty, and is again if anything fails."""
    database = open_database(named, migrate=False)
    try:
        if database.read(lambda connection: sa.inspect(connection).get_table_names()):
            raise HomeNotEmpty("the database is not empty", home="database")
        url = database.engine.url.set(drivername="postgresql")
        password = {} if url.password is None else {"PGPASSWORD": str(url.password)}
        shown = url.set(password=None).render_as_string(hide_password=False)
        _pg_restore("--single-transaction", "--no-owner", f"--dbname={shown}", str(dump), **password)
        try:
            _check(database, manifest)
            dump.unlink()
            yield
        except BaseException:
            _empty(database.engine)
            raise
    finally:
        database.close()


def _pg_restore(*options: str, **variables: str) -> None:
    tool = shutil.which("pg_restore")
    if tool is None:
        raise BackupToolMissing(tool="pg_restore")
    command = [tool, "--exit-on-error", *options]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackupUnusable(f"pg_restore failed: {done.stderr[:300]}", reason="database")


def _empty(engine: sa.Engine) -> None:
    """Take away what was restored, from a database in which nothing else was."""
    found = sa.MetaData()
    found.reflect(engine)
    found.drop_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS ledger_append_only()")


def _check_keys(home: Path, settings: Settings, *, given: Path | None) -> bool:
    """Whether the storage keys are there, `given` ones among them; then every encrypted file has a head that they open.

    Given ones are copied into the folder; where kyso.toml names a place outside of it, they are only tried."""
    place = None if settings.storage.key_file is None else home / settings.storage.key_file
    if given is not None and place is not None and place.resolve().is_relative_to(home.resolve()):
        _copy_key(given, place)
    try:
        ring = keys.of(settings.storage, home=home)
        is_there = True
    except StorageKeyMissing:
        if given is None:
            return False
        ring, is_there = keys.KeyRing(given.read_bytes), False
    if ring is None:
        return True
    for file in sorted((home / "blobs").rglob("s*")):
        if not file.is_file():
            continue
        with file.open("rb") as held:
            try:
                container.Container.open(held.fileno(), blob=file.name[1:], generation=0, keys=ring)
            except StorageDamaged as error:
                raise BackupUnusable(f"a stored file is broken: {error}", reason="blob") from None
            except StorageKeyUnknown:
                raise StorageKeyUnknown("the storage key is not the backup's", key=",".join(_ids(held))) from None
    return is_there


def _ids(file: BinaryIO) -> list[str]:
    return [one.hex() for one in container.key_ids(file.fileno(), blob="")]


def _copy_key(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(source.read_bytes())
            out.flush()
            os.fsync(out.fileno())


# --- W6 ---------------------------------------------------------------------------------------------------------------


def _note(url: str, manifest: Manifest, *, by: str) -> None:
    database = open_database(url)  # migrated, where the backup is of an older program
    try:
        facts = {
            "what": "restored",
            "caller": by,
            "backup_of": manifest.made_at,
            "ledger_size": manifest.ledger_size,
            "ledger_root": manifest.ledger_root,
        }
        Ledger(database).append("CHANGED", facts)
    finally:
        database.close()


def _take_place(staged: Path, home: Path) -> None:
    """All at once, over an empty folder; where that is a mount of its own, file by file, the settings last."""
    try:
        staged.rename(home)
    except OSError:
        for one in sorted(staged.iterdir(), key=lambda one: one.name == "kyso.toml"):
            shutil.move(one, home / one.name)
    sync(home)
    sync(home.parent)
