"""The XML report of ETSI TS 119 102-2: valid against the schema, and true to the report that it is made from."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree

from api.reports import etsi
from tests.schema_support import report_schema
from tests.unit.reports.samples import HOSTILE, hostile, report
from tests.unit.verify.world import DAY, DEFAULT, NOW, World, blank_pdf
from verify import engine
from verify.fetcher import Offline
from verify.report import Report
from verify.trust import Trust

pytestmark = pytest.mark.judging

VR = {"vr": etsi.VR, "ds": etsi.DS, "xades": etsi.XADES}


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return report_schema()


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def judged(pdf: bytes, world: World, *, at: datetime = NOW) -> Report:
    return engine.judge(io.BytesIO(pdf), name="a.pdf", trust=world.trust(), policy=DEFAULT, at=at, fetcher=Offline())


def documents(world: World) -> dict[str, bytes]:
    signed = world.sign(blank_pdf(), stamped=NOW - DAY)
    return {
        "passed": signed,
        "archived": world.timestamp(world.archive(signed, crls=world.trust().crls), NOW),
        "tampered": signed.replace(b"/MediaBox", b"/MediaB0x", 1),
        "unsigned": blank_pdf(),
        "two": world.sign(signed, field_name="Second"),
    }


def written(report: Report) -> etree._Element:
    return etree.fromstring(etsi.report_xml(report))


def test_reports_are_valid_against_the_schema(world: World, schema: etree.XMLSchema):
    """Passed, failed, several signatures, archived, none at all, and years later: each is valid, references included."""
    for name, pdf in documents(world).items():
        for at in (NOW, NOW + 3650 * DAY):
            schema.assertValid(written(judged(pdf, world, at=at))), name


def test_a_report_made_by_somebody_who_means_harm_is_valid(schema: etree.XMLSchema):
    """Control characters, markup and unpaired surrogates in names and facts stay text."""
    one = replace(hostile(), id=HOSTILE + "\x00\ud800", sub_indication="NOT A URI <>")
    root = written(report(one, name=HOSTILE))
    schema.assertValid(root)
    assert HOSTILE.replace("\x1b", "\ufffd") + "\ufffd\ufffd" == root.findtext(".//vr:DAIdentifier", namespaces=VR)
    assert not list(root.iter("{*}img"))


def test_it_says_what_the_report_says(world: World):
    """Indication, time, proofs and octets are those of the report."""
    told = judged(documents(world)["passed"], world)
    root, (one,) = written(told), told.signatures
    status = root.find("vr:SignatureValidationReport/vr:SignatureValidationStatus", VR)
    assert "urn:etsi:019102:mainindication:total-passed" == status.findtext("vr:MainIndication", namespaces=VR)
    assert status.find("vr:SubIndication", VR) is None
    best = root.findtext(".//vr:BestSignatureTime/vr:POETime", namespaces=VR)
    assert one.best_signature_time == datetime.fromisoformat(best.replace("Z", "+00:00")).astimezone(UTC)
    kinds = [kind.text.rsplit(":", 1)[1] for kind in root.iterfind(".//vr:ObjectType", VR)]
    assert {"signedData", "certificate", "CRL", "timestamp", "signature"} == set(kinds)
    assert len(told.objects) + 1 == len(kinds)
    proven = root.find(".//vr:BestSignatureTime/vr:POEObject", VR).get("VOReference")
    assert one.timestamps[0].material.object in proven
    provisioning = root.findall(".//vr:POEProvisioning/vr:ValidationObject", VR)
    assert len(one.timestamps[0].material.covers) == len(provisioning)
    constraints = root.findall(
        "vr:SignatureValidationReport/vr:ValidationConstraintsEvaluationReport/vr:ValidationConstraint", VR
    )
    assert [f"urn:kyso:check:{check.code}" for check in one.checks] == [
        found.findtext("vr:ValidationConstraintIdentifier", namespaces=VR) for found in constraints
    ]


def test_a_timestamp_that_proves_nothing_provides_no_proof(world: World):
    """A timestamp of an authority that nobody trusts is not believed, and proves nothing in the report."""
    pdf = io.BytesIO(documents(world)["passed"])
    strangers = engine.judge(pdf, name="a.pdf", trust=Trust(), policy=DEFAULT, at=NOW, fetcher=Offline())
    root = written(strangers)
    assert [] == root.findall(".//vr:POEProvisioning", VR)
    indications = {status.text for status in root.iterfind(".//vr:ValidationReport//vr:MainIndication", VR)}
    assert "urn:etsi:019102:mainindication:indeterminate" in indications
