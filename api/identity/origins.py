"""Whether a page of our own sent a request, where something is shown that a browser sends along by itself.

By Fetch Metadata (`Sec-Fetch-Site`), which no page can set and browsers have had since 2023, otherwise by `Origin`. A
program sends neither and passes: nobody makes a program show its certificate by luring it to a page.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from api.identity.errors import SessionWithoutProof

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = frozenset({"same-origin", "none"})


def require_own(request: Request, *, origin: str) -> None:
    """Raise SessionWithoutProof for a change that a page of another origin asks for; `origin` is the configured one."""
    if request.scope["method"] in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:  # then Origin says nothing more: our pages send `null`, as they send no referrer
        if site not in OWN:
            raise SessionWithoutProof("asked for by a page of another site")
        return
    given = request.headers.get("origin")
    if given is not None and given not in (origin_of(origin), f"{request.url.scheme}://{request.url.netloc}"):
        raise SessionWithoutProof("asked for by a page of another origin")


def origin_of(address: str) -> str:
    """Scheme, host and port of an address (RFC 6454 §6.2)."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
