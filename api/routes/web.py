"""`/web/…`: the web components, for our own pages and for those that embed them; `/sign/{session}`: the page for signing.

Names that change with their content are kept for ever; `kyso.js`, whose name stays, is asked for again. Any page may load
them, for they are no secret and hold nothing of anybody's; what they may then ask for is decided at each call.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import locale, web
from api.auth import needs
from api.errors import NotFound
from api.pages import sign
from api.routes import common

router = APIRouter(include_in_schema=False)

FOR_EVER, ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


@router.get("/web/{name}")
@needs("nothing")
async def file(request: Request, name: str) -> Response:
    if name not in web.names():
        raise NotFound
    try:
        found = web.file(name)
    except FileNotFoundError:  # built anew since
        raise NotFound from None
    headers = {
        "Cache-Control": FOR_EVER if found.is_immutable else ASK_AGAIN,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",
    }
    content = found.content
    if found.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = found.compressed, "gzip"
    return Response(content, headers=headers, media_type=found.media_type)


@router.get("/sign/ses_{rest}")
@needs("nothing")
async def signing(request: Request, rest: str) -> Response:
    """In the language of this service, whatever the browser says: the session's own takes its place, and so does `?lang=`."""
    settings = common.services(request).settings
    chosen = settings.sessions
    language = locale.choose(request.query_params.get("lang"), default=settings.server.language)
    text = sign.page(session=f"ses_{rest}", language=language, hotline=chosen.hotline)
    return HTMLResponse(
        text, headers={"Content-Security-Policy": sign.csp(chosen.origins), "Cache-Control": "no-cache"}
    )
