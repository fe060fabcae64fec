"""`GET /v1/trust` and `GET /v1/policies`: whom the appliance believes, and by what it judges. Changing them is the
operator's, on the machine (`kyso trust`, `kyso policy`)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.routes import common
from api.routes.common import PROBLEMS
from api.services import Services
from api.trust_json import policy_json, trust_json

router = APIRouter(prefix="/v1", tags=["trust"])


@router.get("/trust", summary="The trust anchors and known issuers", responses=PROBLEMS)
@needs("see-trust")
async def trust(request: Request) -> Response:
    await common.caller(request)
    return common.json(await common.side_room(request).run(_trust, common.services(request)))


@router.get("/policies", summary="The validation policies that a verification may name", responses=PROBLEMS)
@needs("verify")
async def policies(request: Request) -> Response:
    await common.caller(request)
    return common.json(await common.side_room(request).run(_policies, common.services(request)))


def _trust(services: Services) -> dict[str, Any]:
    return trust_json(services.trust.current())


def _policies(services: Services) -> list[dict[str, Any]]:
    """Those that can be used, with the one that is used where none is named."""
    default = services.settings.verification.policy
    found = (policy_json(one) for one in services.policies.all())
    return [{**one, "default": one["name"] == default} for one in found if one["usable"] and one["documents"]]
