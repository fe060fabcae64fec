"""`/v1/keys`: what the caller may sign with."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.routes import common
from api.routes.common import PROBLEMS
from api.schemas import KeyAnswer
from api.services import Services
from api.store.callers import Caller
from api.workflows import access
from api.workflows.keys import as_json

router = APIRouter(prefix="/v1", tags=["keys"])


@router.get("/keys", summary="The caller's keys", responses={200: {"model": list[KeyAnswer]}, **PROBLEMS})
@needs("see-keys")
async def keys(request: Request) -> Response:
    caller = await common.caller(request)
    return common.json(await common.side_room(request).run(_keys, common.services(request), caller))


def _keys(services: Services, caller: Caller) -> list[dict[str, Any]]:
    return [as_json(key) for key in access.keys(services, caller)]
