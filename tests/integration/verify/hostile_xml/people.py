"""Who signs the hostile set: keys, certificates and a list that are the same wherever and whenever they are made.

Nobody else may be able to make the same file again, byte for byte, if keys were drawn at random; so they are derived from
names, and are worth nothing.

root ── signer (P-256), clerk (RSA-2048), officer (Ed25519), mallory (P-256)
   └─── tsa (RSA-2048)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pki import Signer
from verify.trust import Trust

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
"""When the set is judged."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@cache
def _numbers(name: str, number: int) -> int:
    return int.from_bytes(hashlib.shake_256(f"{name} {number}".encode()).digest(128), "big")


def _is_prime(candidate: int) -> bool:
    """Fermat by four bases: what comes from SHAKE is no adversary."""
    return all(candidate % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)) and all(
        pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7)
    )


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """2,048 bits out of a name."""
    primes = []
    for at in count():
        candidate = _numbers(name, at) | 1 | (3 << 1022)
        if (candidate - 1) % 65537 and _is_prime(candidate):
            primes.append(candidate)
        if len(primes) == 2:
            break
    p, q = sorted(primes, reverse=True)
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    parts = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *parts, public).private_key()


@cache
def p256_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(_numbers(name, 0) % (_P256_ORDER - 1) + 1, ec.SECP256R1())


@dataclass(frozen=True)
class Person:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, tbs: bytes, digest: str = "sha256") -> bytes:
        """As XML has it: r and s side by side for ECDSA. The same bytes each time."""
        algorithm = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}[digest]
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return fixed_width(self.key.sign(tbs, ec.ECDSA(algorithm, deterministic_signing=True)))
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(tbs)
        return self.key.sign(tbs, padding.PKCS1v15(), algorithm)


def fixed_width(der_value: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(one.to_bytes(32, "big") for one in decode_dss_signature(der_value))


@cache
def root() -> Person:
    key = p256_key("root")
    return Person(_certify("Hostile Root", key, issuer=None), key)


@cache
def signer() -> Person:
    """Whose signature counts."""
    return _person("Người ký", p256_key("signer"))


@cache
def clerk() -> Person:
    """The same with RSA."""
    return _person("Văn thư", rsa_key("clerk"))


@cache
def officer() -> Person:
    """The same with Ed25519."""
    return _person("Lãnh đạo", ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"officer").digest()))


@cache
def mallory() -> Person:
    """Somebody with a certificate of the same authority, who wants to be taken for another."""
    return _person("Mallory", p256_key("mallory"))


@cache
def tsa() -> Signer:
    key = rsa_key("tsa")
    return Signer(_certify("Hostile TSA", key, issuer=root(), timestamping=True), key, (root().der,))


@cache
def trust() -> Trust:
    """The root, and a list by which nobody is revoked."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(root().certificate.subject)
    builder = builder.last_update(datetime(2026, 11, 22, 8, 0, tzinfo=UTC))
    builder = builder.next_update(datetime(2026, 11, 29, 8, 0, tzinfo=UTC))
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root().key.public_key())
    made = builder.add_extension(authority, critical=False).sign(root().key, hashes.SHA256(), ecdsa_deterministic=True)
    return Trust(anchors=(root().der,), crls=(made.public_bytes(serialization.Encoding.DER),))


def _person(name: str, key: Key) -> Person:
    return Person(_certify(name, key, issuer=root()), key)


def _certify(name: str, key: Key, *, issuer: Person | None, timestamping: bool = False) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by: Key = issuer.key if issuer else key
    usage = {"digital_signature": issuer is not None, "content_commitment": issuer is not None and not timestamping}
    others = ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    of_ca = {"key_cert_sign": issuer is None, "crl_sign": issuer is None}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:15], "big"))
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, **of_ca, **dict.fromkeys(others, False)), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if timestamping:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(by, hashes.SHA256(), ecdsa_deterministic=True)


@cache
def twin() -> Person:
    """Another certificate for the key of the signer, in another name."""
    return _person("Somebody else", p256_key("signer"))
