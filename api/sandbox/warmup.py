"""A whole life of a small PDF and a small XML, in memory, before the fork server forks: signed, archived, judged, rendered.

Libraries import and read files at their first use; behind the lock-down that fails. So everything is used once here,
with keys made for the purpose and thrown away. Not a test of the core; but a core that cannot do this is not started.

    run(policy)      # about a second; raises whatever the core raises
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from api.sandbox import portraits, rendering, viewing
from api.sandbox.calls import Look, Outline, Portray, Portrayed, Survey
from signer import pipeline
from signer.authority import Authority
from signer.extending import Grounds
from signer.model import Anchor, FieldPlan, LookPlan, Place, SignatureValue, SignOrder, Stamp
from signer.stamp import looks
from signer.xades.plan import DetachedContent, XmlPlan
from verify import dissection, engine
from verify.document import Limits
from verify.fetcher import FetchFailed, FetchRequest
from verify.policy import Policy
from verify.trust import Trust

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_DAY = timedelta(days=1)
_TSA = "http://tsa.invalid/"
_NONE: Mapping[str, BinaryIO] = {}


class WarmUpFailed(Exception):
    """The sample was signed or judged wrongly; workers forked from here would do the same."""


@dataclass(frozen=True)
class _Identity:
    """A throw-away certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def mechanism(self) -> str:
        return "ecdsa_sha256" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "rsassa_pkcs1v15_sha256"

    def sign(self, tbs: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(tbs, ec.ECDSA(SHA256()))
        return self.key.sign(tbs, padding.PKCS1v15(), SHA256())


class _Answers:
    """The outside world: an authority that stamps, and nobody else."""

    def __init__(self, authority: Authority, sign: Callable[[bytes], bytes]) -> None:
        self._authority, self._sign = authority, sign

    def fetch(self, request: FetchRequest, /) -> bytes:
        if request.kind != "timestamp" or request.body is None:
            raise FetchFailed("nothing but timestamps here", url=request.url)
        return self._authority.respond(request.body, sign=self._sign)


def run(policy: Policy) -> None:
    """Sign the sample twice (P-256, RSA), judge and render it; raises WarmUpFailed or an error of the core."""
    now = datetime.now(UTC).replace(microsecond=0)
    root = _identity("Root", ec.generate_private_key(ec.SECP256R1()), now=now)
    tsa = _identity("TSA", ec.generate_private_key(ec.SECP256R1()), now=now, issuer=root, timestamping=True)
    authority = Authority(
        certificate=tsa.der, chain=(), policy="1.3.6.1.4.1.99999.1", mechanism=tsa.mechanism, clock=lambda: now
    )
    answers = _Answers(authority, tsa.sign)
    document = _sample()
    trust = Trust(anchors=(root.der,), crls=(_crl(root, now=now),))
    for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        signer = _identity("Người ký thử", key, now=now, issuer=root)
        trust = replace(trust, ocsps=(*trust.ocsps, _ocsp(signer, root, now=now)))
        document = _signed(document, signer, answers=answers, grounds=Grounds(trust, policy, now))
    report = engine.judge(BytesIO(document), name="sample.pdf", trust=trust, policy=policy, at=now, fetcher=answers)
    if [signature.intact for signature in report.signatures] != [True, True]:
        raise WarmUpFailed(report.verdict)
    engine.judge_certificate(
        signer.der, chain=(), trust=trust, policy=policy, at=now, fetcher=answers, purpose="signing"
    )
    _try_xml(signer, answers=answers, grounds=Grounds(trust, policy, now))
    _try_look(signer, answers=answers, grounds=Grounds(trust, policy, now))
    dissection.cuts(BytesIO(document), limits=Limits())
    dissection.speaks(trust.ocsps, trust.crls, pairs=((signer.der, root.der),))
    rendering.render(BytesIO(document), page=1, longest=64)
    shown = tuple(Portrayed(one.id, end=len(document), compare=True) for one in report.signatures)
    portraits.portray(BytesIO(document), order=Portray(shown, longest=64))
    viewing.survey(BytesIO(document), Survey(hashlib.sha256(document).hexdigest(), facts=True))
    viewing.draw(BytesIO(document), Look(1, 64))
    viewing.outline(BytesIO(b'<a xml:lang="vi">Kyso</a>'), Outline())


def _try_xml(signer: _Identity, *, answers: _Answers, grounds: Grounds) -> None:
    """An XML document signed at B-LTA with a file beside it, judged and taken apart; raises WarmUpFailed."""
    order = SignOrder(
        certificate=signer.der,
        chain=(),
        mechanism=signer.mechanism,
        signing_time=grounds.at,
        format="XAdES",
        level="B-LTA",
        timestamp_authorities=(_TSA,),
        xml=XmlPlan(detached=(DetachedContent("a.bin"),), roles=("Ký thử",), canonicalization="inclusive"),
    )
    detached: dict[str, BinaryIO] = {"a.bin": BytesIO(b"Kyso")}
    document = _made(b'<a xml:lang="vi">Kyso</a>', order, signer, answers=answers, grounds=grounds, detached=detached)
    report = engine.judge(
        BytesIO(document),
        name="sample.xml",
        trust=grounds.trust,
        policy=grounds.policy,
        at=grounds.at,
        fetcher=answers,
        detached=detached,
    )
    if [one.level for one in report.signatures if one.intact] != ["XAdES-BASELINE-LTA"]:
        raise WarmUpFailed(report.verdict)
    dissection.nodes(BytesIO(document), limits=Limits())


def _try_look(signer: _Identity, *, answers: _Answers, grounds: Grounds) -> None:
    """A signature that shows a picture, text and a QR code."""
    order = SignOrder(
        certificate=signer.der,
        chain=(),
        mechanism=signer.mechanism,
        signing_time=grounds.at,
        field="Dấu",
        place=Place(1, (0, 0, 200, 60)),
        look=LookPlan("dang", "sao-y", seal=_picture(), seal_mm=10.0, link="https://kyso.invalid/"),
    )
    looks.preload()
    _made(_sample(), order, signer, answers=answers, grounds=grounds)


def _picture() -> bytes:
    """Red stripes on transparent ground, as PNG (ISO/IEC 15948)."""
    row = b"\0" + b"\xd0\0\0\xff\0\0\0\0" * 32
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 64)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _signed(document: bytes, signer: _Identity, *, answers: _Answers, grounds: Grounds) -> bytes:
    """The document with one more visible signature at B-LTA."""
    order = SignOrder(
        certificate=signer.der,
        chain=(),
        mechanism=signer.mechanism,
        signing_time=grounds.at,
        level="B-LTA",
        anchor=Anchor("Kyso", size=(170, 80), offset=(-10, -140)),
        fields=()
        if b"/AcroForm" in document
        else (FieldPlan("so", kind="text", place=Place(1, (110, 150, 190, 170))),),
        fill=(("so", "15-GT/ĐU"),),
        stamp=Stamp(),
        reason="Ký thử",
        timestamp_authorities=(_TSA,),
    )
    return _made(document, order, signer, answers=answers, grounds=grounds)


