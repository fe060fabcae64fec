"""`/v1/keys`: what the caller may sign with."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.routes import common
from api.routes.common import PROBLEMS
from api.schemas import KeyAnswer
from api.services import Services
from api.store.callers import Caller
from api.workflows import access
from api.workflows.keys import as_json

router = APIRouter(prefix="/v1", tags=["keys"])


@router.get("/keys", summary="The caller's keys", responses={200: {"model": list[KeyAnswer]}, **PROBLEMS})
async def keys(request: Request) -> Response:
    caller = await common.caller(request, "see-keys")
    return common.json(await common.side_room(request).run(_keys, common.services(request), caller))


def _keys(services: Services, caller: Caller) -> list[dict[str, Any]]:
    return [as_json(key) for key in access.keys(services, caller)]


@router.get("/trust", summary="The trust anchors and known issuers", responses=PROBLEMS)
async def trust(request: Request) -> Response:
    await common.caller(request, "see-trust")
    return common.json(await common.side_room(request).run(_trust, common.services(request)))


def _trust(services: Services) -> dict[str, Any]:
    present = services.trust.current()
    return {
        "anchors": [_certificate(one) for one in present.anchors],
        "intermediates": [_certificate(one) for one in present.intermediates],
    }


def _certificate(der: bytes) -> dict[str, str]:
    one = x509.load_der_x509_certificate(der)
    return {
        "subject": one.subject.rfc4514_string(),
        "issuer": one.issuer.rfc4514_string(),
        "serial": f"{one.serial_number:x}",
        "not_before": one.not_valid_before_utc.isoformat(),
        "not_after": one.not_valid_after_utc.isoformat(),
        "sha256": hashlib.sha256(der).hexdigest(),
    }
