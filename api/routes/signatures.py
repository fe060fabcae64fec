"""`/v1/signatures`: sign a document with a key of the appliance, and ask for what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api import render, uploads
from api.routes import common
from api.routes.common import PROBLEMS
from api.schemas import SignatureAnswer, parse_order
from api.services import Services
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows import access, signing, verifying
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
                    },
                },
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
    record = outcome.record
    request.scope["kyso.signature"] = record.id
    headers = {"Location": f"/v1/signatures/{record.id}"}
    if outcome.repeated:
        headers["Idempotency-Replayed"] = "true"
    if kind == JSON:
        return common.json(access.signature_json(record), status=201, headers=headers)
    return _file(body, record, status=201, headers=headers)


def _sign(
    services: Services, caller: Caller, upload: Upload, key: str | None, *, kind: str
) -> tuple[Outcome, bytes | Path]:
    order = parse_order(upload.fields["order"])
    outcome = signing.sign(services, caller, order, upload, idempotency_key=key)
    return outcome, _body(services, outcome.record) if kind == PDF else b""


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
    caller = await common.caller(request, "verify")
    common.accepted(request, (JSON,))
    services = common.services(request)
    found = await common.room(request).run(verifying.verify_signed, services, caller, identity)
    return common.json(render.report_json(found, zone=services.settings.zone))


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
