"""Years later, EN 319 102-1 §5.6: what proofs of existence mend, what they do not, and what is no proof."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import datetime

import pytest
from cryptography.hazmat.primitives import hashes
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tests.unit.verify.test_sub_indications import rules, with_byte_range
from tests.unit.verify.world import DAY, DEFAULT, NOW, Entity, World, blank_pdf, certificate, revocation_list
from verify import engine
from verify.fetcher import Offline
from verify.policy import Policy
from verify.report import Check, Report, SignatureReport
from verify.trust import Anchor, Trust

pytestmark = [pytest.mark.spine, pytest.mark.judging]

YEAR = 365 * DAY
SIGNED = NOW - 5 * YEAR


class Archive(World):
    """Two hierarchies: the signer's, whose certificates end, and that of timestamp authorities."""

    def __init__(self) -> None:
        super().__init__(root=certificate("Root of signers", ca=True))
        self.issuing = certificate("Issuing CA", issuer=self.root, ca=True, end=NOW - YEAR)
        self.signer = certificate("Nguyễn Văn A", issuer=self.issuing, end=NOW - 3 * YEAR)
        self.tsa_root = certificate("Root of TSAs", ca=True)
        self.tsa = self.authority("TSA")

    def authority(self, name: str, *, end: datetime = NOW + 10 * YEAR, **options: object) -> Entity:
        return certificate(name, issuer=self.tsa_root, timestamping=True, end=end, **options)  # type: ignore[arg-type]

    def lists(self, when: datetime, *, revoked: dict[int, datetime] | None = None) -> tuple[bytes, ...]:
        """Of all three authorities, of that day, good for a week."""
        issuers = (self.root, self.issuing, self.tsa_root)
        return tuple(revocation_list(one, revoked=revoked, issued=when, until=when + 7 * DAY) for one in issuers)

    def sealed(self, *, by: Entity | None = None, on: datetime = SIGNED) -> bytes:
        """B-LTA: signed, stamped, archived and timestamped on one day."""
        pdf = self.archive(self.sign(blank_pdf(), stamped=on), crls=self.lists(on))
        return self.timestamp(pdf, on, tsa=by)

    def trusted(self, **changes: object) -> Trust:
        """Both roots; the lists of the timestamp authorities are the only ones that are still made."""
        trust = Trust((self.root.der, self.tsa_root.der), crls=(revocation_list(self.tsa_root),))
        return replace(trust, **changes)  # type: ignore[arg-type]  # tests name its members


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive()


def judge(pdf: bytes, trust: Trust, *, rules: Policy = DEFAULT, at: datetime = NOW) -> Report:
    return engine.judge(io.BytesIO(pdf), name="a.pdf", trust=trust, policy=rules, at=at, fetcher=Offline())


def only(report: Report) -> SignatureReport:
    assert len(report.signatures) == 1
    return report.signatures[0]


def result(report: Report) -> tuple[str, str | None]:
    return only(report).indication, only(report).sub_indication


def check(signature: SignatureReport, code: str) -> Check:
    return next(one for one in signature.checks if one.code == code)


