"""XML signatures that last: B-LT and B-LTA at once or later, renewal, others' signatures, outages, repetition."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from signer import pipeline
from signer.errors import LevelNotHigher, NothingToExtend, NoTimestampAuthority, SignatureBroken, TimestampUnavailable
from signer.extending import DEGRADED, PENDING
from signer.xades.contents import ContentMissing
from signer.xades.countersigning import SignatureCovered
from signer.xades.plan import DetachedContent, XmlPlan
from signer.xades.unsigned import SignatureFormNotExtendable
from tests.longterm_support import CRL_URL, DAY, OCSP_URL, OTHER_TSA_URL, TSA_URL, World
from tests.unit.signer.xades.lasting_support import (
    DETACHED,
    DOCUMENT,
    PLAIN,
    XmlHand,
    file_of,
    judge,
    properties,
)
from verify import policy
from verify.gather import EvidenceAgainst, EvidenceUnavailable
from verify.timestamp import read

pytestmark = pytest.mark.xades

FILE = DetachedContent("phụ lục.bin", "application/octet-stream")
PLANS = {
    "enveloped": XmlPlan(),
    "element": XmlPlan(elements=("p1",)),
    "inclusive": XmlPlan(canonicalization="inclusive"),
    "enveloping": XmlPlan(packaging="enveloping"),
    "detached": XmlPlan(packaging="detached", name="hồ sơ.xml"),
    "with a file": XmlPlan(detached=(FILE,)),
}


def beside(plan: XmlPlan) -> dict[str, bytes]:
    """What a verifier must be handed with a signature of this plan."""
    named = {plan.name: DOCUMENT} if plan.name else {}
    return {**named, **{one.name: DETACHED[one.name] for one in plan.detached}}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hand(world: World) -> XmlHand:
    return XmlHand.of(world)


@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_signature_reaches_its_level_at_once(world: World, hand: XmlHand, plan: XmlPlan, level: str):
    """Whatever the packaging, it is judged at that level without asking anybody."""
    made, signed = hand.sign(DOCUMENT, level, plan)
    assert (level, ()) == (signed.level, signed.warnings)
    report = judge(world, made, detached=beside(plan))
    assert "TOTAL_PASSED" == report.verdict, report
    assert [f"XAdES-BASELINE-{level[2:]}"] == [one.level for one in report.signatures]
    assert all(one.intact for signature in report.signatures for one in signature.timestamps)


LIFTS = [
    *(("enveloped", *pair) for pair in (("B-B", "B-T"), ("B-T", "B-LT"), ("B-LT", "B-LTA"))),
    *((name, "B-B", "B-LTA") for name in PLANS),
]


@pytest.mark.parametrize(("name", "first", "second"), LIFTS)
def test_from_level_to_level(world: World, hand: XmlHand, name: str, first: str, second: str):
    """What could have been ordered at once can be had later; only unsigned properties come in."""
    plan = PLANS[name]
    one, _ = hand.sign(DOCUMENT, first, plan)
    two, done = hand.extend(one, second, detached=beside(plan))
    assert second == done.level
    report = judge(world, two, detached=beside(plan), fetcher=hand.net if second == "B-T" else None)
    assert "TOTAL_PASSED" == report.verdict, report
    assert f"XAdES-BASELINE-{second[2:]}" == report.signatures[0].level
    assert two.startswith(one[: one.index(b"SignedProperties")])
    assert two.endswith(one[-len(b"</ds:Signature>") :])


def test_each_thing_is_said_once(hand: XmlHand):
    """The properties stand in the order in which they are covered; no certificate or answer is there twice."""
    made, _ = hand.sign(DOCUMENT, "B-LTA")
    assert [
        "SignatureTimeStamp",
        "TimeStampValidationData",
        "CertificateValues",
        "RevocationValues",
        "ArchiveTimeStamp",
    ] == properties(made)
    tree = etree.fromstring(made)
    for name in ("EncapsulatedX509Certificate", "EncapsulatedCRLValue", "EncapsulatedOCSPValue"):
        found = [one.text for one in tree.iter(f"{{*}}{name}")]
        assert found
        assert len(found) == len(set(found))
    (about,) = tree.iter("{*}TimeStampValidationData")
    (stamp,) = tree.iter("{*}SignatureTimeStamp")
    assert about.get("URI") == f"#{stamp.get('Id')}"


def test_renewal_keeps_an_archive_whose_authority_ends(world: World, hand: XmlHand):
    """A further ArchiveTimeStamp by another authority, and before it what proves the one before."""
    world.tsa = world.authority("TSA that ends", end=world.at.replace(tzinfo=UTC) + timedelta(days=30))
    one, signed = hand.sign(DOCUMENT, "B-LTA")
    assert world.at + timedelta(days=30) == signed.archive_until
    world.at += timedelta(days=20)
    two, done = hand.extend(one, "B-LTA", authorities=(OTHER_TSA_URL,))
    assert datetime(2040, 1, 1, tzinfo=UTC) == done.archive_until
    assert 2 == properties(two).count("ArchiveTimeStamp")
    world.at += timedelta(days=400)
    assert "INDETERMINATE" == judge(world, one).verdict
    report = judge(world, two)
    assert "TOTAL_PASSED" == report.verdict, report
    assert "XAdES-BASELINE-LTA" == report.signatures[0].level
    assert ["TSA that ends", "TSA that ends", "TSA 2"] == [stamp.tsa for stamp in report.signatures[0].timestamps]


def test_nothing_new_for_an_archive_that_is_settled(hand: XmlHand):
    """`only_new` leaves a document at B-LTA as it is, unless there is newer evidence."""
    one, _ = hand.sign(DOCUMENT, "B-LTA")
    two, _ = hand.extend(one, "B-LTA", only_new=True)
    assert one == two


@pytest.mark.parametrize(
    ("kind", "mechanism", "digest"),
    [
        ("rsa2048", "rsassa_pkcs1v15_sha256", "sha256"),
        ("rsa2048", "rsassa_pss_sha256", "sha256"),
        ("p384", "ecdsa_sha384", "sha384"),
        ("rsa2048", "rsassa_pkcs1v15_sha512", "sha512"),
    ],
)
def test_an_archive_is_as_strong_as_the_signature(world: World, kind: str, mechanism: str, digest: str):
    """Timestamps over a signature with SHA-384 are not made with SHA-256."""
    made, _ = XmlHand.of(world, kind, mechanism).sign(DOCUMENT, "B-LTA")
    assert "TOTAL_PASSED" == judge(world, made).verdict
    tokens = [read(base64.b64decode(one.text)) for one in etree.fromstring(made).iter("{*}EncapsulatedTimeStamp")]
    assert [digest] * 2 == [token.imprint_algorithm for token in tokens]


def test_parallel_signatures_reach_their_own_levels(world: World, hand: XmlHand):
    """Each holds its own evidence and archive timestamp; the second, at B-T, gets its evidence with the third."""
    one, _ = hand.sign(DOCUMENT, "B-LTA")
    two, _ = XmlHand.of(world, "p384", "ecdsa_sha384").sign(one, "B-T")
    three, _ = XmlHand.of(world, "rsa2048", "rsassa_pkcs1v15_sha256").sign(two, "B-LT", XmlPlan(elements=("p2",)))
    report = judge(world, three, fetcher=hand.net)
    assert ["LTA", "LT", "LT"] == [str(signature.level).rsplit("-", 1)[1] for signature in report.signatures]
    assert "TOTAL_PASSED" == report.verdict, report
    four, done = hand.extend(three, "B-LTA")
    report = judge(world, four)
    assert "TOTAL_PASSED" == report.verdict, report
    assert ["XAdES-BASELINE-LTA"] * 3 == [signature.level for signature in report.signatures]
    assert 1 == properties(four).count("ArchiveTimeStamp"), "the first was settled"
    assert "B-LTA" == done.level


def test_late_evidence_comes_with_the_next_signature(world: World, hand: XmlHand):
    """The first signer's responder was away; the completion of the next signature embeds that evidence too."""
    hand.net.answers[OCSP_URL] = None
    one, first = hand.sign(DOCUMENT, "B-LT", allow_degraded=True)
    assert ("B-T", (DEGRADED,)) == (first.level, first.warnings)
    two, _ = XmlHand.of(world, "p384", "ecdsa_sha384").sign(one, "B-LT")
    report = judge(world, two)
    assert ["XAdES-BASELINE-LT"] * 2 == [signature.level for signature in report.signatures]
    assert "TOTAL_PASSED" == report.verdict, report


