"""What the forms of `/admin` send. Each is asked for by a page of the same session (`api.identity.sessions`), by somebody
who may do it, leaves a line in the ledger and leads to a room that says what happened.

Two answer without leading on: an API key that was made is shown in the answer alone, since it is kept nowhere; and a trial
changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api import locale, uploads
from api.auth import Permission, may, needs
from api.changes import Changes
from api.changes.kinds import KINDS
from api.errors import ApiError, NotFound, NotPermitted, RequestInvalid
from api.identity import origins
from api.identity.sessions import FIELD, Visit
from api.locale import Language
from api.pages import admin as page
from api.pages.admin import Fault
from api.problems import KNOWN_BASES, problem, status_of
from api.refusals import RequestTooLarge
from api.routes import admin_page, common
from api.routes.callers import expiry
from api.routes.reports import language_of
from api.schema_base import Line
from api.services import Services
from api.store.queue import kind_of, retry
from api.uploads import Upload
from api.workflows import admin_changes, callers
from api.workflows.callers import NewCaller

router = APIRouter(include_in_schema=False)

Form = Mapping[str, str]
Act = Callable[[Services, Visit, Form], Response]
FORM_BYTES = 96 * 1024
"""A certificate's file; the fields beside it are bounded by `uploads`."""
TEXT_BYTES = 400 * 1024
"""A form without a file: a policy of 64 KiB, of which each byte may be three in the form."""
ROOM_OF = {"trust": "trust", "policy": "rules", "rights": "rules", "keys": "keys"}
BY_REASON = {
    "pin": ("sha256", "pin"),
    "name-taken": ("name", "taken"),
    "anchor-name": ("name", "name"),
    "anchor-twice": ("certificate", "twice"),
}
"""Why a change of trust cannot be done → field of the form, and its word."""
BY_KIND = {"policy-set": ("text", "text"), "rights-set": ("rule", "rule")}
TECHNICAL = frozenset({"text", "rule"})
"""Fields whose own message tells a line or a member, which helps whoever wrote them."""
_ONE_LINE: TypeAdapter[str] = TypeAdapter(Line)
_PATTERN = re.compile(r"\S{1,128}")


# --- changes ----------------------------------------------------------------------------------------------------------


@router.post("/admin/proposals")
@needs("a-session")
async def propose(request: Request) -> Response:
    """A form of any room; that of a new anchor has a place for a file."""

    def act(services: Services, visit: Visit, form: Form) -> Response:
        kind = form.get("kind", "")
        found = KINDS.get(kind)
        if found is None:
            raise NotFound
        try:
            reason = _one_line(form, "reason")
            told = admin_changes.payload(services, form, certificate=certificate)
            hold = form.get("hold") == "yes"
            made = Changes(services).propose(visit.caller, kind, told, reason=reason, hold=hold)
        except KNOWN_BASES as error:
            fault = _fault(error, language_of(request), kind=kind)
            return admin_page.show(
                request, visit, ROOM_OF[found.subject], fault=fault, asked=_again(form), status=_status(error)
            )
        word = "applied" if made.state == "applied" else "proposed"
        return admin_page.done(request, visit, word, about=made.id, to=_place(made.state, made.id))

    visit = await _admitted(request, "administer")
    if isinstance(visit, Response):
        return visit
    form, certificate = await _proposal(request)
    return await common.side_room(request).run(_proven, request, visit, form, act)


@router.post("/admin/changes/{change}/approval")
@needs("a-session")
async def approve(request: Request, change: str) -> Response:
    def act(services: Services, visit: Visit, form: Form) -> Response:
        made = Changes(services).approve(visit.caller, change, sha256=form.get("sha256", ""))
        return admin_page.done(request, visit, "approved", about=made.id, to=_place(made.state, made.id))

    return await _acted(request, "approve-change", act, room="changes")


@router.post("/admin/changes/{change}/rejection")
@needs("a-session")
async def reject(request: Request, change: str) -> Response:
    def act(services: Services, visit: Visit, _: Form) -> Response:
        made = Changes(services).reject(visit.caller, change)
        return admin_page.done(request, visit, "rejected", about=made.id, to="changes")

    return await _acted(request, "approve-change", act, room="changes")


