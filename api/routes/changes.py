"""`/v1/changes`: administrators propose, try, approve, reject and undo changes of trust, policies, rights and keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api import uploads
from api.auth import needs
from api.changes import Change, Changes
from api.render import report_json
from api.routes import common
from api.routes.bodies import described, parsed
from api.routes.common import PROBLEMS
from api.schema_base import Hex256, Input, Line
from api.uploads import Upload

router = APIRouter(prefix="/v1/changes", tags=["administration"])

State = Literal["proposed", "applying", "applied", "rejected", "undone"]


class Proposal(Input):
    """A change and why."""

    kind: Annotated[str, Field(max_length=40)]
    payload: dict[str, Any]
    """What the kind takes; a certificate as PEM, or DER in base64."""
    reason: Line
    hold: bool = False
    """True leaves it proposed, to be tried first, also where one administrator is enough."""


class Approval(Input):
    sha256: Hex256
    """Of the change as it was shown."""


class Undoing(Input):
    reason: Line
    hold: bool = False


class ChangeAnswer(BaseModel):
    """A change and how far it is."""

    id: str
    kind: str
    subject: str
    payload: dict[str, Any]
    reason: str
    state: State
    needs_two: bool
    sha256: str
    proposed_by: str
    proposed_at: str
    decided_by: str | None
    decided_at: str | None
    undoes: str | None


ONE: dict[int | str, dict[str, Any]] = {200: {"model": ChangeAnswer}, **PROBLEMS}


@router.get("", summary="Changes, the newest first", responses={200: {"model": list[ChangeAnswer]}, **PROBLEMS})
@needs("administer")
async def listed(request: Request, state: Annotated[State | None, Query()] = None) -> Response:
    await common.caller(request)
    changes = _changes(request)

    def work() -> list[dict[str, Any]]:
        return [change_json(one, changes) for one in changes.listed(state=state)]

    return common.json(await common.side_room(request).run(work))


@router.post(
    "",
    status_code=201,
    summary="Propose a change; where one administrator is enough it is done at once",
    responses={201: {"model": ChangeAnswer}, **PROBLEMS},
    openapi_extra=described(Proposal),
)
@needs("administer")
async def propose(request: Request) -> Response:
    caller = await common.caller(request)
    changes = _changes(request)
    asked = parsed(Proposal, await request.body())

    def work() -> dict[str, Any]:
        made = changes.propose(caller, asked.kind, asked.payload, reason=asked.reason, hold=asked.hold)
        return change_json(made, changes)

    return common.json(await common.side_room(request).run(work), status=201)


@router.get("/{identity}", summary="A change", responses=ONE)
@needs("administer")
async def one(request: Request, identity: str) -> Response:
    await common.caller(request)
    changes = _changes(request)
    return common.json(await common.side_room(request).run(lambda: change_json(changes.get(identity), changes)))


@router.post(
    "/{identity}/approval", summary="Approve a change, which does it", responses=ONE, openapi_extra=described(Approval)
)
@needs("approve-change")
async def approve(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    changes = _changes(request)
    asked = parsed(Approval, await request.body())

    def work() -> dict[str, Any]:
        return change_json(changes.approve(caller, identity, sha256=asked.sha256), changes)

    return common.json(await common.side_room(request).run(work))


@router.post("/{identity}/rejection", summary="Reject a change", responses=ONE)
@needs("approve-change")
async def reject(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    changes = _changes(request)
    return common.json(
        await common.side_room(request).run(lambda: change_json(changes.reject(caller, identity), changes))
    )


@router.post(
    "/{identity}/undoing",
    status_code=201,
    summary="The change that takes this one back",
    responses={201: {"model": ChangeAnswer}, **PROBLEMS},
    openapi_extra=described(Undoing),
)
@needs("administer")
async def undo(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    changes = _changes(request)
    asked = parsed(Undoing, await request.body())

    def work() -> dict[str, Any]:
        return change_json(changes.undo(caller, identity, reason=asked.reason, hold=asked.hold), changes)

    return common.json(await common.side_room(request).run(work), status=201)


@router.post(
    "/{identity}/trial",
    summary="A sample judged as things are and as the change would leave them",
    responses=PROBLEMS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["document"],
                        "properties": {"document": {"type": "string", "format": "binary"}},
                    }
                }
            },
        }
    },
)
@needs("administer")
async def trial(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    services = common.services(request)
    changes = _changes(request)
    upload: Upload = await uploads.receive(request, folder=services.work, limit=services.settings.limits.upload_bytes)

    def work() -> dict[str, Any]:
        found = changes.try_(caller, identity, upload.file, name=upload.name)
        return {"before": report_json(found.before), "after": report_json(found.after)}

    try:
        return common.json(await common.room(request).run(work))
    finally:
        upload.close()


def change_json(change: Change, changes: Changes) -> dict[str, Any]:
    """As `ChangeAnswer` says."""
    return {
        "id": change.id,
        "kind": change.kind,
        "subject": change.subject,
        "payload": json.loads(change.payload),
        "reason": change.reason,
        "state": change.state,
        "needs_two": changes.needs_two(change),
        "sha256": change.sha256,
        "proposed_by": change.proposed_by,
        "proposed_at": _moment(change.proposed_at),
        "decided_by": change.decided_by,
        "decided_at": _moment(change.decided_at),
        "undoes": change.undoes,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _changes(request: Request) -> Changes:
    return Changes(common.services(request))
