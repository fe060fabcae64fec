"""`/v1/signatures`: sign a document with a key of the appliance, and ask for what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api import uploads
from api.routes import common, reports
from api.routes.common import PROBLEMS
from api.schemas import SignatureAnswer, parse_order, parse_value
from api.services import Services
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows import access, envelopes, preparations, redemption, signing, verifying
from api.workflows.completion import Outcome

router = APIRouter(prefix="/v1/signatures", tags=["signatures"], route_class=common.PlainRoute)

JSON, PDF = "application/json", "application/pdf"
IN_MEMORY = 1 << 20
"""Answers up to this size are read in the thread that is there already; larger ones are streamed from the file."""

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
                    "required": ["document", "order"],
                    "properties": {
                        "document": {"type": "string", "format": "binary", "description": "The PDF"},
                        "order": {"$ref": "#/components/schemas/OrderRequest"},
                    },
                },
                "encoding": {"order": {"contentType": "application/json"}},
                "example": {
                    "document": "giay-gioi-thieu.pdf",
                    "order": {
                        "key": "demo-official",
                        "level": "B-T",
                        "place": {"page": 1, "box": [330, 90, 540, 170]},
                        "reason": "Phê duyệt",
                        "certify": 2,
                        "fields": [
                            {
                                "name": "so",
                                "kind": "text",
                                "anchor": {"text": "Số:", "size": [60, 14], "offset": [18, -3]},
                            },
                            {"name": "dau", "place": {"page": 1, "box": [330, 20, 540, 80]}},
                        ],
                        "fill": {"noi_nhan": "Chi bộ thôn Mẫu"},
                    },
                },
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
        201: {"model": SignatureAnswer, "description": "Signed; with `Accept: application/pdf` the signed bytes"},
        202: {"model": SignatureAnswer, "description": "Prepared for the order's `certificate`; its value is awaited"},
        **PROBLEMS,
    },
    openapi_extra=UPLOAD,
)
async def create(request: Request) -> Response:
    caller = await common.caller(request, "sign")
    kind = common.accepted(request, (JSON, PDF))
    key = common.idempotency_key(request)
    services = common.services(request)
    upload = await uploads.receive(
        request, folder=services.settings.tmp, limit=services.settings.limits.upload_bytes, needs=("order",)
    )
    try:
        outcome, body = await common.room(request).run(_sign, services, caller, upload, key, kind=kind)
    finally:
        upload.close()
    return _answer(request, outcome, body, kind=kind, status=201)


def _sign(
    services: Services, caller: Caller, upload: Upload, key: str | None, *, kind: str
) -> tuple[Outcome, bytes | Path]:
    order = parse_order(upload.fields["order"])
    way = signing.sign if order.certificate is None else preparations.prepare
    outcome = way(services, caller, order, upload, idempotency_key=key)
    signed = outcome.record.state == "signed"
    return outcome, _body(services, outcome.record) if kind == PDF and signed else b""


def _answer(request: Request, outcome: Outcome, body: bytes | Path, *, kind: str, status: int) -> Response:
    """The signature; or, whatever the caller accepts, 202 and how far it is while there is no document yet."""
    record = outcome.record
    request.scope["kyso.signature"] = record.id
    headers = {"Location": f"/v1/signatures/{record.id}"}
    if outcome.repeated:
        headers["Idempotency-Replayed"] = "true"
    if record.state == "prepared":
        settings = common.services(request).settings
        return common.json(envelopes.as_json(settings, record), status=202, headers=headers)
    if kind == JSON or record.state != "signed":
        status = status if record.state == "signed" else 202
        return common.json(access.signature_json(record), status=status, headers=headers)
    return _file(body, record, status=status, headers=headers)


@router.put(
    "/{identity}/value",
    summary="The value for a signature that was prepared for a certificate",
    responses={
        200: {"model": SignatureAnswer, "description": "Signed; with `Accept: application/pdf` the signed bytes"},
        **PROBLEMS,
    },
    openapi_extra=VALUE,
)
async def value(request: Request, identity: str) -> Response:
    caller = await common.caller(request, "sign")
    kind = common.accepted(request, (JSON, PDF))
    services = common.services(request)
    given = parse_value(await request.body())

    def redeem() -> tuple[Outcome, bytes | Path]:
        outcome = redemption.redeem(services, caller, identity, given.value, mechanism=given.algorithm)
        return outcome, _body(services, outcome.record) if kind == PDF else b""

    outcome, body = await common.room(request).run(redeem)
    return _answer(request, outcome, body, kind=kind, status=200)


@router.get(
    "/{identity}",
    summary="A signature and how far it is",
    responses={200: {"model": SignatureAnswer}, **PROBLEMS},
)
async def state(request: Request, identity: str) -> Response:
    caller = await common.caller(request, "see-keys")
    record = await common.side_room(request).run(access.signature, common.services(request), caller, identity)
    return common.json(access.signature_json(record))


@router.get(
    "/{identity}/document",
    summary="The signed document",
    responses={200: {"content": {PDF: {}}, "description": "The signed bytes"}, **PROBLEMS},
)
async def document(request: Request, identity: str) -> Response:
    caller = await common.caller(request, "see-keys")
    services = common.services(request)

    def find() -> tuple[SignatureRecord, bytes | Path]:
        record = access.signature(services, caller, identity)
        return record, _body(services, record)

    record, body = await common.side_room(request).run(find)
    return _file(body, record)


@router.get(
    "/{identity}/report",
    summary="The report on the signed document, judged now",
    responses=PROBLEMS,
)
async def report(request: Request, identity: str) -> Response:
    kind = reports.kind_of(request)
    caller = await common.caller(request, "verify")
    services = common.services(request)
    tell = reports.told(request, kind, client=caller.id)

    def work() -> bytes:
        found = verifying.verify_signed(services, caller, identity)
        with services.blobs.open(access.signed_blob(access.signature(services, caller, identity))) as source:
            return tell(found, source, None)

    body = await common.room(request).run(work)
    return reports.answer(request, body, kind, name=f"{identity}.pdf")


def _body(services: Services, record: SignatureRecord) -> bytes | Path:
    path = services.blobs.path(access.signed_blob(record))
    return path.read_bytes() if path.stat().st_size <= IN_MEMORY else path


def _file(
    body: bytes | Path, record: SignatureRecord, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    sent = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{record.id}.pdf"',
    } | (headers or {})
    if isinstance(body, bytes):
        return Response(body, status, sent, PDF)
    return FileResponse(body, status, sent, PDF)
