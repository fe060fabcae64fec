"""The system that asked is told of outcomes: signed by Standard Webhooks 1.0, at least once, each with an id.

`{"type": "session.done", "timestamp": …, "data": {id, state, documents: [{id, name, sha256, outcome}]}}`, with the headers
`webhook-id`, `webhook-timestamp` and `webhook-signature`. An answer of 2xx takes it; after anything else it comes again,
with growing pauses (`api.jobs`). Only to hosts of `[sessions] callbacks`; the secret is the caller's own.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from secrets import token_bytes

import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook

from api.errors import NotFound
from api.jobs import GiveUp, Handlers, Job
from api.sealing import Seal
from api.services import Services
from api.sessions import showing, store
from api.sessions.moves import CALLBACK
from api.store import callers

PREFIX = "whsec_"


def handlers(services: Services) -> Handlers:
    """As `api.jobs` calls it."""
    return {CALLBACK: lambda job: _send(services, job)}


def new_secret(services: Services, caller: str) -> str:
    """A secret for a caller, instead of the one it had; it is told once. Raises NotFound."""
    if services.database.read(callers.named, caller) is None:
        raise NotFound
    secret = PREFIX + b64encode(token_bytes(32)).decode()
    sealed = _seal(services).close(secret, bound_to=_bound(caller))

    def also(connection: sa.Connection, _number: int) -> None:
        store.keep_secret(connection, caller, sealed)

    services.ledger.append("CHANGED", {"what": "callback-secret", "caller": caller}, also=also)
    return secret


def _send(services: Services, job: Job) -> None:
    """Raises FetchFailed, and is tried again; GiveUp where nobody is to be told any more."""
    session = services.database.read(store.get, str(job.payload["session"]))
    if session is None or not session.request.get("callback"):
        raise GiveUp("there is nobody to tell")
    sealed = services.database.read(store.secret_of, session.caller)
    if sealed is None:
        raise GiveUp("the caller has no secret any more")
    secret = _seal(services).open(sealed, bound_to=_bound(session.caller))
    documents = services.database.read(store.listed, session.id)
    now = datetime.now(UTC)
    state = str(job.payload["state"])
    body = {
        "type": f"session.{state}",
        "timestamp": now.isoformat(timespec="seconds"),
        "data": {
            "id": session.id,
            "state": state,
            "documents": [
                {"id": one.id, "name": one.name, "sha256": one.sha256, "outcome": showing.outcome(session, one)}
                for one in documents
            ],
        },
    }
    text = json.dumps(body, ensure_ascii=False)
    identity = f"msg_{job.id}"  # the same at each try: whoever takes it knows a repetition by it
    headers = [
        ("Content-Type", "application/json"),
        ("webhook-id", identity),
        ("webhook-timestamp", str(int(now.timestamp()))),
        ("webhook-signature", Webhook(secret).sign(identity, now, text)),
    ]
    services.call_back(session.request["callback"], text.encode(), headers)


def _seal(services: Services) -> Seal:
    return Seal(services.settings.secrets / "sealing.key", keys=services.storage_keys)


def _bound(caller: str) -> str:
    return f"callback {caller}"
