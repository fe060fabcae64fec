"""By what a certificate and its successors are known to be the same person's.

Only digests are kept, of: the certificate; its public key; and, where the subject carries a number that the authority gives
to one person (serialNumber, or UID as Vietnamese authorities use it), issuer and subject together. Names alone bind
nothing: two people may share one.

This module reads a certificate with the cryptography library and judges nothing: whether it is to be believed is decided
where it is used, before anybody asks whose it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

NUMBERED = frozenset({NameOID.SERIAL_NUMBER, NameOID.USER_ID})
"""Attributes by which an authority tells its holders apart."""


@dataclass(frozen=True)
class Marks:
    """SHA-256 in hexadecimal; `subject` is None where the subject has no number. Times in Unix seconds."""

    certificate: str
    public_key: str
    subject: str | None
    not_before: int
    not_after: int


def marks(certificate: bytes) -> Marks:
    """What is kept of a certificate (DER). Raises ValueError for octets that are none."""
    found = x509.load_der_x509_certificate(certificate)
    try:
        spki = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        numbered = any(attribute.oid in NUMBERED for attribute in found.subject)
        named = found.issuer.public_bytes() + found.subject.public_bytes()
    except Exception as error:  # an algorithm or a name that the library does not know
        raise ValueError(f"not a certificate that can be read: {type(error).__name__}") from error
    return Marks(
        hashlib.sha256(certificate).hexdigest(),
        hashlib.sha256(spki).hexdigest(),
        hashlib.sha256(named).hexdigest() if numbered else None,
        int(found.not_valid_before_utc.timestamp()),
        int(found.not_valid_after_utc.timestamp()),
    )
