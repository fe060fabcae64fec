"""Batches: many documents under one order, a row for each document, so that a restart goes on where it stopped.

Not here: signing (`api.workflows.batches`), and how far a signature is, which its own record says.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from api.errors import IdempotencyKeyReused, NotFound
from api.store.tables import batch as table
from api.store.tables import batch_document as documents
from api.store.tables import signature as signatures

PREFIX = "bat_"


@dataclass(frozen=True)
class Batch:
    """One order over many documents. `order` is JSON, `created_at` a Unix time, `stopped` that no more are to be begun."""

    id: str
    caller: str
    order: str
    created_at: float
    stopped: bool


@dataclass(frozen=True)
class BatchDocument:
    """A document of a batch; `blob` until nothing is left to do with it. `signature` as soon as there is a record, whose
    `state` and `error_code` then count; `error_code` alone where it was refused before that."""

    number: int
    name: str
    sha256: str
    size: int
    blob: str | None
    signature: str | None
    error_code: str | None
    state: str | None


@dataclass(frozen=True)
class Incoming:
    """A document that was just put into the store."""

    name: str
    sha256: str
    size: int
    blob: str


def create(
    connection: sa.Connection,
    *,
    caller: str,
    order: str,
    incoming: Sequence[Incoming],
    idempotency_key: str | None,
    fingerprint: str,
) -> tuple[str, bool]:
    """The batch's id, and whether it was made now: the same `idempotency_key` finds the one that it made before.

    Raises IdempotencyKeyReused where that one was another request."""
    if idempotency_key is not None:
        same = sa.select(table).where(table.c.caller == caller, table.c.idempotency_key == idempotency_key)
        known = connection.execute(same.with_for_update()).one_or_none()
        if known is not None:
            if known.fingerprint != fingerprint:
                raise IdempotencyKeyReused(key=idempotency_key)
            return str(known.id), False
    identity = PREFIX + secrets.token_hex(12)
    connection.execute(
        table.insert().values(
            id=identity,
            caller=caller,
            order_json=order,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            created_at=time.time(),
            stopped=False,
        )
    )
    connection.execute(
        documents.insert(),
        [
            {
                "batch": identity,
                "number": number,
                "name": one.name,
                "sha256": one.sha256,
                "size": one.size,
                "blob": one.blob,
            }
            for number, one in enumerate(incoming, 1)
        ],
    )
    return identity, True


def get(connection: sa.Connection, identity: str) -> Batch:
    """Raises NotFound."""
    row = connection.execute(sa.select(table).where(table.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound
    return Batch(row.id, row.caller, row.order_json, row.created_at, bool(row.stopped))


def listed(connection: sa.Connection, identity: str) -> tuple[BatchDocument, ...]:
    """All documents of a batch in their order, each with how far its signature is."""
    chosen = (
        sa.select(documents, signatures.c.state, signatures.c.error_code.label("signature_error"))
        .join_from(documents, signatures, signatures.c.id == documents.c.signature, isouter=True)
        .where(documents.c.batch == identity)
        .order_by(documents.c.number)
    )
    return tuple(
        BatchDocument(
            number=row.number,
            name=row.name,
            sha256=row.sha256,
            size=row.size,
            blob=row.blob,
            signature=row.signature,
            error_code=row.signature_error or row.error_code,
            state=row.state,
        )
        for row in connection.execute(chosen)
    )


def settle(
    connection: sa.Connection,
    identity: str,
    number: int,
    *,
    signature: str | None = None,
    error_code: str | None = None,
) -> None:
    """What came of a document; its blob is no longer this row's."""
    change = documents.update().where(documents.c.batch == identity, documents.c.number == number)
    connection.execute(change.values(signature=signature, error_code=error_code, blob=None))


def stop(connection: sa.Connection, identity: str) -> None:
    """No further document of it is begun."""
    connection.execute(table.update().where(table.c.id == identity).values(stopped=True))


def results(connection: sa.Connection, found: Sequence[BatchDocument]) -> dict[str, dict[str, object]]:
    """What each signed document's record answered, by signature."""
    wanted = [one.signature for one in found if one.signature is not None]
    chosen = sa.select(signatures.c.id, signatures.c.result_json).where(signatures.c.id.in_(wanted))
    return {row.id: json.loads(row.result_json) for row in connection.execute(chosen) if row.result_json}
