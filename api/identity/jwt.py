"""A token of an issuer, checked: 1 form, 2 issuer, 3 algorithm and key, 4 signature, 5 type, times, audience, claims.

Nothing in a token says how to check it: the algorithm must be one that the settings list, the key one that its issuer
publishes; `jku`, `x5u`, `jwk` and `x5c` in its header are not looked at (RFC 8725 §3.1, 3.10), and a header that must be
understood (`crit`) is none of ours. Only the issuer's name is read before the signature is checked, to find its keys.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

from api.identity.errors import (
    IssuerUnknown,
    TokenExpired,
    TokenForAnother,
    TokenForged,
    TokenNotYetValid,
    TokenRefused,
)
from api.identity.issuers import Issuer


class _Registry(JWSRegistry):
    """Sizes: x5c in a header is a kilobyte or more; RSA-4096 signs with 683 characters."""

    max_header_length = 8 * 1024
    max_payload_length = 12 * 1024
    max_signature_length = 1024


@dataclass(frozen=True)
class Opened:
    """A token whose signature is good, with its issuer and its claims."""

    issuer: Issuer
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def opened(token: str, issuers: Mapping[str, Issuer]) -> Opened:
    """Steps 1 to 4; `issuers` by their `iss`. Raises TokenRefused and its kinds, IssuerUnavailable."""
    signature, claims = _read(token)  # 1
    issuer = issuers.get(iss) if isinstance(iss := claims.get("iss"), str) else None
    if issuer is None:  # 2
        raise IssuerUnknown
    header = signature.headers()
    algorithm = header.get("alg")
    if algorithm not in issuer.chosen.algorithms:  # 3
        raise TokenRefused("the algorithm is not one that this issuer may use", reason="algorithm")
    if "crit" in header:
        raise TokenRefused("a header that must be understood", reason="crit")
    key = issuer.key(header.get("kid"), algorithm=algorithm)
    try:  # 4
        registry = _Registry(algorithms=[algorithm], strict_check_header=False)
        good = jws.validate_compact(signature, key, registry=registry)
    except (JoseError, ValueError, TypeError):  # a key of another kind than the algorithm's
        good = False
    if not good:
        raise TokenForged
    return Opened(issuer, header, claims)


def check(
    token: Opened,
    *,
    audience: Iterable[str],
    required: Iterable[str] = (),
    types: Iterable[str] | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Step 5. Raises TokenRefused and its kinds."""
    if types is not None and str(token.header.get("typ", "JWT")).lower() not in {one.lower() for one in types}:
        raise TokenRefused("the token is of another type", reason="typ")
    options: dict[str, ClaimsOption] = {name: {"essential": True} for name in ("exp", *required)}
    options["iss"] = {"essential": True, "value": token.issuer.chosen.issuer}
    registry = JWTClaimsRegistry(now=int(clock()), leeway=token.issuer.chosen.leeway)
    registry.options = options  # not by keywords: a claim may be called `now`
    try:
        registry.validate(dict(token.claims))
    except ExpiredTokenError:
        raise TokenExpired from None
    except MissingClaimError as error:
        raise TokenRefused("a claim is missing", reason="claims") from error
    except InvalidClaimError as error:
        if error.claim in ("nbf", "iat") and isinstance(token.claims.get(error.claim), int | float):
            raise TokenNotYetValid from None
        raise TokenRefused("a claim is not of its form", reason="claims") from None
    named = token.claims.get("aud")
    if not set(audience) & set(named if isinstance(named, list) else [named]):
        raise TokenForAnother


def _read(token: str) -> tuple[CompactSignature, dict[str, Any]]:
    """The token taken apart, its claims not believed yet."""
    try:
        signature = jws.extract_compact(token.encode("ascii"), registry=_Registry())
        claims = json.loads(signature.payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise TokenRefused("not a JSON Web Token", reason="form") from None
    header = signature.headers()
    if not isinstance(header, dict) or not isinstance(claims, dict) or "b64" in header:
        raise TokenRefused("not a JSON Web Token", reason="form")
    return signature, claims
