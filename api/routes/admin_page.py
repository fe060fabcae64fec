"""`/admin`: the administrator's page. Each room is read here; what its forms send is `admin_actions`'s.

No script: a form comes back with what was wrong beside the field, and what was done leads to a room that says so.
Whoever has no session is led to sign in; a role that has no business here gets a page with 403.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import links, locale
from api.auth import Permission, may, needs
from api.changes import Changes
from api.errors import NotFound
from api.identity.sessions import Visit
from api.ledger.kept import Kept
from api.pages import admin as page
from api.pages.admin import Fault, Frame
from api.routes import common
from api.routes.reports import language_of, problem_page
from api.services import Services
from api.store.callers import ROLES
from api.workflows import admin_changes, admin_rooms

router = APIRouter(include_in_schema=False)

WATCHES: Permission = "unlock"
"""What administrators and operators of the whole appliance have in common, and nobody else has."""
ROOMS: Mapping[str, Permission] = {
    "overview": WATCHES,
    "keys": WATCHES,
    "tokens": WATCHES,
    "trust": "administer",
    "rules": "administer",
    "changes": "approve-change",
    "callers": "change-callers",
    "queue": WATCHES,
    "ledger": "see-audit",
}
"""Room → who may see it. A caller of one organisation sees none: all of it is about the whole appliance."""
LONGEST = 300
ABOUT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@router.get("/admin")
@needs("a-session")
async def overview(request: Request) -> Response:
    return await answer(request, "overview")


@router.get("/admin/changes/{change}")
@needs("a-session")
async def change(request: Request, change: str) -> Response:
    return await answer(request, "change", place=change[:80])


@router.get("/admin/{room}")
@needs("a-session")
async def room(request: Request, room: str) -> Response:
    return await answer(request, room if room in ROOMS and room != "overview" else "")


async def answer(request: Request, name: str, *, place: str = "") -> Response:
    """The page of a room, for whoever may see it."""
    as_page(request)
    return await common.side_room(request).run(_read, request, name, place)


def as_page(request: Request) -> None:
    """Problems of this call are shown to people."""
    request.scope["kyso.language"] = language_of(request)
    request.scope["kyso.problem_page"] = lambda found: problem_page(request, found)


def sign_in(request: Request) -> Response:
    """To where one signs in, and back to the page afterwards."""
    asked = {"lang": language_of(request), "next": f"/admin?{urlencode({'lang': language_of(request)})}"}
    return RedirectResponse(f"{links.to('/login')}?{urlencode(asked)}", 303, {"Cache-Control": "no-store"})


def visit_of(request: Request) -> Visit | None:
    visit = common.services(request).entrance.sessions.visit(request)
    if visit is not None:
        request.scope["kyso.caller"] = visit.caller.id
    return visit


def refused(request: Request, visit: Visit) -> Response:
    frame = frame_of(request, visit)
    return html(page.fill_in("refused", frame, role=visit.caller.role, names={}), status=403)


def html(text: str, *, status: int = 200) -> Response:
    return HTMLResponse(text, status, {"Content-Security-Policy": page.CSP, "Cache-Control": "no-store"})


def done(request: Request, visit: Visit, word: str, *, about: str, to: str) -> Response:
    """To a room that says what happened. The sentence is sealed: a link from elsewhere cannot make the page say it."""
    asked = {"lang": language_of(request), "did": word, "about": about, "seal": _seal(visit, word, about)}
    return RedirectResponse(f"{links.to('/admin/' + to)}?{urlencode(asked)}", 303, {"Cache-Control": "no-store"})


def show(
    request: Request,
    visit: Visit,
    name: str,
    *,
    place: str = "",
    fault: Fault | None = None,
    asked: Mapping[str, str] | None = None,
    status: int = 200,
    **more: Any,
) -> Response:
    """A room as this visitor sees it; `fault` and `asked` are of a form that is shown again."""
    services = common.services(request)
    facts = _FACTS[name](services, visit, place)
    frame = frame_of(request, visit, fault=fault, asked=asked, prefill=facts.pop("prefill", None))
    return html(page.fill_in(name, frame, **{"names": {}, **facts, **more}), status=status)


def frame_of(
    request: Request,
    visit: Visit,
    *,
    fault: Fault | None = None,
    asked: Mapping[str, str] | None = None,
    prefill: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None,
) -> Frame:
    services, language = common.services(request), language_of(request)
    given = {name: value[:LONGEST] for name, value in request.query_params.items()}
    chosen = dict(asked) if asked is not None else given
    if prefill is not None:
        chosen |= {name: value for name, value in prefill(chosen).items() if name not in chosen}
    return Frame(
        language=language,
        zone=services.settings.zone,
        name=visit.caller.name,
        caller=visit.caller.id,
        csrf=visit.csrf,
        rooms=rooms_of(visit),
        may_change=may(visit.caller, "administer"),
        did=_did(visit, given, language) if fault is None else "",
        fault=fault,
        asked=chosen,
        two=services.settings.changes.two_administrators,
    )


def rooms_of(visit: Visit) -> tuple[str, ...]:
    """The rooms that somebody may see; an auditor, who may see the ledger, sees it at `/audit`."""
    if not may(visit.caller, WATCHES):
        return ()
    return tuple(name for name, needed in ROOMS.items() if may(visit.caller, needed))


def _read(request: Request, name: str, place: str) -> Response:
    visit = visit_of(request)
    if visit is None:
        return sign_in(request)
    room = "changes" if name == "change" else name
    if not rooms_of(visit) or (room in ROOMS and room not in rooms_of(visit)):
        return refused(request, visit)
    if name not in _FACTS:
        raise NotFound
    return show(request, visit, name, place=place)


def _seal(visit: Visit, word: str, about: str) -> str:
    return hmac.new(visit.csrf.encode(), f"{word}\0{about}".encode(), hashlib.sha256).hexdigest()[:32]


def _did(visit: Visit, given: Mapping[str, str], language: locale.Language) -> str:
    word, about = given.get("did", ""), given.get("about", "")
    words = locale.words(language)["admin_page"]["did"]
    good = hmac.compare_digest(_seal(visit, word, about).encode(), given.get("seal", "").encode())
    return locale.fill(words[word], {"about": about}) if good and word in words and ABOUT.fullmatch(about) else ""


# --- what each room shows ---------------------------------------------------------------------------------------------


def _overview(services: Services, visit: Visit, _: str) -> dict[str, Any]:
    waiting = len(Changes(services).listed(state="proposed")) if may(visit.caller, "administer") else 0
    return {"state": admin_rooms.state(services), "waiting": waiting}


def _keys(services: Services, _: Visit, __: str) -> dict[str, Any]:
    return {"keys": admin_rooms.keys(services)}


def _tokens(services: Services, _: Visit, __: str) -> dict[str, Any]:
    return {"tokens": admin_rooms.tokens(services)}


def _trust(services: Services, _: Visit, __: str) -> dict[str, Any]:
    return {"trust": admin_rooms.anchors(services)}


def _rules(services: Services, _: Visit, __: str) -> dict[str, Any]:
    rules, policies = admin_rooms.rules(services), admin_rooms.policies(services)
    texts = {one.name: _pretty(one.text.canonical()) for one in rules}
    own = {one.name: one.text for one in policies if one.text is not None}

    def prefill(asked: Mapping[str, str]) -> dict[str, str]:
        name = asked.get("name", "")
        found = {"set_rule": ("rule", texts.get(name)), "set_policy": ("text", own.get(name))}.get(asked.get("act", ""))
        return {} if found is None or found[1] is None else {found[0]: found[1]}

    return {
        "rules": rules,
        "texts": texts,
        "policies": policies,
        "names": admin_rooms.names(services),
        "prefill": prefill,
    }


def _changes(services: Services, visit: Visit, _: str) -> dict[str, Any]:
    return {**admin_changes.listed(services, visit.caller), "names": admin_rooms.names(services), "trial": None}


def _change(services: Services, visit: Visit, place: str) -> dict[str, Any]:
    card = admin_changes.card(services, visit.caller, place)
    return {"card": card, "names": admin_rooms.names(services), "place": f"changes/{card.change.id}", "trial": None}


def _callers(services: Services, visit: Visit, _: str) -> dict[str, Any]:
    chosen = services.settings.callers
    return {
        "callers": admin_rooms.known_callers(services, visit.caller),
        "sessions": admin_rooms.sessions(services),
        "names": admin_rooms.names(services),
        "this": visit.session,
        "roles": ROLES,
        "overlap": f"{chosen.overlap_hours:g}",
        "days": chosen.api_key_days,
    }


def _queue(services: Services, _: Visit, __: str) -> dict[str, Any]:
    return {"jobs": admin_rooms.jobs(services)}


def _ledger(services: Services, visit: Visit, _: str) -> dict[str, Any]:
    try:
        newest = Kept(services.settings.checkpoint_folder).newest()
    except OSError:
        newest = None
    return {
        "lines": admin_rooms.lines(services, visit.caller),
        "names": admin_rooms.names(services),
        "size": services.ledger.state().size,
        "covered": 0 if newest is None else newest.unverified.size,
    }


def _pretty(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, indent=2)


_FACTS: Mapping[str, Callable[[Services, Visit, str], dict[str, Any]]] = {
    "overview": _overview,
    "keys": _keys,
    "tokens": _tokens,
    "trust": _trust,
    "rules": _rules,
    "changes": _changes,
    "change": _change,
    "callers": _callers,
    "queue": _queue,
    "ledger": _ledger,
}
