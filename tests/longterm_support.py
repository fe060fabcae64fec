"""A small world for B-LT and B-LTA: certificates that name responders, and a fetcher behind which these answer.

root ── issuing ── signer          OCSP for signers and TSA by a delegated responder, a CRL for the issuing CA
   └─── tsa issuing ── tsa

>>> world = World()
>>> world.hand("p256").sign(source, out, level="B-LTA")          # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from signer import pipeline
from signer.authority import Authority as TimestampAuthority
from signer.extending import Grounds
from signer.model import Extended, Prepared, SignatureValue, Signed, SignOrder
from tests.pki import private_key
from tests.unit.verify import world as small
from tests.unit.verify.world import Entity
from verify import engine, policy
from verify.fetcher import Fetcher, FetchFailed, FetchRequest, Offline
from verify.policy import Policy
from verify.report import Report
from verify.trust import Trust

TSA_URL = "http://tsa.demo/"
OTHER_TSA_URL = "http://tsa2.demo/"
OCSP_URL = "http://ocsp.demo/"
CRL_URL = "http://crl.demo/root.crl"
DAY = timedelta(days=1)
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def sign_with(key: object, tbs: bytes, mechanism: str) -> bytes:
    """The value as PKCS#11 and CMS have it."""
    scheme, digest = mechanism.rsplit("_", 1)
    algorithm = HASHES[digest]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(tbs, ec.ECDSA(algorithm))
    assert isinstance(key, rsa.RSAPrivateKey)
    is_pss = scheme == "rsassa_pss"
    fill = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if is_pss else padding.PKCS1v15()
    return key.sign(tbs, fill, algorithm)


@dataclass
class Net:
    """The outside. `answers` replaces an address's answer: bytes, a function of the request, or None for silence."""

    world: World
    answers: dict[str, bytes | Callable[[FetchRequest], bytes] | None] = field(default_factory=dict)
    asked: list[FetchRequest] = field(default_factory=list)

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked.append(request)
        if request.url in self.answers:
            answer = self.answers[request.url]
            if answer is None:
                raise FetchFailed("no answer", url=request.url, reason="timeout")
            return answer(request) if callable(answer) else answer
        match request.url:
            case value if value in (TSA_URL, OTHER_TSA_URL):
                return self.world.stamp(request, other=value == OTHER_TSA_URL)
            case value if value == OCSP_URL:
                return self.world.status(request)
            case value if value == CRL_URL:
                return self.world.root_list()
        raise FetchFailed("no such host", url=request.url, reason="refused")

    def count(self, kind: str) -> int:
        return sum(request.kind == kind for request in self.asked)


