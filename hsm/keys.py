"""The values that describe a key: what it is called, what it can do, whose it is.

A key is named by `ref`, mostly its label on the token (`hsm.names`): it survives the renewal of its certificate.
Mechanisms are named by what they produce, not by a vendor's code, because the raw PKCS#11 mechanism that produces
them differs from token to token.

>>> mechanism_digest("ecdsa_sha384")
'sha384'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Mechanism = Literal[
    "rsassa_pkcs1v15_sha256",
    "rsassa_pkcs1v15_sha384",
    "rsassa_pkcs1v15_sha512",
    "rsassa_pss_sha256",
    "rsassa_pss_sha384",
    "rsassa_pss_sha512",
    "ecdsa_sha256",
    "ecdsa_sha384",
    "ed25519",
]
"""What a signature value is. RSA values are as long as the modulus; ECDSA values are DER (RFC 3279 Ecdsa-Sig-Value);
PSS uses MGF1 with the same hash and a salt as long as the digest; Ed25519 is the 64 bytes of RFC 8032."""

MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism)

Algorithm = Literal["rsa", "ec", "ed25519"]

NewKey = Literal["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "ed25519"]
"""What a new key pair can be."""


def mechanism_digest(mechanism: Mechanism) -> str:
    """Name of the digest over the signed bytes; RFC 8419 asks for SHA-512 beside Ed25519 in CMS."""
    return "sha512" if mechanism == "ed25519" else mechanism.rsplit("_", 1)[1]


@dataclass(frozen=True)
class KeyInfo:
    """One private key on a token, as anybody who may see it sees it.

    `certificate` and `chain` are DER; the chain goes from the issuer upwards and leaves out the root where the token
    does. `mechanisms` holds what was probed at start, the default first; it is empty while the token is locked.
    """

    ref: str
    module: str
    label: str
    algorithm: Algorithm
    key_size: int
    mechanisms: tuple[Mechanism, ...]
    public_key: bytes
    certificate: bytes | None
    chain: tuple[bytes, ...]
    pin_each_use: bool = False
    """Whether the token wants its PIN, or a touch, at each use (CKA_ALWAYS_AUTHENTICATE); known while it is open."""
