"""The signature value: which mechanism ds:SignatureMethod names, and whether a certificate's key made the value.

XMLDSig §6.4 and RFC 9231. A shared secret is never taken where a public key is due: whoever could verify could have
signed. A ds:KeyValue is a hint at most, and one that is not the certificate's key is told, whatever else holds.

    method = read_method(element)                              # raises Unusable("hmac" …)
    verifies(method, certificate, value=value, tbs=canonical_signed_info)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from asn1crypto import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from verify import algorithms
from verify.algorithms import Mechanism
from verify.asn1 import raw
from verify.chain import UNEXPECTED
from verify.xml import names
from verify.xml.texts import decoded, text_of

_DS = f"{{{names.DS}}}"
_DS11 = f"{{{names.DS11}}}"
_PSS = f"{{{names.MORE_2007}}}"
_MGF1 = f"{names.MORE_2007}MGF1"
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "urn:oid:1.2.840.10045.3.1.7": ec.SECP256R1(),
    "urn:oid:1.3.132.0.34": ec.SECP384R1(),
    "urn:oid:1.3.132.0.35": ec.SECP521R1(),
}

_COMPARABLE = (
    rsa.RSAPublicKey,
    ec.EllipticCurvePublicKey,
    dsa.DSAPublicKey,
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
)

MAX_KEYS: Final = 10
"""Keys that are read where ds:KeyInfo states them; there is one."""

_BROKEN: Final = ("md5", "sha1")
"""Digests of which collisions are known, the weakest first."""

UnusableReason = Literal["algorithm-unknown", "hmac", "hmac-length"]


class Unusable(Exception):
    """A signature method that cannot be that of a signature by a certificate's key."""

    def __init__(self, reason: UnusableReason) -> None:
        super().__init__(reason)
        self.reason: UnusableReason = reason


@dataclass(frozen=True)
class Key:
    """The key of a certificate, and the certificate (DER)."""

    certificate: bytes
    public: PublicKeyTypes


def read_method(method: etree._Element) -> Mechanism:
    """Raises Unusable."""
    uri = method.get("Algorithm", "")
    if names.is_hmac(uri):
        raise Unusable("hmac")
    if method.find(f"{_DS}HMACOutputLength") is not None:
        raise Unusable("hmac-length")
    scheme, digest = names.SIGNATURES.get(uri, (None, None))
    if scheme is None:
        raise Unusable("algorithm-unknown")
    if scheme == "rsassa_pss":
        return _pss(method, digest)
    return Mechanism(scheme, digest or "sha512")


def _pss(method: etree._Element, digest: str | None) -> Mechanism:
    """RFC 9231 §2.3.9 and §2.3.10: with parameters, whose defaults are SHA-256 and the length of the digest, or with all
    of them in the name."""
    parameters = method.find(f"{_PSS}RSAPSSParams")
    if digest is not None:
        return Mechanism("rsassa_pss", digest)
    if parameters is None:
        return Mechanism("rsassa_pss", "sha256")
    digest = _digest(parameters) or "sha256"
    mask = parameters.find(f"{_PSS}MaskGenerationFunction")
    mask_digest = "sha256"
    if mask is not None:
        if mask.get("Algorithm", _MGF1) != _MGF1:
            raise Unusable("algorithm-unknown")
        mask_digest = _digest(mask) or "sha256"
    salt, trailer = parameters.find(f"{_PSS}SaltLength"), parameters.find(f"{_PSS}TrailerField")
    if trailer is not None and text_of(trailer).strip() != "1":
        raise Unusable("algorithm-unknown")
    length = text_of(salt).strip() if salt is not None else ""
    if salt is not None and not (length.isascii() and length.isdigit() and len(length) <= 4):
        raise Unusable("algorithm-unknown")
    return Mechanism("rsassa_pss", digest, salt_length=int(length) if length else None, mask_digest=mask_digest)