@pytest.mark.parametrize(("url", "error"), [(OCSP_URL, EvidenceUnavailable), (CRL_URL, EvidenceUnavailable)])
def test_who_is_away_ends_it_or_lowers_the_level(world: World, hand: XmlHand, url: str, error: type[Exception]):
    """Without evidence there is no B-LT: an error, or B-T where the order allows that; it is had later."""
    hand.net.answers[url] = None
    with pytest.raises(error):
        hand.sign(DOCUMENT, "B-LTA")
    one, signed = hand.sign(DOCUMENT, "B-LTA", allow_degraded=True)
    assert ("B-T", (DEGRADED,)) == (signed.level, signed.warnings)
    hand.net.answers.clear()
    two, _ = hand.extend(one, "B-LTA")
    assert "TOTAL_PASSED" == judge(world, two).verdict


def test_an_authority_that_goes_away_in_the_middle(world: World, hand: XmlHand):
    """The signature has its timestamp and evidence, the archive timestamp cannot be had: B-LT, and no half of B-LTA."""
    asked = 0

    def once(request):
        nonlocal asked
        asked += 1
        return world.stamp(request) if asked == 1 else b""

    hand.net.answers[TSA_URL] = once
    with pytest.raises(TimestampUnavailable):
        hand.sign(DOCUMENT, "B-LTA")
    asked = 0
    made, signed = hand.sign(DOCUMENT, "B-LTA", allow_degraded=True)
    assert ("B-LT", (DEGRADED,)) == (signed.level, signed.warnings)
    assert "XAdES-BASELINE-LT" == judge(world, made).signatures[0].level


