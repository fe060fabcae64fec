"""What OCSP responses and lists are worth: who signed them, about whom, of when; and what is said when nobody answers."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from asn1crypto import core, crl, pem, x509
from cryptography.x509 import ocsp

from tests.unit.verify.forge import (
    NO_CHECK,
    Forged,
    access,
    forge,
    general,
    judged,
    listing,
    points,
    purposes,
    response,
    scope,
    told,
)
from tests.unit.verify.world import DAY, DEFAULT, NOW, Network
from verify import revocation_lists
from verify.chain import Path
from verify.engine import CertificateReport
from verify.evidence import Revocation
from verify.fetcher import FetchRequest, Offline
from verify.found import Evidence

pytestmark = pytest.mark.judging

ROOT = forge("Root", ca=True)
CA = forge("CA", issuer=ROOT, ca=True)
LEAF = forge("Leaf", issuer=CA)
OTHER = forge("Other", issuer=CA)
FRESH_ROOT_LIST = listing(ROOT)
REVOKED, UNKNOWN = ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


def by(
    *responses: bytes, lists: tuple[bytes, ...] = (), leaf: Forged = LEAF, chain: tuple[Forged, ...] = ()
) -> CertificateReport:
    return judged(leaf, CA, *chain, root=ROOT, responses=responses, lists=(FRESH_ROOT_LIST, *lists), policy=DEFAULT)


class TestResponses:
    def test_by_the_authority_itself(self) -> None:
        assert told(by(response(LEAF, issuer=CA))) == "passed"

    def test_revoked(self) -> None:
        """A revocation is told with its reason."""
        assert told(by(response(LEAF, issuer=CA, status=REVOKED))) == "REVOKED_NO_POE key_compromise"

    def test_revoked_wins_over_a_newer_good_answer(self) -> None:
        """Whichever source says so."""
        old = response(LEAF, issuer=CA, status=REVOKED, issued=NOW - 3 * DAY)
        assert told(by(response(LEAF, issuer=CA), old)).startswith("REVOKED_NO_POE")

    def test_unknown_is_no_answer(self) -> None:
        """A responder that does not know the certificate settles nothing; a list may."""
        unknown = response(LEAF, issuer=CA, status=UNKNOWN)
        assert told(by(unknown)) == "TRY_LATER status-unknown"
        assert told(by(unknown, lists=(listing(CA),))) == "passed"

    def test_about_another_certificate(self) -> None:
        assert told(by(response(OTHER, issuer=CA))) == "TRY_LATER no-evidence"

    def test_about_the_same_number_of_another_authority(self) -> None:
        """The issuer's name and key are part of the question."""
        elsewhere = forge("CA", issuer=ROOT, ca=True)
        same = forge("Leaf", issuer=elsewhere, serial=LEAF.serial)
        assert told(by(response(same, issuer=elsewhere))) == "TRY_LATER no-evidence"

    def test_stale(self) -> None:
        """An answer whose time is over is older evidence, and not enough."""
        old = response(LEAF, issuer=CA, issued=NOW - 3 * DAY, until=NOW - 2 * DAY)
        assert told(by(old)) == "TRY_LATER stale"

    def test_without_an_end(self) -> None:
        """Then the policy says how old it may be (72 hours)."""
        assert told(by(response(LEAF, issuer=CA, issued=NOW - 2 * DAY, until=None))) == "passed"
        assert told(by(response(LEAF, issuer=CA, issued=NOW - 4 * DAY, until=None))) == "TRY_LATER stale"

    def test_from_the_future(self) -> None:
        assert told(by(response(LEAF, issuer=CA, issued=NOW + DAY, until=NOW + 2 * DAY))) == "TRY_LATER in-the-future"

    def test_bytes_that_are_no_response(self) -> None:
        answer = response(LEAF, issuer=CA)
        for broken in (b"", b"\x30\x03\x0a\x01\x06", answer[:-20], b"<html>", answer[:200] + b"\xff" * 200):
            assert told(by(broken)) == "TRY_LATER no-evidence"

    def test_with_a_changed_octet(self) -> None:
        """The signature covers what is said."""
        answer = bytearray(response(LEAF, issuer=CA, status=REVOKED))
        answer[-1] ^= 1
        assert told(by(bytes(answer))) == "TRY_LATER no-evidence"


