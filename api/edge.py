"""The outermost layer of the HTTP face: proxies, Host, draining, request id, trace, access log, security headers, limits of body size, last net.

One ASGI middleware instead of five, because each layer costs every request. It looks at no body but its length; routes
that take a document stream it themselves (`api.uploads`) and are named in `STREAMED`.
"""

from __future__ import annotations

import re
import secrets
import time
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import links, logs, problems, telemetry, tracing
from api.draining import Drain, ServiceEnding
from api.errors import ApiError, RequestInvalid
from api.forwarded import Entrance
from api.hosts import Hosts
from api.refusals import RequestTooLarge

REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{1,64}$")
SECRET = re.compile(r"kyso_[0-9A-Za-z_]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+")
"""API keys and JSON Web Tokens."""
SMALL_BODY = 16 * 1024
"""Bytes of body for a call that takes no document; RFC 3161 requests are far smaller."""
STREAMED = frozenset(
    {
        "/v1/signatures",
        "/v1/batches",
        "/v1/sessions",
        "/v1/uploads",
        "/v1/extensions",
        "/v1/verifications",
        "/v1/directory/imports",
        "/admin/proposals",
        "/admin/trials",
    }
)
STREAMED_OF_ONE = re.compile(r"/v1/changes/[^/]{1,80}/trial|/v1/sessions/[^/]{1,80}/consent|/v1/uploads/[^/]{1,80}")

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
CSP_NAME = b"content-security-policy"
SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (CSP_NAME, CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")
"""Over TLS alone (RFC 6797 §7.2): a browser that was here once does not come back without."""


class _BodyTooLarge(Exception):
    pass


class Edge:
    """Wraps the application; an error that nobody answered becomes `internal-error`."""

    def __init__(
        self, app: ASGIApp, *, metrics: telemetry.Metrics, hosts: Hosts, entrance: Entrance, drain: Drain
    ) -> None:
        self.app = app
        self._entrance, self._drain = entrance, drain
        self._hosts = hosts
        self.log = telemetry.logger()
        self._counters = cache(lambda path, status: metrics.requests.labels(path, str(status)))
        self._durations = cache(metrics.seconds.labels)
        self._refusals = cache(metrics.refusals.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        if scope["method"] == "HEAD":  # answered as GET is; the server keeps the body back (RFC 9110 §9.3.2)
            scope = {**scope, "method": "GET", "kyso.method": "HEAD"}
        scope["kyso.request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                # Pages and reports bring a policy of their own.
                own = any(name == CSP_NAME for name, _ in given)
                message["headers"] = [
                    *given,
                    *(SECURITY_HEADERS[1:] if own else SECURITY_HEADERS),
                    (b"x-request-id", request_id.encode()),
                ]
                if scope["scheme"] == "https":
                    message["headers"].append(HSTS)
            await send(message)

        refusal = self._entrance.refusal(scope) or self._hosts.refusal(scope) or _of_address(scope)
        if refusal is None and self._drain.refuses(scope["path"]):
            refusal = ServiceEnding()
        self._drain.going_on += 1
        with (
            links.below(self._entrance.root_path),
            tracing.request("request", scope["headers"], client=(scope.get("client") or ("",))[0]) as traced,
            logs.bound(**_names(request_id)),
        ):
            try:
                if refusal is None:
                    await self.app(scope, _bounded(scope, receive), send_with_headers)
                else:
                    await problems.respond(Request(scope), refusal)(scope, receive, send_with_headers)
            except _BodyTooLarge:
                response = problems.respond(Request(scope), RequestTooLarge(limit=SMALL_BODY))
                await response(scope, receive, send_with_headers)
            except Exception as error:
                if problems.is_full(error):
                    self.log.warning("no room on the disk", reason=str(error))
                else:
                    self.log.exception("unexpected error")
                if status:  # too late to answer: let the server cut the connection
                    raise
                response = problems.respond(Request(scope), error)
                await response(scope, receive, send_with_headers)
            finally:
                self._drain.going_on -= 1
                self._account(scope, status, time.perf_counter() - started)
                if traced is not None:
                    _trace(traced, scope, status, request_id)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        code = scope.get("kyso.code")
        if code is not None:
            self._refusals(code).inc()
        path = getattr(route, "path", "-")  # the pattern, not the address: ids are not labels
        self._counters(path, status).inc()
        self._durations(path).observe(seconds)
        facts: dict[str, Any] = {
            "method": scope.get("kyso.method", scope["method"]),
            "route": path,
            "path": _harmless(scope["path"]),
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        for name in ("caller", "code", "signature"):
            if (value := scope.get(f"kyso.{name}")) is not None:
                facts[name] = value
        self.log.info("request", **facts)


def _names(request_id: str) -> dict[str, str]:
    """What every log line of a request bears."""
    trace = tracing.trace_id()
    return {"request": request_id} if trace is None else {"request": request_id, "trace": trace}


def _harmless(path: str) -> str:
    """The path for the log, without what looks like an API key: somebody may have put one there by mistake."""
    return SECRET.sub("[removed]", path[:500])[:200]


def _trace(traced: Any, scope: Scope, status: int, request_id: str) -> None:
    route = getattr(scope.get("route"), "path", "-")
    facts = {"route": route, "method": scope["method"], "status": status, "request": request_id}
    if (code := scope.get("kyso.code")) is not None:
        facts["code"] = code
    tracing.said(traced, facts, name=f"{scope['method']} {route}", is_error=status >= 500)


def _request_id(scope: Scope) -> str:
    """The caller's X-Request-Id where it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.match(value):
            return str(value.decode())
    return secrets.token_hex(8)


def _of_address(scope: Scope) -> ApiError | None:
    """A NUL stands in nothing of ours, and PostgreSQL takes it in no text: no address with one goes further."""
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        return RequestInvalid("the address holds a character with the number 0", field="address")
    return None


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """`receive` with the limit of a small body, for every route that does not stream."""
    path = scope["path"]
    if scope["method"] in ("GET", "HEAD") or path in STREAMED or STREAMED_OF_ONE.fullmatch(path):
        return receive
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > SMALL_BODY:
            raise _BodyTooLarge
        return message

    return bounded
