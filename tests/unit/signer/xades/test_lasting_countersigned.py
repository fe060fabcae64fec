"""Counter-signatures: inside the signature whose value they sign, at every level, and what later lifts make of both."""

from __future__ import annotations

import pytest
from lxml import etree

from signer.xades.countersigning import SignatureCovered, SignatureNotFound
from signer.xades.plan import XmlPlan
from signer.xades.unsigned import SignatureFormNotExtendable
from tests.longterm_support import World
from tests.unit.signer.xades.lasting_support import DOCUMENT, SPACES, XmlHand, judge, properties
from verify.report import Report

pytestmark = pytest.mark.xades


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hand(world: World) -> XmlHand:
    return XmlHand.of(world)


@pytest.fixture
def other(world: World) -> XmlHand:
    return XmlHand.of(world, "rsa2048", "rsassa_pkcs1v15_sha256")


def ids(data: bytes) -> list[str]:
    """Of all signatures, in the order of the document."""
    return [str(one.get("Id")) for one in etree.fromstring(data).iter("{*}Signature")]


def levels(report: Report) -> list[str]:
    return [str(one.level).removeprefix("XAdES-BASELINE-") for one in report.signatures]


@pytest.mark.parametrize("parent", ["B-B", "B-LTA"])
@pytest.mark.parametrize("level", ["B-B", "B-T", "B-LT", "B-LTA"])
def test_a_signature_is_counter_signed_at_each_level(
    world: World, hand: XmlHand, other: XmlHand, parent: str, level: str
):
    """The counter-signature has its own entry, which names its parent; the parent stays what it was, archived or not."""
    one, _ = hand.sign(DOCUMENT, parent)
    two, signed = other.sign(one, level, XmlPlan(countersign=ids(one)[0]))
    assert (level, ()) == (signed.level, signed.warnings)
    report = judge(world, two, fetcher=hand.net)
    assert "TOTAL_PASSED" == report.verdict, report
    assert [parent[2:], level[2:]] == levels(report)
    assert [None, report.signatures[0].id] == [signature.parent for signature in report.signatures]
    (reference, *_) = etree.fromstring(two).findall(".//xades:CounterSignature//ds:Reference", SPACES)
    assert "http://uri.etsi.org/01903#CountersignedSignature" == reference.get("Type")
    assert "CounterSignature" == properties(two)[-1]


def test_both_are_lifted_and_the_inner_one_first(world: World, hand: XmlHand, other: XmlHand):
    """Lifting the document gives the counter-signature its archive timestamp before its parent's covers that."""
    one, _ = hand.sign(DOCUMENT, "B-B")
    two, _ = other.sign(one, "B-B", XmlPlan(countersign=ids(one)[0]))
    three, done = hand.extend(two, "B-LTA")
    assert "B-LTA" == done.level
    report = judge(world, three)
    assert "TOTAL_PASSED" == report.verdict, report
    assert ["LTA", "LTA"] == levels(report)
    assert "ArchiveTimeStamp" == properties(three)[-1]
    assert "ArchiveTimeStamp" == properties(three, number=1)[-1]


def test_what_an_archive_covers_is_left_alone_by_the_renewal(world: World, hand: XmlHand, other: XmlHand):
    """A counter-signature under its parent's archive timestamp cannot be added to; the parent's renewal keeps it."""
    one, _ = hand.sign(DOCUMENT, "B-T")
    two, _ = other.sign(one, "B-T", XmlPlan(countersign=ids(one)[0]))
    three, _ = hand.extend(two, "B-LTA")
    world.at = world.at.replace(year=world.at.year + 1)
    four, _ = hand.extend(three, "B-LTA")
    inner, outer = (
        etree.tostring(etree.fromstring(one).find(".//xades:CounterSignature", SPACES)) for one in (three, four)
    )
    assert inner == outer
    assert 2 == properties(four).count("ArchiveTimeStamp")
    report = judge(world, four)
    assert "TOTAL_PASSED" == report.verdict, report


def test_a_counter_signature_that_came_after_the_archive_is_lifted(world: World, hand: XmlHand, other: XmlHand):
    """It stands behind the archive timestamp, which it leaves whole, and reaches its own level; the next one covers it."""
    one, _ = hand.sign(DOCUMENT, "B-LTA")
    two, _ = other.sign(one, "B-B", XmlPlan(countersign=ids(one)[0]))
    three, _ = hand.extend(two, "B-LTA")
    four, _ = hand.extend(three, "B-LTA")
    for data, count in ((three, 1), (four, 2)):
        report = judge(world, data)
        assert "TOTAL_PASSED" == report.verdict, report
        assert ["LTA", "LTA"] == levels(report)
        assert count == properties(data).count("ArchiveTimeStamp")


def test_a_counter_signature_may_be_counter_signed(world: World, hand: XmlHand, other: XmlHand):
    """Two deep: each names the one it signs."""
    one, _ = hand.sign(DOCUMENT, "B-B")
    two, _ = other.sign(one, "B-T", XmlPlan(countersign=ids(one)[0]))
    three, _ = hand.sign(two, "B-LT", XmlPlan(countersign=ids(two)[1]))
    four, _ = hand.extend(three, "B-LTA")
    report = judge(world, four)
    assert "TOTAL_PASSED" == report.verdict, report
    assert [None, *ids(four)[:2]] == [one.parent for one in report.signatures]
    assert ["LTA"] * 3 == levels(report)


def test_what_cannot_be_counter_signed_is_refused(hand: XmlHand, other: XmlHand):
    """No such signature; one whose value has no Id; one that an archive timestamp covers."""
    one, _ = hand.sign(DOCUMENT, "B-T")
    with pytest.raises(SignatureNotFound):
        other.sign(one, "B-B", XmlPlan(countersign="nobody"))
    nameless = one.replace(b'<ds:SignatureValue Id="', b'<ds:SignatureValue Was="')
    with pytest.raises(SignatureFormNotExtendable):
        other.sign(nameless, "B-B", XmlPlan(countersign=ids(one)[0]))
    two, _ = other.sign(one, "B-T", XmlPlan(countersign=ids(one)[0]))
    three, _ = hand.extend(two, "B-LTA")
    with pytest.raises(SignatureCovered):
        hand.sign(three, "B-B", XmlPlan(countersign=ids(three)[1]))
