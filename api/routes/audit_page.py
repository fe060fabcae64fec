"""`/audit`: the ledger as a page, for auditors. No script; a cookie, for this page alone, stands for an API key.

The cookie is HttpOnly and SameSite=Strict, so that no other site can ask in its owner's name; besides signing in and out
nothing here changes anything.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import links
from api.auth import needs
from api.ledger import KINDS
from api.pages import audit as page
from api.routes import common
from api.routes.reports import language_of
from api.services import Services
from api.store.callers import Caller
from api.workflows import audit_page

router = APIRouter(include_in_schema=False)

COOKIE = "kyso_audit"
LONGEST = 200
FILTERS = ("kind", "key", "caller", "signature", "document")
LARGEST_LINE = 2**53


@router.get("/audit")
@needs("a-session")
async def show(request: Request) -> Response:
    return await _show(request)


@router.post("/audit")
@needs("a-session")
async def check(request: Request) -> Response:
    """The same with an answer about what somebody noted."""
    form = await request.form()
    return await _show(request, noted=str(form.get("noted", "")))


@router.post("/audit/session")
@needs("nothing")
async def sign_in(request: Request) -> Response:
    form = await request.form()
    services = common.services(request)
    api_key = str(form.get("api_key", "")).strip()[:LONGEST]
    token = await common.side_room(request).run(audit_page.sign_in, services, api_key)
    if token is None:
        return _page(page.sign_in(language=language_of(request), is_refused=True), status=403)
    answer = _back(request)
    is_secure = request.url.scheme == "https" or services.settings.server.origin.startswith("https:")
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(audit_page.SESSION),
        path=links.to("/audit"),
        httponly=True,
        samesite="strict",
        secure=is_secure,
    )
    return answer


@router.post("/audit/session/end")
@needs("nothing")
async def sign_out(request: Request) -> Response:
    answer = _back(request)
    answer.delete_cookie(COOKIE, path=links.to("/audit"), httponly=True, samesite="strict")
    return answer


async def _show(request: Request, *, noted: str | None = None) -> Response:
    work = common.side_room(request).run(_answer, common.services(request), request, noted)
    return await work


def _answer(services: Services, request: Request, noted: str | None) -> Response:
    language = language_of(request)
    caller = audit_page.caller_of(services, request.cookies.get(COOKIE))
    if caller is None:
        return _page(page.sign_in(language=language), status=200 if noted is None else 403)
    request.scope["kyso.caller"] = caller.id
    return _page(_told(services, request, caller, noted))


def _told(services: Services, request: Request, caller: Caller, noted: str | None) -> str:
    asked = {name: request.query_params.get(name, "").strip()[:LONGEST] for name in FILTERS}
    if asked["kind"] not in KINDS:
        asked["kind"] = ""
    since, number = (_number(request.query_params.get(name)) for name in ("since", "proof"))
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value}
    return page.ledger(
        language=language_of(request),
        zone=services.settings.zone,
        name=caller.name,
        asked={**asked, "since": str(since or "")},
        view=audit_page.view(services, caller, since=since, filters=filters),
        proof=audit_page.prove(services, caller, number) if number else None,
        checked=audit_page.check(services, noted) if noted is not None else None,
    )


def _number(text: str | None) -> int:
    given = (text or "").strip()
    return min(int(given), LARGEST_LINE) if given.isascii() and given.isdigit() and len(given) < 20 else 0


def _back(request: Request) -> Response:
    return RedirectResponse(links.to(f"/audit?{urlencode({'lang': language_of(request)})}"), 303)


def _page(text: str, *, status: int = 200) -> Response:
    return HTMLResponse(text, status, {"Content-Security-Policy": page.CSP, "Cache-Control": "no-store"})
