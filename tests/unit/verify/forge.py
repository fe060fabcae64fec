"""Certificates, lists and responses made octet by octet: what libraries refuse to write, and tests must read.

root = forge("Root", ca=True)
leaf = forge("Signer", issuer=root, serial=-1, extensions=[duplicate, duplicate])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from asn1crypto import algos, core, crl, keys, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from tests.unit.verify.world import DAY, DEFAULT, NOW
from verify import engine
from verify.fetcher import Fetcher, Offline
from verify.policy import Policy
from verify.trust import Trust

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Extension = tuple[str, bool, bytes]
"""Dotted identifier, critical, DER of the value."""

_serials = count(1000)
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2040, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Forged:
    """A certificate and its key."""

    der: bytes
    key: Key
    name: x509.Name

    @property
    def serial(self) -> int:
        return int(x509.Certificate.load(self.der).serial_number)

    @property
    def certificate(self) -> pyca.Certificate:
        return pyca.load_der_x509_certificate(self.der)


def named(common: str) -> x509.Name:
    return x509.Name.build({"country_name": "VN", "common_name": common} if common else {})


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def identifier(key: Key) -> bytes:
    return pyca.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


def sign(key: Key, tbs: bytes, digest: hashes.HashAlgorithm) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(tbs, ec.ECDSA(digest))
    return key.sign(tbs, padding.PKCS1v15(), digest)


def algorithm(key: Key, digest: hashes.HashAlgorithm) -> algos.SignedDigestAlgorithm:
    scheme = "ecdsa" if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa"
    return algos.SignedDigestAlgorithm({"algorithm": f"{digest.name}_{scheme}"})


def forge(
    common: str,
    *,
    issuer: Forged | None = None,
    ca: bool = False,
    key: Key | None = None,
    public: bytes | None = None,
    serial: int | None = None,
    version: str = "v3",
    begin: datetime = BEGIN,
    end: datetime = END,
    extensions: Iterable[Extension] = (),
    without: Sequence[str] = (),
    digest: hashes.HashAlgorithm = hashes.SHA256(),  # noqa: B008  it has no state
) -> Forged:
    """The usual extensions but those in `without`; further ones take the place of those with the same identifier."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else own
    usage = {"key_cert_sign", "crl_sign"} if ca else {"digital_signature", "non_repudiation"}
    extra = list(extensions)
    usual = [
        ("2.5.29.19", True, x509.BasicConstraints({"ca": ca}).dump()),
        ("2.5.29.14", False, core.OctetString(identifier(own)).dump()),
        ("2.5.29.35", False, x509.AuthorityKeyIdentifier({"key_identifier": identifier(signer)}).dump()),
        ("2.5.29.15", True, x509.KeyUsage(usage).dump()),
    ]
    replaced = {*without, *(one for one, _, _ in extra)}
    chosen = [one for one in usual if one[0] not in replaced] + extra
    fields = {
        "version": version,
        "serial_number": next(_serials) if serial is None else serial,
        "signature": algorithm(signer, digest),
        "issuer": issuer.name if issuer else named(common),
        "validity": {"not_before": x509.Time("utc_time", begin), "not_after": x509.Time("utc_time", end)},
        "subject": named(common),
        "subject_public_key_info": keys.PublicKeyInfo.load(public or spki(own)),
    }
    if version == "v3":
        fields["extensions"] = [
            {"extn_id": one, "critical": critical, "extn_value": core.ParsableOctetString(value)}
            for one, critical, value in chosen
        ]
    tbs = x509.TbsCertificate(fields)
    signed = {
        "tbs_certificate": tbs,
        "signature_algorithm": algorithm(signer, digest),
        "signature_value": sign(signer, tbs.dump(), digest),
    }
    return Forged(x509.Certificate(signed).dump(), own, named(common))


def general(url: str) -> x509.GeneralName:
    return x509.GeneralName("uniform_resource_identifier", url)


def access(url: str, *, method: str = "ca_issuers") -> Extension:
    described = [{"access_method": method, "access_location": general(url)}]
    return "1.3.6.1.5.5.7.1.1", False, x509.AuthorityInfoAccessSyntax(described).dump()


def points(*urls: str) -> Extension:
    made = [{"distribution_point": x509.DistributionPointName("full_name", [general(url)])} for url in urls]
    return "2.5.29.31", False, x509.CRLDistributionPoints(made).dump()


