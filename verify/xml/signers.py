"""Who made a XAdES signature (EN 319 102-1 §5.2.3): the certificate that its signed properties name.

for candidate in candidates(properties, key_info=in_key_info, further=elsewhere):
    ...                                           # the first whose key verifies the value is the signer
binding(properties, signer, key_info_signed=False)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator

from asn1crypto import tsp, x509

from verify.asn1 import same_name
from verify.chain import UNEXPECTED
from verify.found import Binding
from verify.xml import issuer_names
from verify.xml.properties import CertificateReference, Properties


def candidates(properties: Properties, *, key_info: Iterable[bytes], further: Iterable[bytes] = ()) -> Iterator[bytes]:
    """Certificates (DER) whose key may have made the signature, the likeliest first: those that the signed properties
    name by digest, wherever they stand, then those of ds:KeyInfo. Each once."""
    given = tuple(dict.fromkeys(key_info))
    known = dict.fromkeys((*given, *further))
    digests = {(one.digest_algorithm, one.digest) for one in properties.certificates}
    algorithms = {name for name, _ in digests if name is not None}
    named = {der: None for der in known if any((name, _digest(der, name)) in digests for name in algorithms)}
    yield from named
    yield from (der for der in given if der not in named)


def binding(properties: Properties, signer: bytes | None, *, key_info_signed: bool) -> Binding:
    """Whether what is signed names this certificate.

    Where a ds:KeyInfo that holds it is signed itself, no property is needed (EN 319 132-1 §4.1). Issuer and serial
    number are optional or a mere hint by the standard; where they are stated and are those of another certificate, the
    signature names two, and so none.
    """
    if not properties.certificates:
        return "matched" if key_info_signed and signer is not None else "absent"
    if signer is None:
        return "mismatched"
    agrees = any(_digests_to(signer, one) and _is_issued(signer, one) for one in properties.certificates)
    return "matched" if agrees else "mismatched"


def _digests_to(der: bytes, reference: CertificateReference) -> bool:
    if reference.digest_algorithm is None or reference.digest is None:
        return False
    return hmac.compare_digest(_digest(der, reference.digest_algorithm), reference.digest)


def _digest(der: bytes, algorithm: str) -> bytes:
    return hashlib.new(algorithm, der, usedforsecurity=False).digest()


def _is_issued(der: bytes, reference: CertificateReference) -> bool:
    """Whether issuer and serial number, where they are stated, are the certificate's."""
    if not reference.states_issuer:
        return True
    try:
        certificate = x509.Certificate.load(der)
        if reference.version == 1:
            same = issuer_names.same(reference.issuer or "", certificate.issuer)
            return bool(reference.serial == certificate.serial_number and same)
        stated = tsp.IssuerSerial.load(reference.issuer_serial or b"", strict=True)
        return bool(
            stated["serial_number"].native == certificate.serial_number
            and any(
                name.name == "directory_name" and same_name(name.chosen, certificate.issuer)
                for name in stated["issuer"]
            )
        )
    except UNEXPECTED:
        return False
