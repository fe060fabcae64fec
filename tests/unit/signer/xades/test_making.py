"""XML signatures at B-B and B-T: each packaging and key, what they say, and that others verify them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from lxml import etree
from signxml import SignatureConfiguration
from signxml.xades import XAdESVerifier

from api.sandbox import wire
from hsm import signedinfo
from hsm.keys import Mechanism
from signer import pipeline
from signer.errors import TimestampUnavailable
from signer.model import Prepared
from signer.xades.plan import DetachedContent, ProductionPlace, XmlPlan
from tests.pki import Authority
from tests.timestamp_support import authority as timestamp_authority
from tests.timestamp_support import tsa_signer
from tests.unit.signer.xades.making_support import (
    DS,
    PLAIN,
    XmlHand,
    file_of,
    found,
    hand,
    require_schema,
    without_signature,
    xmlsec1,
)
from verify.fetcher import FetchFailed, FetchRequest
from verify.found import SignaturePolicy
from verify.xml import names

pytestmark = pytest.mark.xades

XADES = f"{{{names.XADES_132}}}"
ODD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- trước --><?in x?>
<hồ-sơ xmlns="urn:x" xmlns:b="urn:b" xml:lang="vi" xml:space="preserve" xml:base="http://x.example/a/">
  trộn <b:phần Id="p1" b:z="2" a="&#10;">Nguyễn &amp; <![CDATA[<b>&]]></b:phần> lẫn<?giữa <a>?><!-- chú thích -->
  <phần xmlns="" Id="p2"/>\r
</hồ-sơ>
<!-- sau --><?out y?>
""".encode()
BESIDE = {"phụ lục #1.bin": bytes(range(256))}
PLANS = {
    "enveloped": PLAIN,
    "elements": XmlPlan(elements=("p1", "p2")),
    "enveloping": XmlPlan(packaging="enveloping"),
    "detached": XmlPlan(packaging="detached", name="a.xml"),
    "detached-elements": XmlPlan(packaging="detached", elements=("p2",)),
    "several": XmlPlan(detached=(DetachedContent("phụ lục #1.bin", "application/x-a"),)),
}
KEYS = {
    "rsa2048": "rsassa_pkcs1v15_sha256",
    "p256": "ecdsa_sha256",
    "p384": "ecdsa_sha384",
    "rsa3072": "rsassa_pss_sha256",
    "ed25519": "ed25519",
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("packaging", PLANS)
def test_each_packaging_with_each_key(tmp_path: Path, packaging: str, key: str):
    """The keeper knows what is signed; the reader finds a baseline signature; the schema and xmlsec1 have no objection."""
    plan = PLANS[packaging]
    files = BESIDE if plan.detached else {}
    writer = hand(key, KEYS[key])
    prepared, out = writer.prepare(ODD, plan, detached=files)
    signedinfo.check(prepared.tbs, mechanism=KEYS[key])
    made, _ = writer.complete(prepared, out)
    beside = {**files, **({"a.xml": ODD} if plan.name else {})}
    (one,) = found(made, detached=beside)
    assert one.integrity.failure is None, one.integrity
    assert (one.format, one.profile, one.signer) == ("XAdES", "XAdES-BASELINE-B", writer.signer.der)
    assert one.binding == "matched"
    assert not one.constraints
    require_schema(made)
    if (
        key in ("rsa2048", "p256", "p384") and not plan.detached
    ):  # xmlsec1 1.2 knows no PSS, no EdDSA, no file names in URIs
        assert xmlsec1(tmp_path, made, files=beside)


@pytest.mark.parametrize("method", ["exclusive", "inclusive", "inclusive11"])
@pytest.mark.parametrize("packaging", PLANS)
def test_each_canonicalisation(tmp_path: Path, packaging: str, method: str):
    """Namespaces, xml:lang and xml:base of the root go into inclusive forms, and xmlsec1 agrees what they come to."""
    plan = replace(PLANS[packaging], canonicalization=method, detached=())
    writer = hand("p256", "ecdsa_sha256")
    prepared, out = writer.prepare(ODD, plan)
    signedinfo.check(prepared.tbs, mechanism="ecdsa_sha256")
    made, _ = writer.complete(prepared, out)
    beside = {"a.xml": ODD} if plan.name else {}
    (one,) = found(made, detached=beside)
    assert one.integrity.failure is None, one.integrity
    assert xmlsec1(tmp_path, made, files=beside)


@pytest.mark.parametrize("data", [b"%PDF-1.4\n%\xff", b"\0\1\2", "chữ".encode()])
def test_a_file_that_is_not_xml_is_enveloped_as_base64(tmp_path: Path, data: bytes):
    """Its octets are signed, and stand in the ds:Object with encoding and MIME type."""
    made = hand("rsa2048", KEYS["rsa2048"]).sign(data, XmlPlan(packaging="enveloping"))
    container = etree.fromstring(made).find(f"{DS}Object")
    assert names.BASE64 == container.get("Encoding")
    assert ("application/pdf" if data.startswith(b"%PDF") else "application/octet-stream") == container.get("MimeType")
    assert xmlsec1(tmp_path, made)
    require_schema(made)


def test_the_original_stays_byte_for_byte():
    """What is around the inserted signature is the original, whatever it looks like."""
    assert ODD == without_signature(hand("p256", "ecdsa_sha256").sign(ODD))


def test_signing_beside_others_leaves_them_valid(tmp_path: Path):
    """The first of three enveloped signatures holds for xmlsec1 and for us after the others were added."""
    made = hand("rsa2048", KEYS["rsa2048"]).sign(ODD)
    made = hand("p256", "ecdsa_sha256").sign(made)
    made = hand("ed25519", "ed25519").sign(made, XmlPlan(elements=("p1",)))
    every = found(made)
    assert [None, None, None] == [one.integrity.failure for one in every]
    assert ["FULL", "FULL", "PARTIAL"] == [one.scope for one in every]
    assert all(xmlsec1(tmp_path, made, signature=one.id) for one in every[:2])


def test_signxml_verifies_what_it_can():
    """signxml, which knows the enveloped-signature transform and no filter, verifies the plain case."""
    writer = hand("rsa2048", KEYS["rsa2048"])
    made = writer.sign(b'<a xmlns="urn:x"><b>1</b></a>', XmlPlan(leaves_out="itself"))
    results = XAdESVerifier().verify(
        made,
        x509_cert=writer.signer.certificate,
        expect_references=2,
        expect_config=SignatureConfiguration(expect_references=2),
    )
    assert results


def test_what_the_signer_says_is_signed_and_read():
    """Roles, place, commitment, policy, MIME type and time come back from the signed properties."""
    policy = SignaturePolicy("1.2.3.4", "sha256", hashlib.sha256(b"policy").digest(), "https://x.example/p?a=1&b=2")
    plan = XmlPlan(
        roles=("Trưởng phòng <Kế hoạch>", "Giám đốc"),
        production_place=ProductionPlace(city="Hà Nội", country="VN", postal_code="10000"),
        commitment="proof-of-approval",
        policy=policy,
        mime="application/xml; charset=utf-8",
    )
    made = hand("p256", "ecdsa_sha256").sign(ODD, plan)
    require_schema(made)
    root = etree.fromstring(made)
    assert ["Trưởng phòng <Kế hoạch>", "Giám đốc"] == [one.text for one in root.iter(f"{XADES}ClaimedRole")]
    assert "Hà Nội" == root.findtext(f".//{XADES}City")
    (commitment,) = root.iter(f"{XADES}CommitmentTypeId")
    assert "http://uri.etsi.org/01903/v1.2.2#ProofOfApproval" == commitment[0].text
    assert "application/xml; charset=utf-8" == root.findtext(f".//{XADES}MimeType")
    (one,) = found(made)
    assert one.signature_policy is not None
    assert ("1.2.3.4", policy.digest) == (one.signature_policy.identifier, one.signature_policy.digest)
    assert policy.uri == one.signature_policy.uri
    assert one.claimed_time is not None


def test_prefixes_in_vietnamese_are_no_obstacle(tmp_path: Path):
    """An inclusive canonical form brings the document's own prefixes along; the keeper reads them as XML does."""
    data = '<hđ:hóa-đơn xmlns:hđ="urn:hd" xmlns:h\u006f\u0301="urn:h"><hđ:số>1</hđ:số></hđ:hóa-đơn>'.encode()
    writer = hand("rsa2048", KEYS["rsa2048"])
    prepared, out = writer.prepare(data, XmlPlan(canonicalization="inclusive"))
    signedinfo.check(prepared.tbs, mechanism="rsassa_pkcs1v15_sha256")
    assert "xmlns:hđ" in prepared.tbs.decode()
    assert xmlsec1(tmp_path, writer.complete(prepared, out)[0])


def test_a_large_document_is_signed_with_the_faster_filter(tmp_path: Path):
    """XPath Filter 2.0 instead of XPath 1.0, to the same effect: another signature may follow, of either kind."""
    data = b"<a>" + b"<b>0123456789</b>" * 12_000 + b"</a>"
    writer = hand("rsa2048", KEYS["rsa2048"])
    prepared, out = writer.prepare(data)
    signedinfo.check(prepared.tbs, mechanism="rsassa_pkcs1v15_sha256")
    assert names.XPATH_FILTER2.encode() in prepared.tbs
    made = hand("p256", "ecdsa_sha256").sign(writer.complete(prepared, out)[0])
    every = found(made)
    assert [None, None] == [one.integrity.failure for one in every]
    assert ["FULL", "FULL"] == [one.scope for one in every]
    assert all(xmlsec1(tmp_path, made, signature=one.id) for one in every)


@pytest.mark.parametrize("mechanism", get_args(Mechanism))
def test_every_mechanism_of_the_keeper_has_its_uri(mechanism: str):
    """SignatureMethod is the one that the keeper expects for the mechanism."""
    kinds = {"rsassa": "rsa3072", "ecdsa": "p384" if mechanism.endswith("384") else "p256", "ed25519": "ed25519"}
    writer = hand(kinds[mechanism.partition("_")[0]], mechanism)
    prepared, out = writer.prepare(b"<a/>")
    signedinfo.check(prepared.tbs, mechanism=mechanism)
    (one,) = found(writer.complete(prepared, out)[0])
    assert one.integrity.failure is None


def test_two_phases_on_two_nodes():
    """What was prepared travels as MessagePack, is laid out again elsewhere, and completes to the same bytes."""
    writer = hand("rsa2048", KEYS["rsa2048"])
    for plan in PLANS.values():
        files = BESIDE if plan.detached else {}
        prepared, here = writer.prepare(ODD, plan, detached=files)
        again: Prepared = wire.unpack(wire.pack(prepared), Prepared)
        assert prepared == again
        there = file_of()
        pipeline.restore(file_of(ODD), again, out=there)
        assert writer.complete(prepared, here) == writer.complete(again, there)


class Tsa:
    """A fetcher behind which one authority answers, as long as it is not `away`."""

    def __init__(self, *, away: bool = False) -> None:
        self._signer = tsa_signer()
        self._authority = timestamp_authority(self._signer)
        self.away = away

    def fetch(self, request: FetchRequest, /) -> bytes:
        if self.away:
            raise FetchFailed(url=request.url)
        assert request.body is not None
        return self._authority.respond(request.body, sign=lambda tbs: self._signer.sign(tbs, "ecdsa_sha256"))


@pytest.mark.parametrize("packaging", PLANS)
def test_the_timestamp_is_over_the_canonical_value(tmp_path: Path, packaging: str):
    """At B-T the reader finds one timestamp, over the canonical ds:SignatureValue, and the schema agrees."""
    plan = PLANS[packaging]
    files = BESIDE if plan.detached else {}
    writer = XmlHand(Authority.root().authority().signer(), "rsassa_pkcs1v15_sha256", Tsa())
    prepared, out = writer.prepare(ODD, plan, detached=files, level="B-T", timestamp_authorities=("http://tsa.demo/",))
    made, signed = writer.complete(prepared, out)
    assert (signed.level, signed.timestamp is not None) == ("B-T", True)
    (one,) = found(made, detached={**files, **({"a.xml": ODD} if plan.name else {})})
    assert ["signature"] == [stamp.type for stamp in one.timestamps]
    assert one.integrity.failure is None
    require_schema(made)
    (again,) = found(writer.complete(prepared, out)[0], detached={**files, **({"a.xml": ODD} if plan.name else {})})
    assert (1, None) == (len(again.timestamps), again.integrity.failure)  # repeatable: nothing is left of the first


def test_an_authority_that_is_away_lowers_the_level_where_the_order_allows():
    """The result says so and is B-B; else nothing is made."""
    writer = XmlHand(Authority.root().authority().signer(), "rsassa_pkcs1v15_sha256", Tsa(away=True))
    asked = {"level": "B-T", "timestamp_authorities": ("http://tsa.demo/",)}
    prepared, out = writer.prepare(ODD, **asked)
    with pytest.raises(TimestampUnavailable):
        writer.complete(prepared, out)
    _, signed = writer.complete(*writer.prepare(ODD, allow_degraded=True, **asked))
    assert ("B-B", True) == (signed.level, "LEVEL_DEGRADED" in signed.warnings)


def test_a_counter_signature_is_over_the_other_value():
    """It stands in the unsigned properties of the signature it is over, which stays as valid as it was."""
    made = hand("rsa2048", KEYS["rsa2048"]).sign(ODD)
    (first,) = found(made)
    made = hand("p256", "ecdsa_sha256").sign(made, XmlPlan(countersign=first.id))
    every = found(made)
    assert [None, None] == [one.integrity.failure for one in every]
    assert [None, first.id] == [one.parent for one in every]
    require_schema(made)