def _digest(holder: etree._Element) -> str | None:
    method = holder.find(f"{_DS}DigestMethod")
    if method is None:
        return None
    name = names.DIGESTS.get(method.get("Algorithm", ""))
    if name is None:
        raise Unusable("algorithm-unknown")
    return name


def key_of(certificate: bytes) -> Key | None:
    """None when the certificate, or its key, cannot be read."""
    try:
        public = algorithms.public_key(raw(x509.Certificate.load(certificate).public_key))
    except UNEXPECTED:
        return None
    return Key(certificate, public) if public is not None else None


def weakest(digests: Iterable[str | None]) -> str:
    """Of the names of digests, that on which least can be built; "unknown" when there is none."""
    return min((one for one in digests if one and one != "unknown"), key=_strength, default="unknown")


def _strength(digest: str) -> tuple[int, int]:
    known = _BROKEN.index(digest) if digest in _BROKEN else len(_BROKEN)
    return known, hashlib.new(digest, usedforsecurity=False).digest_size


def verifies(mechanism: Mechanism, key: PublicKeyTypes, *, value: bytes, tbs: bytes) -> bool:
    """Whether the key made this value over the canonical ds:SignedInfo."""
    shaped = _der(key, value) if mechanism.name in {"ecdsa", "dsa"} else value
    if shaped is None:
        return False
    try:
        mechanism.verify(key, value=shaped, tbs=tbs, prehashed=False)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _der(key: PublicKeyTypes, value: bytes) -> bytes | None:
    """r and s, each as wide as the order of the group (XMLDSig 1.1 §6.4.1, §6.4.3), as a DER structure."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        width = (key.curve.group_order.bit_length() + 7) // 8
    elif isinstance(key, dsa.DSAPublicKey):
        width = (key.parameters().parameter_numbers().q.bit_length() + 7) // 8
    else:
        return None
    if len(value) != 2 * width:
        return None
    return encode_dss_signature(int.from_bytes(value[:width]), int.from_bytes(value[width:]))


def key_values(signature: etree._Element) -> tuple[PublicKeyTypes | None, ...]:
    """The keys that ds:KeyInfo states as such, the first of them; None for one that cannot be read."""
    stated = (
        one
        for info in signature.iterchildren(f"{_DS}KeyInfo")
        for one in info.iterchildren(f"{_DS}KeyValue", f"{_DS11}DEREncodedKeyValue")
    )
    return tuple(map(_key_value, islice(stated, MAX_KEYS)))


def _key_value(element: etree._Element) -> PublicKeyTypes | None:
    if element.tag == f"{_DS11}DEREncodedKeyValue":
        return algorithms.public_key(decoded(text_of(element)) or b"")
    try:
        if (rsa_key := element.find(f"{_DS}RSAKeyValue")) is not None:
            modulus, exponent = (_number(rsa_key, name) for name in ("Modulus", "Exponent"))
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if (ec_key := element.find(f"{_DS11}ECKeyValue")) is not None:
            return _ec_key(ec_key)
        if (dsa_key := element.find(f"{_DS}DSAKeyValue")) is not None:
            p, q, g, y = (_number(dsa_key, name) for name in ("P", "Q", "G", "Y"))
            return dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return None


def _number(holder: etree._Element, name: str) -> int:
    element = holder.find(f"{_DS}{name}")
    octets = decoded(text_of(element)) if element is not None else None
    if octets is None or len(octets) > 2048:
        raise ValueError(f"no ds:{name}")
    return int.from_bytes(octets)


def _ec_key(element: etree._Element) -> PublicKeyTypes | None:
    curve, point = element.find(f"{_DS11}NamedCurve"), element.find(f"{_DS11}PublicKey")
    chosen = _CURVES.get(curve.get("URI") or "") if curve is not None else None
    octets = decoded(text_of(point)) if point is not None else None
    if chosen is None or octets is None:
        return None
    return ec.EllipticCurvePublicKey.from_encoded_point(chosen, octets)


def same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    return isinstance(one, _COMPARABLE) and one == other
