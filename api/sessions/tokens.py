"""The token of a signing session: a way in for the browser of one official, to one session and to nothing else.

256 random bits, of which the database knows the SHA-256. It travels in the fragment of a link, which browsers send to
nobody, and from there in `Authorization`. It ends with its session's time, or when that is withdrawn.

>>> token = new()
>>> token.startswith(PREFIX), len(mark(token))
(True, 32)
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time

from starlette.requests import Request

from api.identity.bearer import bearer
from api.sessions import store
from api.sessions.errors import SessionExpired, SessionTokenInvalid, SessionWithdrawn
from api.sessions.model import Session
from api.store.callers import Caller, CallerId
from api.store.database import Database

PREFIX = "kst_"
_TOKEN = re.compile(r"kst_[A-Za-z0-9_-]{43}")


def new() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def mark(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class SessionTokens:
    """A way in (`api.auth.Way`). Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recall(self, request: Request) -> Caller | None:  # noqa: ARG002 - nothing is remembered: a withdrawal counts at once
        return None

    def find(self, request: Request) -> Caller | None:
        """Raises SessionTokenInvalid, also for any address that is not the session's own; SessionExpired,
        SessionWithdrawn."""
        token = bearer(request)
        if not token.startswith(PREFIX):
            return None
        session = self._database.read(store.by_token, mark(token)) if _TOKEN.fullmatch(token) else None
        if session is None or request.path_params.get("session") != session.id:
            raise SessionTokenInvalid
        require_time(session)
        return caller_of(session)


def caller_of(session: Session) -> Caller:
    """The official, as the session's token lets them in: no key, and an id that is the session's."""
    return Caller(
        CallerId(session.id),
        "",
        "official",
        (),
        organisation=session.organisation,
        person=session.person,
    )


def require_time(session: Session) -> None:
    """Raises SessionExpired, SessionWithdrawn."""
    if session.state == "withdrawn":
        raise SessionWithdrawn
    if session.state == "expired" or session.expires_at <= time.time():
        raise SessionExpired
