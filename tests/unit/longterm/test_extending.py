"""Signed PDFs, ours and others', lifted to a higher level; what was signed stays byte for byte."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signer.errors import LevelNotHigher, NothingToExtend, NoTimestampAuthority, SignatureBroken
from tests import readers
from tests.longterm_support import OCSP_URL, OTHER_TSA_URL, TSA_URL, Hand, World

pytestmark = [pytest.mark.spine, pytest.mark.pades]


def foreign(world: World, source: Path, out: Path, *, stamped: bool, legacy: bool = False) -> Path:
    """Signed by pyHanko with another signer's key, B-B or B-T, or with the legacy adbe.pkcs7.detached."""
    entity = world.signer("rsa2048")
    registry = SimpleCertificateStore.from_certs([world.issuing.asn1])
    simple = signers.SimpleSigner(entity.asn1, entity.asn1_key, registry)
    meta = signers.PdfSignatureMetadata(
        field_name="Theirs",
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED if legacy else fields.SigSeedSubFilter.PADES,
    )
    store = SimpleCertificateStore.from_certs([world.tsa_issuing.asn1])
    stamper = DummyTimeStamper(world.tsa.asn1, world.tsa.asn1_key, store, fixed_dt=world.at) if stamped else None
    buffer = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(source.read_bytes()))
    signers.PdfSigner(meta, signer=simple, timestamper=stamper).sign_pdf(writer, output=buffer)
    out.write_bytes(buffer.getvalue())
    return out


@pytest.mark.parametrize(
    ("level", "stamped"), [("B-T", False), ("B-LT", False), ("B-LTA", False), ("B-LT", True), ("B-LTA", True)]
)
def test_anothers_signature_is_lifted(world: World, plain: Path, tmp_path: Path, level: str, *, stamped: bool):
    """A PAdES signature made by pyHanko reaches the level; without a timestamp of its own it gets a document timestamp."""
    theirs, out, hand = (
        foreign(world, plain, tmp_path / "theirs.pdf", stamped=stamped),
        tmp_path / "o.pdf",
        world.hand(),
    )
    done = hand.extend(theirs, out, level)
    assert (level, ()) == (done.level, done.warnings)
    assert out.read_bytes().startswith(theirs.read_bytes())
    report = world.judge(out, fetcher=hand.net if level == "B-T" else None)
    assert "TOTAL_PASSED" == report.verdict, report
    assert [f"PAdES-BASELINE-{level[2:]}"] == [one.level for one in report.signatures]
    assert "" == readers.qpdf(out)
    assert (True, False) == readers.poppler(out)[0]


def test_a_legacy_signature_is_lifted(world: World, plain: Path, tmp_path: Path):
    """adbe.pkcs7.detached is no PAdES, yet its evidence can be kept and timestamped."""
    theirs, out = foreign(world, plain, tmp_path / "t.pdf", stamped=True, legacy=True), tmp_path / "o.pdf"
    assert "B-LTA" == world.hand().extend(theirs, out, "B-LTA").level
    assert ["PKCS7-LTA"] == [one.level for one in world.judge(out).signatures]


@pytest.mark.parametrize(("first", "second"), [("B-B", "B-LTA"), ("B-T", "B-LT"), ("B-LT", "B-LTA")])
def test_our_own_from_level_to_level(hand: Hand, plain: Path, tmp_path: Path, first: str, second: str):
    """What could have been ordered at once can be had later."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    hand.sign(plain, one, level=first)
    assert second == hand.extend(one, two, second).level
    assert f"PAdES-BASELINE-{second[2:]}" == hand.world.judge(two).signatures[0].level
    assert "TOTAL_PASSED" == hand.world.judge(two).verdict


def test_all_signatures_of_a_document_are_lifted(world: World, plain: Path, tmp_path: Path):
    """Three signers at three levels: afterwards all have evidence, under one archive timestamp."""
    paths = [plain, *(tmp_path / f"{number}.pdf" for number in range(3))]
    for number, (kind, level) in enumerate((("p256", "B-B"), ("p384", "B-T"), ("rsa2048", "B-LT"))):
        mechanism = {"p256": "ecdsa_sha256", "p384": "ecdsa_sha384"}.get(kind, "rsassa_pkcs1v15_sha256")
        world.hand(kind, mechanism).sign(paths[number], paths[number + 1], level=level)
    out = tmp_path / "out.pdf"
    world.hand().extend(paths[-1], out, "B-LTA")
    report = world.judge(out)
    assert ["PAdES-BASELINE-LTA"] * 3 == [one.level for one in report.signatures]
    assert "TOTAL_PASSED" == report.verdict, report


def test_renewal_adds_evidence_and_a_timestamp_by_another_authority(world: World, plain: Path, tmp_path: Path):
    """Before its authority's certificate ends, the archive gets a further timestamp; nothing before it is touched."""
    world.tsa = world.authority("TSA that ends", end=world.at.replace(tzinfo=UTC) + timedelta(days=30))
    hand, one, two = world.hand(), tmp_path / "1.pdf", tmp_path / "2.pdf"
    signed = hand.sign(plain, one)
    assert world.at + timedelta(days=30) == signed.archive_until
    world.at += timedelta(days=20)
    done = hand.extend(one, two, "B-LTA", authorities=(OTHER_TSA_URL,))
    assert datetime(2040, 1, 1, tzinfo=UTC) == done.archive_until
    assert two.read_bytes().startswith(one.read_bytes())
    report = world.judge(two)
    assert "TOTAL_PASSED" == report.verdict, report
    assert ["TSA that ends", "TSA 2"] == [stamp.tsa for stamp in report.timestamps]


