"""`/v1/sessions`: what officials are asked to sign, and what their browsers call; `/v1/inbox`: what waits for somebody.

The system that asks has an API key; the browser has the session's token, or is signed in as the person who is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import links, uploads
from api.auth import needs
from api.errors import RequestInvalid
from api.routes import common
from api.routes.bodies import described, parsed
from api.routes.common import PROBLEMS
from api.routes.files import Stored
from api.routes.reports import language_of
from api.schema_activation import ACTIVATION, parse_assertion
from api.services import Services
from api.sessions import (
    choosing,
    consenting,
    creating,
    ending,
    events,
    practice,
    showing,
    viewing,
    working,
)
from api.sessions.schema import (
    MOST,
    ConsentRequest,
    PlaceRequest,
    ReassignRequest,
    ReturnRequest,
    SessionRequest,
)
from api.store.callers import Caller

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=common.PlainRoute)
pages = APIRouter(include_in_schema=False)
inbox = APIRouter(prefix="/v1/inbox", tags=["sessions"], route_class=common.PlainRoute)

LONGEST_REQUEST = 1024 * 1024
"""Bytes that the part `session` may have."""
WEBP = "image/webp"
EVENTS = "text/event-stream"
DEFAULT_WIDTH = 800

UPLOAD: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "maxLength": 200},
            "description": "The same key with the same request finds the session that it made before, with a new token",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["session"],
                    "properties": {
                        "session": {"$ref": "#/components/schemas/SessionRequest"},
                        "document": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "maxItems": MOST,
                            "description": "The documents, each a part of its own, by the file names that `session` says",
                        },
                    },
                },
                "encoding": {"session": {"contentType": "application/json"}},
            },
            "application/json": {
                "schema": {"$ref": "#/components/schemas/SessionRequest"},
            },
        },
    },
}
described(SessionRequest)


@router.post("", status_code=201, summary="Ask an official to sign", responses={**PROBLEMS}, openapi_extra=UPLOAD)
@needs("ask-to-sign")
async def create(request: Request) -> Response:
    """The documents and who is to sign them; answers the link for the official, with the token in its fragment. JSON
    alone where every document is one that a signature of this appliance led to."""
    caller = await common.caller(request)
    key = common.idempotency_key(request)
    services = common.services(request)
    received: tuple[uploads.Upload, ...] = ()
    here = f"{request.url.scheme}://{request.url.netloc}"
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        raw = await body_of(request, limit=LONGEST_REQUEST)
    else:
        received = await uploads.receive_many(
            request,
            folder=services.work,
            limit=services.settings.limits.upload_bytes,
            needs=("session",),
            most=MOST,
            field_bytes=LONGEST_REQUEST,
        )
        raw = received[0].fields["session"]
    try:
        told, made = await common.room(request).run(
            lambda: creating.create(services, caller, raw, received, idempotency_key=key, here=here)
        )
    finally:
        for one in received:
            one.close()
    headers = {"Location": links.to(f"/v1/sessions/{told['id']}")} | ({} if made else {"Idempotency-Replayed": "true"})
    return common.json(told, status=201, headers=headers)


async def body_of(request: Request, *, limit: int) -> bytes:
    """Raises RequestInvalid for more than the limit."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > limit:
            raise RequestInvalid(f"the body is larger than {limit} bytes")
    return bytes(found)


@router.get("/{session}", summary="A session and how far it is", responses={**PROBLEMS})
@needs("see-signatures")
async def state(request: Request, session: str) -> Response:
    return common.packed(request, common.json(await asked_of(request, showing.show, session)))


