"""What passes and what must not: the engine against certificates, times and revocations made for each test."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from tests.unit.verify.world import (
    DAY,
    DEFAULT,
    NOW,
    Entity,
    Network,
    World,
    blank_pdf,
    certificate,
    ocsp_response,
    revocation_list,
    rsa_key,
)
from verify import engine, policy
from verify.errors import PolicyUnusable, TrustUnusable
from verify.fetcher import Fetcher, Offline
from verify.report import Report, SignatureReport, to_json
from verify.trust import Trust

pytestmark = pytest.mark.spine


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def document() -> bytes:
    return blank_pdf()


def judge(
    pdf: bytes, trust: Trust, *, at: datetime = NOW, fetcher: Fetcher | None = None, rules: policy.Policy = DEFAULT
) -> Report:
    return engine.judge(io.BytesIO(pdf), name="a.pdf", trust=trust, policy=rules, at=at, fetcher=fetcher or Offline())


def only(report: Report) -> SignatureReport:
    assert len(report.signatures) == 1
    return report.signatures[0]


def result(report: Report) -> tuple[str, str | None]:
    return only(report).indication, only(report).sub_indication


class TestPasses:
    def test_basic_signature_with_fresh_lists(self, world: World, document: bytes) -> None:
        """A B-B signature whose whole path is known good passes, and says at which level and by whom."""
        report = judge(world.sign(document), world.trust())
        signature = only(report)
        assert (report.verdict, signature.level, signature.intact) == ("TOTAL_PASSED", "PAdES-BASELINE-B", True)
        assert signature.signer is not None
        assert signature.signer.common_name == "Nguyễn Văn A"
        assert signature.changes.kind == "none"

    def test_timestamp_proves_the_time(self, world: World, document: bytes) -> None:
        """Best-signature-time is the time of the valid signature timestamp, and the level is T."""
        when = NOW - 30 * DAY
        signature = only(judge(world.sign(document, stamped=when), world.trust()))
        assert (signature.indication, signature.level) == ("TOTAL_PASSED", "PAdES-BASELINE-T")
        assert signature.best_signature_time == when

    def test_signature_stamped_before_its_certificate_was_revoked(self, world: World, document: bytes) -> None:
        """A revocation later than the proven time does not touch the signature (§5.5.4)."""
        revoked = revocation_list(world.issuing, revoked={world.signer.certificate.serial_number: NOW - 10 * DAY})
        trust = world.trust(crls=(revocation_list(world.root), revoked))
        assert judge(world.sign(document, stamped=NOW - 30 * DAY), trust).verdict == "TOTAL_PASSED"

    def test_later_document_timestamp_counts_as_proof(self, world: World, document: bytes) -> None:
        """A document timestamp that covers the signature proves its time and lifts it to T."""
        stamped = world.timestamp(world.sign(document), NOW - 5 * DAY)
        report = judge(stamped, world.trust())
        assert only(report).best_signature_time == NOW - 5 * DAY
        assert only(report).level == "PAdES-BASELINE-T"
        assert [stamp.indication for stamp in report.timestamps] == ["TOTAL_PASSED"]

    def test_expired_certificate_with_evidence_from_its_lifetime(self, world: World, document: bytes) -> None:
        """Stamped in time, known not revoked while it was in force: expiry since then changes nothing."""
        signer = certificate("Short", issuer=world.issuing, end=NOW - 10 * DAY)
        evidence = revocation_list(world.issuing, issued=NOW - 20 * DAY, until=NOW - 13 * DAY)
        trust = world.trust(crls=(revocation_list(world.root), revocation_list(world.issuing), evidence))
        pdf = world.sign(document, signer=signer, stamped=NOW - 30 * DAY)
        offline = replace(trust, crls=(revocation_list(world.root), evidence))
        assert result(judge(pdf, offline)) == ("TOTAL_PASSED", None)

    def test_archived_levels(self, world: World, document: bytes) -> None:
        """LT needs evidence about the signer in the document, LTA a document timestamp over it."""
        lists = (revocation_list(world.root), revocation_list(world.issuing))
        archived = world.archive(world.sign(document, stamped=NOW - DAY), crls=lists)
        assert only(judge(archived, world.trust())).level == "PAdES-BASELINE-LT"
        assert only(judge(world.timestamp(archived, NOW), world.trust())).level == "PAdES-BASELINE-LTA"

    def test_delegated_ocsp_responder(self, world: World, document: bytes) -> None:
        """A response by a responder that the CA named settles the status."""
        responder = certificate("Responder", issuer=world.issuing, ocsp_signing=True)
        response = ocsp_response(world.signer, issuer=world.issuing, responder=responder)
        trust = Trust((world.root.der,), crls=(revocation_list(world.root),), ocsps=(response,))
        assert judge(world.sign(document), trust).verdict == "TOTAL_PASSED"


class TestFalseAccepts:
    """Each was accepted by a library or a validator that others rely on."""

    def test_certificate_expired_before_the_timestamp(self, world: World, document: bytes) -> None:
        """A signature that is proven only for after the certificate's end does not pass."""
        signer = certificate("Expired", issuer=world.issuing, end=NOW - 60 * DAY)
        pdf = world.sign(document, signer=signer, stamped=NOW - 30 * DAY)
        assert result(judge(pdf, world.trust())) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")

    def test_the_same_with_archived_evidence_and_archive_timestamp(self, world: World, document: bytes) -> None:
        """Evidence and a document timestamp added later do not make up for it."""
        signer = certificate("Expired", issuer=world.issuing, end=NOW - 60 * DAY)
        old = revocation_list(world.issuing, issued=NOW - 61 * DAY, until=NOW + DAY)
        pdf = world.sign(document, signer=signer, stamped=NOW - 30 * DAY)
        pdf = world.timestamp(world.archive(pdf, crls=(old, revocation_list(world.root))), NOW - DAY)
        signature = only(judge(pdf, world.trust()))
        assert signature.indication == "INDETERMINATE"
        assert signature.sub_indication in {"OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED"}

    @pytest.mark.parametrize("stamped", [None, NOW - 30 * DAY, NOW - 300 * DAY])
    def test_issuing_ca_was_revoked(self, world: World, document: bytes, stamped: datetime | None) -> None:
        """With its CA revoked, no certificate passes, whenever it was used: the CA's key may date as it likes."""
        revoked = revocation_list(world.root, revoked={world.issuing.certificate.serial_number: NOW - 200 * DAY})
        trust = world.trust(crls=(revoked, revocation_list(world.issuing)))
        assert result(judge(world.sign(document, stamped=stamped), trust)) == ("INDETERMINATE", "REVOKED_CA_NO_POE")

    def test_old_good_list_in_the_document_does_not_hide_a_revoked_ca(self, world: World, document: bytes) -> None:
        """All evidence is looked at: an embedded list from before the revocation does not win."""
        before = revocation_list(world.root, issued=NOW - 25 * DAY, until=NOW + 365 * DAY)
        pdf = world.archive(world.sign(document, stamped=NOW - 30 * DAY), crls=(before, revocation_list(world.issuing)))
        revoked = revocation_list(world.root, revoked={world.issuing.certificate.serial_number: NOW - 20 * DAY})
        assert result(judge(pdf, world.trust(crls=(revoked,)))) == ("INDETERMINATE", "REVOKED_CA_NO_POE")

    def test_supplied_list_counts_for_a_certificate_without_distribution_point(
        self, world: World, document: bytes
    ) -> None:
        """A certificate that names no list is still checked against those that were given."""
        revoked = revocation_list(world.issuing, revoked={world.signer.certificate.serial_number: NOW - 10 * DAY})
        trust = world.trust(crls=(revocation_list(world.root), revoked))
        assert result(judge(world.sign(document), trust)) == ("INDETERMINATE", "REVOKED_NO_POE")
        late = world.sign(document, stamped=NOW - 5 * DAY)
        assert result(judge(late, trust)) == ("INDETERMINATE", "REVOKED_NO_POE")

    def test_revocation_beats_a_good_answer_of_the_other_kind(self, world: World, document: bytes) -> None:
        """A fresh OCSP "good" does not undo a list that revokes."""
        revoked = revocation_list(world.issuing, revoked={world.signer.certificate.serial_number: NOW - 10 * DAY})
        good = ocsp_response(world.signer, issuer=world.issuing, issued=NOW)
        trust = Trust((world.root.der,), crls=(revocation_list(world.root), revoked), ocsps=(good,))
        assert result(judge(world.sign(document), trust)) == ("INDETERMINATE", "REVOKED_NO_POE")

    def test_copied_timestamp_proves_nothing(self, world: World, document: bytes) -> None:
        """A token about another signature is reported as not intact, and the level stays B."""
        other = world.timestamper(NOW - 30 * DAY)

        class Copying(DummyTimeStamper):
            def request_tsa_response(self, req):  # type: ignore[no-untyped-def]
                req["message_imprint"]["hashed_message"] = bytes(32)
                return other.request_tsa_response(req)

        copying = Copying(world.tsa.asn1, world.tsa.asn1_key)
        trusted = World(root=world.root)
        trusted.issuing, trusted.signer, trusted.tsa = world.issuing, world.signer, world.tsa
        trusted.timestamper = lambda when, *, tsa=None: copying  # type: ignore[method-assign]
        signature = only(judge(trusted.sign(document, stamped=NOW), world.trust()))
        assert [(t.intact, t.indication) for t in signature.timestamps] == [(False, "TOTAL_FAILED")]
        assert signature.level == "PAdES-BASELINE-B"
        assert signature.best_signature_time == NOW

    def test_timestamp_of_an_unknown_authority_proves_nothing(self, world: World, document: bytes) -> None:
        """It is intact, yet a certificate revoked meanwhile stays revoked."""
        stranger = World()
        revoked = revocation_list(world.issuing, revoked={world.signer.certificate.serial_number: NOW - 10 * DAY})
        trust = world.trust(crls=(revocation_list(world.root), revoked))
        mixed = World(root=world.root)
        mixed.issuing, mixed.signer, mixed.tsa = world.issuing, world.signer, stranger.tsa
        signature = only(judge(mixed.sign(document, stamped=NOW - 30 * DAY), trust))
        assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "REVOKED_NO_POE")
        assert (signature.timestamps[0].intact, signature.timestamps[0].indication) == (True, "INDETERMINATE")

    def test_document_timestamp_before_the_signature_lifts_nothing(self, world: World, document: bytes) -> None:
        """Only what covers a signature says something about it."""
        signature = only(judge(world.sign(world.timestamp(document, NOW - 30 * DAY)), world.trust()))
        assert signature.level == "PAdES-BASELINE-B"
        assert signature.best_signature_time == NOW


