"""`POST /v1/extensions`: the signatures of a document lifted to a higher level, whoever made them. No key is used."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import uploads
from api.auth import needs
from api.routes import common, files
from api.routes.common import PROBLEMS
from api.schemas import parse_extension
from api.workflows import extending, formats
from verify.document import sniff

router = APIRouter(prefix="/v1/extensions", tags=["extensions"])

PDF, XML = "application/pdf", "application/xml"
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["document", "level"],
                    "properties": {
                        "document": {"type": "string", "format": "binary", "description": "The signed PDF or XML"},
                        "detached": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "What its signatures refer to by name; B-LTA covers it",
                        },
                        "level": {"type": "string", "enum": ["B-T", "B-LT", "B-LTA"]},
                        "allow_degraded": {"type": "boolean", "default": False},
                        "password": {"type": "string"},
                    },
                },
                "example": {"document": "signed.pdf", "level": "B-LTA"},
            }
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The extended document; `Kyso-Level`, `Kyso-SHA256` and `Kyso-Warnings` say what it is",
        "content": {PDF: {}, XML: {}},
    }
}


@router.post("", summary="Lift the signatures of a document", responses=ANSWER | PROBLEMS, openapi_extra=UPLOAD)
@needs("sign")
async def create(request: Request) -> Response:
    caller = await common.caller(request)
    common.accepted(request, (PDF, XML))
    services = common.services(request)
    upload = await uploads.receive(
        request, folder=services.work, limit=services.settings.limits.upload_bytes, needs=("level",)
    )
    out = services.work.file(size=upload.size)
    try:
        options = parse_extension(upload.fields)
        format_ = formats.BY_KIND[sniff(upload.file)]
        kind = common.accepted(request, (formats.MEDIA[format_],))
        done = await common.room(request).run(
            extending.extend,
            services,
            caller,
            upload,
            out,
            options=options,
            format=format_,
        )
    except BaseException:
        out.close()
        raise
    finally:
        upload.close()
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(upload.name)}",
        "Kyso-Level": done.level,
        "Kyso-SHA256": done.sha256,
        "Kyso-Warnings": ", ".join(done.warnings),
    }
    return files.of_open(out, headers=headers, kind=kind)
