"""A backup: all of KYSO_HOME that is state, as it was at one moment, in one encrypted file, while the service runs.

B1. Every blob gets a second name in `tmp` (a hard link), so that none is lost while the backup is made.
B2. A snapshot of the database: SQLite's own backup, which keeps no writer waiting; `pg_dump` for PostgreSQL.
B3. Blobs that came between get their second name. The snapshot's blobs are all there, or it begins anew.
B4. The keepers' logs of uses, up to the snapshot's last ledger number: a use that came later belongs to no line of it.
B5. All files go into a tar, the manifest last, through age into a file of another name, which is fsynced and renamed.

Left out: sockets, working files, copies of the database, SoftHSM's tokens (unless `[backup] include` names them) and the
storage keys (unless asked for): who holds the backup and its key should not hold the documents' key as well. What an HSM
keeps is never in it: its keys are backed up by its vendor's means, wrapped or on its own cards.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from api.backup.envelope import Key, seal
from api.backup.manifest import NAME, File, Manifest
from api.errors import ApiError, RequestInProgress
from api.jobs import Handlers, Job
from api.ledger import Ledger, LedgerState, state_within
from api.ledger.kept import Kept
from api.services import Services
from api.settings import Settings
from api.store import schema
from api.store.blobs import sync
from api.store.database import Database, open_database
from api.store.encryption import keys as storage_keys
from api.store.tables import signature
from api.watching import notes

LEFT_OUT = frozenset({"run", "tmp", "blobs", "softhsm", "supervisor.lock"})
"""Names at the top of KYSO_HOME; blobs are taken by another way."""
NO_STATE = frozenset({".lock", ".index"})
"""Endings of what is made anew when it is missing."""
TRIES = 3


class BackupToolMissing(ApiError):
    """The tool that dumps or restores this kind of database is not on this machine."""

    code = "backup-tool-missing"


class BackupNotConsistent(ApiError):
    """Blobs went away while the backup was made, again and again."""

    code = "backup-not-consistent"


@dataclass(frozen=True)
class Done:
    """A backup that was made."""

    file: Path
    size: int
    sha256: str
    manifest: Manifest


@dataclass(frozen=True)
class _Snapshot:
    """What is to be packed: the staged folder with database and blobs, and what the manifest says of it."""

    folder: Path
    database: str
    version: str
    ledger: LedgerState


def make(services: Services, target: Path, *, key: Key, with_keys: bool, by: str) -> Done:
    """B1 to B5, and a ledger line that says so.

    Raises BackupToolMissing, BackupNotConsistent, RecipientUnusable, OSError (disk full); then there is no file."""
    settings = services.settings
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        _alone(settings.home / "backup.lock"),
        tempfile.TemporaryDirectory(prefix="backup-", dir=settings.tmp) as folder,
    ):
        snapshot = _snapshot(services, Path(folder))
        draft = target.with_name(f".{target.name}.part")
        made: list[Manifest] = []
        try:
            with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as out:
                seal(lambda pipe: made.append(_pack(services, snapshot, pipe, with_keys=with_keys)), out, key=key)
                out.flush()
                os.fsync(out.fileno())
                size = out.tell()
                out.seek(0)
                digest = hashlib.file_digest(out, "sha256").hexdigest()
            draft.replace(target)
            sync(target.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    facts = {"what": "backup-made", "caller": by, "backup_sha256": digest, "ledger_size": snapshot.ledger.size}
    services.ledger.append("CHANGED", facts)
    with contextlib.suppress(OSError):  # a note for the alarm; the backup is made
        notes.backup_made(settings, at=services.clock().timestamp())
    return Done(target, size, digest, made[0])


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One backup at a time. Raises RequestInProgress."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestInProgress(backup="another") from None
        yield


# --- B1 to B3 ---------------------------------------------------------------------------------------------------------


def _snapshot(services: Services, folder: Path) -> _Snapshot:
    blobs = folder / "blobs"
    for _ in range(TRIES):
        _link(services.settings.blobs, blobs)
        kind, version, ledger, needed = _database(services.database, folder)
        _link(services.settings.blobs, blobs)
        present = {path.name.removeprefix("s") for path in blobs.rglob("*") if path.is_file()}
        if needed <= present:
            return _Snapshot(folder, kind, version, ledger)
    raise BackupNotConsistent


def _link(source: Path, target: Path) -> None:
    """A second name for every blob that has none yet."""
    for folder in (one for one in source.iterdir() if one.is_dir() and one.name != "incoming"):
        there = target / folder.name
        there.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            with contextlib.suppress(FileExistsError, FileNotFoundError):  # linked before, or deleted just now
                os.link(file, there / file.name)


def _database(database: Database, folder: Path) -> tuple[str, str, LedgerState, set[str]]:
    """The snapshot; its kind, schema version and ledger, and the names of the blobs that its signed documents need."""
    if database.engine.dialect.name != "sqlite":
        return _dump(database, folder)
    copy = folder / "database.sqlite"
    copy.unlink(missing_ok=True)
    source = Path(str(database.engine.url.database))
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as held,
        contextlib.closing(sqlite3.connect(copy)) as made,
    ):
        held.backup(made)
    taken = open_database(f"sqlite:///{copy}", migrate=False)
    try:
        found = "sqlite", taken.read(schema.current) or "", Ledger(taken).state(), taken.read(_needed)
    finally:
        taken.close()
    # As one file: what the copy's own log still held is in it once the last connection is gone.
    for suffix in ("-wal", "-shm"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
    return found


def _dump(database: Database, folder: Path) -> tuple[str, str, LedgerState, set[str]]:
    """By pg_dump, in the snapshot of the transaction in which everything else is read: all of it is of one moment."""
    tool = shutil.which("pg_dump")
    if tool is None:
        raise BackupToolMissing(tool="pg_dump")
    url = database.engine.url.set(drivername="postgresql")
    password = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    shown = url.set(password=None).render_as_string(hide_password=False)
    command = [tool, "--format=custom", "--no-owner", "--no-privileges"]
    command += [f"--file={folder / 'database.dump'}", f"--dbname={shown}"]
    environment = {**os.environ, **password}

    def dumped(connection: sa.Connection) -> tuple[subprocess.CompletedProcess[str], str, LedgerState, set[str]]:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        named = f"--snapshot={connection.exec_driver_sql('SELECT pg_export_snapshot()').scalar_one()}"
        done = subprocess.run([*command, named], env=environment, capture_output=True, text=True, check=False)
        return done, schema.current(connection) or "", state_within(connection), _needed(connection)

    done, version, state, needed = database.read(dumped)
    if done.returncode != 0:
        raise BackupToolMissing(f"pg_dump failed: {done.stderr[:300]}", tool="pg_dump")
    return "postgresql", version, state, needed


def _needed(connection: sa.Connection) -> set[str]:
    rows = connection.execute(sa.select(signature.c.signed_blob).where(signature.c.signed_blob.is_not(None)))
    return {str(blob).removeprefix("s").removesuffix("-1") for blob in rows.scalars()}


# --- B4, B5 -----------------------------------------------------------------------------------------------------------


def _pack(services: Services, snapshot: _Snapshot, pipe: BinaryIO, *, with_keys: bool) -> Manifest:
    settings = services.settings
    files: list[File] = []
    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        name = "database.sqlite" if snapshot.database == "sqlite" else "database.dump"
        files.append(_add(tar, snapshot.folder / name, name))
        blobs = (file for file in sorted((snapshot.folder / "blobs").rglob("*")) if file.is_file())
        files.extend(_add(tar, file, str(file.relative_to(snapshot.folder))) for file in blobs)
        for file in _state(settings, with_keys=with_keys):
            cut = ".uses" in file.suffixes and not settings.keepers.are_on_their_own  # those have no ledger to fit
            most = _covered(file, snapshot.ledger.size) if cut else None
            with contextlib.suppress(FileNotFoundError):  # a log that was turned over
                files.append(_add(tar, file, str(file.relative_to(settings.home)), most=most))
        made = _manifest(services, snapshot, tuple(files))
        body = made.model_dump_json(indent=1).encode()
        entry = tarfile.TarInfo(NAME)
        entry.size = len(body)
        tar.addfile(entry, io.BytesIO(body))
    return made


def _manifest(services: Services, snapshot: _Snapshot, files: tuple[File, ...]) -> Manifest:
    ring = services.storage_keys
    newest = Kept(services.settings.checkpoint_folder).newest()
    return Manifest(
        made_at=services.clock().isoformat(timespec="seconds"),
        program=metadata.version("kyso"),
        database=snapshot.database,
        schema_version=snapshot.version,
        ledger_size=snapshot.ledger.size,
        ledger_root=snapshot.ledger.root,
        checkpoint=None if newest is None else newest.text,
        storage_keys=() if ring is None else tuple(key.id.hex() for key in ring.all),
        files=files,
    )


def _state(settings: Settings, *, with_keys: bool) -> Iterator[Path]:
    """Files of KYSO_HOME that are state, in order. Links are not followed: what they point to is not the appliance's."""
    home = settings.home
    included = {one.parts[0] for one in settings.backup.include}
    keys = storage_keys.file_of(settings.storage, home=home) if settings.storage.key_file is not None else None
    kept = None if settings.backup.folder is None else home / settings.backup.folder
    for top in sorted(home.iterdir()):
        if (top.name in LEFT_OUT and top.name not in included) or top.name.startswith("kyso.db") or top == kept:
            continue
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            is_state = (
                file.is_file() and not file.is_symlink() and (top.name in included or file.suffix not in NO_STATE)
            )
            if is_state and (with_keys or keys is None or not file.samefile(keys)):
                yield file


