"""Idempotency keys: the same call twice has one effect and one answer.

A key belongs to its caller and to one fingerprint (order and document). `begin` says what to do: run the request, go
on with one that a crashed process left behind, or repeat the stored answer. A process holds its request for a limited
time; when that lapses the next equal call takes it over and finds in `signature` the record from which to go on
(`signatures.claim` decides who really works on it).

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> mark = fingerprint(order=b"{}", document_sha256="00")
>>> claim = database.write(begin, caller="c", key="k", fingerprint=mark)
>>> claim.outcome
'new'
>>> database.write(finish, claim, answer='{"id": "sig_1"}')
>>> database.write(begin, caller="c", key="k", fingerprint=mark).answer
'{"id": "sig_1"}'
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Literal

import sqlalchemy as sa

from api.errors import ClaimLost, IdempotencyKeyReused, RequestInProgress
from api.store.dialect import insert_if_absent
from api.store.statement import Statement
from api.store.tables import idempotency as table

LEASE = 180.0
"""Seconds after which a silent process counts as dead."""
KEPT = 7 * 86_400.0
"""Seconds for which an answer is remembered."""


@dataclass(frozen=True)
class Claim:
    """What `begin` found.

    `new`: nobody asked before; do the work, then `finish` or `abandon`.
    `resumed`: somebody began and fell silent; go on from `signature`, or from the start if that is None.
    `done`: the work is done; `answer` is what `finish` stored, `signature` the record it points to.
    """

    caller: str
    key: str
    outcome: Literal["new", "resumed", "done"]
    token: str
    signature: str | None = None
    answer: str | None = None


def fingerprint(*, order: bytes, document_sha256: str) -> str:
    """What an idempotency key is bound to. `order` in one fixed form (canonical JSON), `document_sha256` in hex."""
    return hashlib.sha256(b"kyso request 1\0" + hashlib.sha256(order).digest() + document_sha256.encode()).hexdigest()


def begin(
    connection: sa.Connection,
    *,
    caller: str,
    key: str,
    fingerprint: str,
    signature: str | None = None,
    lease: float = LEASE,
) -> Claim:
    """Claim the key. `signature` is the id of the record that a new request is going to work on.

    Raises IdempotencyKeyReused when the key stands for another request, RequestInProgress while another works on it.
    """
    now = time.time()
    token = secrets.token_hex(8)
    inserted = insert_if_absent(
        connection,
        table,
        caller=caller,
        key=key,
        fingerprint=fingerprint,
        signature=signature,
        created_at=now,
        holder=token,
        held_until=now + lease,
    )
    if inserted:
        return Claim(caller, key, "new", token, signature)
    row = connection.execute(sa.select(table).where(*_is(caller, key)).with_for_update()).one_or_none()
    if row is None:  # PostgreSQL: abandoned by another node since the line above
        raise RequestInProgress(key=key)
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused(key=key)
    if row.answer_json is not None:
        return Claim(caller, key, "done", "", row.signature, row.answer_json)
    if row.held_until > now:
        raise RequestInProgress(key=key)
    connection.execute(table.update().where(*_is(caller, key)).values(holder=token, held_until=now + lease))
    return Claim(caller, key, "resumed", token, row.signature)


def attach(connection: sa.Connection, claim: Claim, *, signature: str, lease: float = LEASE) -> None:
    """From now on this record is the one to go on from."""
    _change(connection, claim, signature=signature, held_until=time.time() + lease)


def finish(connection: sa.Connection, claim: Claim, *, answer: str) -> None:
    """Remember the answer (a JSON text: status and where the result is) for every equal call to come."""
    _change(connection, claim, answer_json=answer, holder=None, held_until=0.0)


def again(connection: sa.Connection, claim: Claim, *, lease: float = LEASE) -> Claim:
    """What was `done` led to nothing in the end: begin anew under the same key. Raises RequestInProgress when another
    equal call was quicker."""
    token = secrets.token_hex(8)
    change = (
        table.update()
        .where(*_is(claim.caller, claim.key), table.c.signature == claim.signature, table.c.answer_json.is_not(None))
        .values(signature=None, answer_json=None, holder=token, held_until=time.time() + lease)
    )
    if connection.execute(change).rowcount != 1:
        raise RequestInProgress(key=claim.key)
    return Claim(claim.caller, claim.key, "new", token)


def pause(connection: sa.Connection, claim: Claim) -> None:
    """The work stopped where it can go on later: the next equal call takes over at once."""
    _change(connection, claim, holder=None, held_until=0.0)


def abandon(connection: sa.Connection, claim: Claim) -> None:
    """Nothing came of it and nothing is left to go on from: the key is free again, for any request."""
    gone = table.delete().where(*_is(claim.caller, claim.key), table.c.holder == claim.token)
    if connection.execute(gone).rowcount != 1:
        raise ClaimLost(f"idempotency key {claim.key} is held by another")


def purge(connection: sa.Connection, *, kept: float = KEPT) -> int:
    """Forget finished requests older than `kept` seconds; returns how many."""
    old = table.delete().where(table.c.created_at < time.time() - kept, table.c.answer_json.is_not(None))
    return connection.execute(old).rowcount


def _is(caller: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.caller == caller, table.c.key == key


def _change(connection: sa.Connection, claim: Claim, **values: object) -> None:
    parameters = {"the_caller": claim.caller, "the_key": claim.key, "the_holder": claim.token}
    new = {f"new_{column}": value for column, value in values.items()}
    if _statement(tuple(values)).change(connection, {**parameters, **new}) != 1:
        raise ClaimLost(f"idempotency key {claim.key} is held by another")


@cache
def _statement(columns: tuple[str, ...]) -> Statement:
    """UPDATE of these columns (`new_<column>`) by `the_holder`."""
    return Statement(
        table.update()
        .where(
            table.c.caller == sa.bindparam("the_caller"),
            table.c.key == sa.bindparam("the_key"),
            table.c.holder == sa.bindparam("the_holder"),
        )
        .values({column: sa.bindparam(f"new_{column}") for column in columns})
    )
