"""The addresses that a certificate names: where its revocation and its issuer can be asked for, and what to ask.

It reads and believes nothing. Only http and https: who may be asked among these, the fetcher decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from asn1crypto import ocsp, x509

from verify.asn1 import is_present, key_bits, raw
from verify.issuance import UNEXPECTED


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes | None:
    """An OCSPRequest; SHA-1 in the CertID is an identifier, and what every responder knows (RFC 5019 §2.1.1).

    Without a nonce, so that answers can be kept (RFC 5019 §2.1.1).
    """
    try:
        identity = ocsp.CertId(
            {
                "hash_algorithm": {"algorithm": "sha1"},
                "issuer_name_hash": hashlib.sha1(raw(certificate.issuer)).digest(),  # noqa: S324 - an identifier
                "issuer_key_hash": hashlib.sha1(key_bits(issuer)).digest(),  # noqa: S324
                "serial_number": certificate["tbs_certificate"]["serial_number"].native,
            }
        )
        return bytes(ocsp.OCSPRequest({"tbs_request": {"request_list": [{"req_cert": identity}]}}).dump())
    except UNEXPECTED:
        return None


def addresses_ocsp(certificate: x509.Certificate) -> Iterator[str]:
    """Of OCSP responders (RFC 5280 §4.2.2.1)."""
    return _access(certificate, method="ocsp")


def addresses_issuer(certificate: x509.Certificate) -> Iterator[str]:
    """Of certificates of its issuer (RFC 5280 §4.2.2.1)."""
    return _access(certificate, method="ca_issuers")


def addresses_crl(certificate: x509.Certificate) -> Iterator[str]:
    """Of complete lists and of deltas (RFC 5280 §4.2.1.13, §4.2.1.15)."""
    try:
        points = (*(certificate.crl_distribution_points_value or ()), *(certificate.freshest_crl_value or ()))
        for point in points:
            where = point["distribution_point"]
            if is_present(where) and where.name == "full_name":
                for name in where.chosen:
                    yield from _url(name)
    except UNEXPECTED:
        return


def _access(certificate: x509.Certificate, *, method: str) -> Iterator[str]:
    try:
        for description in certificate.authority_information_access_value or ():
            if description["access_method"].native == method:
                yield from _url(description["access_location"])
    except UNEXPECTED:
        return


def _url(name: Any) -> Iterator[str]:
    if name.name == "uniform_resource_identifier":
        url = name.native
        if isinstance(url, str) and url.lower().startswith(("http://", "https://")):
            yield url