def test_evidence_that_is_there_is_not_stored_again(hand: Hand, plain: Path, tmp_path: Path):
    """From B-LT to B-LTA the store does not grow when it holds the authority's evidence already."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    hand.sign(plain, one, level="B-LT")
    asked = hand.net.count("ocsp")
    hand.extend(one, two, "B-LTA")
    assert asked == hand.net.count("ocsp")
    assert 1 == two.read_bytes().count(b"/VRI")


def test_nothing_new_for_an_archive_that_is_settled(hand: Hand, plain: Path, tmp_path: Path):
    """`only_new` leaves a B-LTA document alone unless there is newer evidence."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    signed = hand.sign(plain, one)
    assert signed.sha256 == hand.extend(one, two, "B-LTA", only_new=True).sha256


def test_what_cannot_be_lifted_is_refused(hand: Hand, plain: Path, tmp_path: Path):
    """No signature, a level that is there already, no authority, a signature that does not hold: a code each."""
    one, out = tmp_path / "1.pdf", tmp_path / "out.pdf"
    with pytest.raises(NothingToExtend):
        hand.extend(plain, out, "B-LT")
    hand.sign(plain, one, level="B-LT")
    with pytest.raises(LevelNotHigher):
        hand.extend(one, out, "B-LT")
    with pytest.raises(LevelNotHigher):
        hand.extend(one, out, "B-T")
    with pytest.raises(NoTimestampAuthority):
        hand.extend(one, out, "B-LTA", authorities=())
    broken = bytearray(one.read_bytes())
    broken[20] ^= 1
    one.write_bytes(broken)
    with pytest.raises(SignatureBroken):
        hand.extend(one, out, "B-LTA")


def test_degraded_is_lifted_when_the_authority_is_back(hand: Hand, plain: Path, tmp_path: Path):
    """A signature that had to go without timestamp reaches the level ordered by extension, and passes offline."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    hand.net.answers[TSA_URL] = None
    assert "B-B" == hand.sign(plain, one, allow_degraded=True).level
    hand.net.answers.clear()
    assert "B-LTA" == hand.extend(one, two, "B-LTA").level
    assert "TOTAL_PASSED" == hand.world.judge(two).verdict


def test_a_second_signature_after_an_archive(world: World, plain: Path, tmp_path: Path):
    """The next signer comes after B-LTA: the first stays at its level, the second gets its own evidence."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    world.hand().sign(plain, one)
    world.hand("p384", "ecdsa_sha384").sign(one, two, level="B-LT")
    report = world.judge(two)
    assert "TOTAL_PASSED" == report.verdict, report
    assert ["PAdES-BASELINE-LTA", "PAdES-BASELINE-LT"] == [signature.level for signature in report.signatures]
    assert replace(report).timestamps[0].intact


def test_late_evidence_comes_with_the_next_signature(world: World, plain: Path, tmp_path: Path):
    """The first signer's responder was away; the next signer's completion embeds that evidence in the same revision."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    first = world.hand()
    first.net.answers[OCSP_URL] = None
    assert "B-T" == first.sign(plain, one, level="B-LT", allow_degraded=True).level
    world.hand("p384", "ecdsa_sha384").sign(one, two, level="B-LT")
    report = world.judge(two)
    assert ["PAdES-BASELINE-LT"] * 2 == [signature.level for signature in report.signatures]
    assert "TOTAL_PASSED" == report.verdict, report
    assert 1 == two.read_bytes().count(b"/VRI")


def test_evidence_for_anothers_broken_past_is_no_hindrance(world: World, plain: Path, tmp_path: Path):
    """A revoked first signer gets no evidence; the second signature reaches its level all the same."""
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    first = world.hand()
    first.sign(plain, one, level="B-T")
    world.revoked[first.signer.certificate.serial_number] = world.at - timedelta(days=1)
    assert "B-LT" == world.hand("p384", "ecdsa_sha384").sign(one, two, level="B-LT").level
    assert ["REVOKED_NO_POE", None] == [
        signature.sub_indication for signature in world.judge(two, fetcher=first.net).signatures
    ]
