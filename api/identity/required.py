"""`[server] tls_client = "required"`: nothing is answered without a client's certificate, but whether the service lives.

A certificate that is bad ends the handshake (`api.tls`); one that is missing is told by HTTP, so that whoever watches the
service (`/health`) needs none, and everybody else learns what is wanted.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.errors import ApiError
from api.identity.certificates import Shown
from api.identity.errors import CertificateWanted

OPEN = frozenset({"/health/alive", "/health/ready"})


class CertificateRequired:
    """Goes before all routes; below `Edge`, which knows what a trusted proxy says."""

    def __init__(self, app: ASGIApp, *, shown: Shown) -> None:
        self.app, self._shown = app, shown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            try:
                if self._shown(Request(scope)) is None:
                    raise CertificateWanted
            except ApiError as error:
                await problems.respond(Request(scope), error)(scope, receive, send)
                return
        await self.app(scope, receive, send)
