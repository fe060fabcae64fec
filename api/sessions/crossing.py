"""Pages of other systems that embed the component: they may call one session's addresses with its token, from the
origins that `[sessions] origins` names, and from no others. No cookie travels with it.

Everything else of the service answers no page of another origin.
"""

from __future__ import annotations

import re

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

OF_ONE = re.compile(r"/v1/sessions/[^/]{1,80}(/.*)?")
HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Accept-Language")
KEPT = 600
"""Seconds for which a browser need not ask again whether it may."""


class Crossing:
    """CORS (Fetch Standard §3.2) for the addresses of single sessions."""

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT"),
            allow_headers=HEADERS,
            expose_headers=("X-Request-Id", "Content-Disposition"),
            max_age=KEPT,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and OF_ONE.fullmatch(scope["path"]):
            await self._open(scope, receive, send)
        else:
            await self._app(scope, receive, send)
