"""`/audit`: the ledger as a page, for auditors. No script; whoever looks has a session (`api.routes.login`).

Where an issuer is configured the page leads there, otherwise it has a form for an API key. Besides signing in and out
nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.auth import may, needs
from api.identity.sessions import FIELD, Visit
from api.ledger import KINDS
from api.pages import audit as page
from api.routes import common, login
from api.routes.reports import language_of
from api.services import Services
from api.workflows import audit_page

router = APIRouter(include_in_schema=False)

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
    return await _show(request, form={name: str(form.get(name, "")) for name in ("noted", FIELD)})


@router.post("/audit/session")
@needs("nothing")
async def sign_in(request: Request) -> Response:
    form = await request.form()
    begun = await login.with_api_key(request, str(form.get("api_key", "")), needed="see-audit")
    if isinstance(begun, str):
        return _page(page.sign_in(language=language_of(request), refusal=begun), status=403)
    return login.signed_in(begun, f"/audit?{urlencode({'lang': language_of(request)})}")


async def _show(request: Request, *, form: Mapping[str, str] | None = None) -> Response:
    work = common.side_room(request).run(_answer, common.services(request), request, form)
    return await work


def _answer(services: Services, request: Request, form: Mapping[str, str] | None) -> Response:
    language, sessions = language_of(request), services.entrance.sessions
    offered = services.entrance.logins.offered if services.entrance.logins is not None else {}
    visit = sessions.visit(request)
    if visit is None:
        return _page(page.sign_in(language=language, offered=offered), status=200 if form is None else 403)
    request.scope["kyso.caller"] = visit.caller.id
    if not may(visit.caller, "see-audit"):
        return _page(page.sign_in(language=language, offered=offered, refusal="refused"), status=403)
    if form is not None:
        sessions.require_proof(request, visit, form.get(FIELD, ""))
    return _page(_told(services, request, visit, form["noted"] if form is not None else None))


def _told(services: Services, request: Request, visit: Visit, noted: str | None) -> str:
    caller = visit.caller
    asked = {name: request.query_params.get(name, "").strip()[:LONGEST] for name in FILTERS}
    if asked["kind"] not in KINDS:
        asked["kind"] = ""
    since, number = (_number(request.query_params.get(name)) for name in ("since", "proof"))
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value}
    return page.ledger(
        language=language_of(request),
        zone=services.settings.zone,
        name=caller.name,
        csrf=visit.csrf,
        asked={**asked, "since": str(since or "")},
        view=audit_page.view(services, caller, since=since, filters=filters),
        proof=audit_page.prove(services, caller, number) if number else None,
        checked=audit_page.check(services, noted) if noted is not None else None,
    )


def _number(text: str | None) -> int:
    given = (text or "").strip()
    return min(int(given), LARGEST_LINE) if given.isascii() and given.isdigit() and len(given) < 20 else 0


def _page(text: str, *, status: int = 200) -> Response:
    return HTMLResponse(text, status, {"Content-Security-Policy": page.CSP, "Cache-Control": "no-store"})