def _made(
    document: bytes,
    order: SignOrder,
    signer: _Identity,
    *,
    answers: _Answers,
    grounds: Grounds,
    detached: Mapping[str, BinaryIO] = _NONE,
) -> bytes:
    """The document, signed and completed."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
        source.write(document)
        source.flush()
        digest = hashlib.sha256(document).hexdigest()
        prepared = pipeline.prepare(
            _binary(source), order, out=_binary(out), original_sha256=digest, nonce=1, detached=detached
        )
        value = SignatureValue(signer.sign(prepared.tbs), signer.mechanism)
        pipeline.complete(prepared, value, out=_binary(out), fetcher=answers, grounds=grounds, detached=detached)
        out.seek(0)
        return out.read()


def _binary(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _sample() -> bytes:
    """A page with a word on it, written by hand: one body, one cross-reference table (ISO 32000-1 §7.5)."""
    content = b"BT /F1 12 Tf 20 150 Td (Kyso) Tj ET"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    document, offsets = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(document))
    return document + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + trailer


def _identity(
    name: str, key: PrivateKey, *, now: datetime, issuer: _Identity | None = None, timestamping: bool = False
) -> _Identity:
    """A certificate for two days; its own issuer if there is none."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above, signing = (subject, key) if issuer is None else (issuer.certificate.subject, issuer.key)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    usage |= {
        "digital_signature": issuer is not None,
        "content_commitment": issuer is not None and not timestamping,
        "key_cert_sign": issuer is None,
        "crl_sign": issuer is None,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if timestamping:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return _Identity(builder.sign(signing, SHA256()), key)


def _crl(issuer: _Identity, *, now: datetime) -> bytes:
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - _DAY / 2)
        .next_update(now + _DAY)
        .sign(issuer.key, SHA256())
        .public_bytes(Encoding.DER)
    )


def _ocsp(signer: _Identity, issuer: _Identity, *, now: datetime) -> bytes:
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=signer.certificate,
            issuer=issuer.certificate,
            algorithm=SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now - _DAY / 2,
            next_update=now + _DAY,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        .sign(issuer.key, SHA256())
        .public_bytes(Encoding.DER)
    )
