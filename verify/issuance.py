"""Who issued whom, among certificates that came from anywhere: by names, key identifiers and signatures.

Checks of signatures are counted: a hundred cross-certified CAs cost as much as the count allows, and no more. It says
nothing of rights, periods or trust.

    issuance = Issuance(anchors=anchors, others=others)
    for member in issuance.above(certificate): …           # anchors first
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from verify import algorithms
from verify.asn1 import prepared_name, raw

MAX_SIGNATURE_CHECKS = 300

UNEXPECTED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    UnsupportedAlgorithm,
    InvalidSignature,
)
"""What hostile values make asn1crypto and cryptography raise."""


@dataclass(frozen=True)
class Member:
    """A certificate that may be part of a path. Two of one `identity` (name and key) are the same CA."""

    certificate: x509.Certificate
    anchor: bool
    identity: tuple[bytes, bytes]


class Issuance:
    """Each pair of certificates is looked at once."""

    def __init__(self, *, anchors: Iterable[x509.Certificate], others: Iterable[x509.Certificate]) -> None:
        self._by_name: dict[str, list[Member]] = {}
        self._known: dict[bytes, tuple[Member, ...]] = {}
        self._left = MAX_SIGNATURE_CHECKS
        for certificate in anchors:
            self._add(certificate, anchor=True)
        for certificate in others:
            self._add(certificate, anchor=False)

    def add(self, certificate: x509.Certificate) -> None:
        """One more that may have issued others."""
        self._add(certificate, anchor=False)
        self._known.clear()

    def above(self, child: x509.Certificate) -> tuple[Member, ...]:
        """Whose keys signed `child` in the name that it gives; anchors first."""
        mark = fingerprint(child)
        if mark not in self._known:
            self._known[mark] = tuple(one for one in self._candidates(child) if self._signed(child, one.certificate))
        return self._known[mark]

    def _add(self, certificate: x509.Certificate, *, anchor: bool) -> None:
        try:
            member = Member(certificate, anchor, identity(certificate))
            self._by_name.setdefault(prepared_name(certificate.subject), []).append(member)
        except UNEXPECTED:
            return

    def _candidates(self, child: x509.Certificate) -> list[Member]:
        """By name and key identifier: cheap, and enough to leave out strangers."""
        try:
            wanted = child.authority_key_identifier
            named = self._by_name.get(prepared_name(child.issuer), [])
            given = [(one, one.certificate.key_identifier) for one in named]
        except UNEXPECTED:
            return []
        return [one for one, key in given if wanted is None or key is None or wanted == key]

    def _signed(self, child: x509.Certificate, issuer: x509.Certificate) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        if not _lacks_parameters(issuer):
            return is_signed_by(child, issuer)
        return any(is_signed_by(child, issuer, parameters=one.certificate) for one in self._candidates(issuer)[:8])


def is_signed_by(
    child: x509.Certificate, issuer: x509.Certificate, *, parameters: x509.Certificate | None = None
) -> bool:
    """Whether the issuer's key signed the child. Says nothing about names or rights.

    `parameters` is who issued the issuer, for keys that leave their parameters to it (DSA).
    """
    try:
        key = raw(issuer.public_key)
        if parameters is not None:
            key = algorithms.with_parameters(key, of=raw(parameters.public_key))
        return algorithms.signed_with(child, key=key)
    except UNEXPECTED:
        return False


def _lacks_parameters(certificate: x509.Certificate) -> bool:
    try:
        return algorithms.lacks_parameters(raw(certificate.public_key))
    except UNEXPECTED:
        return False


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate as it came; asn1crypto's own digest is one of what it would write."""
    return hashlib.sha256(raw(certificate)).digest()


def identity(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """Name and key: several certificates of one CA have the same."""
    return raw(certificate.subject), raw(certificate.public_key)


@lru_cache(maxsize=256)
def load(der: bytes) -> x509.Certificate | None:
    """The certificate with its fields parsed, None when it cannot be read."""
    try:
        certificate = x509.Certificate.load(der, strict=True)
        _ = (certificate.subject, certificate.issuer, certificate.not_valid_before, certificate.not_valid_after)
        _ = (raw(certificate.public_key), certificate.key_identifier, certificate.authority_key_identifier)
    except UNEXPECTED:
        return None
    return certificate
