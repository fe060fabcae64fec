"""Callers that may sign, made and given other API keys by two: whoever proposes holds the secret, which opens nothing
until another administrator has approved it.

Only the SHA-256 of the secret is proposed. Administrators are not made so: who holds another administrator's API key
approves the own changes; theirs are made on the machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, Field

from api.changes.errors import ChangeNotAsProposed
from api.identity.sessions import API_KEY
from api.ledger.line import canonical
from api.ledger.log import append_within
from api.schema_base import Hex256, Input, Line, no_controls
from api.store import callers, sessions
from api.store.callers import CallerId, Reach, Role
from api.store.tables import caller as table

if TYPE_CHECKING:
    from api.services import Services

SUBJECT: Literal["rights"] = "rights"
Pattern = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(no_controls)]
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Until = Annotated[float | None, Field(default=None, ge=0, le=1e11, allow_inf_nan=False)]


class CallerCreate(Input):
    """A caller to be; `secret_sha256` is of the part of its API key behind the last underscore."""

    id: Identity
    secret_sha256: Hex256
    name: Line
    role: Role
    keys: tuple[Pattern, ...] = Field(default=(), max_length=50)
    organisation: Line | None = None
    person: Line | None = None
    reach: Reach = "organisation"
    expires_at: Until


class CallerRotate(Input):
    """Another API key for a caller; the one until now opens for `overlap` seconds more."""

    id: Identity
    secret_sha256: Hex256
    overlap: float = Field(ge=0, le=90 * 86_400, allow_inf_nan=False)
    expires_at: Until


def creation(services: Services, payload: CallerCreate) -> dict[str, Any]:
    """Raises ChangeNotAsProposed."""
    _require_no_approver(payload.role, payload.organisation)
    if services.database.read(_row, payload.id) is not None:
        raise ChangeNotAsProposed("there is a caller of this id")
    if payload.organisation is not None and services.directory.organisation(payload.organisation) is None:
        raise ChangeNotAsProposed("the directory has no such organisation")
    if payload.person is not None and services.directory.person(payload.person) is None:
        raise ChangeNotAsProposed("the directory has no such person")
    if payload.role == "official" and payload.person is None:
        raise ChangeNotAsProposed("an official is a person")
    return {"caller": payload.id, "before": None, "after": json.loads(payload.model_dump_json())}


def rotation(services: Services, payload: CallerRotate) -> dict[str, Any]:
    """Raises ChangeNotAsProposed."""
    row = services.database.read(_row, payload.id)
    if row is None or row.revoked_at is not None:
        raise ChangeNotAsProposed("there is no such caller")
    _require_no_approver(row.role, row.organisation)
    told = {"overlap": payload.overlap, "expires_at": payload.expires_at}
    return {"api_key": payload.id, "before": row.secret_sha256.hex(), "after": payload.secret_sha256, **told}


def apply_within(connection: sa.Connection, services: Services, effect: dict[str, Any], *, by: str) -> None:
    """Done, with the line that every such change has."""
    after = effect["after"]
    if "api_key" in effect:
        caller = CallerId(effect["api_key"])
        sessions.end_all(connection, caller, way=API_KEY)
        callers.replace_secret(
            connection,
            caller,
            secret_sha256=bytes.fromhex(after),
            overlap=effect["overlap"],
            expires_at=effect["expires_at"],
        )
        facts = {"what": "caller-rotated", "subject": caller, "overlap_seconds": int(effect["overlap"])}
    elif after is None:
        callers.revoke(connection, CallerId(effect["caller"]))
        facts = {"what": "caller-revoked", "subject": effect["caller"]}
    else:
        said = {name: value for name, value in after.items() if name not in ("id", "secret_sha256", "keys")}
        callers.insert(
            connection,
            identity=CallerId(after["id"]),
            secret_sha256=bytes.fromhex(after["secret_sha256"]),
            keys=tuple(after["keys"]),
            **said,
        )
        shown = {name: after[name] for name in ("role", "keys", "organisation", "person", "reach") if after[name]}
        facts = {"what": "caller-created", "subject": after["id"], **shown}
    facts |= {"caller": by}
    append_within(connection, "CHANGED", facts, text=canonical(facts), at=services.clock())


def stand(connection: sa.Connection, effect: dict[str, Any], side: str) -> bool:
    """Whether the caller is as that side of the effect says."""
    wanted = effect[side]
    row = _row(connection, effect.get("api_key") or effect["caller"])
    is_there = row is not None and row.revoked_at is None
    if "api_key" in effect:
        return is_there and bool(row.secret_sha256.hex() == wanted)
    if wanted is None:
        return row is None
    return is_there and bool(row.secret_sha256.hex() == wanted["secret_sha256"])


def _require_no_approver(role: str, organisation: str | None) -> None:
    if role == "administrator" and organisation is None:
        raise ChangeNotAsProposed("an administrator's API key is made on the machine (kyso caller)")


def _row(connection: sa.Connection, identity: str) -> Any:
    return connection.execute(sa.select(table).where(table.c.id == identity)).one_or_none()