@router.post("/admin/changes/{change}/undoing")
@needs("a-session")
async def undo(request: Request, change: str) -> Response:
    def act(services: Services, visit: Visit, form: Form) -> Response:
        made = Changes(services).undo(visit.caller, change, reason=_one_line(form, "reason"))
        word = "undone" if made.state == "applied" else "undo-proposed"
        return admin_page.done(request, visit, word, about=made.id, to=_place(made.state, made.id))

    return await _acted(request, "administer", act, room="change", place=change)


@router.post("/admin/trials")
@needs("a-session")
async def try_(request: Request) -> Response:
    """The room of the change with what became of the sample: as things are, and as they would be."""
    visit = await _admitted(request, "administer")
    if isinstance(visit, Response):
        return visit
    limit = common.services(request).settings.limits.upload_bytes
    with await _received(request, limit=limit) as upload:

        def act(services: Services, visit: Visit, form: Form) -> Response:
            change = form.get("change", "")
            try:
                if upload.size == 0:
                    raise RequestInvalid("a sample", field="document")
                found = Changes(services).try_(visit.caller, change, upload.file, name=upload.name)
            except NotFound:
                raise
            except KNOWN_BASES as error:
                fault = _fault(error, language_of(request), field="document")
                asked = {"change": change}
                return admin_page.show(
                    request, visit, "change", place=change, fault=fault, asked=asked, status=_status(error)
                )
            trial = admin_changes.tried(found, name=upload.name)
            return admin_page.show(request, visit, "change", place=change, trial=trial)

        return await common.room(request).run(_proven, request, visit, _fields(upload), act)


# --- callers, sessions, jobs ------------------------------------------------------------------------------------------


@router.post("/admin/callers")
@needs("a-session")
async def create(request: Request) -> Response:
    def act(services: Services, visit: Visit, form: Form) -> Response:
        given = {name: value.strip() for name, value in form.items()}
        days = given.get("days", "")
        if days and not (days.isascii() and days.isdigit() and len(days) < 5 and int(days) <= 3650):
            raise RequestInvalid("0 to 3650", field="days")
        patterns = tuple(given.get("keys", "").split())
        if len(patterns) > 50 or not all(map(_PATTERN.fullmatch, patterns)):
            raise RequestInvalid("up to 50 of up to 128 characters", field="keys")
        name = _one_line(form, "caller_name")
        new = NewCaller(
            name=name,
            role=given.get("role", ""),
            keys=patterns,
            organisation=given.get("organisation") or None,
            person=given.get("person") or None,
            expires_at=expiry(services, int(days) if days else None),
        )
        return _issued(request, visit, callers.of(services).create(visit.caller, new), about=name)

    return await _acted(request, "change-callers", act, room="callers")


@router.post("/admin/callers/{identity}/rotation")
@needs("a-session")
async def rotate(request: Request, identity: str) -> Response:
    def act(services: Services, visit: Visit, _: Form) -> Response:
        found, overlap = callers.of(services), services.settings.callers.overlap_hours * 3600
        name = found.entry(visit.caller, identity).caller.name
        issued = found.rotate(visit.caller, identity, overlap=overlap, expires_at=expiry(services, None))
        return _issued(request, visit, issued, about=name)

    return await _acted(request, "change-callers", act, room="callers")


@router.post("/admin/callers/{identity}/revocation")
@needs("a-session")
async def revoke(request: Request, identity: str) -> Response:
    def act(services: Services, visit: Visit, _: Form) -> Response:
        callers.of(services).revoke(visit.caller, identity)
        return admin_page.done(request, visit, "revoked", about=identity, to="callers")

    return await _acted(request, "change-callers", act, room="callers")


@router.post("/admin/sessions/{session}/end")
@needs("a-session")
async def end(request: Request, session: str) -> Response:
    def act(services: Services, visit: Visit, _: Form) -> Response:
        services.entrance.sessions.end(session, by=visit.caller.id, reason="administrator")
        return admin_page.done(request, visit, "ended", about=session, to="callers")

    return await _acted(request, "end-logins", act, room="callers")


@router.post("/admin/jobs/{job}/retry")
@needs("a-session")
async def again(request: Request, job: str) -> Response:
    def act(services: Services, visit: Visit, _: Form) -> Response:
        facts = {"what": "job-retried", "job": job, "caller": visit.caller.id}
        facts["kind"] = services.database.read(kind_of, job)
        services.ledger.append("CHANGED", facts, also=lambda connection, _number: retry(connection, job))
        services.jobs.wake()
        return admin_page.done(request, visit, "retried", about=job, to="queue")

    return await _acted(request, "administer", act, room="queue")