def _covered(log: Path, size: int) -> int | None:
    """Bytes of a log of uses before the first use that is newer than the ledger's snapshot; None is all of it."""
    place = 0
    with log.open("rb") as file:
        for line in file:
            try:
                number = json.loads(line).get("ledger_number", 0)
            except (ValueError, AttributeError):
                return place  # a line that is being written
            if isinstance(number, int) and number > size:
                return place
            place += len(line)
    return place


def _add(tar: tarfile.TarFile, path: Path, name: str, *, most: int | None = None) -> File:
    """One file, as long as it is now."""
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        entry = tarfile.TarInfo(name)
        entry.size = facts.st_size if most is None else min(most, facts.st_size)
        entry.mtime, entry.mode = int(facts.st_mtime), 0o600
        digest = hashlib.sha256()
        tar.addfile(entry, _Hashed(file, digest))
    return File(path=name, size=entry.size, sha256=digest.hexdigest())


class _Hashed:
    """A file whose digest is taken as it is read."""

    def __init__(self, file: BinaryIO, digest: hashlib._Hash) -> None:
        self._file, self._digest = file, digest

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data


# --- at intervals -----------------------------------------------------------------------------------------------------

JOB = "backup"
ENDING = ".kyso.age"


def handlers(services: Services) -> Handlers:
    """What the job engine calls, by kind."""

    def run(job: Job) -> None:
        job.renew()
        with contextlib.suppress(RequestInProgress):  # the one before is not done yet
            at_interval(services)

    return {JOB: run}


def schedule(services: Services) -> bool:
    """Make a job of a backup that is due; whether it was."""
    if _folder(services.settings) is None or not _is_due(services):
        return False
    return services.jobs.enqueue(JOB, {}, unique=JOB) is not None


def at_interval(services: Services) -> Done | None:
    """The backup that is due, and no more of the old ones than should stay; None where it was made meanwhile."""
    chosen, folder = services.settings.backup, _folder(services.settings)
    if folder is None or not _is_due(services):
        return None
    name = f"{services.clock():%Y%m%dT%H%M%S}{ENDING}"
    done = make(services, folder / name, key=Key(recipients=chosen.recipients), with_keys=False, by="kyso")
    for old in sorted(folder.glob(f"*{ENDING}"))[: -chosen.keep]:
        old.unlink(missing_ok=True)
    return done


def _folder(settings: Settings) -> Path | None:
    return None if settings.backup.folder is None else settings.home / settings.backup.folder


def _is_due(services: Services) -> bool:
    folder = _folder(services.settings)
    assert folder is not None
    newest = max((file.stat().st_mtime for file in folder.glob(f"*{ENDING}")), default=0.0)
    return time.time() - newest >= services.settings.backup.every
