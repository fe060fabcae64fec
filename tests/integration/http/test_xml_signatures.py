"""XML over HTTP as a workflow backend sends it, to a whole appliance: signed, lifted, judged; the format is all that differs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import uuid
import zipfile
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tests.appliance import Appliance
from tests.documents import pdf
from tests.schema_support import report_schema
from tests.xml_support import FEES

pytestmark = pytest.mark.xades

NAMES = {"ds": "http://www.w3.org/2000/09/xmldsig#", "xades": "http://uri.etsi.org/01903/v1.3.2#"}
PDF = b"%PDF-1.7 stands for any file"


def sign(
    appliance: Appliance,
    document: bytes,
    *,
    name: str = "bao-cao.xml",
    detached: dict[str, bytes] | None = None,
    headers: dict[str, str] | None = None,
    **order: object,
) -> httpx.Response:
    order = {"key": "demo-official", "level": "B-B", **order}
    files = [("document", (name, document)), *(("detached", one) for one in (detached or {}).items())]
    return appliance.client.post("/v1/signatures", files=files, data={"order": json.dumps(order)}, headers=headers)


def signed(appliance: Appliance, document: bytes, **more: object) -> bytes:
    """The signed bytes, asked for at once."""
    answer = sign(appliance, document, headers={"Accept": "application/xml"}, **more)
    assert (201, "application/xml") == (answer.status_code, answer.headers["content-type"]), answer.text
    return answer.content


def judged(appliance: Appliance, document: bytes, detached: dict[str, bytes] | None = None, **headers: str):
    files = [("document", ("a.pdf", document)), *(("detached", one) for one in (detached or {}).items())]
    return appliance.client.post("/v1/verifications", files=files, headers=headers)


@pytest.mark.parametrize(
    ("key", "level"), [("demo-official", "B-B"), ("demo-official-ec", "B-T"), ("demo-seal", "B-LTA")]
)
def test_an_xml_document_is_signed_like_a_pdf(appliance: Appliance, key: str, level: str):
    """201 with the level; the document has XML's media type and name; what was signed stands in it byte for byte."""
    answer = sign(appliance, FEES, name="khong-ro.bin", key=key, level=level)
    assert 201 == answer.status_code, answer.text
    said = answer.json()
    assert ("signed", level) == (said["status"], said["level"])
    document = appliance.client.get(said["document"])
    assert "application/xml" == document.headers["content-type"]
    assert f'filename="{said["id"]}.xml"' in document.headers["content-disposition"]
    assert said["sha256"] == hashlib.sha256(document.content).hexdigest()
    head, _, tail = document.content.partition(b"<ds:Signature ")
    assert FEES == head + tail[tail.rindex(b"</ds:Signature>") + len(b"</ds:Signature>") :]

    report = judged(appliance, document.content).json()
    assert ("TOTAL_PASSED", "XML") == (report["verdict"], report["document"]["format"])
    (one,) = report["signatures"]
    assert ("XAdES", f"XAdES-BASELINE-{level[2:]}", "FULL") == (one["format"], one["level"], one["scope"])
    assert said["field"] == one["id"]
    same = appliance.client.get(f"/v1/signatures/{said['id']}/report").json()
    assert ("TOTAL_PASSED", f"{said['id']}.xml") == (same["verdict"], same["document"]["name"])


