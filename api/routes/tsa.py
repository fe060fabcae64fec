"""`POST /tsa`: RFC 3161 over HTTP (§3.4). Open to everyone who reaches the port, as its clients send no credentials."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.errors import NotFound
from api.refusals import MediaTypeNotSupported
from api.routes import common
from api.routes.common import PROBLEMS
from api.stampers import Stampers

router = APIRouter(tags=["timestamps"])

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


@router.post(
    "/tsa",
    summary="Issue a timestamp (RFC 3161)",
    responses={
        200: {
            "content": {REPLY: {}},
            "description": "A TimeStampResp; also for a request that is refused, with its failInfo",
        },
        **PROBLEMS,
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {QUERY: {"schema": {"type": "string", "format": "binary"}, "example": "openssl ts -query …"}},
        }
    },
)
@needs("nothing")
async def issue(request: Request) -> Response:
    services = common.services(request)
    if services.timestamps is None:
        raise NotFound
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != QUERY:
        raise MediaTypeNotSupported(expected=QUERY)
    with _stampers(request).admit(request.client.host if request.client else None):
        body = await request.body()
        answer = await common.side_room(request).run(services.timestamps.respond, services, body)
    return Response(answer, 200, {"Cache-Control": "no-store"}, REPLY)


def _stampers(request: Request) -> Stampers:
    """How much each address may ask for, as long as the process lives."""
    state = request.app.state
    if not hasattr(state, "stampers"):
        chosen = common.services(request).settings.authority
        state.stampers = Stampers() if chosen is None else Stampers(chosen.per_minute, chosen.unlimited)
    found: Stampers = state.stampers
    return found
