"""A software authenticator: a passkey with real keys, for tests. It answers as a browser would hand its answer on.

>>> passkey = Passkey("localhost")
>>> passkey.get(bytes(32), origin="http://localhost").credential == passkey.id
True
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA

from hsm.activation import Assertion, Registration

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
_NEW: dict[str, Any] = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "eddsa": ed25519.Ed25519PrivateKey.generate,
    "rs256": lambda: rsa.generate_private_key(65537, 2048),
    "rs256-small": lambda: rsa.generate_private_key(65537, 1024),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


@dataclass
class Passkey:
    """One credential. `count` grows with each answer, unless it stays 0 as that of synced passkeys does."""

    rp_id: str
    algorithm: str = "es256"
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0
    counts: bool = True
    flags: int = PRESENT | VERIFIED

    def __post_init__(self) -> None:
        self.key = _NEW[self.algorithm]()

    @property
    def cose(self) -> CoseKey:
        public = self.key.public_key()
        if self.algorithm == "es384":
            from fido2.cose import ES384

            return ES384.from_cryptography_key(public)
        kind = {"es256": ES256, "eddsa": EdDSA}.get(self.algorithm, RS256)
        return kind.from_cryptography_key(public)

    def create(self, challenge: bytes, *, origin: str, **changes: Any) -> Registration:
        """navigator.credentials.create(), without attestation."""
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor.encode(dict(self.cose))
        data = self._data(self.flags | ATTESTED) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return Registration(client_data("webauthn.create", challenge, origin=origin, **changes), attestation)

    def get(self, challenge: bytes, *, origin: str, **changes: Any) -> Assertion:
        """navigator.credentials.get(); `changes` go into the client data, `signed` is what is signed instead."""
        self.count += self.counts
        data = self._data(self.flags)
        said = client_data(changes.pop("type", "webauthn.get"), challenge, origin=origin, **changes)
        return Assertion(self.id, said, data, self.sign(data + hashlib.sha256(said).digest()))

    def sign(self, message: bytes) -> bytes:
        match self.key:
            case ec.EllipticCurvePrivateKey():
                return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PrivateKey():
                return self.key.sign(message)
            case _:
                return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")


def client_data(kind: str, challenge: bytes, *, origin: str, **changes: Any) -> bytes:
    """CollectedClientData (WebAuthn §5.8.1), as browsers spell it."""
    said = {"type": kind, "challenge": text(challenge), "origin": origin, "crossOrigin": False, **changes}
    return json.dumps(said, separators=(",", ":")).encode()


def text(octets: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
