"""`/guides`: one printable page for each role, with this appliance's address and hotline on it. Open to everybody."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import guides, links
from api.auth import needs
from api.errors import NotFound
from api.guides import Role
from api.pages import guides as page
from api.routes import common
from api.routes.reports import language_of

router = APIRouter(include_in_schema=False)


@router.get("/guides")
@needs("nothing")
async def listed(request: Request) -> Response:
    chosen = common.services(request).settings
    practice = bool(chosen.sessions.unsafe_practice) and not chosen.production
    text = page.page(language=language_of(request), hotline=chosen.sessions.hotline, practice=practice)
    return HTMLResponse(text, headers={"Content-Security-Policy": page.CSP, "Cache-Control": "no-cache"})


@router.get("/guides/{name}.pdf")
@needs("nothing")
async def guide(request: Request, name: str) -> Response:
    """Typeset once for each role; only what the settings say goes into it, nothing of the request."""
    found: Role | None = next((role for role in get_args(Role) if role == name), None)
    if found is None:
        raise NotFound
    settings = common.services(request).settings
    origin = settings.server.origin.rstrip("/")
    address = origin + links.to("") if origin else ""
    made = await common.side_room(request).run(guides.build, found, hotline=settings.sessions.hotline, origin=address)
    headers = {"Content-Disposition": f'inline; filename="kyso-{name}.pdf"', "Cache-Control": "no-cache"}
    return Response(made, media_type="application/pdf", headers=headers)
