"""`POST /v1/verifications`: the report on a document. 200 for every document that can be read, whatever the verdict."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api import locale, render, uploads
from api.reports import terminal
from api.routes import common
from api.routes.common import PROBLEMS
from api.schemas import parse_options
from api.services import Services
from api.uploads import Upload
from api.workflows import verifying
from verify.report import Report

router = APIRouter(prefix="/v1/verifications", tags=["verifications"])

OFFERED = ("application/json", "text/plain")
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["document"],
                    "properties": {
                        "document": {"type": "string", "format": "binary"},
                        "options": {"$ref": "#/components/schemas/VerifyOptions"},
                    },
                },
                "encoding": {"options": {"contentType": "application/json"}},
                "example": {"document": "signed.pdf", "options": {"at": "2026-11-22T09:00:00+07:00"}},
            }
        },
    }
}
EXAMPLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report",
        "content": {
            "application/json": {
                "example": {
                    "document": {"name": "signed.pdf", "sha256": "9f86d081…", "format": "PDF", "size": 104857},
                    "verdict": "TOTAL_PASSED",
                    "summary": {
                        "vi": "Chữ ký số của Nguyễn Văn An hợp lệ; tài liệu không bị thay đổi sau khi ký.",
                        "en": "The signature of Nguyễn Văn An is valid; the document was not changed after signing.",
                    },
                    "validated_at": "2026-11-22T09:00:00+07:00",
                    "policy": "default",
                    "signatures": [{"id": "…", "level": "PAdES-BASELINE-T", "indication": "TOTAL_PASSED"}],
                    "timestamps": [],
                    "warnings": [],
                }
            },
            "text/plain": {"example": "Chữ ký số của Nguyễn Văn An hợp lệ; …"},
        },
    }
}


@router.post("", summary="Verify a document", responses=EXAMPLE | PROBLEMS, openapi_extra=UPLOAD)
async def create(request: Request) -> Response:
    caller = await common.caller(request, "verify")
    kind = common.accepted(request, OFFERED)
    services = common.services(request)
    upload = await uploads.receive(request, folder=services.settings.tmp, limit=services.settings.limits.upload_bytes)
    try:
        report = await common.room(request).run(_verify, services, caller.id, upload)
    finally:
        upload.close()
    if kind == "text/plain":
        language = locale.choose(request.headers.get("accept-language"), default=request.app.state.language)
        return PlainTextResponse(
            terminal.report_text(report, language=language, zone=services.settings.zone),
            headers={"Cache-Control": "no-store"},
        )
    return common.json(render.report_json(report, zone=services.settings.zone))


def _verify(services: Services, client: str, upload: Upload) -> Report:
    options = parse_options(upload.fields.get("options"))
    return verifying.verify(services, client, upload.file, name=upload.name, options=options)