class TestResponders:
    """Delegated: issued by the CA itself for OCSPSigning, in force, not revoked (RFC 6960 §4.2.2.2)."""

    def test_appointed(self) -> None:
        responder = forge("Responder", issuer=CA, extensions=[purposes("ocsp_signing"), NO_CHECK])
        assert told(by(response(LEAF, issuer=CA, responder=responder))) == "passed"

    def test_stranger(self) -> None:
        """One that another CA appointed speaks for that one."""
        responder = forge("Responder", issuer=ROOT, extensions=[purposes("ocsp_signing"), NO_CHECK])
        assert told(by(response(LEAF, issuer=CA, responder=responder))) == "TRY_LATER no-evidence"

    def test_not_made_for_it(self) -> None:
        """A signer of the same CA answers for nobody."""
        for extensions in ([], [purposes("code_signing")]):
            responder = forge("Responder", issuer=CA, extensions=extensions)
            assert told(by(response(LEAF, issuer=CA, responder=responder))) == "TRY_LATER no-evidence"

    def test_expired_when_it_answered(self) -> None:
        responder = forge("Responder", issuer=CA, end=NOW - DAY, extensions=[purposes("ocsp_signing"), NO_CHECK])
        assert told(by(response(LEAF, issuer=CA, responder=responder))) == "TRY_LATER no-evidence"

    def test_revoked(self) -> None:
        """Without nocheck its own revocation counts; with it, its CA has said that it does not."""
        responder = forge("Responder", issuer=CA, extensions=[purposes("ocsp_signing")])
        answer = response(LEAF, issuer=CA, responder=responder)
        assert told(by(answer, lists=(listing(CA, revoked=[responder.serial], issued=NOW - 2 * DAY),))) == "passed"
        only = listing(CA, revoked=[responder.serial], extensions=[scope(only_some_reasons={"key_compromise"})])
        assert told(by(answer, lists=(only,))) == "TRY_LATER no-evidence"
        unchecked = forge("Responder", issuer=CA, extensions=[purposes("ocsp_signing"), NO_CHECK])
        assert told(by(response(LEAF, issuer=CA, responder=unchecked))) == "passed"


