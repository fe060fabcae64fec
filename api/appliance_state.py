"""The state of the whole appliance, and which endpoint works in which: asked in one place, before any route.

| State | Means | Ends by |
|---|---|---|
| `unprovisioned` | nobody completed a set-up | `kyso setup`, or the single commands it is made of |
| `locked` | keys are there, and none can be used before somebody unlocks | `kyso unlock` |
| `operational` | everything works; a token that is away has an error of its own | `kyso lock` |

Provisioned is who says so: `kyso setup` was finished; or there is a token, a line in the ledger, a `kyso.toml`, a caller.
A service that only verifies, without any module, is legitimate and operational: it has a `kyso.toml` or a caller. What is
provisioned stays so for the life of a process.

Locked means that no token is open and one at least waits for a PIN or for an operator. One locked token among open ones
locks nobody out of the others. A keeper that does not answer is not a lock: `keeper-not-available` says it better.

Not here: the state of one token (`hsm.lifecycle`), nor who may do what (`api.auth`).

>>> needed("POST", "/v1/signatures"), needed("GET", "/v1/signatures/7"), needed("GET", "/health/ready")
('operational', 'locked', 'unprovisioned')
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import sqlalchemy as sa
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.errors import ApiError
from api.rooms import Room
from api.services import Services
from api.settings import Settings
from api.store.tables import caller
from hsm.errors import HsmError

State = Literal["unprovisioned", "locked", "operational"]
_RANK: Mapping[State, int] = {"unprovisioned": 0, "locked": 1, "operational": 2}

WORKS_FROM: Mapping[str, tuple[State, State]] = {
    "": ("unprovisioned", "locked"),
    "health": ("unprovisioned", "unprovisioned"),
    "metrics": ("unprovisioned", "unprovisioned"),
    "docs": ("unprovisioned", "unprovisioned"),
    "openapi.json": ("unprovisioned", "unprovisioned"),
    "style.css": ("unprovisioned", "unprovisioned"),
    "page.css": ("unprovisioned", "unprovisioned"),
    "report.css": ("unprovisioned", "unprovisioned"),
    "web": ("unprovisioned", "unprovisioned"),
    "guides": ("unprovisioned", "unprovisioned"),
    "sign": ("locked", "locked"),
    "inbox": ("locked", "locked"),
    "audit.css": ("unprovisioned", "unprovisioned"),
    "admin.css": ("unprovisioned", "unprovisioned"),
    "audit": ("locked", "locked"),
    "admin": ("locked", "locked"),
    "login": ("locked", "locked"),
    "logout": ("locked", "locked"),
    "tsa": ("operational", "operational"),
    "v1/verifications": ("locked", "locked"),
    "v1/trust": ("locked", "locked"),
    "v1/audit": ("locked", "locked"),
    "v1/alarms": ("unprovisioned", "unprovisioned"),
    "v1/keys": ("locked", "locked"),
    "v1/policies": ("locked", "locked"),
    "v1/callers": ("locked", "locked"),
    "v1/rights": ("locked", "locked"),
    "v1/changes": ("locked", "locked"),
    "v1/logins": ("locked", "locked"),
    "v1/organisations": ("locked", "locked"),
    "v1/people": ("locked", "locked"),
    "v1/directory": ("locked", "locked"),
    "v1/signatures": ("locked", "operational"),
    "v1/batches": ("locked", "operational"),
    "v1/sessions": ("locked", "operational"),
    "v1/inbox": ("locked", "locked"),
    "v1/uploads": ("locked", "locked"),
    "v1/extensions": ("operational", "operational"),
}
"""Beginning of an address → the least state for reading (GET, HEAD) and for everything else. What is not named here
works while operational alone."""

REMEMBERED = 2.0
"""Seconds for which the tokens are not asked again."""
SETUP_RECORD = "setup.json"


class ApplianceUnprovisioned(ApiError):
    """The set-up of the appliance was never completed."""

    code = "appliance-unprovisioned"


class ApplianceLocked(ApiError):
    """No key can be used before an administrator unlocks the appliance."""

    code = "appliance-locked"


def needed(method: str, path: str) -> State:
    """The least state in which this call is answered."""
    first, _, rest = path.strip("/").partition("/")
    start = f"{first}/{rest.partition('/')[0]}" if first == "v1" else first
    reading, changing = WORKS_FROM.get(start, ("operational", "operational"))
    return reading if method in ("GET", "HEAD") else changing


class ApplianceState:
    """What state the appliance is in; safe to share between threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._provisioned = False
        self._last: State | None = None
        self._until = 0.0

    @property
    def last(self) -> State | None:
        """What was found last, however old."""
        return self._last

    @property
    def provisioned(self) -> bool:
        """Whether a set-up was seen; then no token need be asked for what works while locked."""
        return self._provisioned

    def known(self) -> State | None:
        """The state, if it was looked up a moment ago."""
        return self._last if time.monotonic() < self._until else None

    def look(self) -> State:
        """The state now; asks keepers, so that it may take a while. One thread looks, the others wait for it."""
        with self._lock:
            found = self.known()
            if found is None:
                found = self._last = self._look()
                self._until = time.monotonic() + (REMEMBERED if found == "operational" else REMEMBERED / 4)
            return found

    def _look(self) -> State:
        tokens = []
        for token in self._services.keys.tokens.values():
            try:
                tokens.append(token.status().state)
            except HsmError:
                tokens.append("unavailable")
            if tokens[-1] == "operational":
                break
        self._provisioned = self._provisioned or is_provisioned(self._services, tokens)
        if not self._provisioned:
            return "unprovisioned"
        return "locked" if "locked" in tokens and "operational" not in tokens else "operational"