def test_a_revoked_signer_gets_no_evidence(world: World, hand: XmlHand):
    """Revoked before the timestamp: refused, whatever may be degraded."""
    world.revoked[hand.signer.certificate.serial_number] = world.at - DAY
    with pytest.raises(EvidenceAgainst):
        hand.sign(DOCUMENT, "B-LT", allow_degraded=True)


def test_pending_freshness_is_settled_later(world: World, hand: XmlHand):
    """Where the policy wants revocation data newer than the timestamp, a later lift adds it, and archives it."""
    hand.policy = policy.load("fresh")
    world.ocsp_issued = world.list_issued = world.at - timedelta(minutes=10)
    one, signed = hand.sign(DOCUMENT, "B-LT")
    assert (PENDING,) == signed.warnings
    world.at += timedelta(hours=2)
    world.ocsp_issued = world.list_issued = world.at - timedelta(minutes=1)
    two, done = hand.extend(one, "B-LTA")
    assert () == done.warnings
    assert "AnyValidationData" in properties(two)
    assert 1 == properties(two).count("CertificateValues")
    report = judge(world, two, policy=hand.policy)
    assert "TOTAL_PASSED" == report.verdict, report
    assert "XAdES-BASELINE-LTA" == report.signatures[0].level


def test_what_cannot_be_lifted_is_refused(hand: XmlHand):
    """No signature, a level that is there already, no authority, a signature that does not hold: a code each."""
    with pytest.raises(NothingToExtend):
        hand.extend(DOCUMENT, "B-LT")
    one, _ = hand.sign(DOCUMENT, "B-LT")
    for level in ("B-LT", "B-T"):
        with pytest.raises(LevelNotHigher):
            hand.extend(one, level)
    with pytest.raises(NoTimestampAuthority):
        hand.extend(one, "B-LTA", authorities=())
    with pytest.raises(SignatureBroken):
        hand.extend(one.replace(b"Nguy", b"nguy"), "B-LTA")


def test_a_file_that_was_signed_must_be_at_hand(hand: XmlHand):
    """The archive timestamp is over what was signed: without it there is none (EN 319 132-1 §5.5.2)."""
    one, _ = hand.sign(DOCUMENT, "B-LT", PLANS["with a file"])
    with pytest.raises(ContentMissing):
        hand.extend(one, "B-LTA")
    with pytest.raises(SignatureBroken):
        hand.extend(one, "B-LTA", detached={FILE.name: b"another"})


def test_a_repeated_lift_writes_the_same_bytes(hand: XmlHand):
    """In a worker each answer from outside begins the operation anew: the same questions, the same document."""
    one, _ = hand.sign(DOCUMENT, "B-B")
    answers: dict[tuple[str, bytes | None], bytes] = {}

    class Known:
        def fetch(self, request):
            key = (request.url, request.body)
            if key not in answers:
                answers[key] = hand.net.fetch(request)
                raise InterruptedError
            return answers[key]

    made: list[bytes] = []
    for _ in range(20):
        try:
            made.append(hand.extend(one, "B-LTA", fetcher=Known())[0])
        except InterruptedError:
            continue
    assert len(made) > 2
    assert 1 == len(set(made))


