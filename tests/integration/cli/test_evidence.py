"""Evidence by a running appliance, judged anew on a machine that knows nothing: empty KYSO_HOME, no service, no network."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.appliance import Appliance
from tests.cli_support import kyso
from tests.documents import pdf
from tests.evidence_support import commands, run

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def signed(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Signed at B-T: who is revoked must be asked."""
    document = pdf(tmp_path_factory.mktemp("plain") / "plain.pdf").read_bytes()
    return appliance.sign(document, level="B-T").json()


@pytest.fixture(scope="module")
def evidence(appliance: Appliance, signed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an auditor gets it."""
    answer = appliance.client.get(f"/v1/signatures/{signed['id']}/evidence", headers={"Accept": "application/zip"})
    assert (200, "application/zip") == (answer.status_code, answer.headers["content-type"])
    assert "attachment" in answer.headers["content-disposition"]
    out = tmp_path_factory.mktemp("evidence") / "evidence.zip"
    out.write_bytes(answer.content)
    return out


def test_another_machine_comes_to_the_same_verdict(evidence: Path, tmp_path: Path):
    """Nothing but the ZIP; without --offline nothing in it is believed; a tampered one is no document."""
    broken = tmp_path / "broken.zip"
    data = bytearray(evidence.read_bytes())
    data[data.index(b"%PDF-1.") + 400] ^= 1
    broken.write_bytes(data)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("manifest.json", bytes(100 << 20))
    ran = kyso("verify", broken, bomb, evidence, "--offline", "--format", "json", home=tmp_path)
    *refused, again = [json.loads(line) for line in ran.out.splitlines()]
    assert ["UNREADABLE"] * 2 == [one["verdict"] for one in refused]
    assert ["evidence-unusable"] * 2 == [one["warnings"][0]["code"] for one in refused]
    assert 4 == ran.status

    report = json.loads(zipfile.ZipFile(evidence).read("report.json"))
    assert "TOTAL_PASSED" == again["verdict"]
    same = ("verdict", "validated_at", "policy", "document")
    assert [report[key] for key in same] == [again[key] for key in same]
    codes = {warning["code"] for warning in again["warnings"]}
    assert {"TRUST_FROM_EVIDENCE", "POLICY_FROM_EVIDENCE", "TIME_FROM_EVIDENCE"} <= codes
    assert 2 == kyso("verify", evidence, home=tmp_path).status


def test_the_ledgers_lines_are_inside_with_their_proofs(appliance: Appliance, evidence: Path, signed: dict[str, str]):
    """Those that the auditor sees in the ledger, with a root that the ledger had."""
    told = json.loads(zipfile.ZipFile(evidence).read("ledger.json"))
    lines = [json.loads(one["line"]) for one in told["lines"]]
    assert ["INTENT", "DONE", "COMPLETED"] == [line["kind"] for line in lines]
    assert {signed["id"]} == {line["facts"]["signature"] for line in lines if "signature" in line["facts"]}


def test_the_lines_are_proved_by_a_checkpoint_of_the_ledgers_own_key(
    appliance: Appliance, evidence: Path, tmp_path: Path
):
    """The ZIP's checkpoint is kept by the appliance too; an auditor with its key has nothing left to believe, and
    another key, or a changed line, is refused."""
    kept = (appliance.home / "checkpoints" / "ledger.checkpoints").read_text()
    assert zipfile.ZipFile(evidence).read("ledger.checkpoint").decode() in kept
    where = ("verify", evidence, "--offline", "--format", "json", "--ledger-key")
    ran = kyso(*where, appliance.home / "checkpoints" / "ledger.vkey", home=tmp_path)
    assert 0 == ran.status, ran
    assert [] == [one["code"] for one in json.loads(ran.out)["warnings"] if one["code"].startswith("LEDGER")]
    stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    ran = kyso(*where, stranger, home=tmp_path)
    assert (4, "evidence-unusable") == (ran.status, json.loads(ran.out)["warnings"][0]["code"])
    assert 64 == kyso(*where, "nonsense", home=tmp_path).status


def test_the_pages_commands_end_well(evidence: Path, tmp_path: Path):
    """With openssl and pdfsig alone, in the unpacked ZIP."""
    for tool in ("openssl", "pdfsig"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    zipfile.ZipFile(evidence).extractall(tmp_path)
    told = commands((tmp_path / "HUONG-DAN.md").read_text())
    assert [] == [one for one in told if run(one, tmp_path)]


def test_the_command_line_packs_the_same(appliance: Appliance, signed: dict[str, str], tmp_path: Path):
    """`--evidence` writes a ZIP from whose parts the same verdict follows; there is no evidence of several files."""
    document = tmp_path / "a.pdf"
    document.write_bytes(appliance.client.get(f"/v1/signatures/{signed['id']}/document").content)
    out = tmp_path / "a.zip"
    anchor = appliance.home / "demo" / "ca.pem"
    ran = kyso("verify", document, "--trust", anchor, "--evidence", out, home=appliance.home)
    assert 0 == ran.status, ran
    assert 0 == kyso("verify", out, "--offline", "--trust", anchor, home=tmp_path).status
    assert 64 == kyso("verify", document, document, "--evidence", out, home=tmp_path).status
    assert 64 == kyso("verify", out, "--evidence", tmp_path / "b.zip", home=tmp_path).status


def test_evidence_is_seen_by_whoever_sees_the_signature(appliance: Appliance, signed: dict[str, str]):
    """An auditor does; without a key nobody does; what does not exist has none."""
    path = f"/v1/signatures/{signed['id']}/evidence"
    answer = appliance.as_role("auditor").get(path)
    assert 200 == answer.status_code
    assert zipfile.is_zipfile(io.BytesIO(answer.content))
    assert 401 == appliance.client.get(path, headers={"Authorization": ""}).status_code
    assert 404 == appliance.client.get("/v1/signatures/none/evidence").status_code
    assert 406 == appliance.client.get(path, headers={"Accept": "image/png"}).status_code
    assert not list((appliance.home / "tmp").glob("*.zip"))
