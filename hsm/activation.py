"""Digest-bound activation: what a person agrees to when a key of that person is to sign, as values.

The person's authenticator signs a challenge, and the challenge is the SHA-256 of a canonical text that names the key,
each thing to be signed by its digest, in order, a nonce of the keeper's, and the end of its time. So the assertion is
over exactly these documents, and an auditor can check that years later with the credential's public key alone.

Light to import: the api and the supervisor need these values, and no library. Who checks is `hsm.activating`.

>>> party = Party("localhost", ("http://localhost:8080",))
>>> text = canonical("chu-tich", (("ecdsa_sha256", bytes(32)),), nonce=bytes(32), expires_at=1_800_000_000, party=party)
>>> json.loads(text)["documents"]
[['ecdsa_sha256', '0000000000000000000000000000000000000000000000000000000000000000']]
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from hsm.keys import Mechanism

Holder = Literal["appliance", "seal", "person"]
"""Whose a key is: the appliance's own, an organisation's, or a person's, which signs only with an activation."""
LONGEST: Final = 900
"""Seconds that an activation may last at most."""
MOST: Final = 500
"""Documents under one activation at most."""

Documents = tuple[tuple[Mechanism, bytes], ...]
"""What is to be signed: mechanism, and SHA-256 of the bytes to sign."""


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom an authenticator speaks to (W3C WebAuthn, Relying Party): its id, a domain, and the pages' origins."""

    rp_id: str
    origins: tuple[str, ...]
    most: int = MOST
    seconds: int = 300


class Assertion(msgspec.Struct, frozen=True):
    """What navigator.credentials.get() gave (WebAuthn §5.2.2), decoded from base64url."""

    credential: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes


class Registration(msgspec.Struct, frozen=True):
    """What navigator.credentials.create() gave (WebAuthn §5.2.1), decoded from base64url."""

    client_data: bytes
    attestation: bytes


@dataclass(frozen=True)
class Challenge:
    """What the person is to agree to: `challenge` is the SHA-256 of `text`; `credentials` may answer it."""

    key: str
    challenge: bytes
    text: bytes
    credentials: tuple[bytes, ...]
    rp_id: str
    expires_at: int


@dataclass(frozen=True)
class Credential:
    """A passkey or security key that speaks for a key's person. `public_key` is COSE (RFC 9052 §7); `copied` says that
    its counter went back once, as that of a copied authenticator does."""

    key: str
    id: bytes
    public_key: bytes
    model: str
    enrolled_at: float
    sign_count: int = 0
    backed_up: bool = False
    copied: bool = False
    activations: int = 0


@dataclass(frozen=True)
class Activation:
    """A challenge that was answered: all that shows, later and to others, what the person agreed to."""

    id: str
    key: str
    at: float
    expires_at: int
    text: bytes
    public_key: bytes
    assertion: Assertion


@dataclass(frozen=True)
class Lock:
    """How many activations of a key failed for whoever asks (`asker`; nobody: for all together), and until when (Unix time)
    none is looked at."""

    failures: int
    until: float
    asker: str = ""


@dataclass(frozen=True)
class Credentials:
    """The credentials of one key, and what stands against using them."""

    credentials: tuple[Credential, ...]
    lock: Lock | None
    invited_until: float | None


@dataclass(frozen=True)
class Enrolment:
    """A one-time code, for the person whose key it is. The challenge of the registration follows from it."""

    key: str
    code: str
    challenge: bytes
    rp_id: str
    origins: tuple[str, ...]
    expires_at: float


def canonical(key: str, documents: Documents, *, nonce: bytes, expires_at: int, party: Party) -> bytes:
    """The text of which the challenge is the SHA-256: RFC 8785 JSON (integers and strings only, keys in order)."""
    told = {
        "documents": [[mechanism, digest.hex()] for mechanism, digest in documents],
        "expires_at": expires_at,
        "key": key,
        "nonce": nonce.hex(),
        "origins": list(party.origins),
        "purpose": "kyso activation 1",
        "rp_id": party.rp_id,
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def enrolment_challenge(key: str, code: str, *, rp_id: str) -> bytes:
    """The challenge of a registration: who made one knew the code, and for which key it was given out."""
    told = {"code": plain(code), "key": key, "purpose": "kyso enrolment 1", "rp_id": rp_id}
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).digest()


def plain(code: str) -> str:
    """A code as it was typed from paper: without blanks and hyphens, in capitals."""
    return "".join(code.replace("-", "").split()).upper()