def test_what_the_signer_states_is_in_the_signature_and_the_report(appliance: Appliance):
    """Role, place, purpose, media type and policy, as signed properties and as sentences."""
    policy = {"identifier": "urn:oid:1.2.3.4", "digest": base64.b64encode(bytes(32)).decode()}
    stated = {
        "roles": ["Thủ quỹ"],
        "production_place": {"city": "Hà Nội", "country": "VN"},
        "commitment": "approval",
        "mime": "application/xml",
        "canonicalization": "inclusive",
    }
    document = signed(appliance, FEES, xml=stated | {"policy": policy})
    tree = etree.fromstring(document)
    assert ["Thủ quỹ"] == tree.xpath("//xades:ClaimedRole/text()", namespaces=NAMES)
    assert ["Hà Nội", "VN"] == tree.xpath("//xades:SignatureProductionPlaceV2/*/text()", namespaces=NAMES)
    assert "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" in tree.xpath(
        "//ds:SignedInfo/ds:CanonicalizationMethod/@Algorithm", namespaces=NAMES
    )
    assert tree.xpath("//xades:SignaturePolicyId", namespaces=NAMES)
    text = judged(appliance, signed(appliance, FEES, xml=stated), Accept="text/plain").text
    for words in ("Covers", "the whole document", "Thủ quỹ", "Hà Nội, VN", "the content is approved"):
        assert words in text


def test_parallel_and_counter_signatures(appliance: Appliance):
    """The second leaves the first valid; a counter-signature stands in the report as an entry with its parent."""
    first = signed(appliance, FEES, level="B-T")
    second = signed(appliance, first, key="demo-seal", level="B-T")
    name = judged(appliance, first).json()["signatures"][0]["id"]
    third = signed(appliance, second, key="demo-official-ec", xml={"countersign": name})
    report = judged(appliance, third).json()
    assert "TOTAL_PASSED" == report["verdict"], report["summary"]
    assert [name] == [one["parent"] for one in report["signatures"] if one["parent"] is not None]
    assert 3 == len(report["signatures"])
    page = judged(appliance, third, Accept="text/html").text
    assert "confirms" in page


def test_one_element_is_a_part(appliance: Appliance):
    """The sentence says that only a part is covered, the report names it."""
    document = signed(appliance, FEES, xml={"elements": ["don-vi"]})
    report = judged(appliance, document).json()
    assert ("TOTAL_PASSED", "PARTIAL") == (report["verdict"], report["signatures"][0]["scope"])
    assert "only a part of the document" in report["summary"]["en"]
    assert "một phần" in report["summary"]["vi"]
    assert "DonVi#don-vi" in judged(appliance, document, Accept="text/plain").text


@pytest.mark.parametrize("packaging", ["enveloping", "detached"])
def test_a_pdf_in_or_beside_a_xades_signature(appliance: Appliance, tmp_path: Path, packaging: str):
    """With `format` XAdES a PDF is signed as it is; beside it, the signature is judged with the PDF handed in by name."""
    document = pdf(tmp_path / "a.pdf").read_bytes()
    answer = sign(appliance, document, name="giấy.pdf", format="XAdES", xml={"packaging": packaging}, level="B-LTA")
    assert 201 == answer.status_code, answer.text
    said = answer.json()
    content = appliance.client.get(said["document"]).content
    beside = {"giấy.pdf": document} if packaging == "detached" else {}
    report = judged(appliance, content, beside).json()
    assert ("TOTAL_PASSED", "FULL") == (report["verdict"], report["signatures"][0]["scope"]), report
    assert "TOTAL_PASSED" == appliance.client.get(f"/v1/signatures/{said['id']}/report").json()["verdict"]
    if beside:
        assert "SIGNED_DATA_NOT_FOUND" == judged(appliance, content).json()["signatures"][0]["sub_indication"]
        changed = judged(appliance, content, {"giấy.pdf": document + b" "}).json()
        assert ("TOTAL_FAILED", "HASH_FAILURE") == (changed["verdict"], changed["signatures"][0]["sub_indication"])


