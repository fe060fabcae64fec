"""A system asks an official to sign: everything is looked at before anybody is asked.

1. The system may ask; the person, organisation and form are known and fit (`people`); the callback may be used.
2. Each document is one that was sent, or what a signature of ours led to; its order fits it.
3. A worker looks at each: what cannot be signed is refused now, not when the official has agreed.
4. Documents as blobs, rows and the ledger's line, in one transaction. The token is told once.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from pydantic import ValidationError

from api import auth, links, resuming
from api.errors import ApiError, DatabaseUnavailable, NotFound, RequestInvalid
from api.fetch.rules import FetchRules
from api.sandbox.calls import Survey, Surveyed
from api.schemas import OrderRequest, parse_order
from api.services import Services
from api.sessions import ending, lineage, people, steps, store, tokens
from api.sessions.errors import CallbackRefused, SessionNotFound
from api.sessions.model import Session
from api.sessions.schema import DocumentRequest, SessionRequest
from api.store.blobs import CHUNK, BlobId
from api.store.callers import Caller
from api.uploads import Upload
from api.workflows import access, contents, formats
from signer.errors import SignerError
from verify.errors import VerifyError
from verify.fetcher import FetchFailed

PREFIX = "ses_"
DAY = 86_400.0
AT_ONCE = 4
OF_OURS = "signature:"
UNFIT = ("head", "password", "certificate", "fork", "images")
"""Values of an order that a session has no use for, or that would have to be kept."""
STAND_IN = "-"
"""The key of an order before one is chosen."""


@dataclass
class _Document:
    """A document on its way in."""

    request: DocumentRequest
    upload: Upload
    order: OrderRequest
    step: steps.Step = steps.NONE
    surveyed: Surveyed | None = None
    blob: BlobId | None = None


def create(
    services: Services,
    caller: Caller,
    raw: bytes,
    uploads: Sequence[Upload],
    *,
    idempotency_key: str | None,
    here: str = "",
) -> tuple[dict[str, Any], bool]:
    """What the system is told, and whether the session was made now. Asked again with the same Idempotency-Key it is
    another token of the same session, and the former one opens no longer. `here` is the origin that the request came to,
    for a service that is told of none.

    Raises RequestInvalid, WrongRole, CallbackRefused, ProcedureUnknown, and what is wrong with a document, with its name
    in the facts."""
    # 1
    auth.require(caller, "ask-to-sign")
    wanted = _parsed(raw)
    asked = people.settle(
        services, caller, person=wanted.person, organisation=wanted.organisation, on_behalf=wanted.on_behalf
    )
    _require_callback(services, caller, wanted.callback)
    former = _superseded(services, caller, wanted.supersedes)
    opened: list[BinaryIO] = []
    kept: list[BlobId] = []
    made = False
    try:
        # 2
        documents = [_document(services, caller, one, uploads, opened) for one in wanted.documents]
        role = people.role_of(services, asked, wanted.role)
        organisation = services.directory.organisation(asked.organisation) if asked.organisation else None
        level = organisation.kind if organisation is not None else ""
        if len({one.upload.name for one in documents if not _is_ours(one.request)}) < len(uploads):
            raise RequestInvalid("a document was sent that the session does not name", part="document")
        # 3
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="survey") as pool:
            list(pool.map(lambda one: _survey(services, caller, one, asked=asked, role=role, level=level), documents))
        # 4
        for one in documents:
            # A worker shares the file's offset, and what was buffered before it read is no longer the next to come.
            one.upload.file.seek(0, os.SEEK_END)
            one.upload.file.seek(0)
            one.blob = services.blobs.put(one.upload.file)
            kept.append(one.blob)
        token = tokens.new()
        values = _values(services, caller, wanted, asked, documents, key=idempotency_key)
        identity, made = _insert(services, values, documents, token=token, former=former)
    except DatabaseUnavailable:
        kept.clear()  # it may be stored after all; documents of no session are swept (`api.workflows.sweeping`)
        raise
    finally:
        for file in opened:
            file.close()
        if not made:
            for blob in kept:
                services.blobs.delete(blob)
    session = services.database.read(store.get, identity)
    assert session is not None
    if not made:
        services.database.write(store.note, identity, token_sha256=tokens.mark(token))
    if former is not None and made:
        ending.supersede(services, former, by=identity)
    return _told(services, session, token, here=here), made


def _told(services: Services, session: Session, token: str, *, here: str) -> dict[str, Any]:
    origin = services.settings.server.origin.rstrip("/")
    address = links.to(f"/sign/{session.id}")
    base = origin if urlsplit(origin).scheme in ("http", "https") else here
    return {
        "id": session.id,
        "url": f"{base}{address}#token={token}",
        "token": token,
        "state": session.state,
        "expires_at": ending.when(services, session.expires_at),
    }


def _parsed(raw: bytes) -> SessionRequest:
    try:
        return SessionRequest.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RequestInvalid(f"{where}: {fault['msg']}" if where else fault["msg"], field=where) from None


def _require_callback(services: Services, caller: Caller, address: str | None) -> None:
    if address is None:
        return
    try:
        FetchRules(allowed=services.settings.sessions.callbacks).target(address)
    except (ApiError, FetchFailed):
        raise CallbackRefused("the host is not one of sessions.callbacks", reason="host") from None
    if services.database.read(store.secret_of, caller.id) is None:
        raise CallbackRefused("the caller has no secret for callbacks", reason="secret")


def _superseded(services: Services, caller: Caller, identity: str | None) -> Session | None:
    if identity is None:
        return None
    found = services.database.read(store.get, identity)
    if found is None or found.caller != caller.id:
        raise SessionNotFound(session=identity)
    return found


# --- documents --------------------------------------------------------------------------------------------------------


def _is_ours(request: DocumentRequest) -> bool:
    return request.document.startswith((OF_OURS, resuming.REFERENCE))


def _document(
    services: Services, caller: Caller, request: DocumentRequest, uploads: Sequence[Upload], opened: list[BinaryIO]
) -> _Document:
    """Step 2 for one. Raises RequestInvalid, NotFound, and what is wrong with it as its order sees it."""
    if request.document.startswith(resuming.REFERENCE):
        upload = resuming.opened(services, caller.id, request.document)
        opened.append(upload.file)
    elif _is_ours(request):
        upload = _signed(services, caller, request, opened)
    else:
        found = [one for one in uploads if one.name == request.document]
        if len(found) != 1:
            raise RequestInvalid("each document is a part `document` of that file name", document=request.document)
        upload = found[0]
        if upload.detached:
            raise RequestInvalid("a session has no detached contents", part="detached")
    try:
        order = formats.fitting(_order(request, steps.NONE), upload)
    except (ApiError, SignerError, VerifyError) as error:
        error.facts = {**error.facts, "document": request.document}
        raise
    if formats.is_beside(order):
        raise RequestInvalid("a session's signatures are in their documents", document=request.document)
    return _Document(request, upload, order)


def _signed(services: Services, caller: Caller, request: DocumentRequest, opened: list[BinaryIO]) -> Upload:
    """The document that a signature of ours led to."""
    identity = request.document.removeprefix(OF_OURS)
    try:
        record = access.signature(services, caller, identity)
    except NotFound:
        raise RequestInvalid("there is no such signature", document=request.document) from None
    file = services.blobs.open(access.signed_blob(record))
    opened.append(file)
    sha256, size = digest_of(file)
    kept = contents.of(record)
    name = json.loads(record.order).get("document_name") or kept.name or formats.file_name(record)
    return Upload(file, str(name), sha256, size)


def digest_of(file: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size of an open file, which is rewound."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(CHUNK):
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return digest.hexdigest(), size


def _order(request: DocumentRequest, step: steps.Step) -> OrderRequest:
    given = {**step.order, **request.order}
    for name in (*UNFIT, "key", "chain"):
        if given.get(name):
            raise RequestInvalid(f"an order of a session has no {name}", field=name)
    fill = {**given.pop("fill", {}), **request.fill}
    return parse_order(json.dumps({**given, "fill": fill, "key": STAND_IN}, ensure_ascii=False).encode())


def _survey(services: Services, caller: Caller, one: _Document, *, asked: people.Asked, role: str, level: str) -> None:
    """Step 3, and what a procedure says to what was found."""
    procedural = one.request.procedure is not None
    order = Survey(one.upload.sha256, one.order.field, one.order.signer_anchor(), facts=procedural)
    try:
        known = lineage.former(services, one.upload.sha256, procedure=one.request.procedure)
        with services.documents.open(caller.id) as worker:
            one.surveyed = worker.survey(one.upload.file, order=order)
            if procedural:
                facts = None if one.surveyed.facts is None else json.loads(one.surveyed.facts)
                bodies = lineage.joined(services, known, one.request.bodies)
                one.step = steps.settle(
                    one.request, facts=facts, role=role, level=level, organisation=asked.organisation, bodies=bodies
                )
                one.order = formats.fitting(_order(one.request, one.step), one.upload)
                if one.step.anchor is not None:
                    one.surveyed = worker.survey(one.upload.file, order=replace(order, anchor=one.step.anchor))
    except (ApiError, SignerError, VerifyError) as error:
        error.facts = {**error.facts, "document": one.request.document}
        raise


# --- rows -------------------------------------------------------------------------------------------------------------


def _values(
    services: Services,
    caller: Caller,
    wanted: SessionRequest,
    asked: people.Asked,
    documents: Sequence[_Document],
    *,
    key: str | None,
) -> dict[str, Any]:
    now, chosen = time.time(), services.settings.sessions
    until = now + chosen.days * DAY if wanted.expires_at is None else wanted.expires_at.timestamp()
    if not now < until <= now + chosen.longest_days * DAY:
        raise RequestInvalid(f"between now and {chosen.longest_days} days from now", field="expires_at")
    told = wanted.model_dump(mode="json", exclude={"documents", "expires_at"})
    told |= {"person_id": asked.person, "organisation_id": asked.organisation}
    parts = [wanted.model_dump_json(), *(one.upload.sha256 for one in documents)]
    return {
        "id": PREFIX + secrets.token_hex(12),
        "caller": caller.id,
        "state": "waiting",
        "person": asked.person or wanted.person,
        "request_json": json.dumps(told, ensure_ascii=False),
        "idempotency_key": key,
        "fingerprint": hashlib.sha256("\0".join(parts).encode()).hexdigest(),
        "created_at": now,
        "expires_at": until,
        "round": 0,
        "stopped": False,
    }


def _row(session: str, number: int, one: _Document) -> dict[str, Any]:
    assert one.surveyed is not None
    told = {
        "title": one.request.title,
        "procedure": one.request.procedure,
        "step": one.request.step,
        "look": one.order.profile.partition("/")[2] if one.order.profile else one.step.look,
        "facts": None if one.surveyed.facts is None else json.loads(one.surveyed.facts),
        "who": one.step.who,
        "bodies": dict(one.step.bodies),
        "step_title": one.step.title,
        "fill": _fill(one),
        "may_fill": [field.name for field in one.step.fields],
        "order": json.loads(one.order.canonical()),
    }
    return {
        "session": session,
        "number": number,
        "name": one.upload.name,
        "sha256": one.upload.sha256,
        "size": one.upload.size,
        "format": one.surveyed.kind,
        "blob": one.blob,
        "request_json": json.dumps(told, ensure_ascii=False),
        "survey_json": msgspec.json.encode(replace(one.surveyed, facts=None)).decode(),
        "state": "waiting",
        "round": 0,
    }


def _fill(one: _Document) -> list[dict[str, Any]]:
    """What is filled in, and what the signer fills in, with what people call it."""
    own = {field.name: field.label for field in one.step.fields}
    names = dict.fromkeys((*own, *one.request.fill))
    return [{"name": name, "label": own.get(name, name), "value": one.request.fill.get(name, "")} for name in names]


class _Known(Exception):
    """The same request made a session before."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session


def _insert(
    services: Services, values: dict[str, Any], documents: Sequence[_Document], *, token: str, former: Session | None
) -> tuple[str, bool]:
    rows = [_row(values["id"], number, one) for number, one in enumerate(documents, 1)]
    values = {**values, "token_sha256": tokens.mark(token)}

    def also(connection: sa.Connection, _number: int) -> None:
        identity, new = store.create(connection, values, found=rows)
        if not new:
            raise _Known(identity)
        store.tell(connection, identity, {"type": "state", "state": "waiting"})

    asked = json.loads(values["request_json"])
    facts: dict[str, Any] = {
        "what": "signing-waiting",
        "session": values["id"],
        "caller": values["caller"],
        "person": asked["person_id"],
        "organisation": asked["organisation_id"],
        "on_behalf": asked["on_behalf"],
        "documents_sha256": [one.upload.sha256 for one in documents],
        "supersedes": None if former is None else former.id,
    }
    said = {name: value for name, value in facts.items() if value is not None}
    try:
        services.ledger.append("SESSION", said, also=also)
    except _Known as known:
        return known.session, False
    return str(values["id"]), True
