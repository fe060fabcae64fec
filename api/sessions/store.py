"""Signing sessions in the database: rows, and the one way in which a state follows another. Functions take a connection
first. Nothing is decided here but whether the row still says what its changer believes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from api.errors import IdempotencyKeyReused
from api.sessions.errors import SessionState
from api.sessions.model import ENDED, MAY_FOLLOW, Session, SessionDocument, State
from api.store.dialect import insert_if_absent
from api.store.signing_tables import (
    callback_secret,
    document_number,
    signing_document,
    signing_event,
    signing_session,
)
from api.store.tables import signature as signatures
from signer.procedure_errors import NumberTaken

table, documents, events = signing_session, signing_document, signing_event
numbers = document_number
OPEN = ("waiting", "opened", "consented", "signing", "partly")


def create(
    connection: sa.Connection,
    values: Mapping[str, Any],
    *,
    found: Sequence[Mapping[str, Any]],
) -> tuple[str, bool]:
    """The session's id, and whether it was made now. Raises IdempotencyKeyReused."""
    if values["idempotency_key"] is not None:
        same = sa.select(table.c.id, table.c.fingerprint).where(
            table.c.caller == values["caller"], table.c.idempotency_key == values["idempotency_key"]
        )
        known = connection.execute(same).one_or_none()
        if known is not None:
            if known.fingerprint != values["fingerprint"]:
                raise IdempotencyKeyReused(key=values["idempotency_key"])
            return str(known.id), False
    connection.execute(table.insert().values(**values))
    connection.execute(documents.insert(), list(found))
    return str(values["id"]), True


def get(connection: sa.Connection, identity: str) -> Session | None:
    row = connection.execute(sa.select(table).where(table.c.id == identity)).one_or_none()
    return None if row is None else _session(row)


def by_token(connection: sa.Connection, token_sha256: bytes) -> Session | None:
    row = connection.execute(sa.select(table).where(table.c.token_sha256 == token_sha256)).one_or_none()
    return None if row is None else _session(row)


def of_person(connection: sa.Connection, person: str, *, now: float, limit: int = 200) -> tuple[Session, ...]:
    """What waits for somebody, the oldest first."""
    chosen = (
        sa.select(table)
        .where(table.c.person == person, table.c.state.in_(OPEN), table.c.expires_at > now)
        .order_by(table.c.created_at, table.c.id)
        .limit(limit)
    )
    return tuple(_session(row) for row in connection.execute(chosen))


def overdue(connection: sa.Connection, *, now: float, limit: int = 50) -> tuple[Session, ...]:
    """Sessions whose time is over and that nobody has ended. One that is being signed comes to its end."""
    chosen = (
        sa.select(table)
        .where(table.c.state.in_(("waiting", "opened", "consented")), table.c.expires_at <= now)
        .order_by(table.c.expires_at)
        .limit(limit)
    )
    return tuple(_session(row) for row in connection.execute(chosen))


def agreed(connection: sa.Connection, *, before: float, limit: int = 20) -> tuple[Session, ...]:
    """Sessions that somebody consented to before that time, and that nobody has begun to sign."""
    chosen = sa.select(table).where(table.c.state == "consented", table.c.consented_at < before).limit(limit)
    return tuple(_session(row) for row in connection.execute(chosen))


def listed(connection: sa.Connection, identity: str) -> tuple[SessionDocument, ...]:
    """All documents of a session in their order, each with how far its signature is."""
    chosen = (
        sa.select(
            documents,
            signatures.c.state.label("record_state"),
            signatures.c.error_code.label("record_code"),
            signatures.c.signed_sha256,
        )
        .join_from(documents, signatures, signatures.c.id == documents.c.signature, isouter=True)
        .where(documents.c.session == identity)
        .order_by(documents.c.number)
    )
    return tuple(_document(row) for row in connection.execute(chosen))


def lock(connection: sa.Connection, identity: str) -> Session:
    """The session, which nobody else changes until this transaction ends."""
    row = connection.execute(sa.select(table).where(table.c.id == identity).with_for_update()).one()
    return _session(row)


def move(connection: sa.Connection, identity: str, to: State, /, **values: object) -> Session:
    """The session as it was, moved to another state. Raises SessionState where that may not follow, or where somebody
    else's consent came first (`round`)."""
    before = lock(connection, identity)
    if before.state not in MAY_FOLLOW[to] or values.get("round", before.round + 1) != before.round + 1:
        raise SessionState(state=before.state)
    more = {"ended_at": time.time()} if to in ENDED else {}
    connection.execute(table.update().where(table.c.id == identity).values(state=to, **more, **values))
    return before


def note(connection: sa.Connection, identity: str, /, **values: object) -> None:
    connection.execute(table.update().where(table.c.id == identity).values(**values))


