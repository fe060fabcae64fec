"""`POST /v1/verifications`: the report on a document. 200 for every document that can be read, whatever the verdict.

Where `[verification] public` says so, visitors may ask without an API key, within limits of their own.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import resuming, uploads
from api.auth import needs
from api.routes import common, reports
from api.routes.common import PROBLEMS
from api.routes.uploads import stored
from api.schemas import parse_options
from api.workflows import access, verifying

router = APIRouter(prefix="/v1/verifications", tags=["verifications"])

UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "document": {"type": "string", "format": "binary"},
                        "upload": {
                            "type": "string",
                            "description": "Instead of `document`: `upload:ID` of a finished upload (`/v1/uploads`)",
                        },
                        "detached": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "What signatures in XML refer to; the file name is the name in the URI",
                        },
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
            "application/xml": {"example": "<vr:ValidationReport xmlns:vr='http://uri.etsi.org/19102/v1.4.1#'>…"},
            "text/html": {"example": "<!doctype html>…"},
            "application/pdf": {},
            "text/plain": {"example": "Chữ ký số của Nguyễn Văn An hợp lệ; …"},
        },
    }
}


@router.post("", summary="Verify a document", responses=EXAMPLE | PROBLEMS, openapi_extra=UPLOAD)
@needs("verify")
async def create(request: Request) -> Response:
    kind = reports.kind_of(request)
    services = common.services(request)
    async with reports.asking(request) as asking:
        tell = reports.told(request, kind, client=asking.client)
        owner = resuming.VISITORS if asking.caller is None else asking.caller.id
        upload = await uploads.receive(
            request, folder=services.work, limit=reports.upload_limit(request), stored=stored(request, owner)
        )

        def work() -> bytes:
            options = parse_options(upload.fields.get("options"))
            if asking.caller is not None:
                access.require_judging(services, asking.caller, size=upload.size, sha256=upload.sha256)
            report = verifying.verify(
                services, asking.client, upload.file, name=upload.name, options=options, detached=upload.contents
            )
            return tell(report, upload.file, options.password)

        try:
            body = await common.room(request).run(work)
        finally:
            upload.close()
    return reports.answer(request, body, kind, name=upload.name)
