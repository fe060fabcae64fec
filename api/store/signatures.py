"""Records of signatures: everything that is needed to finish one after a crash, on any node.

    prepared ──▶ completing ──▶ signed            (the value comes from outside: a token on somebody's desk)
    signing ───▶ completing ──▶ signed            (the value comes from a key of the appliance)
        │ └─▶ in-doubt ─▲  │
        └───▶ refused ◀────┘                      (in doubt: the keeper's own log may know the value after all)

`prepared` and `signing` have order, draft and what was prepared, and the number of the ledger line that allows the
value; `completing` also the value, so that the key is never used again. A record is worked on by whoever holds it:
`create` and `claim` give a `Hold` for a limited time, each step is made under that hold, and after it lapses another
process may claim. A step of the one who lost it raises ClaimLost and changes nothing.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> hold = database.write(create, caller="c", order="{}", document_sha256="00", document_blob="b", prepared=b"p")
>>> database.write(claim, hold.id) is None      # held
True
>>> database.read(get, hold.id).state
'signing'
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NewType, cast

import sqlalchemy as sa

from api.errors import ClaimLost
from api.store.statement import Statement
from api.store.tables import preparation
from api.store.tables import signature as table

SignatureId = NewType("SignatureId", str)
State = Literal["prepared", "signing", "completing", "signed", "refused", "in-doubt"]
UNFINISHED: tuple[State, ...] = ("signing", "completing")
"""What recovery goes on with by itself; a preparation waits for its value, a doubt for a person."""
LEASE = 180.0
"""Seconds a hold lasts: longer than a slow timestamp authority takes (131 s were seen), and renewable."""

NEW = Statement(table.insert())
NEW_PREPARATION = Statement(preparation.insert())
WITH_PREPARATION = sa.select(table, preparation.c.prepared).outerjoin_from(
    table, preparation, preparation.c.signature == table.c.id
)
BY_ID = WITH_PREPARATION.where(table.c.id == sa.bindparam("id"))
AT_ONCE = 1000
"""Preparations that `tidy` deletes in one transaction, so that no writer waits long."""
OVER = sa.delete(preparation).where(
    preparation.c.signature.in_(
        sa.select(preparation.c.signature)
        .where(sa.exists().where(table.c.id == preparation.c.signature, table.c.state.in_(("signed", "refused"))))
        .limit(AT_ONCE)
    )
)


@dataclass(frozen=True)
class Hold:
    """The right to work on a record until it lapses."""

    id: SignatureId
    token: str


@dataclass(frozen=True)
class SignatureRecord:
    """`order` and `result` are JSON texts, `prepared` and `value` bytes, as the workflow wrote them; `document_sha256`
    is that of the document as it came, `document_blob` the draft: that document and its revision with a gap."""

    id: SignatureId
    caller: str
    state: State
    order: str
    document_sha256: str
    document_blob: str
    prepared: bytes | None
    value: bytes | None
    ledger_number: int | None
    result: str | None
    signed_blob: str | None
    error_code: str | None
    created_at: float
    updated_at: float
    expires_at: float | None = None


def new_id() -> SignatureId:
    """An id that cannot be guessed: the millisecond, then 80 random bits. In order of time, so that what is written at
    the same time lies on the same pages of the indexes."""
    return SignatureId(f"sig_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}")


def create(
    connection: sa.Connection,
    *,
    caller: str,
    order: str,
    document_sha256: str,
    document_blob: str,
    prepared: bytes,
    ledger_number: int | None = None,
    id: SignatureId | None = None,  # noqa: A002 - the column's name
    lease: float = LEASE,
    expires_at: float | None = None,
) -> Hold:
    """A new record, held by the caller of this function: `signing`, from now on the key may be used, once; or, with an
    end of its validity, `prepared`, and nobody's until the value comes."""
    now = time.time()
    hold = Hold(id or new_id(), secrets.token_hex(8))
    NEW.change(
        connection,
        {
            "id": hold.id,
            "caller": caller,
            "state": "signing" if expires_at is None else "prepared",
            "order_json": order,
            "document_sha256": document_sha256,
            "document_blob": document_blob,
            "ledger_number": ledger_number,
            "created_at": now,
            "updated_at": now,
            "holder": hold.token,
            "held_until": now + lease if expires_at is None else 0.0,
            "expires_at": expires_at,
        },
    )
    NEW_PREPARATION.change(connection, {"signature": hold.id, "prepared": prepared})
    return hold