class TestLists:
    def test_good_and_revoked(self) -> None:
        assert told(by(lists=(listing(CA),))) == "passed"
        assert told(by(lists=(listing(CA, revoked=[1, LEAF.serial, 3]),))) == "REVOKED_NO_POE key_compromise"

    def test_a_date_after_the_list_is_a_revocation_as_well(self) -> None:
        """An entry is an entry, whatever its date."""
        assert told(by(lists=(listing(CA, revoked=[LEAF.serial], issued=NOW),))).startswith("REVOKED_NO_POE")

    def test_numbers_are_compared_whole(self) -> None:
        """A number that only begins like the certificate's is another one."""
        assert told(by(lists=(listing(CA, revoked=[LEAF.serial << 8, LEAF.serial + 256]),))) == "passed"

    def test_signed_by_another(self) -> None:
        """Also by another CA of the same name."""
        for signer in (OTHER, forge("CA", issuer=ROOT, ca=True), ROOT):
            assert told(by(lists=(listing(CA, signer=signer),))) == "TRY_LATER no-evidence"

    def test_hold_that_was_lifted(self) -> None:
        """A newer list without the entry ends a hold, and nothing else."""
        for reason, expected in (("certificate_hold", "passed"), ("superseded", "REVOKED_NO_POE superseded")):
            old = listing(CA, revoked=[LEAF.serial], reason=reason, issued=NOW - 2 * DAY)
            assert told(by(lists=(old, listing(CA)))) == expected

    def test_unknown_critical_extension(self) -> None:
        """Of the list, or of any entry: then the list says nothing (RFC 5280 §5.2, §5.3)."""
        strange = ("1.2.3.4", True, core.Null().dump())
        assert told(by(lists=(listing(CA, extensions=[strange]),))) == "TRY_LATER no-evidence"
        another = listing(CA, revoked=[OTHER.serial], entry_extensions=[strange])
        assert told(by(lists=(another,))) == "TRY_LATER no-evidence"

    def test_for_others(self) -> None:
        """A list for CAs alone, for attribute certificates, or from another distribution point."""
        elsewhere = crl.DistributionPointName("full_name", [general("http://elsewhere.test/a.crl")])
        for limits in (
            {"only_contains_ca_certs": True},
            {"only_contains_attribute_certs": True},
            {"distribution_point": elsewhere},
        ):
            assert told(by(lists=(listing(CA, extensions=[scope(**limits)]),))) == "TRY_LATER no-evidence"

    def test_reasons_together(self) -> None:
        """Lists for some reasons each are enough when they cover all of them together; one alone is not."""
        some = {"key_compromise", "ca_compromise"}
        one = listing(CA, extensions=[scope(only_some_reasons=some)])
        rest = listing(CA, extensions=[scope(only_some_reasons=set(revocation_lists.ALL_REASONS - some))])
        assert told(by(lists=(one,))) == "TRY_LATER no-evidence"
        assert told(by(lists=(one, rest))) == "passed"
        revoking = listing(CA, revoked=[LEAF.serial], extensions=[scope(only_some_reasons=some)])
        assert told(by(lists=(revoking,))).startswith("REVOKED_NO_POE")

    def test_indirect(self) -> None:
        """A list of another issuer whom the certificate names; its entries name whose certificates they mean."""
        point = x509.DistributionPoint({"crl_issuer": [x509.GeneralName("directory_name", ROOT.name)]})
        leaf = forge("Leaf", issuer=CA, extensions=[("2.5.29.31", False, x509.CRLDistributionPoints([point]).dump())])
        whose = x509.GeneralNames([x509.GeneralName("directory_name", CA.name)]).dump()
        named = ("2.5.29.29", True, whose)
        good = listing(ROOT, revoked=[leaf.serial], extensions=[scope(indirect_crl=True)])
        bad = listing(ROOT, revoked=[leaf.serial], extensions=[scope(indirect_crl=True)], entry_extensions=[named])
        assert told(by(lists=(good,), leaf=leaf)) == "passed"
        assert told(by(lists=(bad,), leaf=leaf)).startswith("REVOKED_NO_POE")
        assert told(by(lists=(listing(ROOT, revoked=[leaf.serial]),), leaf=leaf)) == "TRY_LATER no-evidence"

    def test_delta(self) -> None:
        """A delta continues the complete list that it names, and alone says nothing."""
        complete = listing(CA, number=5, issued=NOW - 3 * DAY)
        delta = ("2.5.29.27", True, core.Integer(5).dump())
        revoking = listing(CA, number=6, revoked=[LEAF.serial], extensions=[delta])
        assert told(by(lists=(complete, revoking))).startswith("REVOKED_NO_POE")
        assert told(by(lists=(revoking,))) == "TRY_LATER no-evidence"
        too_old = listing(CA, number=4, issued=NOW - 3 * DAY)
        assert told(by(lists=(too_old, revoking))) == "passed"
        held = listing(CA, number=5, issued=NOW - 3 * DAY, revoked=[LEAF.serial], reason="certificate_hold")
        lifting = listing(CA, number=6, revoked=[LEAF.serial], reason="remove_from_crl", extensions=[delta])
        assert told(by(lists=(held, lifting))) == "passed"

    def test_another_key_of_the_same_authority(self) -> None:
        """A CA may sign its lists with another certificate, which must itself lead to the anchor and not be revoked."""
        usage = ("2.5.29.15", True, x509.KeyUsage({"crl_sign"}).dump())
        keeper = forge("CA", issuer=ROOT, extensions=[usage])
        listed = listing(CA, signer=keeper)
        assert told(by(lists=(listed,), chain=(keeper,))) == "passed"
        revoking = (listed, listing(ROOT, revoked=[keeper.serial], issued=NOW))
        assert told(by(lists=revoking, chain=(keeper,))) == "TRY_LATER no-evidence"
        impostor = forge("CA", issuer=forge("Root", ca=True), extensions=[usage])
        assert told(by(lists=(listing(CA, signer=impostor),), chain=(impostor,))) == "TRY_LATER no-evidence"
        signer = forge("CA", issuer=ROOT)
        assert told(by(lists=(listing(CA, signer=signer),), chain=(signer,))) == "TRY_LATER no-evidence"

    def test_without_a_number(self) -> None:
        """RFC 5280 §5.2.3 asks for one; the default takes what old hierarchies publish, a strict policy does not."""
        listed = listing(CA, number=None)
        strict = replace(DEFAULT, waived=())
        assert told(by(lists=(listed,))) == "passed"
        assert told(judged(LEAF, CA, root=ROOT, lists=(FRESH_ROOT_LIST, listed), policy=strict)).startswith("TRY_LATER")

    def test_a_quarter_of_a_million_entries(self) -> None:
        """Ten megabytes are searched without an object for each entry."""
        listed = long_list(250_000)
        assert len(listed) > 8 << 20
        start = time.process_time()
        parsed = revocation_lists.read(listed)
        leaf = x509.Certificate.load(LEAF.der)
        assert parsed.find(leaf) is None
        assert time.process_time() - start < 10