class TestDoesNotPass:
    def test_empty_trust(self, world: World, document: bytes) -> None:
        """Whoever trusts nobody gets no pass."""
        assert result(judge(world.sign(document), Trust())) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")

    def test_empty_policy(self) -> None:
        """A policy without algorithms is refused, not obeyed."""
        nothing = "\n".join(f'{name} = "refused"' for name in policy.load("default").digests)
        with pytest.raises(PolicyUnusable, match="passes nothing"):
            policy.parse(f'extends = "default"\n[digests]\n{nothing}\n', name="empty")

    @pytest.mark.parametrize("name", ["missing", "../default", "", "Default"])
    def test_unknown_policy(self, name: str) -> None:
        """A name that is no policy is refused, whatever it looks like."""
        with pytest.raises(PolicyUnusable):
            policy.load(name)

    def test_tampered_content(self, world: World, document: bytes) -> None:
        """One changed byte of the page is a HASH_FAILURE."""
        pdf = world.sign(document).replace(b"(Kyso)", b"(Kysa)", 1)
        assert result(judge(pdf, world.trust())) == ("TOTAL_FAILED", "HASH_FAILURE")
        assert not only(judge(pdf, world.trust())).intact

    def test_wrong_key(self, world: World, document: bytes) -> None:
        """A value made with another key than the certificate's is a SIG_CRYPTO_FAILURE."""
        forged = Entity(world.signer.certificate, ec.generate_private_key(ec.SECP256R1()))
        pdf = world.sign(document, signer=forged)
        assert result(judge(pdf, world.trust())) == ("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")

    def test_expired_certificate_that_is_trusted_directly(self, world: World, document: bytes) -> None:
        """An anchor may be the signer's own certificate; its period counts all the same."""
        signer = certificate("Direct", issuer=world.issuing, end=NOW - DAY)
        pdf = world.sign(document, signer=signer)
        assert result(judge(pdf, Trust((signer.der,)))) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")

    def test_certificate_not_yet_valid(self, world: World, document: bytes) -> None:
        """A signature that exists before its certificate begins has failed (§5.5.4 step 4b)."""
        signer = certificate("Tomorrow", issuer=world.issuing, begin=NOW + DAY)
        assert result(judge(world.sign(document, signer=signer), world.trust())) == ("TOTAL_FAILED", "NOT_YET_VALID")

    def test_ca_as_signer(self, world: World, document: bytes) -> None:
        """A CA's certificate does not sign documents, unless the policy says so."""
        signer = certificate("Sub CA", issuer=world.issuing, ca=True)
        pdf = world.sign(document, signer=signer)
        assert result(judge(pdf, world.trust())) == ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")

    def test_weak_key(self, world: World, document: bytes) -> None:
        """RSA below 2048 bits is refused by the policy, with a path that is fine otherwise."""
        signer = certificate("Weak", issuer=world.issuing, key=rsa_key(1024))
        pdf = world.sign(document, signer=signer)
        assert result(judge(pdf, world.trust())) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")

    def test_document_without_signature(self, world: World, document: bytes) -> None:
        """Nothing signed is no pass."""
        assert judge(document, world.trust()).verdict == "NO_SIGNATURE"


