"""Sessions of browsers, and tokens that were used: what signing in leaves in the database.

A session is known by the SHA-256 of its cookie's 256 random bits; nothing of a token is kept. Functions take a
connection first, as all of this package do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from api.store.dialect import insert_if_absent
from api.store.tables import browser_session as table
from api.store.tables import token_used

KEPT = 86_400.0
"""Seconds for which an ended session is kept, so that its sign-in cannot be completed again."""


@dataclass(frozen=True)
class Session:
    """`caller_json` is empty for a caller that is looked up by its id; times are Unix seconds."""

    id: str
    way: str
    caller: str
    caller_json: str | None
    rules_sha256: str
    created_at: float
    seen_at: float
    ends_at: float


COLUMNS = tuple(table.c[name] for name in Session.__dataclass_fields__)


def add(
    connection: sa.Connection,
    session: Session,
    *,
    secret_sha256: bytes,
    subject_sha256: str | None = None,
    provider_session: str | None = None,
    state_sha256: str | None = None,
) -> bool:
    """Begin a session; False when the sign-in's state has begun one before."""
    values = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    return insert_if_absent(
        connection,
        table,
        **values,
        secret_sha256=secret_sha256,
        subject_sha256=subject_sha256,
        provider_session=provider_session,
        state_sha256=state_sha256,
    )


def find(connection: sa.Connection, secret_sha256: bytes, *, now: float, idle: float) -> Session | None:
    """The session of this cookie, unless it has ended, rested for too long, or lasted its time."""
    row = connection.execute(
        sa.select(*COLUMNS).where(
            table.c.secret_sha256 == secret_sha256,
            table.c.ended_at.is_(None),
            table.c.ends_at > now,
            table.c.seen_at > now - idle,
        )
    ).one_or_none()
    return None if row is None else Session(*row)


def state_used(connection: sa.Connection, state_sha256: str) -> bool:
    return connection.execute(sa.select(table.c.id).where(table.c.state_sha256 == state_sha256)).first() is not None


def seen(connection: sa.Connection, session: str, *, at: float) -> None:
    connection.execute(table.update().where(table.c.id == session, table.c.seen_at < at).values(seen_at=at))


def open_sessions(connection: sa.Connection, *, now: float, idle: float) -> tuple[Session, ...]:
    """Those that can be used, oldest first."""
    chosen = (
        sa.select(*COLUMNS)
        .where(table.c.ended_at.is_(None), table.c.ends_at > now, table.c.seen_at > now - idle)
        .order_by(table.c.created_at, table.c.id)
        .limit(1_000)
    )
    return tuple(Session(*row) for row in connection.execute(chosen))


def whose(connection: sa.Connection, session: str) -> str | None:
    """The id of its caller, unless it has ended."""
    chosen = sa.select(table.c.caller).where(table.c.id == session, table.c.ended_at.is_(None))
    return connection.execute(chosen).scalar_one_or_none()


def end(connection: sa.Connection, session: str) -> bool:
    """End a session; False when there is none that has not ended."""
    change = table.update().where(table.c.id == session, table.c.ended_at.is_(None)).values(ended_at=time.time())
    return connection.execute(change).rowcount == 1


def end_all(connection: sa.Connection, caller: str, *, way: str) -> int:
    """End every session of a caller that began in this way; how many."""
    of = (table.c.caller == caller, table.c.way == way, table.c.ended_at.is_(None))
    return connection.execute(table.update().where(*of).values(ended_at=time.time())).rowcount


def of_provider(
    connection: sa.Connection, *, way: str, subject_sha256: str | None, provider_session: str | None
) -> tuple[str, ...]:
    """The sessions that an issuer's logout is about: of one of its sessions, or all of a subject."""
    chosen = sa.select(table.c.id).where(table.c.way == way, table.c.ended_at.is_(None))
    if provider_session is not None:
        chosen = chosen.where(table.c.provider_session == provider_session)
    if subject_sha256 is not None:
        chosen = chosen.where(table.c.subject_sha256 == subject_sha256)
    return tuple(str(row[0]) for row in connection.execute(chosen))


def use_once(connection: sa.Connection, sha256: str, *, until: float, now: float) -> bool:
    """Whether this token was not used before; from now on it was. Forgets those that have expired."""
    connection.execute(token_used.delete().where(token_used.c.until < now))
    return insert_if_absent(connection, token_used, sha256=sha256, until=until)


def tidy(connection: sa.Connection, *, now: float) -> int:
    """Forget sessions that ended a while ago; how many."""
    return connection.execute(table.delete().where(table.c.ends_at < now - KEPT)).rowcount
