"""A small PKI for tests: authorities and signers in a line each, keys in memory, any time of validity.

>>> root = Authority.root("Root")
>>> issuing = root.authority("Issuing CA")
>>> signer = issuing.signer("Người ký thử", key="p256")
>>> signer.sign(b"bytes", "ecdsa_sha256")
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KeyKind = Literal["rsa2048", "rsa3072", "p256", "p384", "ed25519"]
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
NOW = datetime.now(UTC).replace(microsecond=0)


@lru_cache(maxsize=64)
def private_key(kind: KeyKind, name: str):
    """A key of this kind; the same for the same name, since RSA keys are slow to make."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


@dataclass(frozen=True)
class Signer:
    """A certificate with its private key and the chain up to, without, the root."""

    certificate: x509.Certificate
    key: object
    chain: tuple[bytes, ...]

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, tbs: bytes, mechanism: str) -> bytes:
        if mechanism == "ed25519":
            return self.key.sign(tbs)
        scheme, digest = mechanism.rsplit("_", 1)
        algorithm = _HASHES[digest]
        if scheme == "ecdsa":
            return self.key.sign(tbs, ec.ECDSA(algorithm))
        is_pss = scheme == "rsassa_pss"
        scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if is_pss else padding.PKCS1v15()
        return self.key.sign(tbs, scheme, algorithm)


@dataclass(frozen=True)
class Authority(Signer):
    """A CA; `chain` is its own certificate and those above it, without the root."""

    is_root: bool = False

    @classmethod
    def root(cls, name: str = "Demo Root CA", *, key: KeyKind = "p256") -> Authority:
        private = private_key(key, name)
        certificate = _build(name, private.public_key(), issuer=_name(name), signing_key=private, ca=True)
        return cls(certificate, private, (), is_root=True)

    def authority(self, name: str = "Demo Issuing CA", *, key: KeyKind = "p256") -> Authority:
        private = private_key(key, name)
        certificate = self._issue(name, private, ca=True)
        return Authority(certificate, private, self._chain_below(certificate), is_root=False)

    def signer(
        self,
        name: str = "Nguyễn Văn Mẫu (demo)",
        *,
        key: KeyKind = "rsa2048",
        not_before: datetime = NOW - timedelta(days=30),
        not_after: datetime = NOW + timedelta(days=365),
        timestamping: bool = False,
    ) -> Signer:
        private = private_key(key, name)
        certificate = self._issue(name, private, not_before=not_before, not_after=not_after, timestamping=timestamping)
        return Signer(certificate, private, self._own_chain())

    def certify(self, name: str, public_key) -> x509.Certificate:
        """A certificate for a key that somebody else holds."""
        return _build(name, public_key, issuer=self.certificate.subject, signing_key=self.key)

    def _issue(self, name: str, private, **options) -> x509.Certificate:
        return _build(name, private.public_key(), issuer=self.certificate.subject, signing_key=self.key, **options)

    def _own_chain(self) -> tuple[bytes, ...]:
        return () if self.is_root else (self.der, *(c for c in self.chain if c != self.der))

    def _chain_below(self, certificate: x509.Certificate) -> tuple[bytes, ...]:
        return (certificate.public_bytes(serialization.Encoding.DER), *self._own_chain())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cơ quan Mẫu (demo)"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _build(
    name: str,
    public_key,
    *,
    issuer: x509.Name,
    signing_key,
    ca: bool = False,
    timestamping: bool = False,
    not_before: datetime = NOW - timedelta(days=400),
    not_after: datetime = NOW + timedelta(days=4000),
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(_key_usage(ca=ca), critical=True)
    )
    if timestamping:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    algorithm = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signing_key, algorithm)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
