"""The HTTP face on real processes: keepers with SoftHSM, sandboxed workers, one database."""

from __future__ import annotations

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.appliance import Appliance
from tests.documents import pdf

pytestmark = pytest.mark.spine


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf", ballast=30_000).read_bytes()


def test_readiness_tells_what_holds(appliance: Appliance):
    """Database, ledger, the workers' lock-down, each module's state and the clock, without a key of the API."""
    facts = appliance.client.get("/health/ready", headers={"Authorization": ""}).json()
    assert facts["status"] in ("ready", "degraded")
    assert ("ok", "ok") == (facts["database"]["state"], facts["ledger"]["state"])
    assert facts["workers"]["seccomp"] is True
    assert {"operational", "locked"} == {module["state"] for module in facts["modules"].values()}
    assert isinstance(facts["clock"]["synchronised"], bool)


def test_equal_requests_at_once_sign_once(appliance: Appliance, document: bytes):
    """Eight equal requests with one Idempotency-Key: one signature, everybody else waits or gets the same."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: appliance.sign(document, headers=headers), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    last = appliance.sign(document, headers=headers).json()
    signed = [answer.json() for answer in answers if answer.status_code == 201]
    assert signed
    assert all(last == one for one in signed)
    lines = appliance.as_role("auditor").get("/v1/audit", params={"signature": last["id"]}).json()["lines"]
    assert ["INTENT", "DONE", "COMPLETED"] == [line["kind"] for line in lines]


def test_a_client_that_hangs_up_leaves_nothing(appliance: Appliance):
    """Half an upload and a closed connection: no file stays in the working folder."""
    api_key = (appliance.home / "demo" / "client.key").read_text().strip()
    head = (
        f"POST /v1/signatures HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_key}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="document"; filename="a.pdf"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", appliance.port)) as connection:
        connection.sendall(head.encode() + b"%PDF-1.7" + bytes(200_000))
        time.sleep(0.3)
    deadline = time.monotonic() + 5
    while any((appliance.home / "tmp").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [] == list((appliance.home / "tmp").iterdir())


def test_a_silent_authority_is_a_503_that_can_be_repeated(appliance: Appliance, document: bytes):
    """The key is used once, however often the request comes again while no timestamp can be had."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answers = [appliance.sign(document, key="demo-tsa-down", level="B-T", headers=headers) for _ in range(2)]
    assert {(503, "timestamp-unavailable")} == {(one.status_code, one.json()["code"]) for one in answers}
    (identity,) = {one.json()["signature"] for one in answers}
    lines = appliance.as_role("auditor").get("/v1/audit", params={"signature": identity}).json()["lines"]
    assert ["INTENT", "DONE"] == [line["kind"] for line in lines]


def test_the_service_log_holds_no_secret(appliance: Appliance, document: bytes):
    """Neither the API key nor the PIN stands in any log below KYSO_HOME."""
    appliance.sign(document)
    secrets_ = [file.read_text().strip() for file in (appliance.home / "demo").glob("*.key")]
    secrets_ += [file.read_text().strip() for file in (appliance.home / "secrets").glob("*.pin")]
    logs = b"".join(file.read_bytes() for file in (appliance.home / "log").iterdir())
    assert secrets_
    assert [] == [secret for secret in secrets_ if secret.encode() in logs]


def test_metrics_are_those_of_all_workers_together(appliance: Appliance, document: bytes):
    """Whichever api process answers a scrape or a signature, the counter tells the sum."""

    def signed() -> float:
        text = httpx.get(f"{appliance.url}/metrics").text  # a connection of its own: any of the processes
        lines = [line for line in text.splitlines() if line.startswith("kyso_signatures_total{")]
        return sum(float(line.split()[-1]) for line in lines if 'outcome="signed"' in line)

    before = signed()
    for _ in range(4):
        assert appliance.sign(document).status_code == 201
    assert {before + 4} == {signed() for _ in range(8)}