def test_an_interrupted_completion_is_done_again(hand: XmlHand):
    """The node went away after the archive timestamp was written: another lays the file out anew and gets the same."""
    prepared, out = hand.prepare(DOCUMENT, "B-LTA", PLAIN)
    value = hand.value(prepared)
    answers: dict[tuple[str, bytes | None], bytes] = {}

    class Known:
        def fetch(self, request):
            key = (request.url, request.body)
            return answers.setdefault(key, answers.get(key) or hand.net.fetch(request))

    made = []
    for again in (False, False, True):
        if again:
            out = file_of()
            pipeline.restore(file_of(DOCUMENT), prepared, out=out)
        pipeline.complete(prepared, value, out=out, fetcher=Known(), grounds=hand.grounds)
        out.seek(0)
        made.append(out.read())
    assert made[0] == made[1] == made[2]
    assert "ArchiveTimeStamp" == properties(made[0])[-1]


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_other_encodings_stay_as_they_are(world: World, hand: XmlHand, encoding: str):
    """What is added fits the document's encoding, and its other bytes do not change."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><r xml:lang="fr"><é/>été<!-- ü --></r>'
    one, _ = hand.sign(text.encode(encoding), "B-T")
    two, _ = hand.extend(one, "B-LTA")
    report = judge(world, two)
    assert "TOTAL_PASSED" == report.verdict, report
    assert hashlib.sha256(one[:80]).digest() == hashlib.sha256(two[:80]).digest()
    assert one[-40:] == two[-40:]


def test_what_another_signature_covers_is_not_added_to(world: World, hand: XmlHand):
    """A second signature over the whole document, the first one included: to lift that would break it."""
    one, _ = hand.sign(DOCUMENT, "B-T")
    two, _ = XmlHand.of(world, "p384", "ecdsa_sha384").sign(one, "B-T", XmlPlan(leaves_out="itself"))
    with pytest.raises(SignatureCovered):
        hand.extend(two, "B-LTA")
    three, _ = hand.sign(DOCUMENT, "B-T", XmlPlan(elements=("p1",)))
    four, _ = hand.sign(three, "B-T", XmlPlan(packaging="enveloping"))
    with pytest.raises(SignatureCovered):
        hand.extend(four, "B-LT")


def test_the_outer_signature_is_lifted_where_the_inner_one_needs_nothing(world: World, hand: XmlHand):
    """An archived document is enveloped and signed anew: the outer signature gets its archive, the inner keeps its own."""
    one, _ = hand.sign(DOCUMENT, "B-LTA", XmlPlan(elements=("p1",)))
    two, _ = XmlHand.of(world, "p384", "ecdsa_sha384").sign(one, "B-LT", XmlPlan(packaging="enveloping"))
    three, done = hand.extend(two, "B-LTA")
    assert "B-LTA" == done.level
    report = judge(world, three)
    assert "TOTAL_PASSED" == report.verdict, report
    assert ["XAdES-BASELINE-LTA"] * 2 == [signature.level for signature in report.signatures]


@pytest.mark.parametrize("name", ["xmldsig-only.xml", "Signature-X-FR_NOT-3.xml"])
def test_forms_without_a_place_for_evidence_are_refused(hand: XmlHand, name: str):
    """Plain XMLDSig, and XAdES 1.2.2: real files."""
    path = Path(__file__).parents[5] / "shared" / "corpus" / "xml" / name
    if not path.exists():
        pytest.skip("the corpus is not here")
    with pytest.raises(SignatureFormNotExtendable):
        hand.extend(path.read_bytes(), "B-LT")


def test_thirty_signatures_are_lifted(world: World, hand: XmlHand):
    """What is looked at grows with the number of signatures, not with its square."""
    data = DOCUMENT
    for number in range(30):
        data, _ = hand.sign(data, "B-B", XmlPlan(elements=("p1",)), signing_time=world.at + timedelta(seconds=number))
    lifted, done = hand.extend(data, "B-T")
    assert "B-T" == done.level
    assert 30 == lifted.count(b"</xades:SignatureTimeStamp>")