def get(
    connection: sa.Connection,
    id: SignatureId | str,  # noqa: A002
) -> SignatureRecord | None:
    """The record, or None."""
    row = connection.execute(BY_ID, {"id": id}).one_or_none()
    return None if row is None else _record(row)


def by_ledger_number(connection: sa.Connection, number: int) -> SignatureRecord | None:
    """The record whose key use the INTENT line `number` stands for."""
    row = connection.execute(WITH_PREPARATION.where(table.c.ledger_number == number)).one_or_none()
    return None if row is None else _record(row)


def claim(
    connection: sa.Connection,
    id: SignatureId | str,  # noqa: A002
    *,
    states: tuple[State, ...] = UNFINISHED,
    lease: float = LEASE,
) -> Hold | None:
    """Take over a record whose hold lapsed or was released; None when it is held, or in none of `states`."""
    now = time.time()
    hold = Hold(SignatureId(id), secrets.token_hex(8))
    change = (
        table.update()
        .where(table.c.id == id, table.c.state.in_(states), table.c.held_until <= now)
        .values(holder=hold.token, held_until=now + lease)
    )
    return hold if connection.execute(change).rowcount == 1 else None


def unfinished(connection: sa.Connection, *, limit: int = 100) -> tuple[SignatureId, ...]:
    """Records that nobody works on any more and that are not at their end: for recovery, oldest hold first."""
    chosen = (
        sa.select(table.c.id)
        .where(table.c.state.in_(_literals(UNFINISHED)), table.c.held_until <= time.time())
        .order_by(table.c.held_until)
        .limit(limit)
    )
    return tuple(SignatureId(row.id) for row in connection.execute(chosen))


def expired(connection: sa.Connection, *, now: float, limit: int = 100) -> tuple[SignatureId, ...]:
    """Preparations whose value did not come in time, oldest first."""
    chosen = (
        sa.select(table.c.id)
        .where(table.c.state == sa.literal_column("'prepared'"), table.c.expires_at <= now)
        .order_by(table.c.expires_at)
        .limit(limit)
    )
    return tuple(SignatureId(row.id) for row in connection.execute(chosen))


def redeem(
    connection: sa.Connection,
    id: SignatureId | str,  # noqa: A002
    *,
    value: bytes,
    lease: float = LEASE,
) -> Hold:
    """The value of a preparation has come from outside, once: it is held now, and `completing`.

    Raises ClaimLost when another value was quicker, or the time is over."""
    now = time.time()
    hold = Hold(SignatureId(id), secrets.token_hex(8))
    change = _waiting(id, table.c.expires_at > now).values(
        state="completing", value=value, holder=hold.token, held_until=now + lease, updated_at=now
    )
    if connection.execute(change).rowcount != 1:
        raise ClaimLost(f"signature {id} waits for no value", signature=id)
    return hold


def expire(
    connection: sa.Connection,
    id: SignatureId | str,  # noqa: A002
    *,
    error_code: str,
) -> None:
    """The value did not come in time. Raises ClaimLost when it did after all, or another process was here before."""
    now = time.time()
    change = _waiting(id, table.c.expires_at <= now).values(state="refused", error_code=error_code, updated_at=now)
    if connection.execute(change).rowcount != 1:
        raise ClaimLost(f"signature {id} is past this step", signature=id)


