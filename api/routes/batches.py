"""`/v1/batches`: many documents under one order, taken at once and signed in the background."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import links, uploads
from api.auth import needs
from api.routes import common
from api.routes.common import PROBLEMS
from api.schemas import BatchAnswer
from api.workflows import batches

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=common.PlainRoute)

UPLOAD: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "maxLength": 200},
            "description": "The same key with the same order and documents finds the batch that it made before",
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
                        "document": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "maxItems": batches.MOST,
                            "description": "The documents, each a part of its own; together within the upload's limit",
                        },
                        "order": {"$ref": "#/components/schemas/OrderRequest"},
                    },
                },
                "encoding": {"order": {"contentType": "application/json"}},
                "example": {"document": ["a.pdf", "b.pdf"], "order": {"key": "demo-seal", "level": "B-T"}},
            }
        },
    },
}


@router.post(
    "",
    status_code=202,
    summary="Sign many documents",
    responses={202: {"model": BatchAnswer}, **PROBLEMS},
    openapi_extra=UPLOAD,
)
@needs("sign")
async def create(request: Request) -> Response:
    caller = await common.caller(request)
    key = common.idempotency_key(request)
    services = common.services(request)
    received = await uploads.receive_many(
        request,
        folder=services.work,
        limit=services.settings.limits.upload_bytes,
        needs=("order",),
        most=batches.MOST,
    )
    try:
        found, made = await common.room(request).run(
            lambda: batches.create(services, caller, received[0].fields["order"], received, idempotency_key=key)
        )
    finally:
        for one in received:
            one.close()
    headers = {"Location": links.to(f"/v1/batches/{found['id']}")} | ({} if made else {"Idempotency-Replayed": "true"})
    return common.json(found, status=202, headers=headers)


@router.get("/{identity}", summary="How far a batch is", responses={200: {"model": BatchAnswer}, **PROBLEMS})
@needs("see-signatures")
async def state(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    return common.json(await common.side_room(request).run(batches.show, common.services(request), caller, identity))


@router.delete(
    "/{identity}",
    summary="Begin no further document of a batch",
    responses={200: {"model": BatchAnswer, "description": "What was begun comes to its end"}, **PROBLEMS},
)
@needs("sign")
async def stop(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    return common.json(await common.side_room(request).run(batches.stop, common.services(request), caller, identity))
