"""The composition root: settings become services (`api.composition`), services become an HTTP application.

The command line takes `compose` alone; `create_app` adds routes, middleware and the background work. Nothing else in
`api` reaches for a global.

    services = compose(settings.load())
    app = create_app(services)          # for uvicorn
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import background, methods, problems
from api.appliance_state import ApplianceState, StateGate
from api.composition import compose
from api.draining import Drain
from api.edge import Edge
from api.errors import NotFound, RequestInvalid
from api.forwarded import Entrance
from api.hosts import Hosts
from api.identity.certificates import Shown
from api.identity.required import CertificateRequired
from api.refusals import MethodNotAllowed
from api.rooms import Room
from api.routes import (
    admin_actions,
    admin_page,
    audit,
    audit_page,
    batches,
    callers,
    changes,
    directory,
    documentation,
    evidence,
    extensions,
    guides,
    health,
    keys,
    login,
    pages,
    rights,
    session_views,
    sessions,
    signatures,
    trust,
    tsa,
    uploads,
    verifications,
    web,
)
from api.services import Services
from api.sessions.crossing import Crossing
from api.sessions.events import Streams
from api.visitors import Visitors

__all__ = ["compose", "create_app"]

PRACTICE_PER_MINUTE = 6
"""Practice sessions that one address may open in a minute."""
SIDE_THREADS = 8
"""Threads for what must not wait behind documents: our own timestamps, health, look-ups."""


def create_app(services: Services) -> FastAPI:
    """The HTTP face of these services."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        end = background.start(services)
        yield
        end()
        app.state.room.close()
        app.state.side_room.close()

    app = FastAPI(
        title="Kyso",
        version="1",
        description="Ký số tài liệu bằng khóa trong thiết bị, cấp dấu thời gian, kiểm tra chữ ký số. "
        "Signs documents with keys in hardware, issues timestamps, verifies signatures.",
        docs_url=None,
        openapi_url=None,  # `routes.pages` has it, for those who may read it
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # our own are in `api.telemetry`
    )
    app.state.services = services
    app.state.language = services.settings.server.language
    app.state.room = Room("work", threads=services.settings.server.threads)
    app.state.side_room = Room("side", threads=SIDE_THREADS)
    chosen = services.settings.verification
    app.state.visitors = Visitors(per_minute=chosen.public_per_minute, at_a_time=chosen.public_at_a_time)
    for module in (
        signatures,
        batches,
        evidence,
        extensions,
        verifications,
        tsa,
        keys,
        callers,
        rights,
        trust,
        changes,
        audit,
        audit_page,
        admin_page,
        admin_actions,
        health,
        login,
        pages,
        web,
        directory,
        guides,
        session_views,
        sessions,
        uploads,
    ):
        app.include_router(module.router)
    app.include_router(login.administration)
    app.include_router(sessions.inbox)
    app.include_router(sessions.pages)
    documentation.describe(app)
    for base in (*problems.KNOWN_BASES, HTTPException, RequestValidationError):
        app.add_exception_handler(base, _on_error)
    app.state.appliance = ApplianceState(services)
    app.add_middleware(StateGate, state=app.state.appliance)
    app.state.practice = Visitors(per_minute=PRACTICE_PER_MINUTE, at_a_time=1)
    app.state.streams = Streams(services.settings.sessions.event_streams)
    if services.settings.sessions.origins:
        app.add_middleware(Crossing, origins=services.settings.sessions.origins)
    server = services.settings.server
    if server.tls_client == "required":
        shown = Shown(header=services.settings.identity.certificate_header)
        app.add_middleware(CertificateRequired, shown=shown)
    app.state.drain = Drain(seconds=server.drain, notice=server.drain_notice)
    app.add_middleware(
        Edge,
        metrics=services.metrics,
        hosts=Hosts(services.settings.served_hosts),
        entrance=Entrance(trusted=server.trusted_proxies, root_path=server.root_path),
        drain=app.state.drain,
    )
    return app


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # what the framework itself answers
        if error.status_code == 405:
            error = MethodNotAllowed(allow=methods.allowed(request))
        else:
            error = NotFound() if error.status_code == 404 else RequestInvalid(error.detail)
    elif isinstance(error, RequestValidationError):
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        error = RequestInvalid(f"{where}: {fault['msg']}", field=where)
    return problems.respond(request, error)