def test_detached_contents_are_signed_kept_and_lifted(appliance: Appliance):
    """A document and two files by name: signed at B-T, its report needs nothing handed in, lifting to B-LTA needs them."""
    beside = {"đơn.pdf": PDF, "so/2.bin": bytes(range(256))}
    answer = sign(appliance, FEES, detached=beside, level="B-T")
    assert 201 == answer.status_code, answer.text
    said = answer.json()
    assert "TOTAL_PASSED" == appliance.client.get(f"/v1/signatures/{said['id']}/report").json()["verdict"]
    document = appliance.client.get(said["document"]).content
    files = [("document", ("a.xml", document)), *(("detached", one) for one in beside.items())]
    lifted = appliance.client.post("/v1/extensions", files=files, data={"level": "B-LTA"})
    assert (200, "B-LTA", "application/xml") == (
        lifted.status_code,
        lifted.headers.get("kyso-level"),
        lifted.headers["content-type"],
    ), lifted.text
    report = judged(appliance, lifted.content, beside).json()
    assert ("TOTAL_PASSED", "XAdES-BASELINE-LTA") == (report["verdict"], report["signatures"][0]["level"])
    without = appliance.client.post("/v1/extensions", files=files[:1], data={"level": "B-LTA"})
    assert (422, "content-missing") == (without.status_code, without.json()["code"])

    lines = appliance.as_role("auditor").get("/v1/audit", params={"signature": said["id"]}).json()
    intent = next(line for line in lines["lines"] if line["kind"] == "INTENT")["facts"]
    assert ("XAdES", hashlib.sha256(FEES).hexdigest()) == (intent["format"], intent["document_sha256"])
    assert sorted(hashlib.sha256(one).hexdigest() for one in beside.values()) == intent["detached_sha256"]


def test_as_many_files_as_a_call_may_bring(appliance: Appliance):
    """32 contents beside a document, each with a descriptor of its own in the worker; one more is refused."""
    beside = {f"{number}.bin": bytes([number]) for number in range(33)}
    most = dict(list(beside.items())[:32])
    document = signed(appliance, FEES, detached=most, level="B-T")
    assert "TOTAL_PASSED" == judged(appliance, document, most).json()["verdict"]
    answer = sign(appliance, FEES, detached=beside)
    assert (400, "request-invalid") == (answer.status_code, answer.json()["code"])


def test_the_evidence_of_a_signature_holds_what_it_is_about(appliance: Appliance):
    """The ZIP that an auditor gets: the XML, the contents, the ledger's lines, and pages that name xmlsec1."""
    said = sign(appliance, FEES, detached={"a.pdf": PDF}, level="B-T").json()
    answer = appliance.as_role("auditor").get(f"/v1/signatures/{said['id']}/evidence")
    assert 200 == answer.status_code, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert {"document.xml", "detached/1", "ledger.json", "HOW-TO-CHECK.md"} <= set(packed.namelist())
        assert PDF == packed.read("detached/1")
        assert b"xmlsec1 --verify" in packed.read("HOW-TO-CHECK.md")


def test_an_idempotency_key_covers_the_detached_contents(appliance: Appliance):
    """The same call again has the same answer; with another content beside the document it is another call."""
    again = {"Idempotency-Key": str(uuid.uuid4())}
    first = sign(appliance, FEES, detached={"a.pdf": PDF}, headers=again)
    second = sign(appliance, FEES, detached={"a.pdf": PDF}, headers=again)
    assert (201, first.json()["id"]) == (second.status_code, second.json()["id"])
    assert "true" == second.headers["idempotency-replayed"]
    other = sign(appliance, FEES, detached={"a.pdf": PDF + b"."}, headers=again)
    assert (409, "idempotency-key-reused") == (other.status_code, other.json()["code"])


