"""CMS SignedData for PAdES, written from parts that are encoded once per certificate.

What differs between two signatures by one key is the digest, the value and the timestamp; all the rest is encoded when
the `SignedDataTemplate` is made and kept. It writes, it does not judge: `signer.selfcheck` reads what came out with
another library.

>>> template = SignedDataTemplate.of(certificate, chain=chain, mechanism="ecdsa_sha256")  # doctest: +SKIP
>>> tbs = template.signed_attrs(digest)                                                    # doctest: +SKIP
>>> contents = template.signed_data(tbs, value=value, timestamp=None)                      # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from signer import der
from signer.errors import OrderInvalid, ValueRefused
from verify.asn1 import raw

_DATA = der.oid("1.2.840.113549.1.7.1")
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_ALGORITHM_PROTECTION = der.oid("1.2.840.113549.1.9.52")
_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
_SIGNATURE_TIMESTAMP = der.oid("1.2.840.113549.1.9.16.2.14")

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def attribute(kind: bytes, *values: bytes) -> bytes:
    """Attribute ::= SEQUENCE { attrType, attrValues SET OF } (RFC 5652 §5.3)."""
    return der.sequence(kind, der.set_of(*values))


def message_digest(value: bytes) -> bytes:
    """The message-digest attribute (RFC 5652 §11.2)."""
    return attribute(_MESSAGE_DIGEST, der.octet_string(value))


def content_type(kind: bytes) -> bytes:
    """The content-type attribute (RFC 5652 §11.1); `kind` is a DER object identifier."""
    return attribute(_CONTENT_TYPE, kind)


@dataclass(frozen=True)
class SignerIdentity:
    """How a SignerInfo names its certificate: by issuer and serial number, and by digest in a signed attribute.

    Names and numbers are the certificate's own bytes: some CAs write strings that no library writes the same way again.
    """

    signer_identifier: bytes
    signing_certificate: bytes

    @staticmethod
    def of(certificate: bytes) -> SignerIdentity:
        """From a DER certificate; raises ValueError if it is none."""
        tbs = asn1_x509.Certificate.load(certificate)["tbs_certificate"]
        issuer, serial = raw(tbs["issuer"]), raw(tbs["serial_number"])
        cert_id = der.sequence(  # ESSCertIDv2, its hash algorithm the default SHA-256 (RFC 5035 §4)
            der.octet_string(hashlib.sha256(certificate).digest()),
            der.sequence(der.sequence(der.context(4, issuer)), serial),
        )
        return SignerIdentity(
            signer_identifier=der.sequence(issuer, serial),
            signing_certificate=attribute(_SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(cert_id))),
        )


def signed_data(
    identity: SignerIdentity,
    tbs: bytes,
    *,
    value: bytes,
    mechanism: str,
    certificates: bytes,
    content: bytes,
    version: int = 1,
    unsigned: bytes = b"",
) -> bytes:
    """ContentInfo with SignedData and one SignerInfo (RFC 5652 §5).

    `tbs` is the DER of the SET of signed attributes, `certificates` that of the [0] field or nothing, `content` that of
    EncapsulatedContentInfo's fields, `unsigned` that of the [1] field or nothing.
    """
    digest_algorithm = der.digest_algorithm(der.mechanism_digest(mechanism))
    signer_info = der.sequence(
        der.integer(1),
        identity.signer_identifier,
        digest_algorithm,
        b"\xa0" + tbs[1:],  # the same bytes, tagged [0] IMPLICIT
        der.signature_algorithm(mechanism),
        der.octet_string(value),
        unsigned,
    )
    body = der.sequence(
        der.integer(version),
        der.set_of(digest_algorithm),
        der.sequence(content),
        certificates,
        der.set_of(signer_info),
    )
    return der.sequence(_SIGNED_DATA, der.context(0, body))


@dataclass(frozen=True)
class SignedDataTemplate:
    """The parts of a SignedData that one certificate, its chain and one mechanism determine."""

    mechanism: str
    digest: str
    public_key: CertificatePublicKeyTypes
    value_size: int
    _identity: SignerIdentity
    _fixed_attributes: tuple[bytes, ...]
    _certificates: bytes

    @staticmethod
    @lru_cache(maxsize=256)
    def of(certificate: bytes, *, chain: tuple[bytes, ...], mechanism: str) -> SignedDataTemplate:
        """The template for a DER certificate; self-signed chain members are left out, a verifier has its own anchors.

        Raises OrderInvalid if the certificate cannot be read or its key cannot make this kind of signature.
        """
        try:
            parsed = x509.load_der_x509_certificate(certificate)
            issuers = [(member, x509.load_der_x509_certificate(member)) for member in chain]
            public_key = parsed.public_key()
            algorithm = der.signature_algorithm(mechanism)
            identity = SignerIdentity.of(certificate)
        except (ValueError, KeyError) as error:
            raise OrderInvalid(
                "the certificate, its chain or the mechanism cannot be used", reason=str(error)
            ) from error
        digest = der.mechanism_digest(mechanism)
        protection = der.sequence(der.digest_algorithm(digest), b"\xa1" + algorithm[1:])  # RFC 6211 §2
        embedded = [certificate, *(raw for raw, member in issuers if member.subject != member.issuer)]
        return SignedDataTemplate(
            mechanism=mechanism,
            digest=digest,
            public_key=public_key,
            value_size=_value_size(public_key, mechanism=mechanism),
            _identity=identity,
            _fixed_attributes=(
                content_type(_DATA),
                identity.signing_certificate,
                attribute(_ALGORITHM_PROTECTION, protection),
            ),
            _certificates=der.context(0, *sorted(set(embedded))),
        )

    def signed_attrs(self, document_digest: bytes) -> bytes:
        """The bytes to sign: DER of SET OF Attribute (RFC 5652 §5.4). PAdES forbids signing-time here (EN 319 142-1
        §5.3): the time is in the signature dictionary's /M."""
        return der.set_of(message_digest(document_digest), *self._fixed_attributes)

    def signed_data(self, tbs: bytes, *, value: bytes, timestamp: bytes | None) -> bytes:
        """ContentInfo with one SignerInfo; `timestamp` is the DER of a TimeStampToken over `value`."""
        unsigned = b"" if timestamp is None else der.context(1, attribute(_SIGNATURE_TIMESTAMP, timestamp))
        return signed_data(
            self._identity,
            tbs,
            value=value,
            mechanism=self.mechanism,
            certificates=self._certificates,
            content=_DATA,
            unsigned=unsigned,
        )

    def size(self, *, timestamp_room: int) -> int:
        """An upper bound of the finished SignedData, in bytes."""
        tbs = self.signed_attrs(bytes(der.DIGEST_SIZES[self.digest]))
        timestamp = bytes(timestamp_room) if timestamp_room else None
        return len(self.signed_data(tbs, value=bytes(self.value_size), timestamp=timestamp))

    def verify(self, tbs: bytes, *, value: bytes) -> None:
        """Raise ValueRefused unless `value` is this certificate's signature over `tbs`."""
        verify_value(self.public_key, value, tbs=tbs, mechanism=self.mechanism)


