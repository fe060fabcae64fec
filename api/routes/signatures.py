"""`/v1/signatures`: sign a document with a key of the appliance, and ask for what came of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import links, uploads
from api.auth import needs
from api.errors import ApiError
from api.routes import common, reports
from api.routes.common import PROBLEMS
from api.routes.files import Stored
from api.routes.uploads import stored
from api.schema_activation import ACTIVATION, ChallengeAnswer, parse_assertion
from api.schemas import OrderRequest, SignatureAnswer, parse_order, parse_value
from api.services import Services
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows import (
    access,
    activations,
    envelopes,
    formats,
    persons,
    preparations,
    redemption,
    signing,
    verifying,
)
from api.workflows.completion import Outcome
from verify.errors import VerifyError

router = APIRouter(prefix="/v1/signatures", tags=["signatures"], route_class=common.PlainRoute)

JSON, PDF, XML = "application/json", "application/pdf", "application/xml"
SIGNED = "Signed; with `Accept: application/pdf` or `application/xml`, as the document is, the signed bytes"
IN_MEMORY = 1 << 20
"""Answers up to this size are read in the thread that is there already; larger ones are streamed from the file."""

PDF_EXAMPLE: dict[str, Any] = {
    "document": "giay-gioi-thieu.pdf",
    "order": {
        "key": "demo-official",
        "level": "B-T",
        "place": {"page": 1, "box": [330, 90, 540, 170]},
        "reason": "Phê duyệt",
        "certify": 2,
        "fields": [
            {"name": "so", "kind": "text", "anchor": {"text": "Số:", "size": [60, 14], "offset": [18, -3]}},
            {"name": "dau", "place": {"page": 1, "box": [330, 20, 540, 80]}},
        ],
        "fill": {"noi_nhan": "Chi bộ thôn Mẫu"},
    },
}
XML_EXAMPLE: dict[str, Any] = {
    "document": "bao-cao-phi.xml",
    "order": {
        "key": "demo-official",
        "level": "B-LTA",
        "xml": {
            "roles": ["Thủ quỹ"],
            "production_place": {"city": "Hà Nội", "country": "VN"},
            "commitment": "approval",
        },
    },
}
UPLOAD: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "maxLength": 200},
            "description": "The same key with the same order and document repeats the answer and never signs twice",
            "example": "cong-van-1234",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["order"],
                    "properties": {
                        "document": {
                            "type": "string",
                            "format": "binary",
                            "description": "The PDF or XML, told by its content; for XAdES beside or around it, any file",
                        },
                        "upload": {
                            "type": "string",
                            "description": "Instead of `document`: `upload:ID` of a finished upload (`/v1/uploads`)",
                        },
                        "detached": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Further files that a XAdES signature is over; the file name is the name in "
                            "the reference's URI, the content type what the signature says of it",
                        },
                        "order": {"$ref": "#/components/schemas/OrderRequest"},
                    },
                },
                "encoding": {"order": {"contentType": "application/json"}},
                "examples": {"pdf": {"value": PDF_EXAMPLE}, "xml": {"value": XML_EXAMPLE}},
            }
        },
    },
}


VALUE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ValueRequest"},
                "example": {"value": "MEUCIQ…", "algorithm": "ecdsa_sha256"},
            }
        },
    },
}


@router.post(
    "",
    status_code=201,
    summary="Sign a document",
    responses={
        201: {"model": SignatureAnswer, "description": SIGNED},
        202: {"model": SignatureAnswer, "description": "Prepared for the order's `certificate`; its value is awaited"},
        **PROBLEMS,
    },
    openapi_extra=UPLOAD,
)
@needs("sign")
async def create(request: Request) -> Response:
    caller = await common.caller(request)
    common.accepted(request, (JSON, PDF, XML))
    key = common.idempotency_key(request)
    services = common.services(request)
    upload = await uploads.receive(
        request,
        folder=services.work,
        limit=services.settings.limits.upload_bytes,
        needs=("order",),
        stored=stored(request, caller.id),
    )
    try:
        return await common.room(request).run(_sign, request, services, caller, upload, key)
    finally:
        upload.close()


def _sign(request: Request, services: Services, caller: Caller, upload: Upload, key: str | None) -> Response:
    order = parse_order(upload.fields["order"])
    kind = _kind(request, order, upload)
    if persons.is_persons(services.settings, order.key):
        way = activations.prepare
    else:
        way = signing.sign if order.certificate is None else preparations.prepare
    outcome = way(services, caller, order, upload, idempotency_key=key)
    signed = outcome.record.state == "signed"
    body = _body(services, outcome.record) if kind != JSON and signed else b""
    waiting = None
    if outcome.record.state == "prepared" and persons.is_persons(services.settings, order.key):
        waiting = activations.as_json(services, caller, outcome.record)
    return _answer(request, outcome, body, kind=kind, status=201, waiting=waiting)


def _kind(request: Request, order: OrderRequest, upload: Upload) -> str:
    """The type of the answer, before anything is done for it. Raises NotAcceptable."""
    try:
        fitted = formats.fitting(order, upload)
    except (ApiError, VerifyError):
        return JSON  # it is refused below, where that is put on record
    return common.accepted(request, (JSON, formats.MEDIA[fitted.format or "PAdES"]))


def _answer(
    request: Request,
    outcome: Outcome,
    body: bytes | Stored,
    *,
    kind: str,
    status: int,
    waiting: dict[str, Any] | None = None,
) -> Response:
    """The signature; or, whatever the caller accepts, 202 and how far it is while there is no document yet. `waiting` is
    what to tell of one that waits for a person."""
    record = outcome.record
    request.scope["kyso.signature"] = record.id
    headers = {"Location": links.to(f"/v1/signatures/{record.id}")}
    if outcome.repeated:
        headers["Idempotency-Replayed"] = "true"
    if record.state == "prepared":
        told = waiting or envelopes.as_json(common.services(request).settings, record)
        return common.json(told, status=202, headers=headers)
    if kind == JSON or record.state != "signed":
        status = status if record.state == "signed" else 202
        return common.json(access.signature_json(record), status=status, headers=headers)
    return _file(body, record, status=status, headers=headers)


@router.put(
    "/{identity}/value",
    summary="The value for a signature that was prepared for a certificate",
    responses={
        200: {"model": SignatureAnswer, "description": SIGNED},
        **PROBLEMS,
    },
    openapi_extra=VALUE,
)
@needs("sign")
async def value(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    common.accepted(request, (JSON, PDF, XML))
    services = common.services(request)
    given = parse_value(await request.body())

    def redeem() -> Response:
        kind = common.accepted(request, (JSON, formats.media_type(access.signature(services, caller, identity))))
        outcome = redemption.redeem(services, caller, identity, given.value, mechanism=given.algorithm)
        body = _body(services, outcome.record) if kind != JSON else b""
        return _answer(request, outcome, body, kind=kind, status=200)

    return await common.room(request).run(redeem)


@router.post(
    "/{identity}/activation",
    summary="A new challenge for the person whose key is to sign",
    responses={200: {"model": ChallengeAnswer}, **PROBLEMS},
)
@needs("sign")
async def challenge(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    services = common.services(request)
    asked = await common.room(request).run(activations.challenge, services, caller, (identity,))
    return common.json(activations.challenge_json(asked))


@router.put(
    "/{identity}/activation",
    summary="The person's assertion: the key signs, and the signature is completed",
    responses={200: {"model": SignatureAnswer, "description": SIGNED}, **PROBLEMS},
    openapi_extra=ACTIVATION,
)
@needs("sign")
async def activate(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    common.accepted(request, (JSON, PDF, XML))
    services = common.services(request)
    assertion = parse_assertion(await request.body())

    def complete() -> Response:
        kind = common.accepted(request, (JSON, formats.media_type(access.signature(services, caller, identity))))
        (outcome,) = activations.complete(services, caller, (identity,), assertion)
        body = _body(services, outcome.record) if kind != JSON else b""
        return _answer(request, outcome, body, kind=kind, status=200)

    return await common.room(request).run(complete)


@router.get(
    "/{identity}",
    summary="A signature and how far it is",
    responses={200: {"model": SignatureAnswer}, **PROBLEMS},
)
@needs("see-signatures")
async def state(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    record = await common.side_room(request).run(access.signature, common.services(request), caller, identity)
    return common.json(access.signature_json(record))


@router.get(
    "/{identity}/document",
    summary="The signed document",
    responses={200: {"content": {PDF: {}, XML: {}}, "description": "The signed bytes"}, **PROBLEMS},
)
@needs("see-signatures")
async def document(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    services = common.services(request)

    def find() -> tuple[SignatureRecord, bytes | Stored]:
        record = access.signature(services, caller, identity)
        return record, _body(services, record)

    record, body = await common.side_room(request).run(find)
    return _file(body, record)


@router.get(
    "/{identity}/report",
    summary="The report on the signed document, judged now",
    responses=PROBLEMS,
)
@needs("verify")
async def report(request: Request, identity: str) -> Response:
    kind = reports.kind_of(request)
    caller = await common.caller(request)
    services = common.services(request)
    tell = reports.told(request, kind, client=caller.id)

    def work() -> Response:
        record = access.signature(services, caller, identity)
        found = verifying.verify_signed(services, caller, identity)
        with services.blobs.open(access.signed_blob(record)) as source:
            body = tell(found, source, None)
        return reports.answer(request, body, kind, name=formats.file_name(record))

    return await common.room(request).run(work)


def _body(services: Services, record: SignatureRecord) -> bytes | Stored:
    stored = Stored(services.blobs, access.signed_blob(record))
    return stored.whole() if stored.size <= IN_MEMORY else stored


def _file(
    body: bytes | Stored, record: SignatureRecord, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    sent = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{formats.file_name(record)}"',
    } | (headers or {})
    kind = formats.media_type(record)
    return Response(body, status, sent, kind) if isinstance(body, bytes) else body.answer(status, sent, kind)
