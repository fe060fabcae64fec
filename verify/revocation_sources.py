"""The addresses that a certificate names: where its revocation and its issuer can be asked for, and what to ask.

It reads and believes nothing. Only http and https: who may be asked among these, the fetcher decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asn1crypto import x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp as pyca_ocsp

from verify.asn1 import is_present, raw
from verify.chain import UNEXPECTED


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes | None:
    """An OCSPRequest; SHA-1 in the CertID is an identifier, and what every responder knows (RFC 5019 §2.1.1)."""
    try:
        subject, authority = (pyca.load_der_x509_certificate(raw(c)) for c in (certificate, issuer))
        builder = pyca_ocsp.OCSPRequestBuilder().add_certificate(subject, authority, hashes.SHA1())  # noqa: S303
        return builder.build().public_bytes(serialization.Encoding.DER)
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
