"""OCSP responses, RFC 6960: read, and what they say about one certificate.

It believes nothing: who may have signed a response, and whether that is so, is `verify.evidence`'s.

    response = read(der)                                       # raises ResponseUnusable
    single = about(response, certificate, issuer=issuer)       # None: it answers for others
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from asn1crypto import core, ocsp, x509

from verify.asn1 import is_present, key_bits, raw, same_name

MOST_CERTIFICATES = 16
_PROCESSED = frozenset({"1.3.6.1.5.5.7.48.1.2"})
"""The nonce, which may be critical; it was not asked for and says nothing here."""
_NO_CHECK = "1.3.6.1.5.5.7.48.1.5"

State = Literal["good", "revoked", "unknown"]


class ResponseUnusable(Exception):
    """The response cannot be read, or is an error or none that we can process; the message is a code."""


@dataclass(frozen=True)
class Response:
    """A successful basic response. `certificates` (DER) came along with it."""

    der: bytes
    basic: ocsp.BasicOCSPResponse
    certificates: tuple[bytes, ...]
    produced: datetime

    @property
    def signed_parts(self) -> tuple[Any, core.BitString, bytes]:
        """(algorithm, value, bytes signed)."""
        return self.basic["signature_algorithm"], self.basic["signature"], raw(self.basic["tbs_response_data"])

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether the responder says that it is this one, by name or by the SHA-1 of its key."""
        identity = self.basic["tbs_response_data"]["responder_id"]
        try:
            if identity.name == "by_key":
                return bool(identity.native == hashlib.sha1(key_bits(certificate)).digest())  # noqa: S324
            return bool(identity.chosen.hashable == certificate.subject.hashable)
        except (ValueError, TypeError, LookupError, AttributeError):
            return False


@dataclass(frozen=True)
class Single:
    """What is said about one certificate, and of when."""

    state: State
    issued: datetime
    until: datetime | None
    revoked_at: datetime | None = None
    reason: str = ""


def read(der: bytes) -> Response:
    """Raises ResponseUnusable."""
    try:
        return _read(der)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise ResponseUnusable("unreadable") from error


def _read(der: bytes) -> Response:
    response = ocsp.OCSPResponse.load(der, strict=True)
    if response["response_status"].native != "successful":
        raise ResponseUnusable(f"status-{response['response_status'].native}")
    basic = response["response_bytes"]["response"].parsed
    tbs = basic["tbs_response_data"]
    _check_extensions(tbs["response_extensions"])
    carried = basic["certs"]
    return Response(
        der=der,
        basic=basic,
        certificates=tuple(map(raw, carried))[:MOST_CERTIFICATES] if is_present(carried) else (),
        produced=tbs["produced_at"].native,
    )


def about(response: Response, certificate: x509.Certificate, *, issuer: x509.Certificate) -> Single | None:
    """The newest single response about this certificate, by its issuer's name and key and by its number."""
    found: list[Single] = []
    try:
        for one in response.basic["tbs_response_data"]["responses"]:
            if _is_about(one["cert_id"], certificate, issuer=issuer):
                _check_extensions(one["single_extensions"])
                found.append(_single(one))
    except (ResponseUnusable, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return None
    return max(found, key=lambda one: one.issued, default=None)


def needs_no_check(responder: x509.Certificate) -> bool:
    """RFC 6960 §4.2.2.2.1: its issuer vouches for the responder as long as the certificate lasts."""
    return any(one["extn_id"].dotted == _NO_CHECK for one in responder["tbs_certificate"]["extensions"])


def may_respond(responder: x509.Certificate, *, issuer: x509.Certificate, at: datetime) -> bool:
    """§4.2.2.2: issued by the very CA that it speaks for, made for that, and in force when it spoke."""
    purposes, usage = responder.extended_key_usage_value, responder.key_usage_value
    return (
        same_name(responder.issuer, issuer.subject)
        and purposes is not None
        and "ocsp_signing" in purposes.native
        and (usage is None or bool({"digital_signature", "non_repudiation"} & usage.native))
        and responder.not_valid_before <= at <= responder.not_valid_after
    )


def _is_about(identity: ocsp.CertId, certificate: x509.Certificate, *, issuer: x509.Certificate) -> bool:
    if raw(identity["serial_number"]) != raw(certificate["tbs_certificate"]["serial_number"]):
        return False
    name = identity["hash_algorithm"]["algorithm"].native
    if name not in hashlib.algorithms_guaranteed:
        return False
    expected = (raw(certificate.issuer), raw(issuer.subject))
    return identity["issuer_key_hash"].native == hashlib.new(name, key_bits(issuer)).digest() and any(
        identity["issuer_name_hash"].native == hashlib.new(name, one).digest() for one in expected
    )


def _single(one: ocsp.SingleResponse) -> Single:
    issued = one["this_update"].native
    until = one["next_update"].native if is_present(one["next_update"]) else None
    if until is not None and until < issued:
        raise ResponseUnusable("times")
    status = one["cert_status"]
    if status.name != "revoked":
        return Single("good" if status.name == "good" else "unknown", issued, until)
    details = status.chosen
    reason = details["revocation_reason"]
    return Single(
        "revoked",
        issued,
        until,
        revoked_at=details["revocation_time"].native,
        reason=reason.native if is_present(reason) else "unspecified",
    )


def _check_extensions(extensions: Any) -> None:
    for extension in extensions if is_present(extensions) else ():
        if extension["critical"].native and extension["extn_id"].dotted not in _PROCESSED:
            raise ResponseUnusable("unknown-critical-extension")
