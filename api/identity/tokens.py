"""Tokens: `Authorization: Bearer <JWT>` of a configured issuer (RFC 6750, RFC 9068), of a program or of a person.

A token that was good is remembered by its digest, for `REMEMBERED` seconds or until it expires: what an issuer revokes
meanwhile still counts that long, as it does anyway until a token expires. One that is bound to a client's certificate
(`cnf.x5t#S256`, RFC 8705 §3) counts only beside that certificate, every time. Where the issuer's tokens are for one use,
each `jti` is taken once, on whichever node.
"""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from api.identity import grants, jwt
from api.identity.bearer import bearer, mark
from api.identity.errors import TokenNotBound, TokenRefused, TokenReplayed
from api.identity.issuers import Issuer
from api.identity.remembered import Remembered
from api.store import sessions as store
from api.store.callers import PREFIX, Caller
from api.store.database import Database

REMEMBERED = 60.0
REGISTERED = 2.0
"""The same for a token that stands for a registered caller, whose revocation counts as soon as that of its API key."""
THUMBPRINT = "x5t#S256"


@dataclass(frozen=True)
class _Known:
    caller: Caller
    thumbprint: str | None


class Tokens:
    """A way in. `certificate` gives the DER of the certificate that the request's client has shown, if any."""

    def __init__(
        self,
        database: Database,
        issuers: Mapping[str, Issuer],
        *,
        certificate: Callable[[Request], bytes | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._issuers = database, issuers
        self._certificate, self._clock = certificate, clock
        self._known = Remembered[_Known](seconds=REMEMBERED)

    def recall(self, request: Request) -> Caller | None:
        """Raises TokenNotBound."""
        token = _token(request)
        known = self._known.get(mark(token)) if token else None
        if known is None:
            return None
        self._require_bound(known.thumbprint, request)
        return known.caller

    def find(self, request: Request) -> Caller | None:
        """Raises TokenRefused and its kinds, NobodyMapped, IssuerUnavailable."""
        token = _token(request)
        if not token:
            return None
        opened = jwt.opened(token, self._issuers)
        issuer, claims = opened.issuer, opened.claims
        required = (*issuer.chosen.required, "sub", *(("jti",) if issuer.chosen.single_use else ()))
        jwt.check(
            opened, audience=issuer.chosen.audience, required=required, types=issuer.chosen.types, clock=self._clock
        )
        if "events" in claims:  # a logout token (Back-Channel Logout 1.0 §2.4)
            raise TokenRefused("the token is of another type", reason="events")
        thumbprint = _thumbprint(claims)
        self._require_bound(thumbprint, request)
        who = grants.by_claims(issuer.chosen.grants, claims, issuer=issuer.name)
        caller = grants.settle(self._database, who)
        if issuer.chosen.single_use:
            self._use(issuer, claims)
        else:
            seconds = REGISTERED if isinstance(who, grants.Registered) else REMEMBERED
            left = float(claims["exp"]) + issuer.chosen.leeway - self._clock()
            self._known.put(mark(token), _Known(caller, thumbprint), at_most=min(left, seconds))
        return caller

    def _use(self, issuer: Issuer, claims: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(f"{claims['iss']}\0{claims['jti']}".encode()).hexdigest()
        until = float(claims["exp"]) + issuer.chosen.leeway
        if not self._database.write(store.use_once, digest, until=until, now=self._clock()):
            raise TokenReplayed

    def _require_bound(self, thumbprint: str | None, request: Request) -> None:
        if thumbprint is None:
            return
        shown = self._certificate(request)
        if shown is None or thumbprint != _digest(shown):
            raise TokenNotBound


def _token(request: Request) -> str:
    """What is shown, if it is no API key."""
    found = bearer(request)
    return "" if found.startswith(f"{PREFIX}_") else found


def _thumbprint(claims: Mapping[str, Any]) -> str | None:
    """The certificate that the token is bound to. A binding that cannot be checked here (DPoP) is never overlooked."""
    if "cnf" not in claims:
        return None
    bound = claims["cnf"]
    found = bound.get(THUMBPRINT) if isinstance(bound, dict) and set(bound) == {THUMBPRINT} else None
    if not isinstance(found, str):
        raise TokenNotBound("the token is bound in a way that is not known here")
    return found


def _digest(certificate: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()