@router.delete("/{session}", summary="Withdraw a session", responses={**PROBLEMS})
@needs("ask-to-sign")
async def withdraw(request: Request, session: str) -> Response:
    """Nothing further is signed; what is signed stays so. The official is told at the next look."""

    def work(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
        return showing.as_json(services, ending.withdraw(services, caller, identity))

    return common.json(await asked_of(request, work, session))


@inbox.get("", summary="What waits for the person who asks", responses={**PROBLEMS})
@needs("see-signatures")
async def waiting(request: Request) -> Response:
    def work(services: Services, caller: Caller) -> list[dict[str, Any]]:
        return [ending.inbox_json(services, one) for one in ending.inbox(services, caller)]

    return common.json({"sessions": await asked_of(request, work)})


@pages.get("/sign/demo")
@needs("nothing")
async def practice_page(request: Request) -> Response:
    """Opens a practice session and leads to its page; not there where nobody practises."""
    services = common.services(request)
    with request.app.state.practice.admit(request.client.host if request.client else "-"):
        where = await common.room(request).run(lambda: practice.begin(services, language=language_of(request)))
    return Response(status_code=303, headers={"Location": links.to(where), "Cache-Control": "no-store"})


# --- documents --------------------------------------------------------------------------------------------------------


@router.get("/{session}/documents/{document}", summary="A document, as it came or as it was signed", responses=PROBLEMS)
@needs("see-signatures")
async def document(request: Request, session: str, document: str) -> Response:
    """`?signed=1` answers the signed document."""
    signed = request.query_params.get("signed") == "1"

    def work(services: Services, caller: Caller) -> tuple[Stored, str, str]:
        blob, kind, name = viewing.stored(services, caller, session, document, signed=signed)
        return Stored(services.blobs, blob), kind, name

    found: tuple[Stored, str, str] = await asked_of(request, work)
    stored, kind, name = found
    headers = {"Cache-Control": "no-store", "Content-Disposition": _attachment(name)}
    return stored.answer(200, headers, kind)


@router.get("/{session}/documents/{document}/pages", summary="Sizes of the pages", responses=PROBLEMS)
@needs("see-signatures")
async def sizes(request: Request, session: str, document: str) -> Response:
    return common.json({"pages": await asked_of(request, viewing.pages, session, document)})


@router.get(
    "/{session}/documents/{document}/pages/{page}",
    summary="A page as a picture",
    responses={200: {"content": {WEBP: {}}, "description": "WebP, `?width=` pixels wide"}, **PROBLEMS},
)
@needs("see-signatures")
async def picture(request: Request, session: str, document: str, page: str) -> Response:
    """For looking at; what is agreed to is the document with its SHA-256. `?signed=1` draws the signed document."""
    signed = request.query_params.get("signed") == "1"
    number, width = (
        whole(page, name="page"),
        whole(request.query_params.get("width", str(DEFAULT_WIDTH)), name="width"),
    )

    def work(services: Services, caller: Caller) -> bytes:
        return viewing.picture(services, caller, session, document, page=number, width=width, signed=signed)

    found = await asked_of(request, work, heavy=True)
    return Response(found, 200, {"Cache-Control": "private, max-age=600"}, WEBP)


@router.get(
    "/{session}/documents/{document}/signatures",
    summary="What the signatures are worth that a document has",
    responses=PROBLEMS,
)
@needs("see-signatures")
async def signatures_in(request: Request, session: str, document: str) -> Response:
    """The verdict, the plain sentence, and each signature with its signer, judged now; `?signed=1` judges the signed
    document. The whole report is that of `/v1/verifications`."""
    signed = request.query_params.get("signed") == "1"

    def work(services: Services, caller: Caller) -> dict[str, Any]:
        return viewing.signatures_in(services, caller, session, document, signed=signed)

    return common.json(await asked_of(request, work, heavy=True))


@router.get("/{session}/documents/{document}/text", summary="An XML document to be read", responses=PROBLEMS)
@needs("see-signatures")
async def text(request: Request, session: str, document: str) -> Response:
    """Its elements in order with depth, name, attributes and own text; nothing of it is markup."""
    return common.json(await asked_of(request, viewing.text, session, document, heavy=True))


@router.put(
    "/{session}/documents/{document}/place",
    summary="Put the signature in its place",
    responses=PROBLEMS,
    openapi_extra=described(PlaceRequest),
)
@needs("sign")
async def place(request: Request, session: str, document: str) -> Response:
    caller = await common.caller(request)
    asked = parsed(PlaceRequest, await request.body())
    services = common.services(request)
    return common.json(await common.side_room(request).run(choosing.put, services, caller, session, document, asked))


@router.post(
    "/{session}/documents/{document}/return",
    summary="Send a document back",
    responses=PROBLEMS,
    openapi_extra=described(ReturnRequest),
)
@needs("sign")
async def send_back(request: Request, session: str, document: str) -> Response:
    caller = await common.caller(request)
    asked = parsed(ReturnRequest, await request.body())
    services, room = common.services(request), common.side_room(request)
    return common.json(await room.run(choosing.send_back, services, caller, session, document, asked.reason))


@router.post(
    "/{session}/documents/{document}/reassign",
    summary="Pass a document on to somebody else",
    responses=PROBLEMS,
    openapi_extra=described(ReassignRequest),
)
@needs("sign")
async def reassign(request: Request, session: str, document: str) -> Response:
    caller = await common.caller(request)
    asked = parsed(ReassignRequest, await request.body())
    services, room = common.services(request), common.side_room(request)
    return common.json(await room.run(choosing.reassign, services, caller, session, document, asked))


# --- consent ----------------------------------------------------------------------------------------------------------


@router.post(
    "/{session}/consent",
    status_code=202,
    summary="Agree to sign",
    responses=PROBLEMS,
    openapi_extra=described(ConsentRequest),
)
@needs("sign")
async def consent(request: Request, session: str) -> Response:
    """Once, to documents by their SHA-256. With a person's key the answer holds the challenge that the person answers."""
    caller = await common.caller(request)
    key = common.idempotency_key(request)
    asked = parsed(ConsentRequest, await body_of(request, limit=LONGEST_REQUEST))
    services = common.services(request)
    told = await common.room(request).run(
        lambda: consenting.consent(services, caller, session, asked, idempotency_key=key)
    )
    return common.json(told, status=202)


@router.put(
    "/{session}/activation",
    status_code=202,
    summary="The person's assertion over all documents",
    responses=PROBLEMS,
    openapi_extra=ACTIVATION,
)
@needs("sign")
async def activate(request: Request, session: str) -> Response:
    caller = await common.caller(request)
    raw = await request.body()
    services = common.services(request)
    assertion = parse_assertion(_within(raw))
    told = await common.room(request).run(consenting.activate, services, caller, session, assertion)
    services.jobs.wake()
    return common.json(told, status=202)


def _within(raw: bytes) -> bytes:
    """The assertion itself, or as the member `assertion`."""
    try:
        found = msgspec.json.decode(raw)
        return msgspec.json.encode(found["assertion"]) if isinstance(found, dict) and "assertion" in found else raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw  # refused by whoever reads it strictly


@router.post("/{session}/stop", summary="Begin no further document", responses=PROBLEMS)
@needs("sign")
async def stop(request: Request, session: str) -> Response:
    return common.json(await asked_of(request, working.stop, session))


@router.post("/{session}/continue", status_code=202, summary="Go on with what is left", responses=PROBLEMS)
@needs("sign")
async def go_on(request: Request, session: str) -> Response:
    """What was stopped, or failed for a reason that may have passed; with a person's key after a fresh challenge."""
    return common.json(await asked_of(request, working.go_on, session, heavy=True), status=202)


@router.get(
    "/{session}/events",
    summary="What happens, as it happens",
    responses={200: {"content": {EVENTS: {}}, "description": "Server-Sent Events, or JSON"}, **PROBLEMS},
)
@needs("see-signatures")
async def told(request: Request, session: str) -> Response:
    """A stream that resumes after `Last-Event-ID`; with `Accept: application/json` those after `?after=`, at once."""
    kind = common.accepted(request, ("application/json", EVENTS))
    since = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    after = whole(since, name="after")
    if kind != EVENTS:

        def work(services: Services, caller: Caller) -> dict[str, Any]:
            return events.listed(services, caller, session, after=after)

        return common.json(await asked_of(request, work))
    await asked_of(request, ending.seen, session)
    streams: events.Streams = request.app.state.streams
    streams.begin(session)
    flow = events.stream(
        common.services(request),
        session,
        after=after,
        room=common.side_room(request),
        streams=streams,
        drain=request.app.state.drain,
    )
    return StreamingResponse(flow, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, EVENTS)


async def asked_of(request: Request, work: Callable[..., Any], *more: object, heavy: bool = False) -> Any:
    """What `work(services, caller, …)` answers, in a thread."""
    caller = await common.caller(request)
    room = common.room(request) if heavy else common.side_room(request)
    return await room.run(work, common.services(request), caller, *more)


def whole(text: str, *, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise RequestInvalid(f"{name}: a whole number", field=name)
    return int(text)


def _attachment(name: str) -> str:
    """RFC 6266: the name in UTF-8, and one for those that do not read it."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    encoded = "".join(
        f"%{octet:02X}" if not (chr(octet).isalnum() and octet < 128) and octet not in b"._-" else chr(octet)
        for octet in name.encode()
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
