"""Where to look for what is said about a certificate's revocation, and what of it speaks about that certificate.

It compares names, keys and numbers and reads addresses; it believes nothing: `verify.evidence` checks what is found here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from asn1crypto import crl, ocsp, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp as pyca_ocsp
from pyhanko_certvalidator.util import get_ocsp_urls, get_relevant_crl_dps

from verify.asn1 import raw, same_name
from verify.chain import UNEXPECTED, Path


def matching_ocsp(der: bytes, *, path: Path, index: int) -> Iterator[tuple[ocsp.OCSPResponse, ocsp.SingleResponse]]:
    """The single responses about this certificate, by issuer name, issuer key and serial number."""
    certificate, issuer = path.certificates[index], path.certificates[index - 1]
    try:
        response = ocsp.OCSPResponse.load(der)
        if response["response_status"].native != "successful":
            return
        for single in response["response_bytes"]["response"].parsed["tbs_response_data"]["responses"]:
            identity = single["cert_id"]
            if identity["serial_number"].native != certificate.serial_number:
                continue
            name = identity["hash_algorithm"]["algorithm"].native
            same_name = identity["issuer_name_hash"].native == getattr(certificate.issuer, name)
            if same_name and identity["issuer_key_hash"].native == getattr(issuer.public_key, name):
                yield response, single
    except UNEXPECTED:
        return


def relevant_crls(ders: Iterable[bytes], *, path: Path, index: int) -> Iterator[crl.CertificateList]:
    """Lists by the issuer, by whom the certificate names as the issuer of its list, or indirect ones; newest first."""
    certificate = path.certificates[index]
    found: list[tuple[datetime, crl.CertificateList]] = []
    for der in dict.fromkeys(ders):
        try:
            one = crl.CertificateList.load(der)
            scope = one.issuing_distribution_point_value
            indirect = scope is not None and bool(scope["indirect_crl"].native)
            if same_name(one.issuer, certificate.issuer) or indirect:
                found.append((one["tbs_cert_list"]["this_update"].native, one))
        except UNEXPECTED:
            continue
    found.sort(key=lambda item: item[0], reverse=True)
    yield from (one for _, one in found)


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes | None:
    """An OCSPRequest; SHA-1 in the CertID is an identifier, and what every responder knows (RFC 5019 §2.1.1)."""
    try:
        subject, authority = (pyca.load_der_x509_certificate(raw(c)) for c in (certificate, issuer))
        builder = pyca_ocsp.OCSPRequestBuilder().add_certificate(subject, authority, hashes.SHA1())  # noqa: S303
        return builder.build().public_bytes(serialization.Encoding.DER)
    except UNEXPECTED:
        return None


def addresses_ocsp(certificate: x509.Certificate) -> Iterator[str]:
    try:
        yield from (url for url in get_ocsp_urls(certificate) if isinstance(url, str))
    except UNEXPECTED:
        return


def addresses_crl(certificate: x509.Certificate) -> Iterator[str]:
    try:
        for point in get_relevant_crl_dps(certificate, use_deltas=True):
            name = point["distribution_point"]
            if name and name.name == "full_name":
                yield from (
                    general.native
                    for general in name.chosen
                    if general.name == "uniform_resource_identifier"
                    and general.native.lower().startswith(("http://", "https://"))
                )
    except UNEXPECTED:
        return
