"""What stands behind `Authorization: Bearer` (RFC 6750 §2.1), and how a secret is remembered without being kept."""

from __future__ import annotations

import hashlib

from starlette.requests import Request

LONGEST = 16 * 1024


def bearer(request: Request) -> str:
    """The credential; empty when there is none of this scheme."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and len(secret) <= LONGEST else ""


def mark(secret: str) -> bytes:
    """Secrets are not kept in memory, and comparing digests tells nothing about them by its timing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
