"""`/health/alive`, `/health/ready`, `/metrics`, and `/v1/alarms` for those who can do something about them.

The first three are open, and tell strangers nothing worth hiding: readiness counts alarms and does not name them, and
metrics about keys, tokens and hosts want an API key whose role sees the queue.

Ready means that a document could be signed now: database and ledger answer, a locked-down worker can be had, and a
token is operational (all of them: `ready`; some: `degraded`, still 200; none: 503). Without usable trust, or with a
trust bundle that is overdue, it is `degraded` too: whom nobody trusts, no verdict passes. So it is while a critical alarm
stands. A service that is ending is not ready.
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import telemetry
from api.appliance_state import ApplianceState
from api.auth import needs
from api.errors import ApiError
from api.routes import common
from api.services import Services
from api.watching import alarms
from api.watching.gauges import Gauges
from hsm.errors import HsmError
from signer.clock import ClockUnreliable, kernel_is_synchronised

router = APIRouter(tags=["health"])


@router.get("/health/alive", summary="The process answers")
@needs("nothing")
async def alive() -> Response:
    return common.json({"status": "alive"})


@router.get("/health/ready", summary="Documents can be signed", responses={503: {"description": "Not ready"}})
@needs("nothing")
async def ready(request: Request) -> Response:
    if request.app.state.drain.is_on:
        return common.json({"status": "not-ready", "draining": True}, status=503)
    facts = await common.side_room(request).run(_facts, common.services(request), request.app.state.appliance)
    return common.json(facts, status=503 if facts["status"] == "not-ready" else 200)


METRICS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


@router.get("/metrics", summary="Counters for Prometheus", responses=METRICS | common.PROBLEMS)
@needs("nothing")
async def metrics(request: Request) -> Response:
    """Without an API key: what tells nothing of keys, tokens and hosts."""
    services = common.services(request)
    whole = "authorization" in request.headers
    if whole:
        await common.caller(request, "see-queue")
    if not hasattr(request.app.state, "gauges"):
        request.app.state.gauges = Gauges(services)
    work = common.side_room(request).run(services.metrics.text, whole=whole, more=request.app.state.gauges)
    text = await work
    return Response(text, media_type=telemetry.CONTENT_TYPE)


ALARMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What somebody has to act on, critical first; `do` says how",
        "content": {
            "application/json": {
                "example": {
                    "alarms": [
                        {
                            "code": "disk-low",
                            "subject": "home",
                            "severity": "warning",
                            "since": "2026-11-22T09:00:00+07:00",
                            "what": {"vi": "…", "en": "Only 900 MB are free where home lies."},
                            "do": {"vi": "…", "en": "Make room, or give it a larger disk."},
                            "facts": {"megabytes": 900},
                        }
                    ]
                }
            }
        },
    }
}


@router.get("/v1/alarms", summary="Alarms that stand", responses=ALARMS | common.PROBLEMS)
@needs("see-queue")
async def standing(request: Request) -> Response:
    await common.caller(request)
    services = common.services(request)
    found = await common.side_room(request).run(alarms.current, services)
    return common.json({"alarms": [one.as_json(zone=services.settings.zone) for one in found]})


def _facts(services: Services, appliance: ApplianceState) -> dict[str, Any]:
    parts = {
        "appliance": {"state": appliance.look()},
        "database": _database(services),
        "ledger": _ledger(services),
        "workers": _workers(services),
        "modules": {name: _module(services, name) for name in services.keys.tokens},
        "clock": _clock(services),
        "trust": _trust(services),
        "canaries": _canaries(services),
        "alarms": _alarms(services),
    }
    states = [module["state"] for module in parts["modules"].values()]
    working = all(parts[name]["state"] == "ok" for name in ("database", "ledger", "workers"))
    if not working or parts["appliance"]["state"] != "operational" or (states and "operational" not in states):
        status = "not-ready"
    else:
        whole = all(state == "operational" for state in states)
        whole = whole and all(parts[name]["state"] == "ok" for name in ("trust", "canaries"))
        whole = whole and parts["alarms"]["critical"] == 0
        status = "ready" if whole else "degraded"
    return {"status": status, **parts}


def _database(services: Services) -> dict[str, Any]:
    try:
        services.database.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar())
        return {"state": "ok", "waiting_jobs": services.jobs.waiting()}
    except ApiError as error:
        return {"state": "unavailable", "code": error.code}


def _ledger(services: Services) -> dict[str, Any]:
    try:
        return {"state": "ok", "size": services.ledger.state().size}
    except ApiError as error:
        return {"state": "unavailable", "code": error.code}


def _workers(services: Services) -> dict[str, Any]:
    try:
        found = services.documents.sandbox.check()
    except ApiError as error:
        return {"state": "unavailable", "code": error.code}
    return {"state": "ok" if found.seccomp else "unavailable", "seccomp": found.seccomp, "landlock": found.landlock_abi}


def _module(services: Services, name: str) -> dict[str, Any]:
    try:
        status = services.keys.tokens[name].status()
    except HsmError as error:
        return {"state": "unavailable", "code": error.code}
    return {"state": status.state, "reason": status.reason, "sessions": status.sessions}


def _canaries(services: Services) -> dict[str, Any]:
    """How many keys are refused because their trial at the start went wrong; `kyso status` names them."""
    refused = len(services.canaries.failed())
    return {"state": "refused" if refused else "ok", "keys": refused}


def _alarms(services: Services) -> dict[str, int]:
    """How many; which ones, `GET /v1/alarms` tells."""
    found = alarms.current(services)
    critical = sum(one.is_critical for one in found)
    return {"critical": critical, "warning": len(found) - critical}


def _trust(services: Services) -> dict[str, Any]:
    try:
        present = services.trust.current()
    except ApiError as error:
        return {"state": "unusable", "code": error.code}
    overdue = any(one.expires < services.clock() for one in present.bundles)
    state = "empty" if not present.anchors else "overdue" if overdue else "ok"
    return {"state": state, "anchors": len(present.anchors), "bundles": [one.number for one in present.bundles]}


def _clock(services: Services) -> dict[str, Any]:
    facts: dict[str, Any] = {"time": time.time(), "synchronised": kernel_is_synchronised()}
    if services.timestamps is not None:
        try:
            services.timestamps.clock.now()
            facts["trusted"] = True
        except ClockUnreliable:
            facts["trusted"] = False
    return facts
