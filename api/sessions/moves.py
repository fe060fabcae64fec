"""How a session goes from one state to another: a ledger line, the row, an event and, at an end, a callback, all in one
transaction. Every state but the first is reached here.

The ledger tells ids, digests and codes: no names of people, no reasons, no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from api.jobs import enqueue_within
from api.services import Services
from api.sessions import store
from api.sessions.model import TOLD, Session, SessionDocument, State

CALLBACK = "session-callback"
CALLBACK_TRIES = 14
"""Pauses double from five seconds to an hour: given up after about seven hours."""

Also = Callable[[sa.Connection], None]


def facts_of(session: Session) -> dict[str, Any]:
    """Who asks whom, for the ledger."""
    said = {
        "session": session.id,
        "caller": session.caller,
        "person": session.person,
        "organisation": session.organisation,
        "on_behalf": (session.consent or {}).get("on_behalf") or session.request.get("on_behalf"),
    }
    return {name: value for name, value in said.items() if value is not None}


def move(
    services: Services,
    session: Session,
    to: State,
    *,
    also: Also | None = None,
    facts: Mapping[str, Any] | None = None,
    **values: object,
) -> None:
    """Raises SessionState where the state may not follow any more, and what `also` raises; nothing is changed then."""

    def work(connection: sa.Connection, _number: int) -> None:
        store.move(connection, session.id, to, **values)
        if also is not None:
            also(connection)
        store.tell(connection, session.id, {"type": "state", "state": to})
        if to in TOLD:
            call_back(connection, session, to)

    services.ledger.append("SESSION", {"what": f"signing-{to}", **facts_of(session), **(facts or {})}, also=work)
    services.jobs.wake()


def settle(
    services: Services, session: Session, document: SessionDocument, state: str, *, what: str | None, **values: object
) -> bool:
    """What came of a document; False where something came of it before. `what` gives it a line of its own: a signature
    has several already."""
    made: list[bool] = []

    def work(connection: sa.Connection, _number: int = 0) -> None:
        store.lock(connection, session.id)
        made[:] = [store.settle(connection, session.id, document.number, state, **values)]
        if made[0]:
            if state != "signed":
                store.give_back(connection, document=f"{session.id} {document.number}")
            event = {"type": "document", "id": document.id, "state": state}
            shown = {name: values[name] for name in ("code", "signature", "support_code") if values.get(name)}
            store.tell(connection, session.id, event | shown)

    if what is None:
        services.database.write(work)
    else:
        facts = {"what": what, **facts_of(session), "document_sha256": document.sha256}
        services.ledger.append("SESSION", facts, also=work)
    return made[0]


def call_back(connection: sa.Connection, session: Session, state: str) -> None:
    """Within a transaction: the system that asked is told, if it wants to be."""
    if session.request.get("callback"):
        payload = {"session": session.id, "state": state, "round": session.round}
        enqueue_within(connection, CALLBACK, payload, max_tries=CALLBACK_TRIES)