class TestRevocationFetching:
    URL = "http://crl.test/issuing.crl"

    @pytest.fixture
    def signer(self, world: World) -> Entity:
        return certificate("Online", issuer=world.issuing, crl_url=self.URL)

    def test_asks_only_when_the_path_reaches_an_anchor(self, world: World, document: bytes, signer: Entity) -> None:
        """A stranger's certificate makes us call nobody."""
        network = Network()
        judge(world.sign(document, signer=signer), Trust(), fetcher=network)
        assert network.asked == []

    def test_does_not_ask_about_a_broken_signature(self, world: World, document: bytes, signer: Entity) -> None:
        """What is not intact needs no evidence."""
        network = Network()
        pdf = world.sign(document, signer=signer).replace(b"(Kyso)", b"(Kysa)", 1)
        judge(pdf, world.trust(crls=()), fetcher=network)
        assert network.asked == []

    def test_fetched_list_settles_it(self, world: World, document: bytes, signer: Entity) -> None:
        """Good and revoked alike come from the list that the certificate names."""
        pdf = world.sign(document, signer=signer)
        trust = world.trust(crls=(revocation_list(world.root),))
        good = Network({self.URL: revocation_list(world.issuing)})
        assert judge(pdf, trust, fetcher=good).verdict == "TOTAL_PASSED"
        revoked = revocation_list(world.issuing, revoked={signer.certificate.serial_number: NOW - DAY})
        assert result(judge(pdf, trust, fetcher=Network({self.URL: revoked}))) == ("INDETERMINATE", "REVOKED_NO_POE")

    def test_unreachable_server_is_a_warning_and_try_later(self, world: World, document: bytes, signer: Entity) -> None:
        """No answer is neither good nor bad."""
        report = judge(world.sign(document, signer=signer), world.trust(crls=(revocation_list(world.root),)))
        assert result(report) == ("INDETERMINATE", "TRY_LATER")
        assert {warning.code for warning in report.warnings} == {"REVOCATION_UNREACHABLE", "REVOCATION_UNKNOWN"}

    def test_stale_list_is_not_enough(self, world: World, document: bytes) -> None:
        """A list whose time has passed says nothing about now."""
        stale = revocation_list(world.issuing, issued=NOW - 20 * DAY, until=NOW - 13 * DAY)
        trust = world.trust(crls=(revocation_list(world.root), stale))
        assert result(judge(world.sign(document), trust)) == ("INDETERMINATE", "TRY_LATER")

    def test_list_of_a_stranger_is_not_evidence(self, world: World, document: bytes) -> None:
        """A list under the CA's name with another key is no answer."""
        stranger = Entity(world.issuing.certificate, ec.generate_private_key(ec.SECP256R1()))
        trust = world.trust(crls=(revocation_list(world.root), revocation_list(stranger)))
        assert result(judge(world.sign(document), trust)) == ("INDETERMINATE", "TRY_LATER")


