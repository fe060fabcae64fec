"""Timestamp authorities for tests: one that serves, and one that says whatever a test wants it to say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer import der
from signer.authority import Authority as TimestampAuthority
from signer.cms import attribute
from tests.pki import NOW, Authority, KeyKind, Signer, private_key
from verify.asn1 import raw
from verify.fetcher import FetchFailed, FetchRequest

POLICY = "1.3.6.1.4.1.99999.1"
TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
DATA = der.oid("1.2.840.113549.1.7.1")
CONTENT_TYPE, MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.3"), der.oid("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE = der.oid("1.2.840.113549.1.9.16.2.12")
SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
SHA1 = der.sequence(der.oid("1.3.14.3.2.26"), der.NULL)
MD5 = der.sequence(der.oid("1.2.840.113549.2.5"), der.NULL)


def tsa_signer(*, key: KeyKind = "p256", name: str = "Dấu thời gian (demo)") -> Signer:
    return Authority.root().authority().signer(name, key=key, timestamping=True)


def tsa_with_usage(*usages: x509.ObjectIdentifier, critical: bool = True, digital_signature: bool = True) -> Signer:
    """A TSA certificate with this extended key usage; with none, without the extension."""
    issuer, private = Authority.root(), private_key("p256", "odd TSA")
    key_usage = x509.KeyUsage(digital_signature, False, not digital_signature, *[False] * 6)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Odd TSA")]))
        .issuer_name(issuer.certificate.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(key_usage, critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
    return Signer(builder.sign(issuer.key, hashes.SHA256()), private, ())


TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


def authority(
    signer: Signer,
    *,
    mechanism: str = "ecdsa_sha256",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    **options,
) -> TimestampAuthority:
    return TimestampAuthority(
        certificate=signer.der, chain=signer.chain, policy=POLICY, mechanism=mechanism, clock=clock, **options
    )


@dataclass(frozen=True)
class Forge:
    """A token with any part replaced: `build` signs what it is told to sign, sensible or not."""

    signer: Signer = field(default_factory=tsa_signer)
    mechanism: str = "ecdsa_sha256"

    def info(
        self,
        *,
        version: int = 1,
        algorithm: bytes = der.sequence(der.oid(der.DIGEST_OIDS["sha256"])),
        imprint: bytes = hashlib.sha256(b"data").digest(),
        policy: str = POLICY,
        serial: int = 7,
        time: datetime = NOW,
        nonce: int | None = 42,
        name: bytes = b"",
        extensions: bytes = b"",
    ) -> bytes:
        return der.sequence(
            der.integer(version),
            der.oid(policy),
            der.sequence(algorithm, der.octet_string(imprint)),
            der.integer(serial),
            der.tlv(0x18, f"{time.astimezone(UTC):%Y%m%d%H%M%S}Z".encode()),
            b"" if nonce is None else der.integer(nonce),
            name,
            extensions,
        )

    def attributes(self, info: bytes) -> dict[str, bytes]:
        """The three attributes of a proper token, by name, for a test to replace or leave out."""
        digest = hashlib.new(der.mechanism_digest(self.mechanism), info).digest()
        cert_id = der.sequence(der.octet_string(hashlib.sha256(self.signer.der).digest()))
        return {
            "content-type": attribute(CONTENT_TYPE, TST_INFO),
            "message-digest": attribute(MESSAGE_DIGEST, der.octet_string(digest)),
            "signing-certificate": attribute(SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(cert_id))),
        }

    def build(
        self,
        info: bytes,
        *,
        attributes: dict[str, bytes] | None = None,
        certificates: tuple[bytes, ...] | None = None,
        signers: int = 1,
        content_type: bytes = TST_INFO,
        digest_algorithm: bytes | None = None,
        value: bytes | None = None,
    ) -> bytes:
        tbs = der.set_of(*(attributes if attributes is not None else self.attributes(info)).values())
        digest_algorithm = digest_algorithm or der.digest_algorithm(der.mechanism_digest(self.mechanism))
        certificate = self.signer.certificate
        signer_info = der.sequence(
            der.integer(1),
            der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number)),
            digest_algorithm,
            b"\xa0" + tbs[1:],
            der.signature_algorithm(self.mechanism),
            der.octet_string(self.signer.sign(tbs, self.mechanism) if value is None else value),
        )
        carried = (self.signer.der,) if certificates is None else certificates
        signed_data = der.sequence(
            der.integer(3),
            der.set_of(digest_algorithm),
            der.sequence(content_type, der.context(0, der.octet_string(info))),
            der.context(0, *carried) if carried else b"",
            der.tlv(0x31, *[signer_info] * signers),
        )
        return der.sequence(der.oid("1.2.840.113549.1.7.2"), der.context(0, signed_data))


def granted(token: bytes, *, status: int = 0) -> bytes:
    """TimeStampResp around a token."""
    return der.sequence(der.sequence(der.integer(status)), token)


def token_in(response: bytes) -> bytes:
    """The token of a TimeStampResp that has one."""
    from signer.timestamp import _Response

    return raw(_Response.load(response)["time_stamp_token"])


@dataclass
class Answers:
    """A fetcher from address to answer: bytes, a function of the request's body, or None for no answer at all."""

    by_url: dict[str, bytes | Callable[[bytes], bytes] | None]
    asked: list[FetchRequest] = field(default_factory=list)

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked.append(request)
        answer = self.by_url[request.url]
        if answer is None:
            raise FetchFailed("no answer", url=request.url, reason="timeout")
        return answer(request.body) if callable(answer) else answer


def pem(der_bytes: bytes) -> bytes:
    return x509.load_der_x509_certificate(der_bytes).public_bytes(serialization.Encoding.PEM)