# --- what they share --------------------------------------------------------------------------------------------------


async def _acted(request: Request, permission: Permission, act: Act, *, room: str, place: str = "") -> Response:
    """A small form; what it gets wrong brings its room back."""
    visit = await _admitted(request, permission)
    if isinstance(visit, Response):
        return visit
    given = await request.form()
    form = {name: value for name, value in given.items() if isinstance(value, str)}

    def guarded(services: Services, visit: Visit, form: Form) -> Response:
        try:
            return act(services, visit, form)
        except NotFound:
            raise
        except KNOWN_BASES as error:
            fault = _fault(error, language_of(request))
            asked = _again(form)
            return admin_page.show(request, visit, room, place=place, fault=fault, asked=asked, status=_status(error))

    return await common.side_room(request).run(_proven, request, visit, form, guarded)


async def _admitted(request: Request, permission: Permission) -> Visit | Response:
    """Who it is, before a byte of the form is read; or the answer to whoever may not. Raises SessionWithoutProof."""
    admin_page.as_page(request)
    services = common.services(request)
    visit = await common.side_room(request).run(admin_page.visit_of, request)
    if visit is None:
        return admin_page.sign_in(request)
    origins.require_own(request, origin=services.settings.server.origin)
    if not may(visit.caller, permission):
        return await common.side_room(request).run(admin_page.refused, request, visit)
    return visit


def _proven(request: Request, visit: Visit, form: Form, act: Act) -> Response:
    """Raises SessionWithoutProof for a form that is not from a page of this session."""
    services = common.services(request)
    services.entrance.sessions.require_proof(request, visit, form.get(FIELD, ""))
    return act(services, visit, form)


async def _proposal(request: Request) -> tuple[dict[str, str], bytes]:
    """Fields, and a file where the form has a place for one. Raises RequestTooLarge."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        with await _received(request, limit=FORM_BYTES) as upload:
            return _fields(upload), upload.file.read()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > TEXT_BYTES:
            raise RequestTooLarge(limit=TEXT_BYTES)
    try:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=40)), b""
    except ValueError:
        raise RequestInvalid("a form of too many fields") from None


async def _received(request: Request, *, limit: int) -> Upload:
    return await uploads.receive(request, folder=common.services(request).work, limit=limit)


def _fields(upload: Upload) -> dict[str, str]:
    return {name: value.decode("utf-8", "replace") for name, value in upload.fields.items()}


def _issued(request: Request, visit: Visit, issued: callers.Issued, *, about: str) -> Response:
    frame = admin_page.frame_of(request, visit)
    told = {"secret": issued.api_key, "is_proposed": issued.change is not None}
    return admin_page.html(page.fill_in("issued", frame, **told, about=about, names={}, place="callers"))


def _one_line(form: Form, field: str) -> str:
    try:
        return _ONE_LINE.validate_python(form.get(field, "").strip())
    except ValidationError:
        raise RequestInvalid("one line of up to 200 characters", field=field) from None


def _again(form: Form) -> dict[str, str]:
    return {name: value for name, value in form.items() if name != FIELD}


def _place(state: str, change: str) -> str:
    return f"changes/{change}" if state == "applied" else "changes"


def _status(error: Exception) -> int:
    return status_of(error.code, actor=error.actor) if isinstance(error, ApiError) else 422


def _fault(error: Exception, language: Language, *, kind: str = "", field: str = "") -> Fault:
    """In words, beside the field that is wrong where that is known."""
    words = locale.words(language)["admin_page"]["fault"]
    facts = getattr(error, "facts", {})
    found = problem(error, language=language, request_id="").body
    if isinstance(error, RequestInvalid):
        parts = str(facts.get("field", "")).removeprefix("payload.").split(".")
        if parts[0] in words:
            return Fault(words[parts[0]], parts[0], str(error) if parts[0] in TECHNICAL else "")
    elif isinstance(error, NotPermitted):
        return Fault(words["not_permitted"])
    elif getattr(error, "code", "") == "change-not-possible":
        named = BY_REASON.get(str(facts.get("reason", ""))) or BY_KIND.get(kind)
        if named is not None:
            return Fault(words[named[1]], named[0], str(error) if named[0] in TECHNICAL else "")
        return Fault(f"{found['title']}. {found['detail']}", exact=str(error))
    return Fault(f"{found['title']}. {found['detail']}", field)
