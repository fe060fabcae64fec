"""What an official wants to know before deciding: how a page will look once it is signed, and to whom a document may be
passed on. Calls of a session's page, as those of `api.routes.sessions`.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.routes import common
from api.routes.bodies import described, parsed
from api.routes.common import PROBLEMS
from api.routes.sessions import DEFAULT_WIDTH, LONGEST_REQUEST, WEBP, asked_of, body_of, whole
from api.services import Services
from api.sessions import colleagues, previewing
from api.sessions.schema import PreviewRequest
from api.store.callers import Caller

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=common.PlainRoute)


@router.get("/{session}/people", summary="To whom a document may be passed on", responses={**PROBLEMS})
@needs("see-signatures")
async def people(request: Request, session: str) -> Response:
    """Those of the session's organisation, the highest first."""
    return common.json({"people": await asked_of(request, colleagues.listed, session)})


@router.post(
    "/{session}/documents/{document}/preview",
    summary="The page as it will be once it is signed",
    responses={200: {"content": {WEBP: {}}, "description": "WebP, `?width=` pixels wide"}, **PROBLEMS},
    openapi_extra=described(PreviewRequest),
)
@needs("sign")
async def preview(request: Request, session: str, document: str) -> Response:
    """Prepared with the key's certificate and drawn; nothing is signed or kept."""
    await common.caller(request)  # before a body is read
    asked = parsed(PreviewRequest, await body_of(request, limit=LONGEST_REQUEST))
    width = whole(request.query_params.get("width", str(DEFAULT_WIDTH)), name="width")

    def work(services: Services, caller: Caller) -> bytes:
        return previewing.drawn(services, caller, session, document, asked, width=width)

    found = await asked_of(request, work, heavy=True)
    return Response(found, 200, {"Cache-Control": "no-store"}, WEBP)
