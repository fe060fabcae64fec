"""Who asks, and whether they may: API keys and roles.

A call carries `Authorization: Bearer kyso_<id>_<secret>`. What a role may do stands in `PERMISSIONS`; which keys a
caller may use is the caller's own list of patterns, and a key that is not on it looks exactly like one that does not
exist. Roles and patterns are looked up once in a while, not with each request: a revoked API key stops working
within `REMEMBERED` seconds.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request

from api.errors import NotAuthenticated, NotPermitted
from api.store import callers
from api.store.callers import Caller
from api.store.database import Database

Permission = Literal["sign", "verify", "see-keys", "see-all-keys", "see-all-signatures", "see-audit", "see-trust"]

PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "administrator": frozenset(
        {"sign", "verify", "see-keys", "see-all-keys", "see-all-signatures", "see-audit", "see-trust"}
    ),
    "operator": frozenset({"sign", "verify", "see-keys", "see-all-keys", "see-trust"}),
    "auditor": frozenset({"verify", "see-keys", "see-all-keys", "see-all-signatures", "see-audit", "see-trust"}),
    "client": frozenset({"sign", "verify", "see-keys", "see-trust"}),
}
"""`sign` still needs a pattern that names the key: no role may use a key by itself."""

REMEMBERED = 2.0
"""Seconds for which a caller that was found is not looked up again."""
REMEMBERED_CALLERS = 1_000


class Gate:
    """Finds the caller of a request. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._lock = threading.Lock()

    def recall(self, request: Request) -> Caller | None:
        """The caller of an API key that was looked up a moment ago: needs no database, so it may run in the event
        loop."""
        found = self._known.get(_mark(_bearer(request)))
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def find(self, request: Request) -> Caller:
        """The caller of this request, by the database; raises NotAuthenticated."""
        secret = _bearer(request)
        caller = self._database.read(callers.find, secret)
        if caller is None:
            raise NotAuthenticated
        with self._lock:
            if len(self._known) >= REMEMBERED_CALLERS:
                self._known.clear()
            self._known[_mark(secret)] = (time.monotonic() + REMEMBERED, caller)
        return caller


def _bearer(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated
    return secret.strip()


def _mark(secret: str) -> bytes:
    """Secrets are not kept in memory, and comparing digests tells nothing about them by its timing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def may(caller: Caller, permission: Permission) -> bool:
    return permission in PERMISSIONS.get(caller.role, frozenset())


def require(caller: Caller, permission: Permission) -> None:
    """Raise NotPermitted unless the caller's role includes this."""
    if not may(caller, permission):
        raise NotPermitted(f"role {caller.role} may not {permission}")
