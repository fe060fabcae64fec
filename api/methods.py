"""Which methods an address takes, for the Allow header of a 405 (RFC 9110 §15.5.6).

The framework names those of the first route that fits; here an address may have a route for each method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.routing import Match


def allowed(request: Request) -> str:
    """The methods that this request's address takes, as Allow lists them; HEAD is answered wherever GET is."""
    found = {method for route in _routes(request.app.routes) for method in _of(route, request)}
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _of(route: Any, request: Request) -> Iterable[str]:
    match, _ = route.matches(request.scope)
    return () if match is Match.NONE else route.methods or ()


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes, also of routers within routers."""
    for route in routes:
        inner = getattr(route, "original_router", None) or (route if hasattr(route, "routes") else None)
        if inner is not None:
            yield from _routes(inner.routes)
        else:
            yield route