def test_a_stale_head_is_refused_as_for_a_pdf(appliance: Appliance):
    """A signed XML is its chain's head until a signature is built on it; what stands beside it takes no head."""
    first = signed(appliance, FEES)
    signed(appliance, first, key="demo-seal", format="XAdES", xml={"packaging": "detached"})
    signed(appliance, first, key="demo-seal")
    stale = sign(appliance, first, key="demo-official-ec")
    assert (409, "stale-document") == (stale.status_code, stale.json()["code"])
    assert 201 == sign(appliance, first, key="demo-official-ec", fork=True).status_code


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ({"place": {"page": 1, "box": [1, 1, 9, 9]}}, "place"),
        ({"stamp": {}}, "stamp"),
        ({"field": "o1"}, "field"),
        ({"fill": {"so": 1}}, "fill"),
        ({"certify": 2}, "certify"),
        ({"reason": "x"}, "reason"),
        ({"format": "PAdES"}, "format"),
    ],
)
def test_values_of_a_pdf_are_refused_for_xml(appliance: Appliance, order: dict[str, object], value: str):
    """Refused with the value's name, not ignored."""
    answer = sign(appliance, FEES, **order)
    assert (422, "order-not-for-format", value) == (
        answer.status_code,
        answer.json()["code"],
        answer.json()["facts"]["value"],
    )


def test_values_of_xml_are_refused_for_a_pdf(appliance: Appliance, tmp_path: Path):
    """The part `xml`, detached contents, and an enveloped signature in a PDF."""
    document = pdf(tmp_path / "a.pdf").read_bytes()
    for more, value in (
        ({"xml": {"roles": ["x"]}}, "xml"),
        ({"detached": {"b.pdf": PDF}}, "detached"),
        ({"format": "XAdES", "xml": {"packaging": "enveloped"}}, "xml.packaging"),
        ({"format": "XAdES", "xml": {"elements": ["x"]}}, "xml.elements"),
    ):
        answer = sign(appliance, document, **more)
        assert (422, "order-not-for-format", value) == (
            answer.status_code,
            answer.json()["code"],
            answer.json()["facts"]["value"],
        )
        assert value in answer.json()["detail"]


def test_an_answer_in_another_type_than_the_document_is_refused_before_signing(appliance: Appliance):
    """Accept names the type of the signed bytes; PDF is none that an XML could be answered in."""
    answer = sign(appliance, FEES, headers={"Accept": "application/pdf"})
    assert (406, "not-acceptable") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("kind", ["application/xml", "application/pdf", "text/html"])
def test_reports_of_xml_come_in_every_form(appliance: Appliance, tmp_path: Path, kind: str):
    """ETSI's XML is valid against its schema, the PDF is a PDF, the page names what is covered."""
    document = signed(appliance, FEES, level="B-LTA", detached={"a.pdf": PDF})
    answer = judged(appliance, document, {"a.pdf": PDF}, Accept=kind)
    assert (200, kind) == (answer.status_code, answer.headers["content-type"].split(";")[0])
    if kind == "application/pdf":
        assert answer.content.startswith(b"%PDF-")
    elif kind == "text/html":
        assert "the file a.pdf" in answer.text
    else:
        report_schema().assertValid(etree.fromstring(answer.content))


def test_fifty_megabytes_are_signed_and_judged(appliance: Appliance):
    """Within a worker's memory and time."""
    row = "<dong so='{}'>số liệu minh họa của một dòng báo cáo, dài chừng tám mươi chữ cái</dong>\n"
    rows = "".join(row.format(number) for number in range(480_000)).encode()
    document = b"<?xml version='1.0' encoding='UTF-8'?>\n<a>" + rows[: 50 << 20].rpartition(b"<dong")[0] + b"</a>"
    assert len(document) > 45 << 20
    content = signed(appliance, document, level="B-T")
    assert "TOTAL_PASSED" == judged(appliance, content).json()["verdict"]


def test_xmlsec_verifies_what_was_signed(appliance: Appliance, tmp_path: Path):
    """An independent program, told the demo's root and the Ids."""
    (tmp_path / "a.xml").write_bytes(signed(appliance, FEES, level="B-T"))
    command = ["xmlsec1", "--verify", "--trusted-pem", str(appliance.home / "demo" / "ca.pem"), "--id-attr:Id"]
    command += ["http://uri.etsi.org/01903/v1.3.2#:SignedProperties", str(tmp_path / "a.xml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == ran.returncode, ran.stderr
