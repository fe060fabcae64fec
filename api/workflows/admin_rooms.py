"""What the rooms of the administrator's page show: facts, without words and without a way to change anything.

Who may look is settled before (`api.routes.admin_page`). State, alarms and next steps are `overview`'s.

    keys(services)[0].ref
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from api.errors import ApiError
from api.ledger import Line
from api.rights.store import Kept
from api.services import Services
from api.settings import Key
from api.store import callers, keystates, queue
from api.store.callers import Caller, Entry
from api.store.queue import QueuedJob
from api.store.sessions import Session
from api.trust_json import policy_json, trust_json
from api.watching import notes
from api.workflows import callers as callers_workflow
from api.workflows import canaries, rights
from api.workflows.keys import certificate_of
from api.workflows.overview import overview
from api.workflows.trusting import TrustStore
from hsm.errors import HsmError
from hsm.keys import KeyInfo

NEWEST = 30
"""Lines of the ledger that are shown."""


@dataclass(frozen=True)
class KeyRow:
    """`uses` is None while the keeper cannot be asked; `canary` is `passed`, `none`, or the code of why it failed."""

    ref: str
    module: str
    algorithm: str
    holder: str
    organisation: str | None
    is_inherited: bool
    subject: str | None
    issuer: str | None
    not_after: datetime | None
    days: int | None
    uses: int | None
    is_disabled: bool
    canary: str


@dataclass(frozen=True)
class TokenRow:
    module: str
    label: str
    state: str
    reason: str | None
    sessions: int
    keys: int


@dataclass(frozen=True)
class PolicyRow:
    """`text` is there for the operator's own policies, which can be changed."""

    name: str
    is_usable: bool
    error: str
    sha256: str
    is_default: bool
    text: str | None


@dataclass(frozen=True)
class CallerRow:
    entry: Entry
    days: int | None
    organisation: str | None
    """Its name, or its id where the directory has none."""


def state(services: Services) -> dict[str, Any]:
    """The overview, with what has failed in the queue and when the last backup was made."""
    found = overview(services, running=True)
    found["failed_jobs"] = services.database.read(queue.failed)
    found["backup"] = notes.last_backup(services)
    return found


def keys(services: Services) -> tuple[KeyRow, ...]:
    """Every key that is known."""
    disabled = services.database.read(keystates.all_disabled)
    tried = canaries.outcomes(services.settings.log / canaries.NOTE)
    uses = _uses(services)
    return tuple(
        _key(services, key, uses=uses, disabled=disabled, tried=frozenset(tried)) for key in services.keys.all()
    )


def tokens(services: Services) -> tuple[TokenRow, ...]:
    known = services.keys.all()
    return tuple(_token(services, name, known) for name in services.keys.tokens)


def anchors(services: Services) -> dict[str, Any]:
    """As `GET /v1/trust` tells it, with days left, and why certificates are distrusted; read anew, so that a change that
    was just done is seen. Raises TrustUnusable."""
    present = TrustStore(services.settings.trust).current()
    found = trust_json(present)
    now = services.clock()
    for one, told in zip(present.anchors, found["anchors"], strict=True):
        told["days"] = (datetime.fromisoformat(told["not_after"]) - now) // timedelta(days=1)
        told["doubt"] = present.anchor(one).doubt(now)
    whys = TrustStore(services.settings.trust).rules().distrusted
    found["distrusted"] = [{"sha256": one, "why": whys.get(one, "")} for one in present.distrusted]
    return found


def rules(services: Services) -> tuple[Kept, ...]:
    return rights.of(services).listed()


def policies(services: Services) -> tuple[PolicyRow, ...]:
    found = []
    chosen = services.settings.verification.policy
    for one in services.policies.all():
        told = policy_json(one)
        file = services.settings.policies / f"{told['name']}.toml"
        text = file.read_text("utf-8") if file.is_file() else None
        found.append(
            PolicyRow(
                told["name"],
                told["usable"],
                told.get("error", ""),
                told.get("sha256", ""),
                told["name"] == chosen,
                text,
            )
        )
    return tuple(found)


def known_callers(services: Services, asking: Caller) -> tuple[CallerRow, ...]:
    now = time.time()
    return tuple(
        CallerRow(entry, callers_workflow.days_left(entry, now=now), _organisation(services, entry.caller.organisation))
        for entry in callers_workflow.of(services).listed(asking)
    )


def sessions(services: Services) -> tuple[Session, ...]:
    return services.entrance.sessions.listed()


def jobs(services: Services) -> tuple[QueuedJob, ...]:
    """Failed ones first, then open ones by when they are due."""
    return services.database.read(queue.listed)


def lines(services: Services, caller: Caller) -> tuple[Line, ...]:
    """The ledger's newest lines that the caller may see, newest first."""
    since = max(0, services.ledger.state().size - NEWEST)
    return services.ledger.read(since=since, limit=NEWEST, among=services.scopes.lines(caller))[::-1]


def names(services: Services) -> dict[str, str]:
    """Names of callers by their ids, for people who look at who did what."""

    def work(connection: sa.Connection) -> dict[str, str]:
        return {str(one.id): one.name for one in callers.listed(connection)}

    return services.database.read(work)


def _key(
    services: Services, key: KeyInfo, *, uses: dict[str, int], disabled: frozenset[str], tried: frozenset[str]
) -> KeyRow:
    certificate = certificate_of(key)
    owner = services.directory.owner_of_key(key.ref)
    not_after = None if certificate is None else certificate.not_valid_after_utc
    return KeyRow(
        ref=key.ref,
        module=key.module,
        algorithm=f"{key.algorithm.upper()} {key.key_size}" if key.key_size else key.algorithm,
        holder=services.settings.keys.get(key.ref, Key()).holder,
        organisation=None if owner is None else _organisation(services, owner.organisation),
        is_inherited=owner is not None and owner.is_inherited,
        subject=None if certificate is None else certificate.subject.rfc4514_string(),
        issuer=None if certificate is None else certificate.issuer.rfc4514_string(),
        not_after=not_after,
        days=None if not_after is None else (not_after - services.clock()) // timedelta(days=1),
        uses=uses.get(key.ref),
        is_disabled=key.ref in disabled,
        canary=services.canaries.failed().get(key.ref) or ("passed" if key.ref in tried else "none"),
    )


def _uses(services: Services) -> dict[str, int]:
    """Uses by key. A keeper that is away tells none."""
    found: dict[str, int] = {}
    for token in services.keys.tokens.values():
        try:
            found |= {one.key: one.total for one in token.status().uses}
        except HsmError:
            continue
    return found


def _token(services: Services, name: str, known: tuple[KeyInfo, ...]) -> TokenRow:
    configured = services.settings.modules.get(name)
    label = configured.token if configured is not None else name
    count = sum(key.module == name for key in known)
    try:
        status = services.keys.tokens[name].status()
    except HsmError as error:
        return TokenRow(name, label, "unavailable", error.code, 0, count)
    return TokenRow(name, label, status.state, status.reason, status.sessions, count)


def _organisation(services: Services, identity: str | None) -> str | None:
    if identity is None:
        return None
    try:
        found = services.directory.organisation(identity)
    except ApiError:
        return identity
    return identity if found is None else found.name


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
