"""Certificates of clients: shown in the TLS handshake, or handed on by a reverse proxy that is configured as trusted.

Which certificates verify is settled before (`api.tls`, or the proxy); here a certificate becomes a caller by the rules of
`[[identity.certificates]]`. Its own period is looked at with each request, as a connection may outlive it.

A certificate comes along with whatever a browser sends, so a request that changes something and comes from a page of
another site is refused (`api.identity.origins`).
"""

from __future__ import annotations

import binascii
import ssl
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote

from cryptography import x509
from starlette.requests import Request

from api.identity import grants, origins
from api.identity.cookies import SESSION
from api.identity.errors import CertificateStale, CertificateWanted
from api.identity.peers import STALE
from api.identity.remembered import Remembered
from api.settings.identity import CertificateGrant
from api.store.callers import Caller
from api.store.database import Database

REMEMBERED = 2.0
LONGEST_HEADER = 16 * 1024


class Shown:
    """The certificate that a request's client has shown."""

    def __init__(self, *, header: str = "") -> None:
        self._header = header

    def __call__(self, request: Request) -> bytes | None:
        """DER; None where none was shown. Raises CertificateStale."""
        if self._header and request.scope.get("kyso.proxy"):  # then a certificate of the connection is the proxy's own
            return self._handed_on(request)
        told = request.scope.get("extensions", {}).get("tls")
        if told is None:
            return None
        if told["client_cert_error"] == STALE:
            raise CertificateStale
        return _der(told["client_cert_chain"][0]) if told["client_cert_chain"] else None

    def _handed_on(self, request: Request) -> bytes | None:
        """From the header of a trusted proxy (`api.forwarded`); from anybody else it is not looked at."""
        given = request.headers.getlist(self._header)
        if not given:
            return None
        if len(given) != 1 or len(given[0]) > LONGEST_HEADER:
            raise CertificateWanted("the proxy's header is not one certificate")
        return _from_header(given[0])


@dataclass(frozen=True)
class _Known:
    caller: Caller
    until: datetime


class ClientCertificates:
    """A way in, for whoever shows neither Authorization nor a session."""

    def __init__(
        self,
        database: Database,
        rules: Sequence[CertificateGrant],
        *,
        shown: Shown,
        origin: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self._rules = database, rules
        self._shown, self._origin, self._now = shown, origin, now
        self._known = Remembered[_Known](seconds=REMEMBERED)

    def recall(self, request: Request) -> Caller | None:
        """Raises CertificateStale, CertificateWanted, SessionWithoutProof."""
        der = self._certificate(request)
        known = self._known.get(der) if der is not None else None
        if known is None:
            return None
        return self._in_time(known).caller

    def find(self, request: Request) -> Caller | None:
        """Raises as `recall`, and NobodyMapped."""
        der = self._certificate(request)
        if der is None:
            return None
        try:
            certificate = x509.load_der_x509_certificate(der)
            who = grants.by_certificate(self._rules, certificate)
        except ValueError:
            raise CertificateWanted("the certificate cannot be read") from None
        if self._now() < certificate.not_valid_before_utc:
            raise CertificateWanted("the certificate is not valid yet")
        known = self._in_time(_Known(grants.settle(self._database, who), certificate.not_valid_after_utc))
        self._known.put(der, known)
        return known.caller

    def _certificate(self, request: Request) -> bytes | None:
        if "authorization" in request.headers or SESSION in request.cookies:
            return None
        der = self._shown(request)
        if der is not None:
            origins.require_own(request, origin=self._origin)
        return der

    def _in_time(self, known: _Known) -> _Known:
        if self._now() > known.until:
            raise CertificateWanted("the certificate has expired")
        return known


@lru_cache(maxsize=1_000)
def _der(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem)


def _from_header(value: str) -> bytes:
    """`:base64 of DER:` (RFC 9440 §2.1), or PEM with its line ends escaped, as nginx writes it."""
    try:
        if value.startswith(":") and value.endswith(":") and len(value) > 2:
            return b64decode(value[1:-1], validate=True)
        return ssl.PEM_cert_to_DER_cert(unquote(value).strip())  # raises where the marks of PEM are missing
    except (ValueError, binascii.Error):
        raise CertificateWanted("the proxy's header is not a certificate") from None
