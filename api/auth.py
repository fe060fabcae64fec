"""Who asks, and whether they may: API keys, roles, and what each route needs.

A call carries `Authorization: Bearer kyso_<id>_<secret>`. What a role may do stands in `PERMISSIONS`, the one table; each
route says with `needs` which of it it is about, directly below its `@router` line:

    @router.get("/things")
    @needs("see-audit")
    async def things(request: Request) -> Response:
        caller = await common.caller(request)

Which keys and organisations a caller reaches is no matter of the role: see `api.rights`. Roles and patterns are looked
up once in a while, not with each request: a revoked API key stops working within `REMEMBERED` seconds.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar, get_args

from starlette.requests import Request

from api.errors import NotAuthenticated, NotPermitted
from api.store import callers
from api.store.callers import Caller
from api.store.database import Database

Permission = Literal[
    "sign",
    "sign-for-organisation",
    "ask-to-sign",
    "verify",
    "see-keys",
    "see-all-keys",
    "see-signatures",
    "see-all-signatures",
    "see-audit",
    "see-trust",
    "see-directory",
    "change-directory",
    "see-rights",
    "see-callers",
    "change-callers",
    "see-logins",
    "end-logins",
    "see-queue",
    "administer",
    "approve-change",
    "unlock",
    "backup",
    "restore",
]
EVERY_PERMISSION: tuple[Permission, ...] = get_args(Permission)

_SEES: frozenset[Permission] = frozenset({"see-keys", "see-trust"})
_ASKS = _SEES | frozenset[Permission]({"sign", "verify", "see-signatures", "see-directory"})
_WATCHES = _SEES | frozenset[Permission]({"see-all-keys", "see-queue"})

PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "administrator": frozenset(EVERY_PERMISSION) - {"see-all-signatures"},
    "operator": _WATCHES | {"unlock"},
    "auditor": _WATCHES
    | {
        "verify",
        "see-signatures",
        "see-all-signatures",
        "see-audit",
        "see-directory",
        "see-rights",
        "see-callers",
        "see-logins",
    },
    "backup": frozenset({"backup"}),
    "client": _ASKS | {"sign-for-organisation", "ask-to-sign"},
    "official": _ASKS,
    "clerk": _ASKS | {"sign-for-organisation"},
}
"""`sign` still needs a pattern that names the key: no role may use a key by itself. Documents of others are an
auditor's alone; who administers and audits has an API key for each. `see-all-…` means all that the caller's
organisation reaches."""

WHOLE: frozenset[Permission] = frozenset(
    {
        "administer",
        "approve-change",
        "unlock",
        "backup",
        "restore",
        "change-directory",
        "see-logins",
        "end-logins",
        "see-queue",
        "see-rights",
    }
)
"""What is about the whole appliance: not for callers of one organisation, whatever their role."""

Need = Permission | Literal["nothing", "a-session"]
"""What a route may say of itself: a permission; `nothing` where everybody may ask; `a-session` where a page looks after
its own sign-in."""
NEEDS = "kyso_needs"

E = TypeVar("E", bound=Callable[..., Any])


def needs(what: Need) -> Callable[[E], E]:
    """Declare what an endpoint needs. Endpoints without a declaration answer nobody."""

    def declare(endpoint: E) -> E:
        setattr(endpoint, NEEDS, what)
        return endpoint

    return declare


def need_of(endpoint: object) -> Need | None:
    """What the endpoint declared; None when nothing."""
    found: Need | None = getattr(endpoint, NEEDS, None)
    return found


REMEMBERED = 2.0
"""Seconds for which a caller that was found is not looked up again."""
REMEMBERED_CALLERS = 1_000
NOTED_EVERY = 3600.0
"""How coarse it is that a caller was last here, in seconds: nothing is written with each request."""


class Way(Protocol):
    """A way in beside API keys: a client certificate, a token, a session. None where the request brings none of its
    kind; NotAuthenticated where it does and it is not good."""

    def recall(self, request: Request) -> Caller | None:
        """Without a database, so that it may run in the event loop."""

    def find(self, request: Request) -> Caller | None: ...


class Gate:
    """Finds the caller of a request. Safe to share between threads."""

    def __init__(self, database: Database, *, ways: tuple[Way, ...] = ()) -> None:
        self._database = database
        self._ways = ways
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._was_here: dict[str, float] = {}
        self._lock = threading.Lock()

    def recall(self, request: Request) -> Caller | None:
        """The caller that was looked up a moment ago: needs no database, so it may run in the event loop. Raises
        NotAuthenticated for what is no credential at all."""
        api_key = _api_key(request)
        if api_key is None:
            return next((found for way in self._ways if (found := way.recall(request)) is not None), None)
        known = self._known.get(_mark(api_key))
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def find(self, request: Request) -> Caller:
        """The caller of this request, by the database; raises NotAuthenticated."""
        api_key = _api_key(request)
        if api_key is None:
            for way in self._ways:
                if (caller := way.find(request)) is not None:
                    return caller
            raise NotAuthenticated
        entry = self._database.read(callers.look_up, api_key)
        if entry is None:
            raise NotAuthenticated
        with self._lock:
            if len(self._known) >= REMEMBERED_CALLERS:
                self._known.clear()
            self._known[_mark(api_key)] = (time.monotonic() + REMEMBERED, entry.caller)
            now = time.time()
            if entry.last_used_at is None or entry.last_used_at < now - NOTED_EVERY:
                self._was_here[entry.caller.id] = now
        return entry.caller

    def note_uses(self) -> None:
        """Write down who was here, if anybody is to be; for a thread in the background. Raises DatabaseUnavailable."""
        with self._lock:
            here, self._was_here = self._was_here, {}
        if here:
            self._database.write(callers.used, here)


def _api_key(request: Request) -> str | None:
    """The API key that the request brings; None where it is to come in another way."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    return secret if scheme.lower() == "bearer" and secret.startswith(f"{callers.PREFIX}_") else None


def _mark(secret: str) -> bytes:
    """Secrets are not kept in memory, and comparing digests tells nothing about them by its timing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def may(caller: Caller, permission: Permission) -> bool:
    """Whether the caller's role includes this, and it is not for the whole appliance's callers alone."""
    if caller.organisation is not None and permission in WHOLE:
        return False
    return permission in PERMISSIONS.get(caller.role, frozenset())


def require(caller: Caller, permission: Permission) -> None:
    """Raise NotPermitted unless the caller may."""
    if not may(caller, permission):
        raise NotPermitted(f"role {caller.role} may not {permission}")