def verify_value(public_key: CertificatePublicKeyTypes, value: bytes, *, tbs: bytes, mechanism: str) -> None:
    """Raise ValueRefused unless `value`, made by `mechanism`, verifies over `tbs` with `public_key`."""
    digest = _HASHES[der.mechanism_digest(mechanism)]
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            is_pss = mechanism.startswith("rsassa_pss")
            scheme = padding.PSS(padding.MGF1(digest), digest.digest_size) if is_pss else padding.PKCS1v15()
            public_key.verify(value, tbs, scheme, digest)
        elif isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(value, tbs, ec.ECDSA(digest))
        elif isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(value, tbs)
        else:
            raise ValueRefused("the certificate's key is of a kind that does not sign")
    except InvalidSignature as error:
        raise ValueRefused from error


def _value_size(public_key: CertificatePublicKeyTypes, *, mechanism: str) -> int:
    """The largest signature value in bytes, also the check that key and mechanism go together."""
    match public_key, mechanism.partition("_")[0]:
        case rsa.RSAPublicKey(), "rsassa":
            return (public_key.key_size + 7) // 8
        case ec.EllipticCurvePublicKey(), "ecdsa":
            return 2 * ((public_key.key_size + 7) // 8) + 9  # two INTEGERs, each with a sign byte, in a SEQUENCE
        case ed25519.Ed25519PublicKey(), "ed25519":
            return 64
    raise OrderInvalid("the certificate's key cannot sign with this mechanism", mechanism=mechanism)
