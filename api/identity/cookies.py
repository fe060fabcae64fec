"""The cookies of signing in. `__Host-`: Secure, for this host alone, for all its paths (RFC 6265bis §4.1.3.2).

Lax and not Strict: a browser that comes back from the provider would not bring a strict one along. What a request from
elsewhere could do with it is kept out by `origins` and the CSRF token of the session.
"""

from __future__ import annotations

from starlette.responses import Response

SESSION = "__Host-kyso"
ATTEMPT = "__Host-kyso-login"


def give(answer: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set it; without `seconds` until the browser is closed."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def take(answer: Response, name: str) -> None:
    answer.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
