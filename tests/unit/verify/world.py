"""A small world of certificates, lists, responses and signed PDFs for the tests of `verify`, made anew in memory.

root ── issuing ── signer
   └─── tsa
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.signers import PdfTimeStamper
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from verify import policy
from verify.fetcher import FetchFailed, FetchRequest
from verify.trust import Trust

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
"""The time at which the tests judge."""

DEFAULT = policy.load("default")
DAY = timedelta(days=1)


@dataclass
class Entity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def asn1(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.der)

    @property
    def asn1_key(self) -> asn1_keys.PrivateKeyInfo:
        return asn1_keys.PrivateKeyInfo.load(
            self.key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for all who need RSA (pyHanko's test authority does): making one costs more than a test."""
    return rsa.generate_private_key(65537, bits)


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(
    common: str,
    *,
    issuer: Entity | None = None,
    begin: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    end: datetime = datetime(2040, 1, 1, tzinfo=UTC),
    ca: bool = False,
    timestamping: bool = False,
    ocsp_signing: bool = False,
    crl_url: str | None = None,
    ocsp_url: str | None = None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    serial: int | None = None,
    digest: hashes.HashAlgorithm = hashes.SHA256(),  # noqa: B008  it has no state
) -> Entity:
    """A version 3 certificate; without an issuer it is self-signed."""
    own = key or (rsa_key() if timestamping else ec.generate_private_key(ec.SECP256R1()))
    signer = issuer.key if issuer else own
    parent = issuer.certificate.subject if issuer else name(common)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(parent)
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca,
                content_commitment=not ca and not timestamping and not ocsp_signing,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if timestamping:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    if ocsp_signing:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    if crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if ocsp_url:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Entity(builder.sign(signer, digest), own)


def revocation_list(
    issuer: Entity,
    *,
    revoked: dict[int, datetime] | None = None,
    issued: datetime = NOW - timedelta(hours=1),
    until: datetime = NOW + 7 * DAY,
    digest: hashes.HashAlgorithm = hashes.SHA256(),  # noqa: B008  it has no state
) -> bytes:
    """A full CRL (DER)."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(issued).next_update(until).add_extension(x509.CRLNumber(1), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
    )
    for serial, when in (revoked or {}).items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        builder = builder.add_revoked_certificate(entry.add_extension(reason, critical=False).build())
    return builder.sign(issuer.key, digest).public_bytes(serialization.Encoding.DER)


def ocsp_response(
    subject: Entity,
    *,
    issuer: Entity,
    responder: Entity | None = None,
    revoked_at: datetime | None = None,
    issued: datetime = NOW - timedelta(hours=1),
    until: datetime = NOW + DAY,
) -> bytes:
    """A successful OCSP response (DER), by the CA itself or by a delegated responder."""
    signer = responder or issuer
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=subject.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked_at else ocsp.OCSPCertStatus.GOOD,
        this_update=issued,
        next_update=until,
        revocation_time=revoked_at,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked_at else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if responder:
        builder = builder.certificates([responder.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass
class World:
    """One PKI. `trust()` holds the root and fresh lists that revoke nobody, unless told otherwise."""

    root: Entity = field(default_factory=lambda: certificate("Root", ca=True))
    issuing: Entity = field(init=False)
    signer: Entity = field(init=False)
    tsa: Entity = field(init=False)

    def __post_init__(self) -> None:
        self.issuing = certificate("Issuing CA", issuer=self.root, ca=True)
        self.signer = certificate("Nguyễn Văn A", issuer=self.issuing)
        self.tsa = certificate("TSA", issuer=self.root, timestamping=True)

    def trust(self, *, crls: tuple[bytes, ...] | None = None) -> Trust:
        lists = (revocation_list(self.root), revocation_list(self.issuing)) if crls is None else crls
        return Trust(anchors=(self.root.der,), crls=lists)

    def timestamper(self, when: datetime, *, tsa: Entity | None = None) -> DummyTimeStamper:
        entity = tsa or self.tsa
        store = SimpleCertificateStore.from_certs([self.root.asn1])
        return DummyTimeStamper(entity.asn1, entity.asn1_key, certs_to_embed=store, fixed_dt=when)

    def sign(
        self,
        pdf: bytes,
        *,
        signer: Entity | None = None,
        field_name: str = "Signature1",
        stamped: datetime | None = None,
        reserved: int | None = None,
        **metadata: object,
    ) -> bytes:
        """PAdES B-B, or B-T with a timestamp of the given time; `reserved` octets of room for its value."""
        entity = signer or self.signer
        registry = SimpleCertificateStore.from_certs([self.issuing.asn1, self.root.asn1])
        simple = signers.SimpleSigner(entity.asn1, entity.asn1_key, registry, embed_roots=False)
        meta = signers.PdfSignatureMetadata(
            field_name=field_name,
            subfilter=fields.SigSeedSubFilter.PADES,
            md_algorithm="sha256",
            embed_validation_info=False,
            **metadata,  # type: ignore[arg-type]  # tests pass what pyHanko knows
        )
        out = io.BytesIO()
        signers.PdfSigner(meta, signer=simple, timestamper=self.timestamper(stamped) if stamped else None).sign_pdf(
            IncrementalPdfFileWriter(io.BytesIO(pdf)), output=out, bytes_reserved=reserved
        )
        return out.getvalue()

    def timestamp(
        self, pdf: bytes, when: datetime, *, tsa: Entity | None = None, digest: str = "sha256", field: str | None = None
    ) -> bytes:
        """A document timestamp."""
        out = io.BytesIO()
        PdfTimeStamper(self.timestamper(when, tsa=tsa), field_name=field).timestamp_pdf(
            IncrementalPdfFileWriter(io.BytesIO(pdf)), md_algorithm=digest, output=out
        )
        return out.getvalue()

    def archive(self, pdf: bytes, *, crls: tuple[bytes, ...] = (), ocsps: tuple[bytes, ...] = ()) -> bytes:
        """A revision with a document security store."""
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        DocumentSecurityStore.supply_dss_in_writer(
            writer,
            None,
            certs=[self.root.asn1, self.issuing.asn1],
            ocsps=[asn1_ocsp.OCSPResponse.load(der) for der in ocsps],
            crls=[asn1_crl.CertificateList.load(der) for der in crls],
        )
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()


@dataclass
class Network:
    """A fetcher that answers from a dictionary and remembers what it was asked."""

    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[FetchRequest] = field(default_factory=list)

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked.append(request)
        if request.url not in self.answers:
            raise FetchFailed("no answer", url=request.url)
        return self.answers[request.url]


def blank_pdf(*, pages: int = 1, text: bytes = b"BT /F1 12 Tf 72 720 Td (Kyso) Tj ET") -> bytes:
    """A plain document."""
    writer = PdfFileWriter(stream_xrefs=False)
    for _ in range(pages):
        stream = generic.StreamObject(stream_data=text)
        page = PageObject(
            contents=writer.add_object(stream),
            media_box=generic.ArrayObject(map(generic.NumberObject, (0, 0, 595, 842))),
        )
        writer.insert_page(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
