"""Digests, signature mechanisms and keys: object identifiers to what `cryptography` can do.

Only names and mathematics. Whether an algorithm may still be used is data of `verify.policy`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from asn1crypto import algos, core, keys, parser, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from verify.asn1 import raw

Scheme = Literal["rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519", "ed448", "dsa"]

DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303  old signatures are read; the policy decides what they are worth
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_224": hashes.SHA3_224(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}

_DIGEST_OIDS = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.7": "sha3_224",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
}

_SIGNATURE_OIDS: dict[str, tuple[Scheme, str | None]] = {
    "1.2.840.113549.1.1.1": ("rsassa_pkcs1v15", None),  # rsaEncryption: the digest stands beside it
    "1.2.840.113549.1.1.4": ("rsassa_pkcs1v15", "md5"),
    "1.2.840.113549.1.1.5": ("rsassa_pkcs1v15", "sha1"),
    "1.2.840.113549.1.1.14": ("rsassa_pkcs1v15", "sha224"),
    "1.2.840.113549.1.1.11": ("rsassa_pkcs1v15", "sha256"),
    "1.2.840.113549.1.1.12": ("rsassa_pkcs1v15", "sha384"),
    "1.2.840.113549.1.1.13": ("rsassa_pkcs1v15", "sha512"),
    "2.16.840.1.101.3.4.3.13": ("rsassa_pkcs1v15", "sha3_224"),
    "2.16.840.1.101.3.4.3.14": ("rsassa_pkcs1v15", "sha3_256"),
    "2.16.840.1.101.3.4.3.15": ("rsassa_pkcs1v15", "sha3_384"),
    "2.16.840.1.101.3.4.3.16": ("rsassa_pkcs1v15", "sha3_512"),
    "1.2.840.113549.1.1.10": ("rsassa_pss", None),
    "1.2.840.10045.2.1": ("ecdsa", None),  # id-ecPublicKey where the mechanism belongs: seen in the field
    "1.2.840.10045.4.1": ("ecdsa", "sha1"),
    "1.2.840.10045.4.3.1": ("ecdsa", "sha224"),
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
    "2.16.840.1.101.3.4.3.9": ("ecdsa", "sha3_224"),
    "2.16.840.1.101.3.4.3.10": ("ecdsa", "sha3_256"),
    "2.16.840.1.101.3.4.3.11": ("ecdsa", "sha3_384"),
    "2.16.840.1.101.3.4.3.12": ("ecdsa", "sha3_512"),
    "1.3.101.112": ("ed25519", "sha512"),
    "1.3.101.113": ("ed448", None),
    "1.2.840.10040.4.3": ("dsa", "sha1"),
    "2.16.840.1.101.3.4.3.2": ("dsa", "sha256"),
}


_DSA = bytes.fromhex("06072a8648ce380401")
"""id-dsa, encoded: told from other keys without reading them."""


def digest_name(oid: str) -> str | None:
    """The name as in hashlib, None when unknown. Signature identifiers in its place (seen in the field) are read."""
    return _DIGEST_OIDS.get(oid) or (_SIGNATURE_OIDS[oid][1] if oid in _SIGNATURE_OIDS else None)


@dataclass(frozen=True)
class Mechanism:
    """A signature mechanism with its parameters; `digest` is the digest it applies to the bytes to be signed."""

    name: Scheme
    digest: str
    salt_length: int | None = None
    mask_digest: str | None = None

    def digest_only_with(self, digest: str) -> bool:
        """Whether the message digest may be `digest`: the same algorithm, EdDSA excepted (RFC 5652 §5.4, RFC 8419)."""
        return self.name in {"ed25519", "ed448"} or self.digest == digest

    def verify(self, key: PublicKeyTypes, *, value: bytes, tbs: bytes, prehashed: bool) -> None:
        """Raises InvalidSignature, also when the key is of another kind; UnsupportedAlgorithm."""
        algorithm = DIGESTS[self.digest]
        chosen: Any = utils.Prehashed(algorithm) if prehashed else algorithm
        if isinstance(key, rsa.RSAPublicKey) and self.name == "rsassa_pkcs1v15":
            key.verify(value, tbs, padding.PKCS1v15(), chosen)
        elif isinstance(key, rsa.RSAPublicKey) and self.name == "rsassa_pss":
            mask = padding.MGF1(DIGESTS[self.mask_digest or self.digest])
            salt = self.salt_length if self.salt_length is not None else algorithm.digest_size
            key.verify(value, tbs, padding.PSS(mask, salt), chosen)
        elif isinstance(key, ec.EllipticCurvePublicKey) and self.name == "ecdsa":
            key.verify(value, tbs, ec.ECDSA(chosen))
        elif isinstance(key, dsa.DSAPublicKey) and self.name == "dsa":
            key.verify(value, tbs, chosen)
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) and self.name in {"ed25519", "ed448"}:
            if prehashed:
                raise InvalidSignature("EdDSA signs the content itself, not its digest")
            key.verify(value, tbs)
        else:
            raise InvalidSignature("the key is of another kind than the mechanism")


def mechanism(algorithm: algos.SignedDigestAlgorithm, *, digest: str | None) -> Mechanism | None:
    """The mechanism that an AlgorithmIdentifier names; `digest` fills in where it names none. None when unknown."""
    scheme, fixed = _SIGNATURE_OIDS.get(algorithm["algorithm"].dotted, (None, None))
    if scheme is None:
        return None
    if scheme == "rsassa_pss":
        return _pss(algorithm["parameters"])
    chosen = fixed or digest or ("sha512" if scheme in {"ed25519", "ed448"} else None)
    return Mechanism(scheme, chosen) if chosen in DIGESTS else None


def _pss(parameters: Any) -> Mechanism | None:
    """RFC 4055 §3.1; absent parameters mean SHA-1, which stays as it is for the policy to refuse."""
    if parameters.native is None:
        return Mechanism("rsassa_pss", "sha1", salt_length=20, mask_digest="sha1")
    digest = digest_name(parameters["hash_algorithm"]["algorithm"].dotted)
    mask = parameters["mask_gen_algorithm"]
    mask_digest = digest_name(mask["parameters"]["algorithm"].dotted)
    if digest is None or mask_digest is None or mask["algorithm"].native != "mgf1":
        return None
    if parameters["trailer_field"].native not in {1, "trailer_field_bc"}:
        return None
    return Mechanism("rsassa_pss", digest, salt_length=parameters["salt_length"].native, mask_digest=mask_digest)


def public_key(spki: bytes) -> PublicKeyTypes | None:
    """A key from its SubjectPublicKeyInfo (DER); None when it cannot be used. RSASSA-PSS keys are read as RSA keys."""
    try:
        return load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def with_parameters(spki: bytes, *, of: bytes) -> bytes:
    """A DSA key that leaves its parameters to its issuer (RFC 5280 §6.1.4 (e)), with those of `of`; others as they are."""
    if not lacks_parameters(spki) or _DSA not in of or lacks_parameters(of):
        return spki
    info, above = keys.PublicKeyInfo.load(spki), keys.PublicKeyInfo.load(of)
    parameters = above["algorithm"]["parameters"]
    identifier = keys.PublicKeyAlgorithm({"algorithm": "dsa", "parameters": parameters})
    return bytes(parser.emit(0, 1, 16, identifier.dump() + raw(info["public_key"])))  # SEQUENCE


def lacks_parameters(spki: bytes) -> bool:
    """Whether this is a DSA key that cannot be used alone."""
    if _DSA not in spki:
        return False
    algorithm = keys.PublicKeyInfo.load(spki)["algorithm"]
    return bool(algorithm["algorithm"].native == "dsa" and algorithm["parameters"].native is None)


def signed_with(certificate: x509.Certificate, *, key: bytes) -> bool:
    """Whether the key of this SubjectPublicKeyInfo signed the certificate; says nothing of names or rights.

    A certificate that names two algorithms for its signature is signed by nobody (RFC 5280 §4.1.1.2). Raises what
    libraries raise for hostile values.
    """
    tbs = certificate["tbs_certificate"]
    if raw(tbs["signature"]) != raw(certificate["signature_algorithm"]):
        return False
    return value_of(certificate["signature_algorithm"], certificate["signature_value"], tbs=raw(tbs), key=key)


def value_of(algorithm: algos.SignedDigestAlgorithm, value: core.BitString, *, tbs: bytes, key: bytes) -> bool:
    """Whether a signature value over `tbs`, as in certificates, CRLs and OCSP responses, is the key's."""
    chosen, public = mechanism(algorithm, digest=None), public_key(key)
    if chosen is None or public is None:
        return False
    try:
        chosen.verify(public, value=value.native, tbs=tbs, prehashed=False)
    except InvalidSignature:
        return False
    return True


def key_size(key: PublicKeyTypes) -> int:
    """Bits, as people count them: modulus, order of the curve, 256 for Ed25519."""
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | dsa.DSAPublicKey):
        return key.key_size
    return 456 if isinstance(key, ed448.Ed448PublicKey) else 256


def digest(name: str, data: bytes) -> bytes:
    """Raises ValueError for a digest that is not in DIGESTS."""
    if name not in DIGESTS:
        raise ValueError(f"unknown digest {name}")
    return hashlib.new(name, data).digest()