class TestCertificates:
    def judge(
        self, entity: Entity, world: World, purpose: str, *, trust: Trust | None = None
    ) -> engine.CertificateReport:
        return engine.judge_certificate(
            entity.der,
            chain=(world.issuing.der,),
            trust=trust or world.trust(),
            policy=DEFAULT,
            at=NOW,
            fetcher=Offline(),
            purpose=purpose,  # type: ignore[arg-type]  # the two that there are
        )

    def test_good_signer_and_its_path(self, world: World) -> None:
        """The path is named from the certificate up to the anchor."""
        report = self.judge(world.signer, world, "signing")
        assert (report.indication, report.sub_indication) == ("TOTAL_PASSED", None)
        assert report.path == ("CN=Nguyễn Văn A,C=VN", "CN=Issuing CA,C=VN", "CN=Root,C=VN")

    def test_purpose(self, world: World) -> None:
        """A signer is no timestamp authority; a timestamp authority is one."""
        assert self.judge(world.signer, world, "timestamping").sub_indication == "CHAIN_CONSTRAINTS_FAILURE"
        assert self.judge(world.tsa, world, "timestamping").indication == "TOTAL_PASSED"

    def test_revoked_expired_unknown(self, world: World) -> None:
        """Each ends with its own sub-indication."""
        revoked = revocation_list(world.issuing, revoked={world.signer.certificate.serial_number: NOW - DAY})
        trust = world.trust(crls=(revocation_list(world.root), revoked))
        assert self.judge(world.signer, world, "signing", trust=trust).sub_indication == "REVOKED_NO_POE"
        expired = certificate("Old", issuer=world.issuing, end=NOW - DAY)
        assert self.judge(expired, world, "signing").sub_indication == "OUT_OF_BOUNDS_NO_POE"
        assert self.judge(World().signer, world, "signing").sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"

    def test_no_certificate(self, world: World) -> None:
        """Bytes that are none are refused, not judged."""
        with pytest.raises(TrustUnusable):
            engine.judge_certificate(
                b"\x30\x00", chain=(), trust=world.trust(), policy=DEFAULT, at=NOW, fetcher=Offline(), purpose="signing"
            )


