"""What became of signed documents: held, or erased; and which files are still to be erased.

A document is erased in two steps, so that a crash between them leaves nothing behind: one transaction takes it from its
record and notes its files, then each file goes and its note with it.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> database.write(hold, "sig_1", by="admin", note="vụ việc 7")
>>> database.read(held)
(Held(signature='sig_1', by='admin', note='vụ việc 7'),)
>>> database.write(release, "sig_1")
True
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from api.store.tables import erasure, legal_hold, preparation, sealed, signature

KEPT_OF_AN_ORDER = ("key", "format", "level", "profile", "packaging", "mechanism")
"""What an order says of its signature; the rest (reason, place, values of a form, what is seen) is content."""


@dataclass(frozen=True)
class Held:
    """A signature whose document stays, whatever the policy says."""

    signature: str
    by: str
    note: str


@dataclass(frozen=True)
class Document:
    """A signed document that is kept: whose it is, since when, and its record's order and blobs."""

    signature: str
    caller: str
    since: float
    order: str
    blobs: tuple[str, ...]
    is_held: bool


def hold(connection: sa.Connection, identity: str, *, by: str, note: str) -> None:
    """Nothing of this signature is erased from now on; a hold that is there stays."""
    release(connection, identity)
    connection.execute(legal_hold.insert().values(signature=identity, set_by=by, set_at=time.time(), note=note))


def release(connection: sa.Connection, identity: str) -> bool:
    """End the hold; whether there was one."""
    return bool(connection.execute(legal_hold.delete().where(legal_hold.c.signature == identity)).rowcount)


def held(connection: sa.Connection) -> tuple[Held, ...]:
    rows = connection.execute(sa.select(legal_hold).order_by(legal_hold.c.set_at))
    return tuple(Held(row.signature, row.set_by, row.note) for row in rows)


def documents(connection: sa.Connection, *, before: float, after: str = "", limit: int = 500) -> tuple[Document, ...]:
    """Signed documents that were last changed before this Unix time, by id from `after` on."""
    on = signature.c.id == legal_hold.c.signature
    chosen = (
        sa.select(signature, legal_hold.c.signature.label("held"))
        .join_from(signature, legal_hold, on, isouter=True)
        .where(
            signature.c.state == "signed",
            signature.c.signed_blob.is_not(None),
            signature.c.updated_at < before,
            signature.c.id > after,
        )
        .order_by(signature.c.id)
        .limit(limit)
    )
    return tuple(
        Document(row.id, row.caller, row.updated_at, row.order_json, _blobs(row), row.held is not None)
        for row in connection.execute(chosen)
    )


def take(connection: sa.Connection, document: Document) -> bool:
    """The document is no more in its record, and its files are noted to be erased; False where it was held or lifted
    meanwhile."""
    is_held = sa.exists().where(legal_hold.c.signature == document.signature)
    changed = connection.execute(
        signature.update()
        .where(
            signature.c.id == document.signature,
            signature.c.state == "signed",
            signature.c.signed_blob.in_(document.blobs),
            ~is_held,
        )
        .values(signed_blob=None, order_json=_bared(document.order))
    ).rowcount
    if changed != 1:
        return False
    connection.execute(preparation.delete().where(preparation.c.signature == document.signature))
    connection.execute(sealed.delete().where(sealed.c.signature == document.signature))
    rows = [{"blob": blob, "signature": document.signature} for blob in document.blobs]
    connection.execute(erasure.insert(), rows)
    return True


def to_erase(connection: sa.Connection, *, limit: int = 500) -> tuple[str, ...]:
    return tuple(connection.execute(sa.select(erasure.c.blob).limit(limit)).scalars())


def erased(connection: sa.Connection, blobs: Sequence[str]) -> None:
    """These files are gone."""
    connection.execute(erasure.delete().where(erasure.c.blob.in_(blobs)))


def _blobs(row: sa.Row[tuple[object, ...]]) -> tuple[str, ...]:
    kept = json.loads(row.order_json).get("kept") or {}
    further = [blob for _, blob in kept.get("detached", ())]
    found = (row.signed_blob, row.document_blob, kept.get("original"), *further)
    return tuple(dict.fromkeys(str(blob) for blob in found if blob))


def _bared(order: str) -> str:
    said = json.loads(order)
    return json.dumps({name: said[name] for name in KEPT_OF_AN_ORDER if said.get(name) is not None}, sort_keys=True)