class TestMends:
    def test_certificates_that_have_ended(self, archive: Archive) -> None:
        """Signer and CA have ended; the archive timestamp proves that signature and evidence are older than that."""
        signature = only(judge(archive.sealed(), archive.trusted()))
        assert (signature.indication, signature.best_signature_time) == ("TOTAL_PASSED", SIGNED)
        past = check(signature, "PAST_CERTIFICATE")
        assert (past.outcome, past.clause) == ("PASSED", "EN 319 102-1 §5.6.2.1")
        assert past.facts["control_time"] == (SIGNED + 7 * DAY).isoformat()  # up to which the evidence was current

    def test_only_with_the_archive_timestamp(self, archive: Archive) -> None:
        """The same evidence without a timestamp over it may have been made at any time."""
        pdf = archive.archive(archive.sign(blank_pdf(), stamped=SIGNED), crls=archive.lists(SIGNED))
        signature = only(judge(pdf, archive.trusted()))
        assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
        assert check(signature, "PAST_CERTIFICATE").facts["sub_indication"] == "REVOCATION_OUT_OF_BOUNDS_NO_POE"

    def test_a_chain_of_renewals(self, archive: Archive) -> None:
        """Each authority ended before the next year's; the newest proves the one before, down to the signature."""
        first = archive.authority("TSA 1", end=SIGNED + 2 * YEAR)
        second = archive.authority("TSA 2", end=SIGNED + 4 * YEAR)
        pdf = archive.sealed(by=first)
        for tsa, when in ((second, SIGNED + YEAR), (archive.tsa, SIGNED + 3 * YEAR)):
            pdf = archive.timestamp(archive.archive(pdf, crls=archive.lists(when)), when, tsa=tsa)
        report = judge(pdf, archive.trusted())
        assert result(report) == ("TOTAL_PASSED", None)
        assert [stamp.indication for stamp in report.timestamps] == ["TOTAL_PASSED"] * 3
        assert only(report).best_signature_time == SIGNED

    def test_not_with_a_gap_between_renewals(self, archive: Archive) -> None:
        """Authority and signer had ended before the second timestamp was made: nothing proves that it was in time."""
        first = archive.authority("TSA 1", end=SIGNED + YEAR)
        archive_of_gap = Archive.__new__(Archive)
        archive_of_gap.__dict__.update(archive.__dict__, tsa=first)
        pdf = archive_of_gap.sealed(by=first)
        when = SIGNED + 2 * YEAR + 30 * DAY
        pdf = archive.timestamp(archive.archive(pdf, crls=archive.lists(when)), when)
        report = judge(pdf, archive.trusted())
        assert only(report).indication == "INDETERMINATE"
        assert [stamp.indication for stamp in report.timestamps] == ["INDETERMINATE", "TOTAL_PASSED"]

    def test_anchor_that_was_retired(self, archive: Archive) -> None:
        """An old root still carries what is proven to be older than its retirement."""
        named = (Anchor(archive.root.der, until=NOW - 2 * YEAR),)
        assert result(judge(archive.sealed(), archive.trusted(named=named))) == ("TOTAL_PASSED", None)
        early = (Anchor(archive.root.der, until=SIGNED - DAY),)
        expected = ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND_NO_POE")
        assert result(judge(archive.sealed(), archive.trusted(named=early))) == expected

    def test_signer_revoked_later(self, archive: Archive) -> None:
        """A revocation after the proven time changes nothing, years later as little as at once."""
        serial = archive.signer.certificate.serial_number
        later = revocation_list(archive.issuing, revoked={serial: SIGNED + 30 * DAY}, issued=NOW - 2 * YEAR)
        trust = archive.trusted()
        assert result(judge(archive.sealed(), replace(trust, crls=(*trust.crls, later)))) == ("TOTAL_PASSED", None)
        before = revocation_list(archive.issuing, revoked={serial: SIGNED - DAY}, issued=NOW - 2 * YEAR)
        judged = judge(archive.sealed(), replace(trust, crls=(*trust.crls, before)))
        assert result(judged) == ("INDETERMINATE", "REVOKED_NO_POE")

    def test_issuing_ca_revoked_later(self, archive: Archive) -> None:
        """§5.6.2.4: with evidence proven from before the revocation, and only with it."""
        serial = archive.issuing.certificate.serial_number
        said = revocation_list(archive.root, revoked={serial: SIGNED + 300 * DAY}, issued=SIGNED + 301 * DAY)
        trust = archive.trusted()
        trust = replace(trust, crls=(*trust.crls, said))
        assert result(judge(archive.sealed(), trust)) == ("TOTAL_PASSED", None)
        stamped = archive.archive(archive.sign(blank_pdf(), stamped=SIGNED), crls=archive.lists(SIGNED))
        assert result(judge(stamped, trust)) == ("INDETERMINATE", "REVOKED_CA_NO_POE")
        early = revocation_list(archive.root, revoked={serial: SIGNED - DAY}, issued=SIGNED + 301 * DAY)
        judged = judge(archive.sealed(), replace(trust, crls=(*trust.crls, early)))
        assert result(judged) == ("INDETERMINATE", "REVOKED_CA_NO_POE")

    def test_older_authority_revoked_later(self, archive: Archive) -> None:
        """The authority of the first timestamps was revoked after they were proven by a newer one."""
        first = archive.authority("TSA 1")
        archive_of_first = Archive.__new__(Archive)
        archive_of_first.__dict__.update(archive.__dict__, tsa=first)
        when = SIGNED + YEAR
        pdf = archive_of_first.sealed(by=first)
        renewed = archive.timestamp(archive.archive(pdf, crls=archive.lists(when)), when)
        revoked = {first.certificate.serial_number: SIGNED + 2 * YEAR}
        trust = archive.trusted(crls=(revocation_list(archive.tsa_root, revoked=revoked),))
        assert result(judge(renewed, trust)) == ("TOTAL_PASSED", None)
        assert only(judge(pdf, trust)).indication == "INDETERMINATE"

    def test_digest_that_is_no_longer_believed(self, archive: Archive) -> None:
        """SHA-256 forbidden since: it passes once a timestamp by SHA-512 was made in time, and not before."""
        root = certificate("Root of strong TSAs", ca=True, digest=hashes.SHA512())
        strong = certificate("Strong TSA", issuer=root, timestamping=True, digest=hashes.SHA512())
        fresh = revocation_list(root, digest=hashes.SHA512())
        trust = archive.trusted(
            anchors=(archive.root.der, archive.tsa_root.der, root.der),
            crls=(fresh,),
        )
        ended = rules(digests=f'sha256 = "{NOW - 2 * YEAR:%Y-%m-%d}"')
        when = SIGNED + YEAR
        again = archive.archive(archive.sealed(), crls=archive.lists(when))
        renewed = archive.timestamp(again, when, tsa=strong, digest="sha512")
        assert result(judge(renewed, trust)) == ("TOTAL_PASSED", None)
        assert result(judge(renewed, trust, rules=ended)) == ("TOTAL_PASSED", None)
        assert judge(archive.sealed(), trust, rules=ended).timestamps[0].sub_indication == (
            "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
        )
        late = archive.timestamp(again, NOW - YEAR, tsa=strong, digest="sha512")
        assert only(judge(late, trust, rules=ended)).indication == "INDETERMINATE"