def is_provisioned(services: Services, tokens: list[str]) -> bool:
    """Whether anybody set this appliance up; `tokens` are the states of its tokens. In doubt (no database) nobody did."""
    settings = services.settings
    record = setup_record(settings)
    if record:
        return record.get("finished") is True
    try:
        if tokens:
            return any(state != "unprovisioned" for state in tokens) or services.ledger.state().size > 0
        if (settings.home / "kyso.toml").exists() or settings.model_fields_set - {"home", "server"}:
            return True
        return services.database.read(_has_caller)
    except ApiError:
        return False


def setup_record(settings: Settings) -> dict[str, Any]:
    """What `kyso setup` noted about itself; empty where it never ran."""
    try:
        found = json.loads((settings.home / SETUP_RECORD).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"finished": False}
    return found if isinstance(found, dict) else {"finished": False}


def _has_caller(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(caller.c.id).limit(1)).first() is not None


class StateGate:
    """The layer before the routes: refuses with 503 what does not work in this state."""

    def __init__(self, app: ASGIApp, *, state: ApplianceState) -> None:
        self.app = app
        self._state = state
        self._refresh: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (refusal := await self._refusal(scope)) is None:
            await self.app(scope, receive, send)
            return
        await problems.respond(Request(scope), refusal)(scope, receive, send)

    async def _refusal(self, scope: Scope) -> ApiError | None:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        wanted = needed(scope["method"], path)
        if wanted == "unprovisioned" or (wanted == "locked" and self._state.provisioned):
            return None
        found = self._state.known()
        if found is None:
            try:
                found = await self._found(scope)
            except ApiError as busy:
                return busy
        if _RANK[found] >= _RANK[wanted]:
            return None
        return ApplianceUnprovisioned() if found == "unprovisioned" else ApplianceLocked()

    async def _found(self, scope: Scope) -> State:
        """The state by asking. While it was operational, nobody waits for that: a key that was locked since then refuses
        by itself."""
        room = scope["app"].state.side_room
        if self._state.last != "operational":
            looked: State = await room.run(self._state.look)
            return looked
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.get_running_loop().create_task(self._look_again(room))
        return "operational"

    async def _look_again(self, room: Room) -> None:
        with suppress(ApiError):  # busy: the next call asks again
            await room.run(self._state.look)
