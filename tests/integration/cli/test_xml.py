"""XML on the command line, beside a running appliance: `sign`, `extend` and `verify` as for a PDF."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from tests.appliance import Appliance
from tests.cli_support import Ran, kyso
from tests.documents import pdf
from tests.xml_support import FEES

pytestmark = pytest.mark.xades

NAMES = {"ds": "http://www.w3.org/2000/09/xmldsig#", "xades": "http://uri.etsi.org/01903/v1.3.2#"}


@pytest.fixture
def fees(tmp_path: Path) -> Path:
    path = tmp_path / "bao-cao"  # what it is, is told by its content
    path.write_bytes(FEES)
    return path


def sign(appliance: Appliance, file: Path, out: Path, *options: str | Path) -> Ran:
    ran = kyso("sign", file, "-o", out, "--key", "demo-official", *options, home=appliance.home)
    assert 0 == ran.status, ran
    return ran


def judged(appliance: Appliance, file: Path, *options: str | Path) -> tuple[int, dict[str, object]]:
    anchor = appliance.home / "demo" / "ca.pem"
    ran = kyso("verify", file, "--trust", anchor, "--format", "json", *options, home=appliance.home)
    return ran.status, json.loads(ran.out)


def test_a_life_of_an_xml_document(appliance: Appliance, fees: Path, tmp_path: Path):
    """Signed with what its signer states, lifted to B-LTA, judged: statuses 0, and the level grows."""
    signed, lifted = tmp_path / "signed.xml", tmp_path / "lifted.xml"
    claims = ("--role", "Thủ quỹ", "--city", "Hà Nội", "--country", "VN", "--commitment", "approval")
    sign(appliance, fees, signed, "--level", "B-T", *claims)
    tree = etree.parse(signed)
    assert ["Thủ quỹ"] == tree.xpath("//xades:ClaimedRole/text()", namespaces=NAMES)
    status, report = judged(appliance, signed)
    assert (0, "XAdES-BASELINE-T") == (status, report["signatures"][0]["level"])
    ran = kyso("extend", signed, "-o", lifted, "--level", "B-LTA", home=appliance.home)
    assert 0 == ran.status, ran
    status, report = judged(appliance, lifted, "--offline")
    assert (0, "XAdES-BASELINE-LTA") == (status, report["signatures"][0]["level"])


def test_a_signature_beside_its_files(appliance: Appliance, tmp_path: Path):
    """A PDF and a second file, signed by name: judged with both; without them indeterminate, with a changed one failed."""
    document, further, out = pdf(tmp_path / "đơn.pdf"), tmp_path / "b.bin", tmp_path / "signature.xml"
    further.write_bytes(bytes(range(256)))
    options = ("--format", "XAdES", "--packaging", "detached", "--detached", f"phu-luc/1={further}", "--level", "B-LTA")
    sign(appliance, document, out, *options)
    named = ("--detached", f"đơn.pdf={document}", "--detached", f"phu-luc/1={further}")
    status, report = judged(appliance, out, *named)
    assert (0, "FULL") == (status, report["signatures"][0]["scope"]), report
    ran = kyso("extend", out, "-o", tmp_path / "again.xml", "--level", "B-LTA", home=appliance.home)
    assert 65 == ran.status
    assert "content-missing" in ran.err[0]
    ran = kyso("extend", out, "-o", tmp_path / "again.xml", "--level", "B-LTA", *named, home=appliance.home)
    assert 0 == ran.status, ran
    assert 1 == judged(appliance, out, "--detached", f"đơn.pdf={document}", "--detached", f"phu-luc/1={document}")[0]


def test_elements_policies_and_counter_signatures(appliance: Appliance, fees: Path, tmp_path: Path):
    """The options that say what is signed, by what policy, and whom it confirms."""
    first, second, policy = tmp_path / "1.xml", tmp_path / "2.xml", tmp_path / "policy.pdf"
    policy.write_bytes(b"%PDF-1.7")
    sign(
        appliance, fees, first, "--element", "don-vi", "--canonicalization", "inclusive11", "--mime", "text/xml",
        "--signature-policy", f"urn:oid:1.2.3={policy}", "--leaves-out", "itself",
    )  # fmt: skip
    tree = etree.parse(first)
    assert "#don-vi" in tree.xpath("//ds:Reference/@URI", namespaces=NAMES)
    assert ["urn:oid:1.2.3"] == tree.xpath("//xades:SigPolicyId/xades:Identifier/text()", namespaces=NAMES)
    identity = tree.xpath("//ds:Signature/@Id", namespaces=NAMES)[0]
    sign(appliance, first, second, "--countersign", identity)
    _, report = judged(appliance, second)
    assert [None, identity] == [one["parent"] for one in report["signatures"]]
    ran = kyso("verify", second, "--trust", appliance.home / "demo" / "ca.pem", home=appliance.home)
    assert "the part DonVi#don-vi of the document" in ran.out
    assert "confirms Signature 1" in ran.out


def test_what_does_not_fit_the_format_is_refused(appliance: Appliance, fees: Path, tmp_path: Path):
    """Status 65 with the code; 64 for what is no call at all; no output either way."""
    out = tmp_path / "out.xml"
    for options, status, code in (
        (("--page", "1", "--box", "1,1,90,90"), 65, "order-not-for-format"),
        (("--packaging", "beside"), 64, "usage"),
        (("--element", "nobody"), 65, ""),
    ):
        ran = kyso("sign", fees, "-o", out, "--key", "demo-official", *options, home=appliance.home)
        assert (status, 1) == (ran.status, len(ran.err)), (options, ran)
        assert code in ran.err[0]
        assert not out.exists()


def test_reports_of_several_files_with_what_they_refer_to(appliance: Appliance, fees: Path, tmp_path: Path):
    """Each file is judged with the same contents by name, several at a time, without one taking them from another."""
    further = tmp_path / "a.pdf"
    further.write_bytes(b"%PDF-1.7 " + bytes(1 << 20))
    signed = tmp_path / "signed.xml"
    sign(appliance, fees, signed, "--detached", f"a.pdf={further}")
    ran = kyso(
        "verify", *[signed] * 6, "--detached", f"a.pdf={further}", "--format", "json",
        "--trust", appliance.home / "demo" / "ca.pem", home=appliance.home,
    )  # fmt: skip
    assert (0, ["TOTAL_PASSED"] * 6) == (ran.status, [json.loads(line)["verdict"] for line in ran.out.splitlines()])


def test_evidence_goes_elsewhere_with_what_it_is_about(appliance: Appliance, fees: Path, tmp_path: Path):
    """The ZIP holds the detached contents, so that it is judged alike with nothing else at hand."""
    further, signed, carried = tmp_path / "a.pdf", tmp_path / "s.xml", tmp_path / "s.zip"
    further.write_bytes(b"%PDF-1.7")
    sign(appliance, fees, signed, "--level", "B-LT", "--detached", f"a.pdf={further}")
    status, _ = judged(appliance, signed, "--detached", f"a.pdf={further}", "--evidence", carried)
    assert 0 == status
    ran = kyso("verify", carried, "--offline", "--format", "json", home=tmp_path / "empty")
    assert (0, "TOTAL_PASSED") == (ran.status, json.loads(ran.out)["verdict"]), ran
