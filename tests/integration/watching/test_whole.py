"""One whole appliance with everything switched on: traces, metrics of each process, and an end under load."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import documents
from tests.appliance import Appliance, running
from tests.unit.watching.otlp import Receiver, receiver

pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def taken() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory, taken: Receiver) -> Iterator[Appliance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KYSO_TRACING__ENDPOINT", taken.url)
        patch.setenv("KYSO_TRACING__TRUSTED", '["127.0.0.1/32", "::1/128"]')
        with running(tmp_path_factory.mktemp("watching") / "home") as found:
            yield found


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return documents.pdf(tmp_path_factory.mktemp("document") / "a.pdf").read_bytes()


def wait_for(condition, within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_signature_is_one_trace_over_api_worker_keeper_and_authority(
    appliance: Appliance, taken: Receiver, document: bytes
):
    """What the worker and the keeper say of their own time are children of the api's spans."""
    trace = "a" * 32
    answer = appliance.sign(document, level="B-T", headers={"traceparent": f"00-{trace}-{'b' * 16}-01"})
    assert 201 == answer.status_code, answer.text

    def mine() -> dict[str, object]:
        return {span.name: span for span in taken.spans() if span.trace == trace}

    wanted = {
        "POST /v1/signatures", "worker prepare", "in worker: prepare", "keeper sign", "in keeper: sign",
        "fetch timestamp", "worker complete", "in worker: complete",
    }  # fmt: skip
    wait_for(lambda: wanted <= set(mine()))
    spans = mine()
    assert spans["worker prepare"].parent == spans["POST /v1/signatures"].id
    assert spans["in worker: prepare"].parent == spans["worker prepare"].id
    assert spans["in keeper: sign"].parent == spans["keeper sign"].id
    lines = [json.loads(line) for line in _log(appliance) if '"trace"' in line]
    assert any(line["trace"] == trace and line["route"] == "/v1/signatures" for line in lines)


def _log(appliance: Appliance) -> list[str]:
    files = [appliance.home.with_suffix(".log"), *appliance.home.glob("**/*.log")]
    return [line for file in files for line in file.read_text("utf-8", "replace").splitlines() if line.startswith("{")]


def test_metrics_tell_each_stage_key_fetch_and_refusal(appliance: Appliance, document: bytes):
    """From every api process together, for whoever sees the queue."""
    appliance.sign(document, level="B-T")
    appliance.sign(document, key="demo-revoked", level="B-T")
    metrics = appliance.as_role("operator").get("/metrics").text
    for line in (
        'kyso_stage_seconds_count{stage="prepare"}',
        'kyso_stage_seconds_count{stage="complete"}',
        'kyso_key_uses_total{key="demo-official",module="demo",outcome="signed"}',
        'kyso_key_seconds_count{key="demo-official",module="demo"}',
        ',kind="timestamp",outcome="answered"}',
        'kyso_refusals_total{code="certificate-revoked"}',
        'kyso_token_state{module="locked",state="locked"} 1.0',
        'kyso_certificate_days_left{purpose="key",subject="demo-expired"} -',
        "kyso_ledger_size",
        "kyso_checkpoint_age_seconds",
        'kyso_disk_free_bytes{place="home"}',
        'kyso_alarms{code="token-locked",severity="critical"} 1.0',
    ):
        assert line in metrics, line


def test_alarms_of_the_demo_say_what_is_wrong_with_it(appliance: Appliance):
    """A locked token and an expired certificate, which the demo has on purpose; others are told how many."""
    found = {one["code"]: one for one in appliance.as_role("operator").get("/v1/alarms").json()["alarms"]}
    assert {"token-locked", "certificate-expired"} <= found.keys()
    assert "kyso" in found["token-locked"]["do"]["en"]
    ready = httpx.get(f"{appliance.url}/health/ready").json()
    assert ("degraded", True) == (ready["status"], ready["alarms"]["critical"] >= 2)


def test_an_end_under_load_finishes_what_is_begun_and_sends_the_rest_elsewhere(
    tmp_path: Path, document: bytes, monkeypatch: pytest.MonkeyPatch
):
    """SIGTERM in the middle of signing: every answer is a signature or 503 with Retry-After, and the ledger is whole."""
    monkeypatch.setenv("KYSO_SERVER__DRAIN", "10")
    monkeypatch.setenv("KYSO_SERVER__DRAIN_NOTICE", "1")
    answers: Counter[str] = Counter()
    stop = threading.Event()
    with running(tmp_path / "home") as appliance:

        def work() -> None:
            with appliance.as_role("client") as client:
                while not stop.is_set():
                    try:
                        answer = client.post(
                            "/v1/signatures",
                            files={"document": ("a.pdf", document, "application/pdf")},
                            data={"order": json.dumps({"key": "demo-official", "format": "PAdES", "level": "B-B"})},
                        )
                    except httpx.ConnectError:
                        return  # the sockets are closed
                    except httpx.TransportError as error:
                        answers[type(error).__name__] += 1
                        return
                    answers[answer.json().get("code", str(answer.status_code))] += 1
                    if answer.status_code == 503:
                        assert answer.headers["retry-after"]
                        time.sleep(0.05)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: answers["201"] >= 8)
        appliance.runner.terminate()
        appliance.runner.wait(40)
        stop.set()
        for thread in threads:
            thread.join(30)
        assert answers["201"] >= 8
        assert answers["service-ending"] >= 1, answers
        # A connection that stood idle while the sockets closed is no answer that was lost.
        assert set(answers) <= {"201", "service-ending", "RemoteProtocolError", "ReadError"}, answers
    from tests.cli_support import kyso

    ran = kyso("audit", "verify", home=tmp_path / "home")
    assert 0 == ran.status, ran
