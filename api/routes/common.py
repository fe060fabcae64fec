"""What all routes do: find the services and the caller, negotiate the answer's type, write JSON."""

from __future__ import annotations

import gzip
import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api import auth
from api.errors import RequestInvalid
from api.refusals import NotAcceptable
from api.rooms import Room
from api.schemas import ProblemAnswer
from api.services import Services
from api.store.callers import Caller

WORTH_PACKING = 4 * 1024
"""Octets from which on an answer is compressed."""
IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": ProblemAnswer,
        "description": "The request, the order or the document was refused; `code` says why",
    },
    "5XX": {
        "model": ProblemAnswer,
        "description": "The service cannot do it now; `Retry-After` says when to ask again",
    },
}
"""Answers that every call may give, for OpenAPI."""


class PlainRoute(APIRoute):
    """Where the endpoint takes the request and nothing else, there is nothing for the framework to work out."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint if list(inspect.signature(endpoint).parameters) == ["request"] else super().get_route_handler()


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def room(request: Request) -> Room:
    """Threads for work on documents."""
    found: Room = request.app.state.room
    return found


def side_room(request: Request) -> Room:
    """Threads for everything that is quick."""
    found: Room = request.app.state.side_room
    return found


async def caller(request: Request, permission: auth.Permission | None = None) -> Caller:
    """Who asks, if that role may do what the endpoint needs (`auth.needs`), or `permission`.

    Raises NotAuthenticated, NotPermitted."""
    needed = permission or auth.need_of(request.scope["endpoint"])
    if needed is None or needed == "nothing" or needed == "a-session":  # noqa: PLR1714 - so that mypy sees what is left
        raise RuntimeError(f"{request.scope['path']}: the endpoint does not declare what it needs")
    gate = services(request).gate
    found = gate.recall(request)
    if found is None:
        found = await side_room(request).run(gate.find, request)
    request.scope["kyso.caller"] = found.id
    auth.require(found, needed)
    return found


def accepted(request: Request, offered: tuple[str, ...]) -> str:
    """The best of `offered` media types by Accept (RFC 9110 §12.5.1), the first one in doubt; raises NotAcceptable."""
    header = request.headers.get("accept")
    if not header:
        return offered[0]
    best, quality = "", 0.0
    for part in header[:500].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = _weight(parameters)
        for one in offered:
            matches = kind in (one, "*/*", one.split("/")[0] + "/*")
            # A type that is named comes before one that a wildcard lets in, at the same weight.
            if matches and weight > 0 and (weight + (kind == one) / 10_000) > quality:
                best, quality = one, weight + (kind == one) / 10_000
    if not best:
        raise NotAcceptable(offered=", ".join(offered))
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key header; raises RequestInvalid when it is empty, long or not printable ASCII."""
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.match(key):
        raise RequestInvalid("Idempotency-Key: 1 to 200 printable ASCII characters", field="Idempotency-Key")
    return key


def packed(request: Request, answer: Response) -> Response:
    """The same answer, compressed where that is worth it and the caller takes it. Nothing that repeats a request beside a
    secret: its length would tell."""
    if len(answer.body) < WORTH_PACKING or "gzip" not in request.headers.get("accept-encoding", ""):
        return answer
    answer.body = gzip.compress(bytes(answer.body), 6, mtime=0)
    answer.headers.update(
        {"Content-Encoding": "gzip", "Content-Length": str(len(answer.body)), "Vary": "Accept-Encoding"}
    )
    return answer


def json(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(
        msgspec.json.encode(body), status, {"Cache-Control": "no-store"} | (headers or {}), "application/json"
    )
