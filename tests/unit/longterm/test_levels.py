"""B-LT and B-LTA in one completion: what is appended, how often anybody is asked, what readers and we make of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from signer import pipeline
from signer.errors import OrderInvalid, TimestampUnavailable
from signer.extending import DEGRADED, PENDING
from tests import readers
from tests.longterm_support import CRL_URL, DAY, OCSP_URL, OTHER_TSA_URL, TSA_URL, Hand, World
from tests.unit.verify.world import revocation_list
from verify import policy
from verify.fetcher import FetchRequest
from verify.gather import EvidenceUnavailable

pytestmark = [pytest.mark.spine, pytest.mark.pades]

ALGORITHMS = [
    ("p256", "ecdsa_sha256"),
    ("p384", "ecdsa_sha384"),
    ("rsa2048", "rsassa_pkcs1v15_sha256"),
    ("rsa3072", "rsassa_pss_sha512"),
]


@pytest.mark.parametrize(("kind", "mechanism"), ALGORITHMS)
@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
def test_the_level_is_reached_and_passes_offline(  # noqa: PLR0917 - parameters of the test
    world: World, plain: Path, tmp_path: Path, level: str, kind: str, mechanism: str
):
    """With the anchor alone and nobody to ask, what the document holds is enough; Poppler and qpdf have no objection."""
    out = tmp_path / "out.pdf"
    signed = world.hand(kind, mechanism).sign(plain, out, level=level)
    assert (level, ()) == (signed.level, signed.warnings)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == signed.sha256
    assert out.read_bytes().startswith(plain.read_bytes())
    report = world.judge(out)
    assert "TOTAL_PASSED" == report.verdict, report
    assert [f"PAdES-BASELINE-{level[2:]}"] == [one.level for one in report.signatures]
    assert ["TOTAL_PASSED"] * (level == "B-LTA") == [one.indication for one in report.timestamps]
    assert (True, level == "B-B") == readers.poppler(out)[0]
    assert "" == readers.qpdf(out)


def test_everything_is_asked_once(hand: Hand, plain: Path, tmp_path: Path):
    """One status for the signer, one for the authority, one list for both issuers, two timestamps."""
    hand.sign(plain, tmp_path / "out.pdf")
    assert {"ocsp": 2, "crl": 1, "timestamp": 2} == {
        kind: hand.net.count(kind) for kind in ("ocsp", "crl", "timestamp")
    }


def test_the_store_names_the_signature_and_holds_nothing_twice(hand: Hand, plain: Path, tmp_path: Path):
    """/VRI has the SHA-1 of /Contents in capitals; each certificate, list and response is there once."""
    out = tmp_path / "out.pdf"
    hand.sign(plain, out, level="B-LT")
    with out.open("rb") as file:
        reader = PdfFileReader(file)
        contents = reader.embedded_signatures[0].pkcs7_content
        store = reader.root["/DSS"]
        assert [f"/{hashlib.sha1(contents).hexdigest().upper()}"] == list(store["/VRI"])
        for name, count in (("/Certs", 7), ("/OCSPs", 2), ("/CRLs", 1)):
            stored = [item.get_object().data for item in store[name]]
            assert count == len(stored) == len(set(stored)), name


class Client:
    """As the sandbox's client: each question is asked once, and a timestamp only after the operation gave up waiting."""

    def __init__(self, hand: Hand) -> None:
        self._net = hand.net
        self._known: dict[FetchRequest, bytes] = {}
        self.postponed = 0

    def fetch(self, request: FetchRequest, /) -> bytes:
        if request not in self._known:
            self._known[request] = self._net.fetch(request)
            if request.kind == "timestamp":
                self.postponed += 1
                raise KeyboardInterrupt
        return self._known[request]


@pytest.mark.parametrize("whose", ["completion", "extension"])
def test_what_was_interrupted_asks_the_same_again(hand: Hand, plain: Path, tmp_path: Path, whose: str):
    """Each timestamp ends the operation, which is begun anew until it returns: two questions in all."""
    out, client = tmp_path / "out.pdf", Client(hand)
    prepared = hand.prepare(plain, out, level="B-LTA" if whose == "completion" else "B-B")
    value = hand.value(prepared)
    signed = tmp_path / "signed.pdf"
    if whose == "extension":
        hand.complete(prepared, out, value=value)
        out.rename(signed)
    for _ in range(3):
        try:
            if whose == "completion":
                hand.complete(prepared, out, value=value, fetcher=client)
            else:
                hand.extend(signed, out, "B-LTA", fetcher=client)
            break
        except KeyboardInterrupt:
            continue
    assert 2 == client.postponed
    assert "TOTAL_PASSED" == hand.world.judge(out).verdict


def test_another_authority_for_the_archive_brings_its_own_evidence(hand: Hand, plain: Path, tmp_path: Path):
    """When the archive timestamp comes from somebody else, a further revision holds what proves that one."""
    out = tmp_path / "out.pdf"
    answered = []

    def first_only(request):
        answered.append(request)
        if len(answered) > 1:
            return b"busy"
        return hand.world.stamp(request)

    hand.net.answers[TSA_URL] = first_only
    hand.sign(plain, out, timestamp_authorities=(TSA_URL, OTHER_TSA_URL))
    report = hand.world.judge(out)
    assert "TOTAL_PASSED" == report.verdict
    assert ["TSA 2"] == [one.tsa for one in report.timestamps]
    assert ["TOTAL_PASSED"] == [one.indication for one in report.timestamps]