@dataclass
class World:
    """The PKI; `at` is the time that responders and authorities believe it is."""

    at: datetime = field(default_factory=now)
    root: Entity = field(init=False)
    issuing: Entity = field(init=False)
    tsa_issuing: Entity = field(init=False)
    responder: Entity = field(init=False)
    tsa: Entity = field(init=False)
    other_tsa: Entity = field(init=False)
    revoked: dict[int, datetime] = field(default_factory=dict)
    ocsp_issued: datetime | None = None
    list_issued: datetime | None = None

    def __post_init__(self) -> None:
        self.root = small.certificate("Root", ca=True)
        self.issuing = small.certificate("Issuing CA", issuer=self.root, ca=True, crl_url=CRL_URL)
        self.tsa_issuing = small.certificate("TSA CA", issuer=self.root, ca=True, crl_url=CRL_URL)
        self.responder = small.certificate("Responder", issuer=self.issuing, ocsp_signing=True)
        self.tsa_responder = small.certificate("TSA responder", issuer=self.tsa_issuing, ocsp_signing=True)
        self.tsa = self.authority("TSA")
        self.other_tsa = self.authority("TSA 2")

    def authority(self, name: str, *, end: datetime = datetime(2040, 1, 1, tzinfo=UTC)) -> Entity:
        return small.certificate(name, issuer=self.tsa_issuing, timestamping=True, ocsp_url=OCSP_URL, end=end)

    def signer(self, kind: str = "p256", **options) -> Entity:
        own = private_key(kind, f"longterm {kind}")
        options = {"ocsp_url": OCSP_URL, **options}
        return small.certificate(f"Người ký {kind}", issuer=self.issuing, key=own, **options)

    def hand(self, kind: str = "p256", mechanism: str = "ecdsa_sha256", **options) -> Hand:
        return Hand(self, self.signer(kind, **options), mechanism, Net(self))

    def stamp(self, request: FetchRequest, *, other: bool = False) -> bytes:
        tsa = self.other_tsa if other else self.tsa
        authority = TimestampAuthority(
            certificate=tsa.der,
            chain=(self.tsa_issuing.der,),
            policy="1.3.6.1.4.1.99999.1",
            mechanism="rsassa_pkcs1v15_sha256",
            clock=lambda: self.at,
        )
        return authority.respond(
            request.body or b"", sign=lambda tbs: sign_with(tsa.key, tbs, "rsassa_pkcs1v15_sha256")
        )

    def status(self, request: FetchRequest, **changes) -> bytes:
        """An OCSP response to the request, by the responder of whoever issued."""
        asked = ocsp.load_der_ocsp_request(request.body or b"")
        by_issuing = asked.issuer_key_hash == _key_hash(self.issuing)
        issuer, responder = (self.issuing, self.responder) if by_issuing else (self.tsa_issuing, self.tsa_responder)
        return self.answer(asked.serial_number, issuer=issuer, **{"responder": responder, **changes})

    def answer(
        self,
        serial: int,
        *,
        issuer: Entity,
        responder: Entity,
        status: ocsp.OCSPCertStatus | None = None,
        issued: datetime | None = None,
        until: datetime | None = None,
    ) -> bytes:
        when = self.revoked.get(serial)
        told = status or (ocsp.OCSPCertStatus.REVOKED if when else ocsp.OCSPCertStatus.GOOD)
        begin = issued or self.ocsp_issued or self.at
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=_digest(issuer.certificate.subject.public_bytes()),
            issuer_key_hash=_key_hash(issuer),
            serial_number=serial,
            algorithm=hashes.SHA1(),
            cert_status=told,
            this_update=begin,
            next_update=until or begin + DAY,
            revocation_time=when,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        signed = builder.certificates([responder.certificate]).sign(responder.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.DER)

    def root_list(self, **changes) -> bytes:
        issued = self.list_issued or self.at - timedelta(hours=1)
        return small.revocation_list(self.root, **{"issued": issued, "until": issued + DAY, **changes})

    def trust(self) -> Trust:
        """The anchor alone: everything else is in the document, or fetched."""
        return Trust(anchors=(self.root.der,))

    def judge(self, path: Path, *, at: datetime | None = None, fetcher: Fetcher | None = None) -> Report:
        with path.open("rb") as file:
            return engine.judge(
                file,
                name=path.name,
                trust=self.trust(),
                policy=policy.load("default"),
                at=at or self.at,
                fetcher=fetcher or Offline(),
            )


@dataclass
class Hand:
    """Signs and extends as the service would."""

    world: World
    signer: Entity
    mechanism: str
    net: Net
    policy: Policy = field(default_factory=lambda: policy.load("default"))

    def order(self, **changes) -> SignOrder:
        plain = SignOrder(
            certificate=self.signer.der,
            chain=(self.world.issuing.der,),
            mechanism=self.mechanism,
            signing_time=self.world.at,
            level="B-LTA",
            timestamp_authorities=(TSA_URL,),
        )
        return replace(plain, **changes)

    def prepare(self, source: Path, out: Path, **changes) -> Prepared:
        with source.open("rb") as document, out.open("w+b") as target:
            digest = hashlib.file_digest(document, "sha256").hexdigest()
            return pipeline.prepare(
                document, self.order(**changes), out=target, original_sha256=digest, nonce=0x1122334455667788
            )

    def value(self, prepared: Prepared) -> SignatureValue:
        return SignatureValue(sign_with(self.signer.key, prepared.tbs, self.mechanism), self.mechanism)

    def complete(
        self,
        prepared: Prepared,
        out: Path,
        *,
        value: SignatureValue | None = None,
        fetcher: Fetcher | None = None,
    ) -> Signed:
        value = value or self.value(prepared)
        with out.open("r+b") as target:
            return pipeline.complete(prepared, value, out=target, fetcher=fetcher or self.net, grounds=self.grounds)

    @property
    def grounds(self) -> Grounds:
        return Grounds(self.world.trust(), self.policy, self.world.at)

    def sign(self, source: Path, out: Path, **changes) -> Signed:
        return self.complete(self.prepare(source, out, **changes), out)

    def extend(self, source: Path, out: Path, level: str, *, fetcher: Fetcher | None = None, **options) -> Extended:
        with source.open("rb") as document, out.open("w+b") as target:
            return pipeline.extend(
                document,
                level,
                trust=self.world.trust(),
                policy=self.policy,
                out=target,
                fetcher=fetcher or self.net,
                at=self.world.at,
                **{"authorities": (TSA_URL,), "nonce": 77, **options},
            )


def _digest(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _key_hash(issuer: Entity) -> bytes:
    point = issuer.certificate.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return _digest(point)
