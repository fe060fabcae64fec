"""The main job, from outside: a backend sends a PDF and names a key; independent readers accept what comes back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from pathlib import Path

import pytest

from tests import readers
from tests.appliance import Appliance
from tests.documents import pdf

pytestmark = pytest.mark.spine


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf", ballast=50_000).read_bytes()


@pytest.fixture
def signed(appliance: Appliance, document: bytes, tmp_path: Path) -> Path:
    """A document signed at B-T by the demo's official, with a visible stamp."""
    place = {"page": 1, "box": [50, 600, 300, 680]}
    answer = appliance.sign(document, level="B-T", place=place, reason="Đồng ý")
    assert answer.status_code == 201, answer.text
    path = tmp_path / "signed.pdf"
    path.write_bytes(appliance.client.get(answer.json()["document"]).content)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == answer.json()["sha256"]
    return path


def test_independent_readers_accept_it(appliance: Appliance, signed: Path, document: bytes):
    """Poppler, MuPDF, qpdf, OpenSSL and pyHanko find nothing wrong, and the original is a prefix."""
    assert signed.read_bytes().startswith(document)
    assert [(True, True)] == readers.poppler(signed)
    assert [(True, True)] == readers.pyhanko(signed)
    assert "" == readers.qpdf(signed)
    assert "" == readers.openssl(signed, ca=appliance.home / "demo" / "ca.pem")
    assert "The document is unchanged since signing." in [line.strip() for line in readers.mupdf(signed)]


def test_our_own_verdict(appliance: Appliance, signed: Path):
    """The service judges its own signature: passed, at B-T, with a best signature time from the timestamp."""
    report = appliance.verify(signed.read_bytes())
    assert "TOTAL_PASSED" == report["verdict"], report
    (signature,) = report["signatures"]
    assert "PAdES-BASELINE-T" == signature["level"]
    assert signature["intact"]
    assert {"modified": False, "kind": "none", "details": []}.items() <= signature["changes"].items()
    assert ["signature"] == [stamp["type"] for stamp in signature["timestamps"]]
    assert signature["best_signature_time"] == signature["timestamps"][0]["time"]
    assert report["summary"]["vi"]
    assert report["summary"]["en"]


@pytest.mark.parametrize("key", ["demo-official", "demo-official-ec", "demo-seal"])
def test_every_kind_of_demo_key(appliance: Appliance, document: bytes, tmp_path: Path, key: str):
    """RSA-2048, RSA-3072 and P-256 sign alike."""
    answer = appliance.sign(document, key=key, level="B-B", headers={"Accept": "application/pdf"})
    assert (201, "application/pdf") == (answer.status_code, answer.headers["content-type"])
    path = tmp_path / "signed.pdf"
    path.write_bytes(answer.content)
    assert [(True, True)] == readers.poppler(path)


def test_a_tampered_document_fails(appliance: Appliance, signed: Path):
    """One byte changed inside the signed range is found."""
    data = bytearray(signed.read_bytes())
    data[200] ^= 1
    report = appliance.verify(bytes(data))
    assert "TOTAL_PASSED" != report["verdict"]
    assert all(not signature["intact"] for signature in report["signatures"])


def test_several_signers_in_turn(appliance: Appliance, document: bytes, tmp_path: Path):
    """Official, second official, seal: each leaves the earlier ones valid."""
    current = document
    for key in ("demo-official", "demo-official-2", "demo-seal"):
        answer = appliance.sign(current, key=key, headers={"Accept": "application/pdf"})
        assert answer.status_code == 201, answer.text
        assert answer.content.startswith(current)
        current = answer.content
    path = tmp_path / "three.pdf"
    path.write_bytes(current)
    assert [True] * 3 == [valid for valid, _ in readers.poppler(path)]
    report = appliance.verify(current)
    assert ["TOTAL_PASSED"] * 3 == [signature["indication"] for signature in report["signatures"]]


def test_the_same_idempotency_key_signs_once(appliance: Appliance, document: bytes):
    """A repeated request gets the same answer; the same key with another document is refused."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = (appliance.sign(document, headers=headers) for _ in range(2))
    assert (201, 201) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    other = appliance.sign(document + b"\n", headers=headers)
    assert 400 <= other.status_code < 500
    assert "idempotency-key-reused" == other.json()["code"]


def test_the_use_of_the_key_is_on_record(appliance: Appliance, document: bytes):
    """The auditor finds INTENT and DONE of this very document, and the ledger proves itself."""
    signature = appliance.sign(document).json()["id"]
    answer = appliance.as_role("auditor").get("/v1/audit", params={"signature": signature})
    lines = answer.json()["lines"]
    assert ["INTENT", "DONE", "COMPLETED"] == [line["kind"] for line in lines]
    assert hashlib.sha256(document).hexdigest() == lines[0]["facts"]["document_sha256"]
    assert "demo-official" == lines[0]["facts"]["key"]
    done = _kyso(appliance, "audit", "verify")
    assert done.returncode == 0, done.stderr


def test_the_command_line_agrees_with_the_service(appliance: Appliance, signed: Path, tmp_path: Path):
    """`kyso verify` prints the service's report, and `kyso sign` adds a signature that it accepts."""
    ca = appliance.home / "demo" / "ca.pem"
    done = _kyso(appliance, "verify", str(signed), "--trust", str(ca), "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TOTAL_PASSED" == json.loads(done.stdout)["verdict"]
    out = tmp_path / "twice.pdf"
    done = _kyso(appliance, "sign", str(signed), "-o", str(out), "--key", "demo-seal")
    assert done.returncode == 0, done.stderr
    assert [True, True] == [valid for valid, _ in readers.poppler(out)]


def test_openssl_gets_a_timestamp(appliance: Appliance, tmp_path: Path):
    """`openssl ts` makes the query and verifies the answer of POST /tsa."""
    (tmp_path / "data").write_bytes(b"data")
    query = ["openssl", "ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "q.tsq"]
    subprocess.run(query, cwd=tmp_path, check=True, capture_output=True)
    answer = appliance.client.post(
        "/tsa",
        content=(tmp_path / "q.tsq").read_bytes(),
        headers={"Content-Type": "application/timestamp-query"},
    )
    assert "application/timestamp-reply" == answer.headers["content-type"]
    (tmp_path / "r.tsr").write_bytes(answer.content)
    verify = ["openssl", "ts", "-verify", "-queryfile", "q.tsq", "-in", "r.tsr"]
    verify += ["-CAfile", str(appliance.home / "demo" / "ca.pem")]
    done = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr


def _kyso(appliance: Appliance, *arguments: str) -> subprocess.CompletedProcess[str]:
    import os
    import sys

    command = [str(Path(sys.executable).with_name("kyso")), *arguments]
    environment = {**os.environ, "KYSO_HOME": str(appliance.home), "KYSO_PORT": str(appliance.port)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
