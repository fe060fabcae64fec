"""What a policy's `[outcomes]` make of signatures: each finding a problem, a warning, or nothing."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from tests.unit.verify.world import DAY, NOW, World, blank_pdf, certificate, revocation_list, rsa_key
from verify import engine, policy
from verify.fetcher import Offline
from verify.report import Report, SignatureReport
from verify.trust import Trust

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def judge(pdf: bytes, trust: Trust, rules: str) -> Report:
    asked = policy.parse(f'extends = "default"\nname = "t"\n{rules}')
    return engine.judge(io.BytesIO(pdf), name="a", trust=trust, policy=asked, at=NOW, fetcher=Offline())


def only(report: Report) -> SignatureReport:
    (one,) = report.signatures
    return one


def outcome(signature: SignatureReport, code: str) -> str | None:
    return next((check.outcome for check in signature.checks if check.code == code), None)


FINDINGS = {
    "time_not_proven": ("TIME_NOT_PROVEN", ""),
    "discouraged_algorithm": ("ALGORITHM_DISCOURAGED", '[algorithms]\ndiscouraged = ["ecdsa"]\n'),
    "certificate_field_missing": (
        "CERTIFICATE_FIELD",
        '[certificates]\nfields = ["subject.common_name", "subject.organization_name"]\n',
    ),
}


@pytest.mark.parametrize("effect", ["INDETERMINATE", "WARNING", "IGNORED"])
@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_is_what_the_policy_makes_of_it(world: World, finding: str, effect: str) -> None:
    """A B-B signature with ECDSA by somebody without an organisation: one policy fails it, another says so, a third does
    not mind."""
    code, rules = FINDINGS[finding]
    signature = only(judge(world.sign(blank_pdf()), world.trust(), f'{rules}[outcomes]\n{finding} = "{effect}"\n'))
    expected = {"INDETERMINATE": "FAILED", "WARNING": "WARNING", "IGNORED": None}[effect]
    assert outcome(signature, code) == expected
    passed = ("TOTAL_PASSED", None) if effect != "INDETERMINATE" else ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")
    assert (signature.indication, signature.sub_indication) == passed


def test_a_proven_time_is_no_finding(world: World) -> None:
    """A signature with a good timestamp satisfies a policy that asks for one."""
    pdf = world.sign(blank_pdf(), stamped=NOW - DAY)
    signature = only(judge(pdf, world.trust(), '[outcomes]\ntime_not_proven = "INDETERMINATE"\n'))
    assert signature.indication == "TOTAL_PASSED"
    assert outcome(signature, "TIME_NOT_PROVEN") is None


@pytest.mark.parametrize(("name", "passes"), [("default", True), ("vietnam", False)])
def test_signing_time_within_the_certificates_period(world: World, name: str, passes: bool) -> None:
    """Annex II asks for it: where the signer's own clock says otherwise, `vietnam` does not pass the signature."""
    recent = certificate("Recent", issuer=world.issuing, begin=datetime.now(UTC) + DAY)
    signature = only(
        engine.judge(
            io.BytesIO(world.sign(blank_pdf(), signer=recent)),
            name="a",
            trust=world.trust(
                crls=tuple(revocation_list(one, until=NOW + 9000 * DAY) for one in (world.root, world.issuing))
            ),
            policy=policy.load(name),
            at=datetime.now(UTC) + 2 * DAY,
            fetcher=Offline(),
        )
    )
    assert (signature.indication == "TOTAL_PASSED") is passes
    assert outcome(signature, "CLAIMED_TIME") == ("WARNING" if passes else "FAILED")