def change(connection: sa.Connection, identity: str, number: int, /, **values: object) -> None:
    """Values of one document."""
    where = (documents.c.session == identity, documents.c.number == number)
    connection.execute(documents.update().where(*where).values(**values))


def settle(connection: sa.Connection, identity: str, number: int, state: str, /, **values: object) -> bool:
    """What came of a document that was waiting; False where something came of it before."""
    where = (documents.c.session == identity, documents.c.number == number, documents.c.state == "waiting")
    return connection.execute(documents.update().where(*where).values(state=state, **values)).rowcount == 1


# --- events -----------------------------------------------------------------------------------------------------------


def tell(connection: sa.Connection, identity: str, event: Mapping[str, Any]) -> None:
    """Add an event; the session is locked in this transaction."""
    newest = sa.select(sa.func.max(events.c.number)).where(events.c.session == identity)
    number = (connection.execute(newest).scalar() or 0) + 1
    text = json.dumps(event, ensure_ascii=False)
    connection.execute(events.insert().values(session=identity, number=number, event_json=text))


def told(connection: sa.Connection, identity: str, *, after: int, limit: int = 500) -> list[tuple[int, str]]:
    chosen = (
        sa.select(events.c.number, events.c.event_json)
        .where(events.c.session == identity, events.c.number > after)
        .order_by(events.c.number)
        .limit(limit)
    )
    return [(row.number, row.event_json) for row in connection.execute(chosen)]


# --- what is no longer kept -------------------------------------------------------------------------------------------


def forgotten(connection: sa.Connection, *, before: float, limit: int = 200) -> tuple[tuple[str, int, str], ...]:
    """(session, number, blob) of documents whose session ended, or ran out, before that time."""
    over = sa.func.coalesce(table.c.ended_at, table.c.expires_at)
    chosen = (
        sa.select(documents.c.session, documents.c.number, documents.c.blob)
        .join_from(documents, table, table.c.id == documents.c.session)
        .where(documents.c.blob.is_not(None), over < before, table.c.state.not_in(("consented", "signing")))
        .limit(limit)
    )
    return tuple((row.session, row.number, row.blob) for row in connection.execute(chosen))


# --- numbers of documents ---------------------------------------------------------------------------------------------


def take_number(connection: sa.Connection, number: tuple[str, str, int, str], *, document: str) -> None:
    """A number is given to a document of an organisation once a year in a procedure; to the same one again. Raises
    NumberTaken."""
    organisation, procedure, year, written = number
    key = {"organisation": organisation, "procedure": procedure, "year": year, "number": written}
    if insert_if_absent(connection, numbers, **key, document=document):
        return
    same = sa.select(numbers.c.document).where(*(numbers.c[name] == value for name, value in key.items()))
    if connection.execute(same).scalar() != document:
        raise NumberTaken(number=written, year=year, organisation=organisation)


def give_back(connection: sa.Connection, *, document: str) -> None:
    """The document is not signed: its number may be another's."""
    connection.execute(numbers.delete().where(numbers.c.document == document))


# --- secrets of callbacks ---------------------------------------------------------------------------------------------


def secret_of(connection: sa.Connection, caller: str) -> bytes | None:
    chosen = sa.select(callback_secret.c.value).where(callback_secret.c.caller == caller)
    found: bytes | None = connection.execute(chosen).scalar()
    return found


def keep_secret(connection: sa.Connection, caller: str, value: bytes) -> None:
    """Instead of the one that was there."""
    connection.execute(callback_secret.delete().where(callback_secret.c.caller == caller))
    connection.execute(callback_secret.insert().values(caller=caller, value=value, made_at=time.time()))


# --- rows -------------------------------------------------------------------------------------------------------------


def _session(row: Any) -> Session:
    return Session(
        id=row.id,
        caller=row.caller,
        state=row.state,
        request=json.loads(row.request_json),
        created_at=row.created_at,
        expires_at=row.expires_at,
        round=row.round,
        consented_at=row.consented_at,
        consent=None if row.consent_json is None else json.loads(row.consent_json),
        activation=row.activation_id,
        stopped=bool(row.stopped),
        superseded_by=row.superseded_by,
    )


def _document(row: Any) -> SessionDocument:
    return SessionDocument(
        number=row.number,
        name=row.name,
        sha256=row.sha256,
        size=row.size,
        format=row.format,
        blob=row.blob,
        request=json.loads(row.request_json),
        survey=json.loads(row.survey_json),
        place=None if row.place_json is None else json.loads(row.place_json),
        state=row.state,
        round=row.round,
        fill=None if row.fill_json is None else json.loads(row.fill_json),
        signature=row.signature,
        code=row.code,
        reason=row.reason,
        reassigned_to=row.reassigned_to,
        support_code=row.support_code,
        record_state=row.record_state,
        record_code=row.record_code,
        signed_sha256=row.signed_sha256,
    )