class TestIsNoProof:
    def test_evidence_rewritten_behind_the_timestamp(self, archive: Archive) -> None:
        """An object of the store that a later revision replaced is not the one that the timestamp covers."""
        trust = archive.trusted()
        stranger = archive.lists(SIGNED, revoked={1: SIGNED})
        pdf = archive.timestamp(archive.archive(archive.sign(blank_pdf(), stamped=SIGNED), crls=stranger[:1]), SIGNED)
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        root_list, issuing_list, _ = archive.lists(SIGNED)
        stored = writer.root["/DSS"]["/CRLs"].raw_get(0)
        stream = stored.get_object()
        stream._data, stream._encoded_data = issuing_list, None
        writer.mark_update(stored)
        out = io.BytesIO()
        writer.write(out)
        report = judge(out.getvalue(), replace(trust, crls=(*trust.crls, root_list)))
        covered = set(report.timestamps[0].material.covers)
        replaced = next(one for one in report.objects if one.data == issuing_list)
        assert replaced.id not in covered
        assert replaced.poe.time == NOW
        assert only(report).indication == "INDETERMINATE"

    def test_timestamp_whose_byte_range_leaves_out_what_it_claims_to_cover(self, archive: Archive) -> None:
        """A document timestamp with a broken byte range proves nothing at all."""
        pdf = archive.sealed()
        report = judge(with_byte_range(pdf, lambda old: [1, *old[1:]]), archive.trusted())
        assert report.timestamps[0].indication == "TOTAL_FAILED"
        assert only(report).indication == "INDETERMINATE"

    def test_timestamps_of_fields_with_one_name(self, archive: Archive) -> None:
        """A second field of the same name does not borrow the verdict on the first one's timestamp."""
        good = archive.timestamp(archive.sign(blank_pdf()), SIGNED, field="Stamp1")
        broken = archive.timestamp(good, SIGNED + DAY, field="Stamp2")
        broken = with_byte_range(broken, lambda old: [1, *old[1:]])
        broken = re.sub(rb"\(Stamp2\)", b"(Stamp1)", broken)
        stamps = judge(broken, archive.trusted()).timestamps
        assert len({stamp.id for stamp in stamps}) == len(stamps) == 2
        assert "TOTAL_FAILED" in {stamp.indication for stamp in stamps}

    def test_timestamp_is_not_proven_by_itself(self, archive: Archive) -> None:
        """The newest timestamp's authority has ended: that it covers its own evidence does not save it."""
        tsa = archive.authority("TSA 1", end=NOW - YEAR)
        report = judge(archive.sealed(by=tsa), archive.trusted())
        assert report.timestamps[0].indication == "INDETERMINATE"
        assert only(report).indication == "INDETERMINATE"