def long_list(size: int) -> bytes:
    """A list with many entries, unsigned: only for reading."""
    small = crl.CertificateList.load(listing(CA, revoked=[1]))
    rest = small["tbs_cert_list"]["revoked_certificates"][0].contents[3:]  # behind the number, INTEGER 1
    header = bytes((0x30, 6 + len(rest), 0x02, 0x04))
    entries = b"".join(header + (0x10000000 + number).to_bytes(4, "big") + rest for number in range(size))
    tbs = small["tbs_cert_list"]
    parts = [tbs[name].dump() for name in ("version", "signature", "issuer", "this_update", "next_update")]
    parts += [core.Sequence(contents=entries).dump(), tbs["crl_extensions"].dump()]
    whole = core.Sequence(contents=b"".join(parts)).dump()
    return bytes(core.Sequence(contents=whole + small["signature_algorithm"].dump() + small["signature"].dump()).dump())


class TestAsking:
    OCSP, LIST = "http://ocsp.test/", "http://crl.test/ca.crl"

    def ask(self, network: Network) -> CertificateReport:
        places = [access(self.OCSP, method="ocsp"), points(self.LIST)]
        self.leaf = forge("Leaf", issuer=CA, serial=4711, extensions=places)
        return judged(self.leaf, CA, root=ROOT, lists=[FRESH_ROOT_LIST], policy=DEFAULT, fetcher=network)

    def test_nobody_answers(self) -> None:
        """The right sub-indication, and a warning for each address."""
        report = self.ask(Network())
        assert told(report) == "TRY_LATER unreachable"
        unreachable = {w.facts["url"] for w in report.warnings if w.code == "REVOCATION_UNREACHABLE"}
        assert unreachable == {self.OCSP, self.LIST}

    def test_a_list_where_the_responder_is_away(self) -> None:
        assert told(self.ask(Network({self.LIST: listing(CA)}))) == "passed"

    def test_a_list_where_the_responder_does_not_know(self) -> None:
        """An answer that settles nothing is no reason not to ask on; nor is one that is too old."""
        leaf = forge("Leaf", issuer=CA, serial=4711)
        unknown = response(leaf, issuer=CA, status=UNKNOWN)
        old = response(leaf, issuer=CA, issued=NOW - 9 * DAY, until=NOW - 8 * DAY)
        for answer in (unknown, old):
            assert told(self.ask(Network({self.OCSP: answer, self.LIST: listing(CA)}))) == "passed"
            revoking = listing(CA, revoked=[4711])
            assert told(self.ask(Network({self.OCSP: answer, self.LIST: revoking}))).startswith("REVOKED_NO_POE")

    def test_a_list_as_pem(self) -> None:
        """Met in the field."""
        assert told(self.ask(Network({self.LIST: pem.armor("X509 CRL", listing(CA))}))) == "passed"

    def test_an_old_list_served_for_years(self) -> None:
        old = listing(CA, issued=NOW - 30 * DAY, until=NOW - 20 * DAY)
        assert told(self.ask(Network({self.LIST: old}))) == "TRY_LATER stale"

    def test_a_page_for_people(self) -> None:
        """What is neither list nor response is no answer, from whatever address."""
        for junk in (b"<html>log in</html>", b"-----BEGIN X509 CRL-----\nAAAA", b"\x30\x82" + b"\x00" * 50):
            assert told(self.ask(Network({self.OCSP: junk, self.LIST: junk}))).startswith("TRY_LATER")

    def test_the_question_names_the_certificate(self) -> None:
        """By the digests of its issuer's name and key, and by its number; equal questions are equal octets."""
        network = Network({self.LIST: listing(CA)})
        self.ask(network)
        (question,) = (one for one in network.asked if one.kind == "ocsp")
        builder = ocsp.load_der_ocsp_request(question.body or b"")
        assert builder.serial_number == 4711
        again = Network({self.LIST: listing(CA)})
        self.ask(again)
        assert question == next(one for one in again.asked if one.kind == "ocsp")

    def test_asks_nobody_for_a_path_to_nowhere(self) -> None:
        """A certificate that leads to no anchor names no address that is asked for revocation."""
        stranger = forge("Leaf", issuer=forge("Stranger", ca=True), extensions=[points(self.LIST)])
        network = Network({self.LIST: listing(CA)})
        assert told(judged(stranger, root=ROOT, policy=DEFAULT, fetcher=network)).startswith("NO_CERTIFICATE_CHAIN")
        assert FetchRequest("crl", self.LIST) not in network.asked


