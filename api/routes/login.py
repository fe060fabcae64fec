"""`/login`, `/logout`: sessions of browsers, begun at an issuer or with an API key; and `/v1/logins` for administrators.

Where an issuer is configured people sign in there; the form that takes an API key is for where there is none.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import links
from api.auth import Permission, may, needs
from api.errors import NotAuthenticated, NotPermitted, RequestInvalid
from api.identity import cookies, origins, sessions
from api.identity.errors import LoginNotOffered, SessionWithoutProof
from api.identity.grants import Registered
from api.identity.login import Logins
from api.identity.sessions import Begun
from api.pages import login as page
from api.routes import common, reports
from api.services import Services
from api.settings.identity import LOOPBACK
from api.store import callers

router = APIRouter(include_in_schema=False)
administration = APIRouter(tags=["logins"], route_class=common.PlainRoute)

PATH = re.compile(r"/(?![/\\])[A-Za-z0-9/._~!$&'()*+,;=:@%?-]{0,500}")
"""A path of ours, with a query: no other host, no backslash, nothing that a header could not hold."""
HOME = "/"
ROOMS = {"administrator": "/admin", "operator": "/admin", "auditor": "/audit", "official": "/inbox", "clerk": "/inbox"}
"""Where whoever asked for no other page has something to do."""


@router.get("/login")
@needs("nothing")
async def sign_in(request: Request) -> Response:
    """To the issuer, where there is one; a choice of several; or the form for an API key."""
    _as_page(request)
    services, path = common.services(request), wanted(request.query_params.get("next"))
    logins, name = services.entrance.logins, request.query_params.get("issuer")
    if name is None and logins is not None and len(logins.offered) == 1:
        name = next(iter(logins.offered))
    if name is None:
        return _page(page.sign_in(language=reports.language_of(request), offered=_offered(services), path=path))
    if logins is None:
        raise LoginNotOffered
    url, attempt = await common.room(request).run(logins.begin, name, path=path)
    answer = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
    cookies.give(answer, cookies.ATTEMPT, attempt, seconds=600)
    return answer


@router.post("/login")
@needs("nothing")
async def sign_in_with_api_key(request: Request) -> Response:
    _as_page(request)
    services, form = common.services(request), await request.form()
    path = wanted(str(form.get("next") or HOME))
    begun = await with_api_key(request, str(form.get("api_key", "")))
    if isinstance(begun, str):
        language = reports.language_of(request)
        return _page(page.sign_in(language=language, offered=_offered(services), path=path, refusal=begun), status=403)
    return signed_in(begun, path)


@router.get("/login/callback")
@needs("nothing")
async def come_back(request: Request) -> Response:
    """The provider has sent the browser back here, with a code."""
    _as_page(request)
    logins = _logins(request)
    given = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    if len({name for name, _ in given}) != len(given):  # RFC 6749 §3.1
        raise RequestInvalid("a parameter is there twice")
    done = await common.room(request).run(
        logins.complete,
        dict(given),
        cookie=request.cookies.get(cookies.ATTEMPT),
        former=request.cookies.get(cookies.SESSION),
    )
    answer = signed_in(done.begun, done.path)
    cookies.take(answer, cookies.ATTEMPT)
    return answer


@router.post("/login/backchannel")
@needs("nothing")
async def ended_elsewhere(request: Request) -> Response:
    """An issuer says that somebody signed out there (Back-Channel Logout 1.0 §2.5)."""
    logins, form = _logins(request), await request.form()
    await common.room(request).run(logins.ended_elsewhere, str(form.get("logout_token", "")))
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


@router.get("/logout")
@needs("nothing")
async def ask_sign_out(request: Request) -> Response:
    visit = await common.side_room(request).run(common.services(request).entrance.sessions.visit, request)
    language = reports.language_of(request)
    if visit is None:
        return _page(page.signed_out(language=language, elsewhere=None))
    return _page(page.sign_out(language=language, name=visit.caller.name, csrf=visit.csrf))


@router.post("/logout")
@needs("nothing")
async def sign_out(request: Request) -> Response:
    """Here, and on at the provider where that offers it."""
    _as_page(request)
    form, entrance = await request.form(), common.services(request).entrance

    def end() -> str | None:
        visit = entrance.sessions.visit(request)
        if visit is None:
            raise NotAuthenticated  # and the cookie stays: a page elsewhere could have had this sent without it
        entrance.sessions.require_proof(request, visit, str(form.get(sessions.FIELD, "")))
        entrance.sessions.end(visit.session, by=visit.caller.id, reason="signed-out")
        return entrance.logins.way_out(visit.way) if entrance.logins is not None else None

    elsewhere = await common.side_room(request).run(end)
    answer = _page(page.signed_out(language=reports.language_of(request), elsewhere=elsewhere))
    if elsewhere is not None:  # not a redirect: the page's policy lets a form lead nowhere else
        answer.headers["Refresh"] = f"0;url={elsewhere}"
    cookies.take(answer, cookies.SESSION)
    return answer


@administration.get(
    "/v1/logins",
    summary="Sessions of browsers that are open",
    responses={200: {"content": {"application/json": {"example": {"logins": []}}}}, **common.PROBLEMS},
)
@needs("see-logins")
async def listed(request: Request) -> Response:
    await _of_the_whole(request)
    found = await common.side_room(request).run(common.services(request).entrance.sessions.listed)
    return common.json({"logins": [_told(one) for one in found]})


@administration.delete(
    "/v1/logins/{login}", summary="End a session of a browser", status_code=204, responses=common.PROBLEMS
)
@needs("end-logins")
async def ended(request: Request) -> Response:
    caller = await _of_the_whole(request)
    entrance = common.services(request).entrance
    end = entrance.sessions.end
    await common.side_room(request).run(end, request.path_params["login"], by=caller.id, reason="administrator")
    return Response(status_code=204)


async def with_api_key(request: Request, api_key: str, *, needed: Permission | None = None) -> Begun | str:
    """A session for whoever has this API key and may do what is needed; or which word of the page says why not."""
    services = common.services(request)
    if services.entrance.logins is not None:
        raise LoginNotOffered
    origins.require_own(request, origin=services.settings.server.origin)
    if request.url.scheme != "https" and request.url.hostname not in LOOPBACK:
        return "insecure"

    def begin() -> Begun | str:
        caller = services.database.read(callers.find, api_key.strip()[:200])
        if caller is None or (needed is not None and not may(caller, needed)):
            return "refused"
        former = request.cookies.get(cookies.SESSION)
        return services.entrance.sessions.begin(Registered(caller.id), way=sessions.API_KEY, former=former)

    try:
        return await common.side_room(request).run(begin)
    except NotAuthenticated as error:
        if isinstance(error, SessionWithoutProof):
            raise
        return "refused"


def signed_in(begun: Begun, path: str) -> Response:
    """Where the browser wanted to go, with its cookie."""
    path = ROOMS.get(begun.caller.role, HOME) if path == HOME else path
    answer = RedirectResponse(links.to(path), 303, {"Cache-Control": "no-store"})
    cookies.give(answer, cookies.SESSION, begun.secret)
    return answer


def wanted(path: str | None) -> str:
    """Where to go after signing in: a path of ours. Raises RequestInvalid for anything else (an open redirect)."""
    if path is None:
        return HOME
    if PATH.fullmatch(path) is None:
        raise RequestInvalid("next: a path of this service", field="next")
    return path


def _offered(services: Services) -> dict[str, str]:
    return services.entrance.logins.offered if services.entrance.logins is not None else {}


def _logins(request: Request) -> Logins:
    found = common.services(request).entrance.logins
    if found is None:
        raise LoginNotOffered
    return found


async def _of_the_whole(request: Request) -> callers.Caller:
    """Sessions are told to those alone who look after the whole appliance."""
    found = await common.caller(request)
    if found.organisation is not None:
        raise NotPermitted("sessions are for callers of the whole appliance")
    return found


def _told(one: Any) -> dict[str, Any]:
    return {
        "id": one.id,
        "caller": one.caller,
        "way": one.way,
        "created_at": int(one.created_at),
        "seen_at": int(one.seen_at),
        "ends_at": int(one.ends_at),
    }


def _as_page(request: Request) -> None:
    """Problems of these calls are shown to people."""
    request.scope["kyso.language"] = reports.language_of(request)
    request.scope["kyso.problem_page"] = lambda found: reports.problem_page(request, found)


def _page(text: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status, {"Content-Security-Policy": page.CSP, "Cache-Control": "no-store"})