def test_metadata_stays_as_it_was(hand: Hand, plain: Path, tmp_path: Path):
    """No revision writes /Info or XMP: a PDF/A file's two records of it cannot drift apart."""
    out = tmp_path / "out.pdf"
    hand.sign(plain, out)
    added = out.read_bytes()[plain.stat().st_size :]
    assert b"/ModDate" not in added
    assert b"/Metadata" not in added
    assert b"/Producer" not in added


@pytest.mark.parametrize(
    ("silent", "reached"), [(TSA_URL, "B-B"), (OCSP_URL, "B-T"), (CRL_URL, "B-T"), ("archive", "B-LT")]
)
def test_an_outage_gives_an_honest_lower_level_where_that_is_allowed(
    hand: Hand, plain: Path, tmp_path: Path, silent: str, reached: str
):
    """The result and the verifier name the level that was reached, and a warning says that it is not the one ordered."""
    out = tmp_path / "out.pdf"
    _silence(hand, silent)
    signed = hand.sign(plain, out, allow_degraded=True)
    assert (reached, (DEGRADED,)) == (signed.level, signed.warnings)
    report = hand.world.judge(out, fetcher=hand.world.hand().net)
    assert [f"PAdES-BASELINE-{reached[2:]}"] == [one.level for one in report.signatures]
    assert report.signatures[0].intact
    assert "" == readers.qpdf(out)


@pytest.mark.parametrize(
    ("silent", "error"),
    [(TSA_URL, TimestampUnavailable), (OCSP_URL, EvidenceUnavailable), (CRL_URL, EvidenceUnavailable)],
)
def test_an_outage_is_a_refusal_where_it_is_not(hand: Hand, plain: Path, tmp_path: Path, silent: str, error: type):
    """Without `allow_degraded` completion raises; once the service is back, the same value completes."""
    out = tmp_path / "out.pdf"
    prepared = hand.prepare(plain, out)
    _silence(hand, silent)
    with pytest.raises(error):
        hand.complete(prepared, out)
    hand.net.answers.clear()
    assert "B-LTA" == hand.complete(prepared, out).level


def _silence(hand: Hand, what: str) -> None:
    if what != "archive":
        hand.net.answers[what] = None
        return
    answered = []

    def first_only(request):
        answered.append(request)
        return hand.world.stamp(request) if len(answered) == 1 else b""

    hand.net.answers[TSA_URL] = first_only


def test_a_daily_list_leaves_the_level_pending_until_the_next_one(world: World, plain: Path, tmp_path: Path):
    """Policy `fresh` with a CRL of this morning: B-LT is marked; after the next list, an extension settles it."""
    hand = world.hand(ocsp_url=None, crl_url="http://crl.demo/issuing.crl")
    hand = replace(hand, policy=policy.load("fresh"))
    issued = world.at - timedelta(hours=6)

    def daily(_request):
        return revocation_list(world.issuing, issued=issued, until=issued + DAY)

    hand.net.answers["http://crl.demo/issuing.crl"] = daily
    out, later = tmp_path / "out.pdf", tmp_path / "later.pdf"
    signed = hand.sign(plain, out, level="B-LT")
    assert ("B-LT", (PENDING,)) == (signed.level, signed.warnings)
    assert (PENDING,) == hand.extend(out, tmp_path / "same.pdf", "B-LT").warnings
    assert out.read_bytes() == (tmp_path / "same.pdf").read_bytes()

    issued += DAY
    world.at += DAY
    assert () == hand.extend(out, later, "B-LT").warnings
    assert "TOTAL_PASSED" == world.judge(later).verdict


def test_without_anchors_the_level_is_refused(hand: Hand, plain: Path, tmp_path: Path):
    """Evidence is checked before it is kept; with nothing to check against there is none."""
    prepared = hand.prepare(plain, tmp_path / "out.pdf")
    value = hand.value(prepared)
    with (tmp_path / "out.pdf").open("r+b") as out, pytest.raises(OrderInvalid):
        pipeline.complete(prepared, value, out=out, fetcher=hand.net)


def test_an_encrypted_document_repeats_too(hand: Hand, plain: Path, tmp_path: Path):
    """AES draws initialisation vectors; a completion that is begun anew draws the same, and asks the same."""
    locked, out, client = tmp_path / "locked.pdf", tmp_path / "out.pdf", Client(hand)
    with plain.open("rb") as file, locked.open("wb") as target:
        writer = copy_into_new_writer(PdfFileReader(file))
        writer.encrypt(owner_pass="owner", user_pass="secret", pdf_mac=False)
        writer.write(target)
    prepared = hand.prepare(locked, out, password="secret")
    value = hand.value(prepared)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            hand.complete(prepared, out, value=value, fetcher=client)
    assert "B-LTA" == hand.complete(prepared, out, value=value, fetcher=client).level
    with out.open("rb") as file:
        reader = PdfFileReader(file)
        reader.decrypt("secret")
        assert 3 <= len(reader.root["/DSS"]["/Certs"])
