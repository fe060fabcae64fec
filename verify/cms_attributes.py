"""Attributes of a CMS signer (RFC 5652 §5.3): what is signed beside the content, and what was added later.

Read only; what they are worth is for `verify.cms` to check and for `verify.engine` to weigh.

    attributes, repeated = signed(signer_info)
    certificate, binding = signing_certificate(signer_info, attributes=attributes, certificates=certificates)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from asn1crypto import cms, ocsp, parser, x509
from asn1crypto import pdf as asn1_pdf
from pyhanko.sign.ades import cades_asn1

from verify import algorithms
from verify.asn1 import raw
from verify.found import Binding, Evidence, SignaturePolicy

assert asn1_pdf, cades_asn1  # these register the attributes of Adobe and of CAdES with asn1crypto.cms

UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, EOFError)
"""What asn1crypto raises on hostile input; its lazy parsing lets any access raise."""

Attributes = dict[str, tuple[Any, ...]]


def der_signed_attributes(signer: cms.SignerInfo) -> bytes | None:
    """Signed attributes as the SET OF that was digested: DER sorts its elements (X.690 §11.6)."""
    raw = signer["signed_attrs"].contents
    if not raw:
        return None
    return _tlv(0x31, b"".join(sorted(_elements(raw))))


def _elements(raw: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(raw):
        _, end = parser._parse(raw, len(raw), start)
        yield raw[start:end]
        start = end


def _tlv(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def signed(signer: cms.SignerInfo) -> tuple[Attributes, tuple[str, ...]]:
    found: dict[str, list[Any]] = {}
    repeated: list[str] = []
    for attribute in signer["signed_attrs"] or ():
        name = attribute["type"].native
        values = list(attribute["values"])
        if name in found or len(values) != 1:
            repeated.append(name)
        found.setdefault(name, []).extend(values)
    return {name: tuple(values) for name, values in found.items()}, tuple(repeated)


def unsigned(signer: cms.SignerInfo) -> Attributes:
    found: dict[str, list[Any]] = {}
    for attribute in signer["unsigned_attrs"] or ():
        found.setdefault(attribute["type"].native, []).extend(attribute["values"])
    return {name: tuple(values) for name, values in found.items()}


def signature_policy(attributes: Attributes) -> SignaturePolicy | None:
    """The signature-policy-identifier attribute (EN 319 122-1 §5.2.9); an implied policy names none."""
    for value in attributes.get("signature_policy_identifier", ()):
        try:
            if value.name != "signature_policy_id":
                continue
            chosen = value.chosen
            digest = chosen["sig_policy_hash"]
            return SignaturePolicy(
                identifier=chosen["sig_policy_id"].dotted,
                digest_algorithm=algorithms.digest_name(digest["digest_algorithm"]["algorithm"].dotted),
                digest=digest["digest"].native,
            )
        except UNREADABLE:
            return SignaturePolicy("", None, b"")
    return None


def signing_certificate(
    signer: cms.SignerInfo,
    *,
    attributes: Attributes,
    certificates: tuple[tuple[bytes, x509.Certificate], ...],
) -> tuple[bytes | None, Binding]:
    """EN 319 102-1 §5.2.3: the certificate by its digest in the signing-certificate attribute, else by the signer id."""
    references = _references(attributes)
    named = next((der for der, certificate in certificates if _names(signer["sid"], certificate)), None)
    if not references:
        return named, "absent"
    by_digest = next((der for der, _ in certificates if _digests_to(der, references[0])), None)
    if by_digest is not None and (named is None or named == by_digest):
        return by_digest, "matched"
    return named, "mismatched"


def _references(attributes: Attributes) -> list[tuple[str | None, bytes]]:
    """(digest name, certificate digest) of ESSCertIDv2 and ESSCertID; the first one is the signer (RFC 5035 §5.4)."""
    newer = [entry for value in attributes.get("signing_certificate_v2", ()) for entry in value["certs"]]
    older = [entry for value in attributes.get("signing_certificate", ()) for entry in value["certs"]]
    return [
        *((algorithms.digest_name(e["hash_algorithm"]["algorithm"].dotted), e["cert_hash"].native) for e in newer),
        *(("sha1", e["cert_hash"].native) for e in older),
    ]


def _digests_to(der: bytes, reference: tuple[str | None, bytes]) -> bool:
    name, digest = reference
    return name is not None and hmac.compare_digest(hashlib.new(name, der).digest(), digest)


def _names(sid: cms.SignerIdentifier, certificate: x509.Certificate) -> bool:
    if sid.name == "issuer_and_serial_number":
        wanted = sid.chosen
        return bool(
            certificate.serial_number == wanted["serial_number"].native and certificate.issuer == wanted["issuer"]
        )
    return bool(certificate.key_identifier == sid.chosen.native)


def signing_time(attributes: Attributes) -> datetime | None:
    values = attributes.get("signing_time", ())
    native = values[0].native if values else None
    return native if isinstance(native, datetime) and native.tzinfo is not None else None


def archived(attributes: Attributes) -> Evidence:
    """The same in Adobe's signed attribute (ISO 32000-1 §12.8.3.3.2)."""
    values = attributes.get("adobe_revocation_info_archival", ())
    crls = tuple(raw(item) for archive in values for item in archive["crl"] or ())
    ocsps = tuple(
        raw(item) for archive in values for item in archive["ocsp"] or () if isinstance(item, ocsp.OCSPResponse)
    )
    return Evidence(crls=crls, ocsps=ocsps)