def purposes(*names: str) -> Extension:
    return "2.5.29.37", False, x509.ExtKeyUsageSyntax(list(names)).dump()


NO_CHECK: Extension = ("1.3.6.1.5.5.7.48.1.5", False, core.Null().dump())


def listing(
    issuer: Forged,
    *,
    revoked: Iterable[int] = (),
    reason: str = "key_compromise",
    issued: datetime = NOW - timedelta(hours=1),
    until: datetime = NOW + 7 * DAY,
    number: int | None = 1,
    extensions: Iterable[Extension] = (),
    entry_extensions: Iterable[Extension] = (),
    signer: Forged | None = None,
) -> bytes:
    """A CRL in the name of `issuer`, signed by `signer` (default: the issuer)."""
    digest = hashes.SHA256()
    key = (signer or issuer).key
    extra = [("2.5.29.20", False, core.Integer(number).dump())] if number is not None else []
    entries = [
        {
            "user_certificate": serial,
            "revocation_date": x509.Time("utc_time", issued - DAY),
            "crl_entry_extensions": [
                {"extn_id": one, "critical": critical, "extn_value": core.ParsableOctetString(value)}
                for one, critical, value in (("2.5.29.21", False, crl.CRLReason(reason).dump()), *entry_extensions)
            ],
        }
        for serial in revoked
    ]
    fields = {
        "version": "v2",
        "signature": algorithm(key, digest),
        "issuer": issuer.name,
        "this_update": x509.Time("utc_time", issued),
        "next_update": x509.Time("utc_time", until),
        "crl_extensions": [
            {"extn_id": one, "critical": critical, "extn_value": core.ParsableOctetString(value)}
            for one, critical, value in (*extra, *extensions)
        ],
    }
    if entries:
        fields["revoked_certificates"] = entries
    tbs = crl.TbsCertList(fields)
    signed = {
        "tbs_cert_list": tbs,
        "signature_algorithm": algorithm(key, digest),
        "signature": sign(key, tbs.dump(), digest),
    }
    return bytes(crl.CertificateList(signed).dump())


def scope(**fields: object) -> Extension:
    return "2.5.29.28", True, crl.IssuingDistributionPoint(fields).dump()


def response(
    subject: Forged,
    *,
    issuer: Forged,
    responder: Forged | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    issued: datetime = NOW - timedelta(hours=1),
    until: datetime | None = NOW + DAY,
) -> bytes:
    """A successful OCSP response, by the CA itself or another."""
    signer = responder or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=subject.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=status,
        this_update=issued,
        next_update=until,
        revocation_time=issued - DAY if revoked else None,
        revocation_reason=pyca.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, signer.certificate)
    if responder:
        builder = builder.certificates([responder.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


WITHOUT_REVOCATION = replace(DEFAULT, revocation=dict.fromkeys(("signer", "ca", "timestamp"), "skip"))
"""The default policy for tests in which no revocation data exists."""


def judged(
    leaf: Forged,
    *chain: Forged,
    root: Forged,
    lists: Iterable[bytes] = (),
    responses: Iterable[bytes] = (),
    policy: Policy = WITHOUT_REVOCATION,
    fetcher: Fetcher | None = None,
    at: datetime = NOW,
) -> engine.CertificateReport:
    """The verdict on a certificate, by the door that everybody uses."""
    return engine.judge_certificate(
        leaf.der,
        chain=tuple(one.der for one in chain),
        trust=Trust((root.der,), (), tuple(lists), tuple(responses)),
        policy=policy,
        at=at,
        fetcher=fetcher or Offline(),
        purpose="signing",
    )


def told(report: engine.CertificateReport) -> str:
    """What went wrong: the sub-indication and the reason of the first check that failed; "passed" when nothing did."""
    if report.indication == "TOTAL_PASSED":
        return "passed"
    reasons = [str(check.facts.get("reason") or "") for check in report.checks if check.outcome == "FAILED"]
    return f"{report.sub_indication} {reasons[0] if reasons else ''}".strip()


ROOT_AND_LEAF = ((_root := forge("Root", ca=True)), forge("Leaf", issuer=_root))
"""For tests that need a certificate and somebody who issued it, and nothing more."""
