"""`/v1/callers`: who may use the service. An API key is shown once, in the answer that made it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.routes import common
from api.routes.bodies import described, parsed
from api.routes.common import PROBLEMS
from api.schema_base import Input, Line
from api.services import Services
from api.store.callers import Caller, Reach, Role, id_of
from api.workflows import callers
from api.workflows.callers import DAY, NewCaller

router = APIRouter(prefix="/v1/callers", tags=["callers"])

Pattern = Annotated[str, Field(min_length=1, max_length=128)]
Days = Annotated[int, Field(ge=0, le=3650)]


class CallerRequest(Input):
    """A caller to be."""

    name: Line
    """To know it by."""
    role: Role = "client"
    keys: tuple[Pattern, ...] = Field(default=(), max_length=50)
    """Patterns of names of keys it may sign with; none, and it signs with no key."""
    organisation: Line | None = None
    """Id or code of its organisation; none is the whole appliance."""
    person: Line | None = None
    """Id of the person who it is."""
    reach: Reach = "organisation"
    """`subtree` lets it see the organisations below its own, too."""
    days: Days | None = None
    """Days for which the API key opens; 0 is for ever; none takes `callers.api_key_days`."""


class RotationRequest(Input):
    """Another API key for a caller."""

    overlap_hours: float | None = Field(default=None, ge=0, le=2160, allow_inf_nan=False)
    """Hours for which the former one still opens; none takes `callers.overlap_hours`."""
    days: Days | None = None
    """As for a new caller."""


class CallerAnswer(Input):
    """A caller, without its secret."""

    id: str
    name: str
    role: Role
    keys: list[str]
    organisation: str | None
    person: str | None
    reach: Reach
    created_at: datetime | None
    expires_at: datetime | None
    days_left: int | None
    former_until: datetime | None
    """Until then the API key before the last exchange opens, too."""
    last_used_at: datetime | None
    """Coarse: to the hour."""


class ApiKeyAnswer(CallerAnswer):
    """A caller with the API key that was just made; it cannot be had again."""

    api_key: str


class ProposedKeyAnswer(Input):
    """An API key that opens nothing until another administrator has approved the change; it cannot be had again."""

    id: str
    api_key: str
    change: str
    state: Literal["proposed"]


PROPOSED: dict[int | str, dict[str, Any]] = {
    202: {"model": ProposedKeyAnswer, "description": "Rules on keys take two administrators here: it was proposed"}
}


@router.get(
    "",
    summary="The callers within reach, with days left",
    responses={200: {"model": list[CallerAnswer]}, **PROBLEMS},
)
@needs("see-callers")
async def listed(request: Request) -> Response:
    asking = await common.caller(request)

    def work() -> list[dict[str, Any]]:
        now = time.time()
        return [callers.as_json(entry, now=now) for entry in callers.of(common.services(request)).listed(asking)]

    return common.json(await common.side_room(request).run(work))


@router.post(
    "",
    status_code=201,
    summary="Make a caller; the answer holds its API key, once",
    responses={201: {"model": ApiKeyAnswer}, **PROPOSED, **PROBLEMS},
    openapi_extra=described(CallerRequest),
)
@needs("change-callers")
async def create(request: Request) -> Response:
    asking = await common.caller(request)
    wanted = parsed(CallerRequest, await request.body())
    services = common.services(request)
    new = NewCaller(
        name=wanted.name,
        role=wanted.role,
        keys=wanted.keys,
        organisation=wanted.organisation,
        person=wanted.person,
        reach=wanted.reach,
        expires_at=expiry(services, wanted.days),
    )

    def work() -> Response:
        found = callers.of(services)
        return _with_key(found, asking, found.create(asking, new), status=201)

    return await common.side_room(request).run(work)


@router.post(
    "/{identity}/rotation",
    summary="Exchange a caller's API key; the former one opens for a while longer",
    responses={200: {"model": ApiKeyAnswer}, **PROPOSED, **PROBLEMS},
    openapi_extra=described(RotationRequest, required=False),
)
@needs("change-callers")
async def rotate(request: Request, identity: str) -> Response:
    asking = await common.caller(request)
    wanted = parsed(RotationRequest, await request.body() or b"{}")
    services = common.services(request)
    hours = services.settings.callers.overlap_hours if wanted.overlap_hours is None else wanted.overlap_hours
    expires_at = expiry(services, wanted.days)

    def work() -> Response:
        found = callers.of(services)
        issued = found.rotate(asking, identity, overlap=hours * 3600, expires_at=expires_at)
        return _with_key(found, asking, issued, status=200)

    return await common.side_room(request).run(work)


@router.delete("/{identity}", status_code=204, summary="Revoke a caller", responses=PROBLEMS)
@needs("change-callers")
async def revoke(request: Request, identity: str) -> Response:
    asking = await common.caller(request)
    await common.side_room(request).run(callers.of(common.services(request)).revoke, asking, identity)
    return Response(status_code=204)


def expiry(services: Services, days: int | None) -> float | None:
    """When an API key that is made now ends; None for ever."""
    chosen = services.settings.callers.api_key_days if days is None else days
    return time.time() + chosen * DAY if chosen else None


def _with_key(found: callers.Callers, asking: Caller, issued: callers.Issued, *, status: int) -> Response:
    identity = id_of(issued.api_key)
    if issued.change is not None:
        told = {"id": identity, "api_key": issued.api_key, "change": issued.change, "state": "proposed"}
        return common.json(told, status=202)
    entry = found.entry(asking, identity)
    return common.json({**callers.as_json(entry, now=time.time()), "api_key": issued.api_key}, status=status)
