"""`GET /v1/audit`: the ledger's lines, for those who may see them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.ledger import Kind
from api.routes import common
from api.routes.common import PROBLEMS
from api.services import Services
from api.store.callers import Caller

router = APIRouter(prefix="/v1", tags=["audit"])

Text = Annotated[str | None, Query(max_length=200)]
EXAMPLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines in their order; `root` is the Merkle root over `size` lines (RFC 6962)",
        "content": {
            "application/json": {
                "example": {
                    "size": 2,
                    "root": "5f2a…",
                    "lines": [
                        {
                            "number": 1,
                            "at": "2026-11-22T02:00:00+00:00",
                            "kind": "INTENT",
                            "facts": {"key": "demo-official", "caller": "3f…", "signature": "sig_6f1c…"},
                            "text": "…",
                        }
                    ],
                }
            }
        },
    }
}


@router.get("/audit", summary="The ledger", responses=EXAMPLE | PROBLEMS)
@needs("see-audit")
async def audit(
    request: Request,
    *,
    since: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    kind: Kind | None = None,
    key: Text = None,
    caller: Text = None,
    signature: Text = None,
    document: Text = None,
) -> Response:
    asking = await common.caller(request)
    filters = {"kind": kind, "key": key, "caller": caller, "signature": signature, "document": document}
    services = common.services(request)
    work = common.side_room(request).run(_read, services, asking, since=since, limit=limit, filters=filters)
    return common.json(await work)


def _read(services: Services, caller: Caller, *, since: int, limit: int, filters: dict[str, Any]) -> dict[str, Any]:
    """The lines of them that the caller may see; size and root are of the whole ledger."""
    state = services.ledger.state()
    lines = services.ledger.read(since=since, limit=limit, among=services.scopes.lines(caller), **filters)
    return {
        "size": state.size,
        "root": state.root,
        "lines": [
            {
                "number": line.number,
                "at": line.at.isoformat(),
                "kind": line.kind,
                "facts": dict(line.facts),
                "text": line.text,  # what was hashed
            }
            for line in lines
        ],
    }
