"""What is in a ZIP of evidence, and that the same comes out where nothing else is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from unittest import mock

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_crl, load_pem_x509_certificate
from cryptography.x509.ocsp import load_der_ocsp_request

from api.workflows.evidence import Terms
from tests.evidence_support import Carried, carry, judged
from tests.longterm_support import CRL_URL, OCSP_URL, World
from tests.unit.verify import world as small
from verify import policy
from verify.fetcher import FetchRequest
from verify.report import Report
from verify.trust import Anchor, Trust

pytestmark = pytest.mark.judging

OF_EVIDENCE = {"TRUST_FROM_EVIDENCE", "POLICY_FROM_EVIDENCE", "TIME_FROM_EVIDENCE"}


def essence(report: Report) -> object:
    """What a verdict is made of: every signature and timestamp, with each step and its outcome."""
    stamps = (*report.timestamps, *(stamp for one in report.signatures for stamp in one.timestamps))
    return (
        report.verdict,
        report.validated_at,
        report.policy_details.sha256,
        [(one.id, one.indication, one.sub_indication, one.level, one.best_signature_time) for one in report.signatures],
        [(check.code, check.outcome) for one in report.signatures for check in one.checks],
        [(one.id, one.indication, one.sub_indication, one.time) for one in stamps],
    )


def codes(report: Report) -> set[str]:
    return {warning.code for warning in report.warnings}


def test_everything_that_was_judged_with_is_inside(fetched: Carried):
    """Document, four reports, two pages, the policy's whole text; each object as openssl reads it; digests of all."""
    files = fetched.files
    manifest = json.loads(files["manifest.json"])
    assert ("kyso-evidence/1", "TOTAL_PASSED", "default") == tuple(manifest[k] for k in ("format", "verdict", "policy"))
    wanted = {"document.pdf", "report.json", "report.xml", "report.vi.html", "report.en.html", "policy.toml"}
    wanted |= {"HUONG-DAN.md", "HOW-TO-CHECK.md", "signatures/1.p7s", "signatures/1.value", "timestamps/1.tst"}
    assert wanted <= set(files)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert manifest["files"] == {name: digests[name] for name in manifest["files"]}
    assert set(files) - set(manifest["files"]) == {"manifest.json", "SHA256SUMS"}
    assert files["policy.toml"].decode() == policy.load("default").text
    for name in files:
        if name.startswith(("certificates/", "trust/")):
            load_pem_x509_certificate(files[name])
        if name.startswith("crls/"):
            load_der_x509_crl(files[name])


def test_every_answer_from_outside_is_inside(fetched: Carried, world: World):
    """Each list and OCSP answer, and who gave it, so that it can be given again."""
    told = json.loads(fetched.files["manifest.json"])["fetched"]
    assert {("ocsp", OCSP_URL), ("crl", CRL_URL)} == {(one["kind"], one["url"]) for one in told}
    assert 3 == len(told)  # the signer's status, that of the timestamp authority, one list for both issuers
    assert all(one["file"] in fetched.files for one in told)


def test_the_same_report_makes_the_same_octets(archived: bytes, complete: Carried, world: World):
    """No clock, no order of a dictionary and no folder shows in the ZIP."""
    assert complete.zip == carry(archived, trust=world.trust(), at=world.at).zip


@pytest.mark.parametrize("name", ["fetched", "complete"])
def test_the_same_comes_out_with_nothing_but_the_zip(name: str, request: pytest.FixtureRequest):
    """No network, no trust store: each step ends as it did, and the report says whose trust, policy and time it was."""
    carried: Carried = request.getfixturevalue(name)
    again = judged(carried.zip)
    assert "TOTAL_PASSED" == again.verdict
    assert essence(carried.report) == essence(again)
    assert codes(again) - codes(carried.report) == OF_EVIDENCE


def test_so_does_a_bad_verdict(world: World, stamped: bytes):
    """Tampered, of an unknown root, by a retired or distrusted one, with nobody to ask: the same reason once more."""
    net = world.hand("rsa2048").net
    tampered = bytearray(stamped)
    tampered[stamped.index(b"/MediaBox") + 12] ^= 1
    old = Anchor(world.root.der, "old", until=world.at - timedelta(days=9))
    trusts = {
        "unknown root": Trust(anchors=(small.certificate("Other", ca=True).der,)),
        "nobody": Trust(),
        "retired": Trust(anchors=(world.root.der,), named=(old,)),
        "distrusted": Trust((world.root.der,), distrusted=(hashlib.sha256(world.issuing.der).hexdigest(),)),
    }
    for name, trust in trusts.items():
        carried = carry(stamped, trust=trust, at=world.at, fetcher=net)
        assert "TOTAL_PASSED" != carried.report.verdict, name
        assert essence(carried.report) == essence(judged(carried.zip)), name
    for document, fetcher in ((bytes(tampered), net), (stamped, None)):
        carried = carry(document, trust=world.trust(), at=world.at, fetcher=fetcher)
        assert "TOTAL_PASSED" != carried.report.verdict
        assert essence(carried.report) == essence(judged(carried.zip))


def test_a_revocation_that_was_fetched_is_carried(world: World, stamped: bytes):
    """The answer that condemns a certificate is as much evidence as one that clears it."""

    def condemn(request: FetchRequest) -> bytes:
        serial = load_der_ocsp_request(request.body).serial_number
        with mock.patch.dict(world.revoked, {serial: world.at - timedelta(days=30)}):
            return world.status(request)

    net = replace(world.hand().net, answers={OCSP_URL: condemn})
    carried = carry(stamped, trust=world.trust(), at=world.at, fetcher=net)
    assert "TOTAL_PASSED" != carried.report.verdict
    assert essence(carried.report) == essence(judged(carried.zip))


def test_an_armoured_list_is_kept_as_it_came_and_as_der(world: World, stamped: bytes):
    """openssl gets DER; whoever judges again gets what the server said."""
    armoured = load_der_x509_crl(world.root_list()).public_bytes(Encoding.PEM)
    net = replace(world.hand().net, answers={CRL_URL: armoured})
    carried = carry(stamped, trust=world.trust(), at=world.at, fetcher=net)
    assert armoured in [data for name, data in carried.files.items() if name.startswith("fetched/")]
    assert world.root.certificate.subject == load_der_x509_crl(carried.files["crls/1.crl"]).issuer
    assert essence(carried.report) == essence(judged(carried.zip))


def test_an_auditor_need_not_believe_the_anchors_inside(fetched: Carried, world: World):
    """With anchors of their own the ZIP's count for nothing; what leads to them helps; a later time is stricter."""
    own = judged(fetched.zip, Terms(trust=world.trust()))
    assert ("TOTAL_PASSED", {"POLICY_FROM_EVIDENCE", "TIME_FROM_EVIDENCE"}) == (own.verdict, codes(own) & OF_EVIDENCE)
    other = judged(fetched.zip, Terms(trust=Trust(anchors=(small.certificate("Other", ca=True).der,))))
    assert "INDETERMINATE" == other.verdict
    assert "EVIDENCE_VERDICT_DIFFERS" in codes(other)
    later = judged(fetched.zip, Terms(trust=world.trust(), at=world.at + timedelta(days=365 * 20)))
    assert "INDETERMINATE" == later.verdict
    strict = judged(fetched.zip, Terms(trust=world.trust(), policy=policy.load("vietnam"), at=world.at))
    assert not codes(strict) & OF_EVIDENCE
    assert "vietnam" == strict.policy
