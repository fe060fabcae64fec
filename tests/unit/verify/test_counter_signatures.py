"""Counter-signatures in the CMS of a PDF (RFC 5652 §11.4): entries of their own, judged by themselves."""

from __future__ import annotations

import hashlib

import pytest
from asn1crypto import algos, cms, core, tsp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.verify.test_engine import judge
from tests.unit.verify.test_sub_indications import with_cms
from tests.unit.verify.world import NOW, Entity, World, blank_pdf, certificate, revocation_list
from verify.report import Report
from verify.trust import Trust

pytestmark = [pytest.mark.spine, pytest.mark.judging]

ROOM = 16 * 1024


def counter(by: Entity, *, value: bytes) -> cms.SignerInfo:
    """A signature over `value` by the key of `by`, named by issuer and serial number."""
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    digest = cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(value).digest()]})
    named = tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(by.der).digest()})]})
    attributes = cms.CMSAttributes([digest, cms.CMSAttribute({"type": "signing_certificate_v2", "values": [named]})])
    signed = by.key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
    parsed = by.asn1
    identifier = cms.IssuerAndSerialNumber({"issuer": parsed.issuer, "serial_number": parsed.serial_number})
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", identifier),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": core.OctetString(signed),
        }
    )


def counter_signed(world: World, *by: Entity, over: bytes | None = None) -> bytes:
    """Signed, and its value signed by each of these; `over`: they sign something else instead."""

    def add(data: cms.SignedData) -> None:
        signer = data["signer_infos"][0]
        value = over if over is not None else signer["signature"].native
        infos = cms.SignerInfos([counter(one, value=value) for one in by])
        signer["unsigned_attrs"] = cms.CMSAttributes(
            [cms.CMSAttribute({"type": "counter_signature", "values": [infos[index] for index in range(len(by))]})]
        )
        certificates = [choice.chosen for choice in data["certificates"]]
        data["certificates"] = [
            cms.CertificateChoices("certificate", c) for c in (*certificates, *(o.asn1 for o in by))
        ]

    return with_cms(world.sign(blank_pdf(), reserved=ROOM), add)


def entries(report: Report) -> list[tuple[str | None, bool, str, str | None]]:
    return [(one.parent, one.intact, one.indication, one.sub_indication) for one in report.signatures]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_is_an_entry_with_its_parent(world: World) -> None:
    """It stands behind the signature it signs, names it as its parent, and passes by its own certificate."""
    second = certificate("Trần Thị B", issuer=world.issuing)
    report = judge(counter_signed(world, second), world.trust())
    assert entries(report) == [(None, True, "TOTAL_PASSED", None), ("Signature1", True, "TOTAL_PASSED", None)]
    assert report.signatures[1].signer is not None
    assert report.signatures[1].signer.common_name == "Trần Thị B"
    assert (report.verdict, report.signatures[1].scope) == ("TOTAL_PASSED", "PARTIAL")


def test_over_another_value_is_broken_and_leaves_its_parent_alone(world: World) -> None:
    """A counter-signature taken from elsewhere fails; the signature beside it does not."""
    second = certificate("Trần Thị B", issuer=world.issuing)
    report = judge(counter_signed(world, second, over=b"another signature"), world.trust())
    assert entries(report) == [
        (None, True, "TOTAL_PASSED", None),
        ("Signature1", False, "TOTAL_FAILED", "HASH_FAILURE"),
    ]
    assert report.verdict == "TOTAL_FAILED"


def test_does_not_vouch_for_its_parent(world: World) -> None:
    """A good counter-signature mends nothing: the parent is revoked all the same."""
    second = certificate("Trần Thị B", issuer=world.issuing)
    serial = world.signer.certificate.serial_number
    lists = (revocation_list(world.root), revocation_list(world.issuing, revoked={serial: NOW}))
    report = judge(counter_signed(world, second), Trust((world.root.der,), crls=lists))
    assert entries(report) == [
        (None, True, "INDETERMINATE", "REVOKED_NO_POE"),
        ("Signature1", True, "TOTAL_PASSED", None),
    ]


def test_several(world: World) -> None:
    """Each counter-signer is an entry of its own, with an id of its own."""
    by = [certificate(name, issuer=world.issuing) for name in ("Một", "Hai", "Ba")]
    report = judge(counter_signed(world, *by), world.trust())
    assert {one.signer and one.signer.common_name for one in report.signatures[1:]} == {"Một", "Hai", "Ba"}
    assert len({one.id for one in report.signatures}) == 4