class TestMaterial:
    def test_report_carries_what_it_rests_on(self, archive: Archive) -> None:
        """Path, revocation data, proofs and what the value is over, each object once."""
        report = judge(archive.sealed(), archive.trusted())
        objects = {one.id: one for one in report.objects}
        assert len(objects) == len(report.objects)
        material = only(report).material
        assert [objects[one].data for one in material.path] == [
            archive.signer.der,
            archive.issuing.der,
            archive.root.der,
        ]
        assert {objects[one].kind for one in material.revocation} == {"crl"}
        assert material.poe is not None
        assert (material.poe.time, material.control_time) == (SIGNED, SIGNED + 7 * DAY)
        assert objects[material.object].kind == "signature"
        assert material.tbs is not None
        stamp = report.timestamps[0]
        assert objects[stamp.material.object].kind == "timestamp"
        assert {material.object, *material.revocation} <= set(stamp.material.covers)
        by = {objects[one].poe.by for one in material.revocation}
        assert by == {stamp.id}


def with_dictionary(pdf: bytes, *, contents: bytes, byte_range: tuple[int, ...], name: str) -> bytes:
    """A revision with one more signature field, whose dictionary says what it is told to."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    value = generic.DictionaryObject(
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Sig"),
            generic.pdf_name("/Filter"): generic.pdf_name("/Adobe.PPKLite"),
            generic.pdf_name("/SubFilter"): generic.pdf_name("/ETSI.CAdES.detached"),
            generic.pdf_name("/Contents"): generic.ByteStringObject(contents),
            generic.pdf_name("/ByteRange"): generic.ArrayObject(map(generic.NumberObject, byte_range)),
        }
    )
    field = generic.DictionaryObject(
        {
            generic.pdf_name("/FT"): generic.pdf_name("/Sig"),
            generic.pdf_name("/T"): generic.pdf_string(name),
            generic.pdf_name("/V"): writer.add_object(value),
        }
    )
    form = writer.root["/AcroForm"]
    form["/Fields"].append(writer.add_object(field))
    writer.update_container(form["/Fields"])
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


class TestPretendsToBeOld:
    """A signature made today does not get the age of an archive by a dictionary that only claims to stand in it."""

    def test_second_dictionary_with_a_byte_range_inside_the_archive(self, archive: Archive) -> None:
        """The same CMS once more, under a byte range that ends before the archive timestamp: no proof for the first."""
        thief = certificate("Thief", issuer=archive.issuing, end=NOW - 3 * YEAR)
        pdf = archive.sign(archive.sealed(), signer=thief, field_name="Signature2")
        contents = bytes.fromhex(re.findall(rb"/Contents <([0-9a-fA-F]+)>", pdf)[-1].decode())
        for byte_range in ((0, 10, 20, 30), (0, 100, 50, 10), (0, 10, 20, 10**9), (0, 10)):
            forged = with_dictionary(pdf, contents=contents, byte_range=byte_range, name="Old")
            report = judge(forged, archive.trusted())
            stolen = next(one for one in report.signatures if one.id == "Signature2")
            assert stolen.best_signature_time == NOW, byte_range
            assert stolen.indication != "TOTAL_PASSED"
            assert stolen.material.object not in report.timestamps[0].material.covers