class TestUsages:
    def test_key_usage_may_be_a_warning(self) -> None:
        """A key that is not made for signing is refused by default, and pointed out where KeyUsage is optional."""
        world = World()
        world.signer = certificate("For lists", issuer=world.issuing, ocsp_signing=True)
        only_repudiation = (
            '[certificates]\nsigner_key_usage = ["non_repudiation"]\nsigner_extended_key_usage = ["ocsp_signing"]\n'
        )
        refused = only(judge(world.sign(blank_pdf()), world.trust(), only_repudiation))
        assert refused.sub_indication == "CHAIN_CONSTRAINTS_FAILURE"
        noted = only(
            judge(world.sign(blank_pdf()), world.trust(), f'{only_repudiation}[outcomes]\nkey_usage = "WARNING"\n')
        )
        assert (noted.indication, outcome(noted, "KEY_USAGE")) == ("TOTAL_PASSED", "WARNING")

    @pytest.mark.parametrize(
        ("asked", "passes"),
        [("ocsp_signing", True), ("1.3.6.1.5.5.7.3.9", True), ("email_protection", False), ("1.2.3.4", False)],
    )
    def test_extended_key_usage_by_name_or_identifier(self, asked: str, passes: bool) -> None:
        """Where the policy names purposes, a certificate that names others does not sign; one that names none does."""
        world = World()
        rules = f'[certificates]\nsigner_extended_key_usage = ["{asked}"]\n'
        assert only(judge(world.sign(blank_pdf()), world.trust(), rules)).indication == "TOTAL_PASSED"
        world.signer = certificate("For answers", issuer=world.issuing, ocsp_signing=True)
        signature = only(judge(world.sign(blank_pdf()), world.trust(), rules))
        assert (signature.indication == "TOTAL_PASSED") is passes

    @pytest.mark.parametrize("service", ["timestamping", "ocsp_signing"])
    def test_a_certificate_for_a_service_alone_signs_no_documents(self, service: str) -> None:
        """Who issues timestamps or answers about revocation is no signer, though the policy names no purposes."""
        world = World()
        world.signer = certificate("Service", issuer=world.issuing, **{service: True})
        signature = only(judge(world.sign(blank_pdf()), world.trust(), ""))
        assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")
        assert outcome(signature, "EXTENDED_KEY_USAGE") == "FAILED"


class TestVietnam:
    def test_pkcs1_passes_and_is_pointed_out(self) -> None:
        """Tokens in the field sign RSASSA-PKCS1-v1_5: accepted, with a note that Annex I names RSASSA-PSS."""
        world = World()
        world.signer = certificate("Token", issuer=world.issuing, key=rsa_key())
        report = engine.judge(
            io.BytesIO(world.sign(blank_pdf(), stamped=NOW - DAY)),
            name="a",
            trust=world.trust(),
            policy=policy.load("vietnam"),
            at=NOW,
            fetcher=Offline(),
        )
        signature = only(report)
        assert signature.indication == "TOTAL_PASSED"
        assert outcome(signature, "ALGORITHM_DISCOURAGED") == "WARNING"
        assert (report.policy, report.policy_details and report.policy_details.sha256) == (
            "vietnam",
            policy.load("vietnam").sha256,
        )

    def test_status_that_cannot_be_checked_is_a_warning_and_no_pass(self, world: World) -> None:
        """Annex II: warn where the status cannot be checked. The signature is undetermined until it can."""
        report = judge(world.sign(blank_pdf()), world.trust(crls=(revocation_list(world.root),)), "")
        assert only(report).sub_indication == "TRY_LATER"
        assert "REVOCATION_UNKNOWN" in {warning.code for warning in report.warnings}


def test_a_short_key_ends_before_a_long_one() -> None:
    """RSA-2048 may be refused from next year while RSA-3072 goes on: the end is the key size's."""
    world = World()
    world.signer = certificate("Short", issuer=world.issuing, key=rsa_key())
    pdf = world.sign(blank_pdf())
    ended = '[signatures]\nrsassa_pkcs1v15 = { 2048 = "2026-01-01", 3072 = "" }\n'
    assert only(judge(pdf, world.trust(), ended)).sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    running = '[signatures]\nrsassa_pkcs1v15 = { 2048 = "2028-12-31", 3072 = "" }\n'
    assert only(judge(pdf, world.trust(), running)).indication == "TOTAL_PASSED"
    refused = '[signatures]\nrsassa_pkcs1v15 = { 3072 = "" }\n'
    assert only(judge(pdf, world.trust(), refused)).sub_indication == "CRYPTO_CONSTRAINTS_FAILURE"
