"""The values of signing sessions, and which state may follow which.

    waiting → opened → consented → signing → done | partly
    waiting, opened → returned        partly → consented (what was left over, with another consent)
    any that has not ended → expired | withdrawn

Times are Unix seconds. A document's box is told as people see the page; see `api.sessions.geometry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

State = Literal["waiting", "opened", "consented", "signing", "done", "partly", "returned", "expired", "withdrawn"]
STATES: tuple[State, ...] = get_args(State)
DocumentState = Literal["waiting", "signed", "returned", "reassigned", "failed"]

ENDED: frozenset[str] = frozenset({"done", "returned", "expired", "withdrawn"})
"""Nothing follows these."""
TOLD: frozenset[str] = ENDED | {"partly"}
"""Of these the system that asked is told."""
MAY_FOLLOW: Mapping[State, frozenset[str]] = {
    "waiting": frozenset(),
    "opened": frozenset({"waiting"}),
    "consented": frozenset({"waiting", "opened", "partly"}),
    "signing": frozenset({"consented"}),
    "done": frozenset({"signing", "partly"}),
    "partly": frozenset({"signing", "consented"}),
    "returned": frozenset({"waiting", "opened", "partly", "signing"}),
    "expired": frozenset({"waiting", "opened", "consented"}),
    "withdrawn": frozenset({"waiting", "opened", "consented", "signing", "partly"}),
}
"""State → the states that it may follow."""


@dataclass(frozen=True)
class Session:
    """One official, one or more documents. `request` is what the system asked for (`api.sessions.schema`), settled:
    `person_id` and `organisation_id` are the directory's, where it knows them."""

    id: str
    caller: str
    state: State
    request: Mapping[str, Any]
    created_at: float
    expires_at: float
    round: int
    consented_at: float | None
    consent: Mapping[str, Any] | None
    activation: str | None
    stopped: bool
    superseded_by: str | None

    @property
    def person(self) -> str | None:
        """The directory's id of the person; None where it does not know them."""
        found: str | None = self.request["person_id"]
        return found

    @property
    def organisation(self) -> str | None:
        found: str | None = self.request["organisation_id"]
        return found

    @property
    def is_over(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class SessionDocument:
    """A document of a session. `survey` is what a worker found in it; `record_state` how far its signature is, where one
    was begun; `blob` until it is no longer kept."""

    number: int
    name: str
    sha256: str
    size: int
    format: Literal["PDF", "XML"]
    blob: str | None
    request: Mapping[str, Any]
    survey: Mapping[str, Any]
    place: Mapping[str, Any] | None
    state: DocumentState
    round: int
    fill: Mapping[str, Any] | None
    signature: str | None
    code: str | None
    reason: str | None
    reassigned_to: str | None
    support_code: str | None
    record_state: str | None
    record_code: str | None
    signed_sha256: str | None

    @property
    def id(self) -> str:
        return f"d{self.number}"