def test_nothing_crowds_out_what_was_supplied() -> None:
    """A document may bring any number of lists and responses; one that revokes, from the trust store, is seen first."""
    stranger = forge("Stranger", ca=True)
    fakes = [listing(CA, signer=stranger, number=number, issued=NOW) for number in range(60)]
    answers = [response(LEAF, issuer=CA, responder=stranger, issued=NOW - number * DAY) for number in range(60)]
    revoking = listing(CA, revoked=[LEAF.serial], issued=NOW - 5 * DAY)
    good = response(LEAF, issuer=CA)
    path = Path(tuple(x509.Certificate.load(one.der) for one in (ROOT, CA, LEAF)))
    brought = Evidence(crls=tuple(fakes * 20), ocsps=(*answers, good))
    supplied = Evidence(crls=(revoking,)).with_(brought)
    status = Revocation(supplied, Offline(), DEFAULT, NOW).of(path, index=2, reference=NOW)
    assert status.state == "revoked"


def test_evidence_is_weighed_by_its_own_age() -> None:
    """An old good answer does not hide a newer revocation, nor the other way round."""
    good = response(LEAF, issuer=CA, issued=NOW - timedelta(minutes=1))
    bad = listing(CA, revoked=[LEAF.serial], issued=NOW - 10 * DAY)
    assert told(by(good, lists=(bad,))).startswith("REVOKED_NO_POE")