def _waiting(id: str, condition: sa.ColumnElement[bool]) -> sa.Update:  # noqa: A002
    return table.update().where(table.c.id == id, table.c.state == "prepared", condition)


def tidy(connection: sa.Connection) -> int:
    """Forget what was prepared for signatures that are at their end; returns how many."""
    return connection.execute(OVER).rowcount


def renew(connection: sa.Connection, hold: Hold, *, lease: float = LEASE) -> None:
    """Hold it for another `lease` seconds from now."""
    _step(connection, hold, UNFINISHED, held_until=time.time() + lease)


def release(connection: sa.Connection, hold: Hold) -> None:
    """Let go without a change of state, so that a job or another process can go on at once."""
    _step(connection, hold, (*UNFINISHED, "in-doubt"), held_until=0.0, holder=None)


def to_completing(connection: sa.Connection, hold: Hold, *, value: bytes) -> None:
    """The signature value is there."""
    _step(connection, hold, ("signing", "in-doubt"), state="completing", value=value)


def to_signed(connection: sa.Connection, hold: Hold, *, result: str, signed_blob: str, signed_sha256: str) -> None:
    """Finished: the signed file is stored. The hold ends."""
    _finish(
        connection,
        hold,
        ("completing",),
        state="signed",
        result_json=result,
        signed_blob=signed_blob,
        signed_sha256=signed_sha256,
    )


def to_refused(connection: sa.Connection, hold: Hold, *, error_code: str, result: str | None = None) -> None:
    """Ended without a signature, for a reason that trying again does not change. The hold ends."""
    _finish(connection, hold, UNFINISHED, state="refused", error_code=error_code, result_json=result)


def to_in_doubt(connection: sa.Connection, hold: Hold, *, error_code: str) -> None:
    """Whether the key was used is not known: only a person or the keeper's log can tell. The hold ends."""
    _finish(connection, hold, ("signing",), state="in-doubt", error_code=error_code)


def _finish(connection: sa.Connection, hold: Hold, states: tuple[State, ...], **values: Any) -> None:
    _step(connection, hold, states, held_until=0.0, holder=None, **values)


def _step(connection: sa.Connection, hold: Hold, states: tuple[State, ...], **values: Any) -> None:
    """One change, made by the database only if the hold is still ours and the record in one of `states`."""
    new = {f"new_{column}": value for column, value in values.items()}
    parameters = {"the_id": hold.id, "the_holder": hold.token, "now": time.time(), **new}
    if _change(tuple(values), states).change(connection, parameters) != 1:
        raise ClaimLost(f"signature {hold.id} is held by another or is past this step", signature=hold.id)


@cache
def _change(columns: tuple[str, ...], states: tuple[State, ...]) -> Statement:
    """UPDATE of these columns (`new_<column>`), for `the_holder` of `the_id` while it is in one of `states`."""
    return Statement(
        table.update()
        .where(
            table.c.id == sa.bindparam("the_id"),
            table.c.holder == sa.bindparam("the_holder"),
            table.c.state.in_(_literals(states)),
        )
        .values(updated_at=sa.bindparam("now"), **{column: sa.bindparam(f"new_{column}") for column in columns})
    )


def _literals(states: tuple[State, ...]) -> list[sa.ColumnClause[str]]:
    """States as the statement's own text: only so does the database see that a small index covers them."""
    return [sa.literal_column(f"'{state}'") for state in states]


def _record(row: sa.Row[Any]) -> SignatureRecord:
    return SignatureRecord(
        id=SignatureId(row.id),
        caller=row.caller,
        state=cast(State, row.state),
        order=row.order_json,
        document_sha256=row.document_sha256,
        document_blob=row.document_blob,
        prepared=row.prepared,
        value=row.value,
        ledger_number=row.ledger_number,
        result=row.result_json,
        signed_blob=row.signed_blob,
        error_code=row.error_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
    )
