"""Step 4 of a signature: is the signer's certificate fit to be used now? Asked before the key is.

Two halves. What the certificate itself says (period, and whose public key it holds) is compared here, each time: it
costs nothing. Its path to an anchor and its revocation are judged in a document worker, since building a path over
foreign certificates is never done in this process; that answer is kept for minutes (`signing.certificate_cache`), a
bad one for seconds.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import telemetry
from api.errors import (
    ApiError,
    CertificateExpired,
    CertificateMismatch,
    CertificateNotYetValid,
    CertificateRevoked,
    CertificateUntrusted,
)
from api.refusals import CertificateStatusUnknown, KeyWithoutCertificate
from api.settings import Signing
from hsm.keys import KeyInfo

BAD_REMEMBERED = 15.0
"""Seconds for which a certificate found bad is not judged again: refusals must be cheap, and end soon once mended."""
REMEMBERED_CERTIFICATES = 10_000

BY_SUB_INDICATION: Mapping[str, type[ApiError]] = {
    "REVOKED": CertificateRevoked,
    "REVOKED_NO_POE": CertificateRevoked,
    "REVOKED_CA_NO_POE": CertificateRevoked,
    "EXPIRED": CertificateExpired,
    "OUT_OF_BOUNDS_NO_POE": CertificateExpired,
    "OUT_OF_BOUNDS_NOT_REVOKED": CertificateExpired,
    "NOT_YET_VALID": CertificateNotYetValid,
    "TRY_LATER": CertificateStatusUnknown,
}
"""EN 319 102-1 §5.1.3; what is not named here means that the path is not one to rely on."""


class Verdict(Protocol):
    """What of `verify.engine.CertificateReport` counts here."""

    @property
    def indication(self) -> str: ...
    @property
    def sub_indication(self) -> str | None: ...


Judge = Callable[[KeyInfo], Verdict]


@dataclass(frozen=True)
class _Remembered:
    until: float
    error: type[ApiError] | None
    facts: Mapping[str, str]


@dataclass(frozen=True)
class _Said:
    """What a certificate says of itself, as far as it is compared here."""

    spki: bytes
    not_before: datetime
    not_after: datetime


@lru_cache(maxsize=256)
def _said(der: bytes) -> _Said:
    certificate = x509.load_der_x509_certificate(der)
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _Said(spki, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


class CertificateGate:
    """Raises for a certificate that must not be signed with. Safe to share between threads."""

    def __init__(self, judge: Judge, *, settings: Signing, rests_on: Callable[[], int] = lambda: 0) -> None:
        """`rests_on` changes when trust does: then nothing that was found before counts."""
        self._judge = judge
        self._rests_on = rests_on
        self._settings = settings
        self._known: dict[bytes, _Remembered] = {}
        self._locks = [threading.Lock() for _ in range(16)]

    def check(self, key: KeyInfo, *, at: datetime) -> None:
        """Raise one of Certificate…, or KeyWithoutCertificate, unless `key` may sign at `at`."""
        if key.certificate is None:
            raise KeyWithoutCertificate(key=key.ref)
        said = _said(key.certificate)
        if key.public_key and said.spki != key.public_key:
            raise CertificateMismatch(key=key.ref)
        if at < said.not_before:
            raise CertificateNotYetValid(key=key.ref, not_before=said.not_before.isoformat())
        if at > said.not_after:
            raise CertificateExpired(key=key.ref, not_after=said.not_after.isoformat())
        found = self._judged(key)
        if found.error is not None:
            raise found.error(key=key.ref, **found.facts)

    def _judged(self, key: KeyInfo) -> _Remembered:
        trust = self._rests_on().to_bytes(8, "big")
        mark = hashlib.sha256(b"".join((trust, key.certificate or b"", *key.chain))).digest()
        # One at a time for one certificate: a hundred requests after a pause must not ask the responder a hundred times.
        with self._locks[mark[0] % len(self._locks)]:
            known = self._known.get(mark)
            if known is not None and known.until > time.monotonic():
                return known
            found = self._ask(key)
            if len(self._known) >= REMEMBERED_CERTIFICATES:
                self._known.clear()
            self._known[mark] = found
            return found

    def _ask(self, key: KeyInfo) -> _Remembered:
        verdict = self._judge(key)
        good = time.monotonic() + self._settings.certificate_cache
        if verdict.indication == "TOTAL_PASSED":
            return _Remembered(good, None, {})
        sub = verdict.sub_indication or "GENERIC"
        error = BY_SUB_INDICATION.get(sub, CertificateUntrusted)
        warn = (error is CertificateStatusUnknown and self._settings.revocation_unknown == "warn") or (
            error is CertificateUntrusted and self._settings.chain_check == "warn"
        )
        if warn:
            telemetry.logger().warning("signing with a certificate in doubt", key=key.ref, sub_indication=sub)
            return _Remembered(time.monotonic() + min(BAD_REMEMBERED, self._settings.certificate_cache), None, {})
        return _Remembered(time.monotonic() + BAD_REMEMBERED, error, {"sub_indication": sub})