def test_report_has_the_shape_of_the_public_interface(world: World, document: bytes) -> None:
    """Keys of the JSON are those that scripts rely on."""
    plain = to_json(judge(world.sign(document, stamped=NOW - DAY), world.trust()))
    assert set(plain) == {
        "document", "verdict", "validated_at", "policy", "policy_details", "signatures", "timestamps", "warnings",
    }  # fmt: skip
    assert set(plain["signatures"][0]) == {
        "id", "format", "level", "parent", "indication", "sub_indication", "intact", "scope", "signer", "claimed_time",
        "best_signature_time", "algorithms", "changes", "timestamps", "checks",
    }  # fmt: skip
    assert plain["signatures"][0]["algorithms"] == {"digest": "sha256", "signature": "ecdsa", "key_size": 256}
    assert plain["validated_at"] == NOW.isoformat()


def test_every_check_names_its_clause(world: World, document: bytes) -> None:
    """An auditor finds the clause beside each step."""
    signature = only(judge(world.sign(document, stamped=NOW - DAY), world.trust()))
    assert all(check.clause.startswith("EN 319 102-1 §5.") for check in signature.checks)
    assert len({check.code for check in signature.checks}) >= 8


def test_time_is_injected(world: World, document: bytes) -> None:
    """The same file, judged for another day, gets another verdict: nothing looks at the clock."""
    pdf = world.sign(document)
    later = datetime(2041, 1, 1, tzinfo=NOW.tzinfo)
    assert result(judge(pdf, world.trust(), at=later))[1] == "OUT_OF_BOUNDS_NO_POE"


def test_nothing_is_imported_or_opened_after_preload(world: World, document: bytes) -> None:
    """A sandboxed worker can neither import nor read: what its parent loaded is enough."""
    lists = (revocation_list(world.root), revocation_list(world.issuing))
    pdf = world.timestamp(world.archive(world.sign(document, stamped=NOW - DAY), crls=lists), NOW)
    script = (
        "import sys, io, verify.engine as engine, verify.policy as policy\n"
        "from datetime import datetime, UTC\n"
        "from verify.trust import Trust\n"
        "from verify.fetcher import Offline\n"
        "engine.preload()\n"
        "pdf = io.BytesIO(sys.stdin.buffer.read())\n"
        "def refuse(event, args):\n"
        "    if event in {'import', 'open'}: raise SystemExit(f'{event} {args[0]}')\n"
        f"trust = Trust((bytes.fromhex('{world.root.der.hex()}'),))\n"
        "sys.addaudithook(refuse)\n"
        "report = engine.judge(pdf, name='a', trust=trust, policy=policy.load('default'),\n"
        f"    at=datetime.fromisoformat('{NOW.isoformat()}'), fetcher=Offline())\n"
        "print(report.verdict)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=pdf, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"TOTAL_PASSED\n", b"")
