"""The ways in, as OpenAPI describes them (OpenAPI 3.1 §4.8.27): those alone that the settings open."""

from __future__ import annotations

from typing import Any

from api.identity.cookies import SESSION
from api.settings import Settings

WELL_KNOWN = "/.well-known/openid-configuration"


def schemes(settings: Settings) -> dict[str, dict[str, Any]]:
    """Name → security scheme; a call needs one of them."""
    chosen = settings.identity
    found: dict[str, dict[str, Any]] = {
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "kyso_<id>_…",
            "description": "An API key, as `kyso caller create` shows it once.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": SESSION,
            "description": "A browser's session, begun at `/login`; changes also want its token in `Kyso-CSRF`.",
        },
    }
    for name, one in chosen.issuers.items():
        told = f"An access token (JWT) of {one.issuer} for {' or '.join(one.audience)}."
        if one.jwks_uri is None and one.jwks_file is None:
            address = one.issuer.rstrip("/") + WELL_KNOWN
            found[f"issuer-{name}"] = {"type": "openIdConnect", "openIdConnectUrl": address, "description": told}
        else:
            found[f"issuer-{name}"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": told}
    if chosen.certificates:
        found["clientCertificate"] = {"type": "mutualTLS", "description": "A certificate that the operator registered."}
    return found
