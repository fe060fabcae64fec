"""`/web/…`: the web components, for our own pages and for those that embed them; `/sign/{session}`: the page for signing;
`/inbox`: what waits for whoever is signed in.

Names that change with their content are kept for ever; `kyso.js`, whose name stays, is asked for again. Any page may load
them, for they are no secret and hold nothing of anybody's; what they may then ask for is decided at each call.
"""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import links, locale, web
from api.auth import needs
from api.errors import NotFound
from api.identity.sessions import Visit
from api.pages import inbox, sign
from api.routes import common
from api.services import Services

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
    """In the language of this service, whatever the browser says: the session's own takes its place, and so does `?lang=`.
    Whoever is signed in needs no token in the link."""
    settings, visit = common.services(request).settings, await _visit(request)
    chosen = settings.sessions
    text = sign.page(
        session=f"ses_{rest}",
        language=_language(request),
        hotline=chosen.hotline,
        csrf="" if visit is None else visit.csrf,
    )
    return _page(text, sign.csp(chosen.origins), visit)


@router.get("/inbox")
@needs("nothing")
async def waiting(request: Request) -> Response:
    """What waits for whoever is signed in; anybody else signs in first."""
    visit, language = await _visit(request), _language(request)
    if visit is None:
        asked = {"lang": language, "next": f"/inbox?{urlencode({'lang': language})}"}
        return RedirectResponse(f"{links.to('/login')}?{urlencode(asked)}", 303, {"Cache-Control": "no-store"})
    services = common.services(request)
    name = await common.side_room(request).run(_name, services, visit)
    text = inbox.page(name=name, language=language, hotline=services.settings.sessions.hotline)
    return _page(text, inbox.CSP, visit)


async def _visit(request: Request) -> Visit | None:
    return await common.side_room(request).run(common.services(request).entrance.sessions.visit, request)


def _name(services: Services, visit: Visit) -> str:
    """As the directory has it, where it knows who is signed in."""
    person = services.directory.person(visit.caller.person) if visit.caller.person is not None else None
    return person.name if person is not None and person.name else visit.caller.name


def _language(request: Request) -> locale.Language:
    return locale.choose(request.query_params.get("lang"), default=common.services(request).settings.server.language)


def _page(text: str, policy: str, visit: Visit | None) -> Response:
    """What is one person's is kept by no browser."""
    kept = "no-cache" if visit is None else "no-store"
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "Cache-Control": kept})
