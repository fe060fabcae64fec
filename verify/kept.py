"""Which revocation data that a document keeps speaks of whom, and since where in the document it does.

By names and numbers alone, to tell a level (EN 319 142-1 §6, EN 319 132-1 §6): what the data is worth is found out by
`verify.evidence`. Places are numbers as in `FoundSignature.covers`.

    items = [*map_some(crls), *map_some(ocsps)]              # of_crl(der, at=…), of_ocsp(der, at=…)
    since(items, signer)
    complete_since(items, signer, known=certificates)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from asn1crypto import crl, ocsp, x509

from verify.asn1 import raw, same_name
from verify.chain import UNEXPECTED

MAX_DEPTH = 10


@dataclass(frozen=True)
class Item:
    """A list or a response: what it is about, by names and numbers alone, and the place up to which it came."""

    issuer: bytes | None
    serials: frozenset[int]
    at: int

    def speaks_of(self, certificate: x509.Certificate) -> bool:
        return certificate.serial_number in self.serials or raw(certificate.issuer) == self.issuer


def of_crl(der: bytes, *, at: int) -> Item | None:
    """None when it cannot be read."""
    try:
        return Item(raw(crl.CertificateList.load(der).issuer), frozenset(), at)
    except UNEXPECTED:
        return None


def of_ocsp(der: bytes, *, at: int) -> Item | None:
    """None when it cannot be read."""
    try:
        return Item(None, frozenset(_serials(der)), at)
    except UNEXPECTED:
        return None


def since(items: Iterable[Item], certificate: bytes | None) -> int | None:
    """The first place at which something speaks of this certificate (DER); None when nothing does."""
    one = _load(certificate) if certificate is not None else None
    return min((item.at for item in items if one is not None and item.speaks_of(one)), default=None)


def complete_since(items: Sequence[Item], certificate: bytes | None, *, known: Iterable[bytes]) -> int | None:
    """From which place on there is something that speaks of the certificate and of every issuer of it that is known, up
    to one that issued itself; None when there is not."""
    if certificate is None or not items:
        return None
    pool = [one for one in map(_load, known) if one is not None]
    one, latest = _load(certificate), None
    for _ in range(MAX_DEPTH):
        if one is None or same_name(one.subject, one.issuer):
            break
        places = [item.at for item in items if item.speaks_of(one)]
        if not places:
            return None
        latest = max(latest or 0, min(places))
        issuer = one.issuer
        one = next((other for other in pool if same_name(other.subject, issuer)), None)
    return latest


def _serials(der: bytes) -> Iterator[int]:
    response = ocsp.OCSPResponse.load(der)
    for single in response["response_bytes"]["response"].parsed["tbs_response_data"]["responses"]:
        yield single["cert_id"]["serial_number"].native


def _load(der: bytes) -> x509.Certificate | None:
    """The certificate with the fields that are looked at; None when it cannot be read."""
    try:
        one = x509.Certificate.load(der)
        _ = (one.serial_number, one.subject.hashable, one.issuer.hashable)
    except UNEXPECTED:
        return None
    return one
