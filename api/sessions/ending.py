"""Finding a session for whoever asks, and the ways in which it ends without a signature: withdrawn, replaced, run out."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from api import auth
from api.services import Services
from api.sessions import moves, people, store, tokens
from api.sessions.errors import SessionNotFound, SessionState, SessionWithdrawn
from api.sessions.model import Session
from api.store.callers import Caller

DAY = 86_400.0


def when(services: Services, at: float | None) -> str | None:
    """A time as it is told."""
    return None if at is None else datetime.fromtimestamp(at, services.settings.zone).isoformat(timespec="seconds")


def seen(services: Services, caller: Caller, identity: str) -> Session:
    """A session that the caller may see: its own system, its official, an auditor. Raises SessionNotFound for the others
    as for none."""
    found = services.database.read(store.get, identity) if identity.isascii() else None
    if found is None or not (
        caller.id == found.caller or acts(services, caller, found) or _watches(services, caller, found)
    ):
        raise SessionNotFound(session=identity[:64])
    return found


def acted(services: Services, caller: Caller, identity: str) -> Session:
    """The session, for its official to act in. Raises SessionNotFound, SessionExpired, SessionWithdrawn."""
    found = services.database.read(store.get, identity) if identity.isascii() else None
    if found is None or not acts(services, caller, found):
        raise SessionNotFound(session=identity[:64])
    tokens.require_time(found)
    return found


def acts(services: Services, caller: Caller, session: Session) -> bool:
    """Whether this is the session's official: by its token, or signed in as that person, where the session's organisation
    is within reach: whoever looks after another one lets nobody in here."""
    if caller.id == session.id:
        return True
    if session.person is None or caller.person != session.person or caller.role not in ("official", "clerk"):
        return False
    return services.scopes.reaches(caller, session.organisation)


def _watches(services: Services, caller: Caller, session: Session) -> bool:
    return auth.may(caller, "see-all-signatures") and services.scopes.sees_caller(caller, session.caller)


def seen_again(services: Services, session: Session) -> Session:
    """The session as it is now."""
    found = services.database.read(store.get, session.id)
    assert found is not None
    return found


def withdraw(services: Services, caller: Caller, identity: str) -> Session:
    """The system takes it back: nothing further is begun; what is signed stays signed. Again changes nothing.

    Raises SessionNotFound, SessionState once it has ended in another way."""
    found = services.database.read(store.get, identity) if identity.isascii() else None
    if found is None or found.caller != caller.id:
        raise SessionNotFound(session=identity[:64])
    if found.state != "withdrawn":
        moves.move(services, found, "withdrawn", stopped=True)
    return seen_again(services, found)


def supersede(services: Services, session: Session, *, by: str) -> None:
    """Another session of the same system takes its place; one that has ended stays what it was."""
    with suppress(SessionState):
        moves.move(services, session, "withdrawn", facts={"superseded_by": by}, stopped=True, superseded_by=by)


def inbox(services: Services, caller: Caller) -> list[Session]:
    """What waits for the person who asks."""
    if caller.person is None:
        return []
    found = services.database.read(store.of_person, caller.person, now=time.time())
    return [one for one in found if services.scopes.reaches(caller, one.organisation)]


def inbox_json(services: Services, session: Session) -> dict[str, Any]:
    listed = services.database.read(store.listed, session.id)
    person, organisation = people.names(services, session)
    return {
        "id": session.id,
        "state": session.state,
        "created_at": when(services, session.created_at),
        "expires_at": when(services, session.expires_at),
        "person": {"name": person},
        "organisation": {"name": organisation},
        "documents": [
            {"id": one.id, "name": one.name, "title": one.request["title"], "state": one.state} for one in listed
        ],
    }


def open_first(services: Services, session: Session) -> Session:
    """The official looks at it: noted once."""
    if session.state != "waiting":
        return session
    with suppress(SessionState):  # somebody else's look came first
        moves.move(services, session, "opened")
    found = seen_again(services, session)
    if found.state == "withdrawn":
        raise SessionWithdrawn
    return found


def expire_all(services: Services) -> int:
    """End what waited too long; returns how many. Run every few seconds, by any process."""
    over = services.database.read(store.overdue, now=time.time())
    for session in over:
        with suppress(SessionState):
            moves.move(services, session, "expired")
    return len(over)


def forget(services: Services) -> int:
    """Delete documents that came with sessions which ended long ago."""
    before = time.time() - services.settings.sessions.kept_days * DAY
    found = services.database.read(store.forgotten, before=before)
    for session, number, blob in found:

        def drop(connection: sa.Connection, session: str = session, number: int = number) -> None:
            store.change(connection, session, number, blob=None)

        services.database.write(drop)
        services.blobs.erase(blob)
    return len(found)
