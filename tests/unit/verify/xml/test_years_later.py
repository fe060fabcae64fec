"""XML signatures years later, EN 319 102-1 §5.6: what archive timestamps keep alive, and what they do not."""

from __future__ import annotations

import copy

import pytest

from tests.unit.verify.test_archival import SIGNED, YEAR, Archive, check, only, result
from tests.unit.verify.world import DAY, DEFAULT, NOW
from tests.unit.verify.xml.paper import Paper
from tests.unit.verify.xml.xades import found
from verify import engine
from verify.fetcher import Offline
from verify.report import Report

pytestmark = pytest.mark.xades

HOUR = DAY / 24


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive()


def judge(paper: Paper, archive: Archive) -> Report:
    return engine.judge(paper.file, name="a.xml", trust=archive.trusted(), policy=DEFAULT, at=NOW, fetcher=Offline())


def kept(archive: Archive) -> Paper:
    """B-LT: signed, stamped and its evidence kept on one day."""
    paper = Paper()
    paper.sign(archive.signer, certificates=(archive.issuing.der,))
    paper.stamp(archive.tsa, SIGNED)
    paper.keep(certificates=(archive.issuing.der,), crls=archive.lists(SIGNED))
    return paper


def test_certificates_that_have_ended(archive: Archive) -> None:
    """Signer and CA have ended; the archive timestamp proves that signature and evidence are older than that."""
    paper = kept(archive)
    paper.archive(archive.tsa, SIGNED + HOUR)
    signature = only(judge(paper, archive))
    assert (signature.indication, signature.best_signature_time) == ("TOTAL_PASSED", SIGNED)
    assert signature.level == "XAdES-BASELINE-LTA"
    assert check(signature, "PAST_CERTIFICATE").outcome == "PASSED"


def test_only_with_the_archive_timestamp(archive: Archive) -> None:
    """The same evidence without a timestamp over it may have been made at any time."""
    signature = only(judge(kept(archive), archive))
    assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert signature.level == "XAdES-BASELINE-LT"


def test_evidence_behind_the_archive_timestamp_is_not_covered(archive: Archive) -> None:
    """What stands behind an archive timestamp is as old as the day on which it is looked at."""
    paper = Paper()
    paper.sign(archive.signer, certificates=(archive.issuing.der,))
    paper.stamp(archive.tsa, SIGNED)
    paper.archive(archive.tsa, SIGNED + HOUR)
    paper.keep(certificates=(archive.issuing.der,), crls=archive.lists(SIGNED))
    signature = only(judge(paper, archive))
    assert (signature.indication, signature.level) == ("INDETERMINATE", "XAdES-BASELINE-LT")


def test_a_chain_of_renewals(archive: Archive) -> None:
    """Each authority ended before the next year's; the newest proves the one before, down to the signature."""
    first = archive.authority("TSA 1", end=SIGNED + 2 * YEAR)
    second = archive.authority("TSA 2", end=SIGNED + 4 * YEAR)
    paper = kept(archive)
    paper.archive(first, SIGNED + HOUR)
    for tsa, when in ((second, SIGNED + YEAR), (archive.tsa, SIGNED + 3 * YEAR)):
        paper.keep(crls=archive.lists(when))
        paper.archive(tsa, when)
    report = judge(paper, archive)
    assert result(report) == ("TOTAL_PASSED", None)
    assert [one.indication for one in only(report).timestamps] == ["TOTAL_PASSED"] * 4


def test_a_change_in_what_is_archived_is_seen(archive: Archive) -> None:
    """Evidence that is taken out of what an archive timestamp covers breaks that timestamp, and with it the proof."""
    paper = kept(archive)
    paper.archive(archive.tsa, SIGNED + HOUR)
    lists = found(paper.root, "CRLValues")
    lists.remove(lists[0])
    signature = only(judge(paper, archive))
    assert [(one.type, one.intact) for one in signature.timestamps] == [("signature", True), ("archive", False)]
    assert (signature.indication, signature.level) == ("INDETERMINATE", "XAdES-BASELINE-LT")


def test_a_copied_archive_timestamp_proves_nothing_more(archive: Archive) -> None:
    """A copy behind later evidence is over other octets: it does not match, and proves nothing of that evidence."""
    paper = Paper()
    paper.sign(archive.signer, certificates=(archive.issuing.der,))
    paper.stamp(archive.tsa, SIGNED)
    stamp = paper.archive(archive.tsa, SIGNED + HOUR)
    paper.keep(certificates=(archive.issuing.der,), crls=archive.lists(SIGNED))
    stamp.getparent().append(copy.deepcopy(stamp))
    signature = only(judge(paper, archive))
    assert [one.intact for one in signature.timestamps] == [True, True, False]
    assert signature.indication == "INDETERMINATE"


def test_timestamps_out_of_order_are_refused(archive: Archive) -> None:
    """§5.5.4: what covers the signature's timestamp cannot be older than it."""
    paper = kept(archive)
    paper.archive(archive.tsa, SIGNED - DAY)
    assert result(judge(paper, archive))[1] == "TIMESTAMP_ORDER_FAILURE"


def test_an_archive_timestamp_proves_the_signatures_it_was_made_over(archive: Archive) -> None:
    """The first signature has no timestamp; the second one is over the whole document, the first in it, and its archive
    timestamp proves the value of both (which says nothing of the first one's soundness)."""
    paper = Paper()
    paper.sign(archive.signer, id_="first", certificates=(archive.issuing.der,))
    paper.sign(archive.signer, id_="second", certificates=(archive.issuing.der,))
    paper.keep(certificates=(archive.issuing.der,), crls=archive.lists(SIGNED), id_="second")
    paper.archive(archive.tsa, SIGNED + HOUR, id_="second")
    first, second = judge(paper, archive).signatures
    assert (first.intact, first.best_signature_time) == (False, SIGNED + HOUR)
    assert (second.indication, second.best_signature_time) == ("TOTAL_PASSED", SIGNED + HOUR)
