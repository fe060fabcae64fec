"""Rotating storage keys: a new key encrypts, and what the former ones opened is brought to the new one, one file a time.

Z1. The new key stands before the others in their file; every process takes it up within `keys.LOOK` seconds.
Z2. The key of each file is wrapped anew, a plain file from before is encrypted, a sealed value is sealed anew.
Z3. What somebody works on is waited for a while, and told otherwise: run it again.
Z4. A ledger line says which key it is and what was done. The former keys stay until they are dropped.

It may be interrupted anywhere and run again, beside a service.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from api.errors import RequestInProgress
from api.sealing import Seal
from api.services import Services
from api.store import owners
from api.store.encryption import container, keys
from api.store.encryption.blobs import EncryptedBlobs
from api.store.encryption.keys import StorageKeyMissing
from api.store.signing_tables import callback_secret
from api.store.tables import sealed, signature

_SEALED = ((sealed, sealed.c.signature, ""), (callback_secret, callback_secret.c.caller, "callback "))
"""Passwords that wait for a lift, and secrets of callbacks: the table, what a value is of, and how that is called in its
seal (`api.workflows.passwords`, `api.sessions.callbacks`)."""
TRIES = 3
PAUSE = 5.0


@dataclass(frozen=True)
class Rotation:
    """How many files and values were brought to the new key, and how many somebody was working on."""

    key: str
    files: int
    values: int
    busy: int


@dataclass(frozen=True)
class Stock:
    """What lies in the store: files by the id of the storage key that opens them; "plain" for those without."""

    files: dict[str, int]
    bytes_: int


def begin(services: Services) -> None:
    """Z1. Raises StorageKeyMissing where the keys are a credential: then the operator puts the new key there."""
    file = services.settings.storage.key_file
    if file is None:
        raise StorageKeyMissing("a credential is changed by the operator", reason="credential")
    keys.add(services.settings.home / file)
    time.sleep(keys.LOOK)


def renew(services: Services, *, by: str, progress: Callable[[], None] = lambda: None) -> Rotation:
    """Z2 to Z4."""
    blobs = store_of(services)
    time.sleep(keys.LOOK)  # so that a key that was added a moment ago is the current one here as well
    current = blobs.keys.current.id.hex()
    files, left = 0, list(blobs.files())
    for attempt in range(TRIES):
        busy: list[Path] = []
        for path in left:
            try:
                files += blobs.renew(path)
                progress()
            except RequestInProgress:
                busy.append(path)
        left = busy
        if left and attempt + 1 < TRIES:
            time.sleep(PAUSE)
    values = _reseal(services)
    facts = {"what": "storage-rotated", "caller": by, "storage_key": current, "files": files, "values": values}
    services.ledger.append("CHANGED", facts)
    return Rotation(current, files, values, len(left))


def drop(services: Services) -> int:
    """Forget the former keys, where nothing needs them any more; how many. Raises StorageKeyMissing otherwise."""
    blobs, file = store_of(services), services.settings.storage.key_file
    others = set(stock(services).files) - {blobs.keys.current.id.hex()}
    if file is None or others:
        raise StorageKeyMissing("former keys are still needed", reason=", ".join(sorted(others)) or "credential")
    return keys.drop(services.settings.home / file)


def stock(services: Services) -> Stock:
    """What lies in the store."""
    found: dict[str, int] = {}
    size = 0
    blobs = store_of(services)
    for path in blobs.files():
        try:
            with path.open("rb") as file:
                size += path.stat().st_size
                is_plain = not path.name.startswith("s")
                ids = [] if is_plain else [one.hex() for one in container.key_ids(file.fileno(), blob=path.name[1:])]
        except FileNotFoundError:
            continue
        for identity in ids or ["plain"]:
            found[identity] = found.get(identity, 0) + 1
    return Stock(found, size)


def store_of(services: Services) -> EncryptedBlobs:
    """Raises StorageKeyMissing where nothing is encrypted."""
    if not isinstance(services.blobs, EncryptedBlobs):
        raise StorageKeyMissing("no storage key is configured", reason="settings")
    return services.blobs


def _reseal(services: Services) -> int:
    """Every value that is sealed, with the current key."""
    seal = Seal(services.settings.secrets / "sealing.key", keys=services.storage_keys)

    def work(connection: sa.Connection) -> int:
        count = 0
        for table, record, of in _SEALED:
            for identity, value in connection.execute(sa.select(record, table.c.value)).all():
                bound_to = f"{of}{identity}"
                again = seal.close(seal.open(value, bound_to=bound_to), bound_to=bound_to)
                connection.execute(table.update().where(record == identity).values(value=again))
                count += 1
        return count

    return services.database.write(work)


def decrypt(services: Services, *, by: str) -> int:
    """Every file in plain again, under ids that an older program knows; how many. For when nothing else runs: whoever has
    an id from before does not find its file any more.

    A file goes only after the records name the plain one, so that it may be interrupted and run again."""
    blobs = store_of(services)
    former = list(blobs.files())
    for path in former:
        if path.name.startswith("s"):
            blobs.lay_plain_beside(path)

    def also(connection: sa.Connection, _number: int) -> None:
        for row in connection.execute(sa.select(signature)).all():
            connection.execute(
                signature.update()
                .where(signature.c.id == row.id)
                .values(
                    document_blob=_plain(row.document_blob),
                    signed_blob=None if row.signed_blob is None else _plain(row.signed_blob),
                    order_json=_with_plain(row.order_json),
                )
            )
        for column in owners.WHILE_IT_WAITS:
            table = column.table
            assert isinstance(table, sa.Table)
            for blob in connection.execute(sa.select(column).where(column.is_not(None))).scalars().all():
                connection.execute(table.update().where(column == blob).values(blob=_plain(blob)))

    facts = {"what": "storage-decrypted", "caller": by, "files": len(former)}
    services.ledger.append("CHANGED", facts, also=also)
    for path in former:
        if path.name.startswith("s"):
            path.unlink()
    return len(former)


def _plain(blob: str) -> str:
    return blob.removeprefix("s").removesuffix("-1")


def _with_plain(order: str) -> str:
    said = json.loads(order)
    kept = said.get("kept")
    if not kept:
        return order
    original = None if kept.get("original") is None else _plain(kept["original"])
    detached = [[name, _plain(blob)] for name, blob in kept.get("detached", ())]
    return json.dumps({**said, "kept": {**kept, "original": original, "detached": detached}}, sort_keys=True)
