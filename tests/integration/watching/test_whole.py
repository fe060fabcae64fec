"""One whole appliance with everything switched on: traces, metrics of each process, and an end under load."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pikepdf
import pytest
from standardwebhooks.webhooks import Webhook

from api import settings as kyso_settings
from tests import documents
from tests.appliance import Appliance, running
from tests.cli_support import kyso
from tests.integration.watching import driving, leaks
from tests.unit.watching.otlp import Receiver, receiver

pytestmark = pytest.mark.appliance


SECRETS = {
    "PIN of the demo": "kanari-pin-ab7391",
    "PIN of the security officer": "kanari-so-cd8264",
    "wrong PIN of the locked token": "kanari-locked-ef5527",
    "document password": "kanari-mat-khau-Ộ-1942",
    "wrong document password": "kanari-sai-mat-khau-6604",
    "document text": "KanariVanBanMat7391",
    "api key": "kyso_0123456789ab_" + "feedfacecafe" * 4,
    "bearer token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJrYW5hcmkifQ.kanaritokenkanaritoken",
    "basic": "a2FuYXJpOmthbmFyaS1iYXNpYy1wYXNz",
    "cookie": "kanari-cookie-77aa88bb99cc",
    "webhook secret": "whsec_a2FuYXJpLXdlYmhvb2stc2VjcmV0LTEyMzQ1Ng==",
}
"""What goes in, and must not come out."""
PINS = {
    "demo.pin": "PIN of the demo",
    "demo-so.pin": "PIN of the security officer",
    "locked.pin": "wrong PIN of the locked token",
}
NOT_LOOKED_AT = frozenset({"secrets", "demo", "blobs", "tmp", "tokens"})
"""Where PINs, the demo's own API keys and documents belong."""


@pytest.fixture(scope="module")
def taken() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory, taken: Receiver) -> Iterator[Appliance]:
    home = tmp_path_factory.mktemp("watching") / "home"
    (home / "secrets").mkdir(mode=0o700, parents=True)
    for name, what in PINS.items():
        (home / "secrets" / name).write_text(SECRETS[what])
        (home / "secrets" / name).chmod(0o600)
    (home / "secrets" / "hook").write_text(SECRETS["webhook secret"])
    (home / "secrets" / "hook").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "TRACING__ENDPOINT": taken.url,
            "TRACING__TRUSTED": '["127.0.0.1/32", "::1/128"]',
            "ALARMS__WEBHOOK": taken.url.replace("/v1/traces", "/hook"),
            "ALARMS__WEBHOOK_SECRET_FILE": "secrets/hook",
            "ALARMS__EVERY": "1",
            "SERVER__DRAIN": "10",
            "SERVER__DRAIN_NOTICE": "1",
        }.items():
            patch.setenv(f"KYSO_{name}", value)
        with running(home) as found:
            yield found


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """With a text of its own, both on its page and in its title."""
    folder = tmp_path_factory.mktemp("document")

    def with_text(pdf: pikepdf.Pdf) -> None:
        pdf.docinfo["/Title"] = SECRETS["document text"]
        pdf.pages[0].contents_add(f"BT ({SECRETS['document text']}) Tj ET".encode())

    return documents.changed(folder / "b.pdf", documents.pdf(folder / "a.pdf"), with_text).read_bytes()


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


def _logs(appliance: Appliance) -> list[Path]:
    """What the demo's runner and the service wrote."""
    return [appliance.home.with_suffix(".log"), *appliance.home.glob("**/*.log")]


def _log(appliance: Appliance) -> list[str]:
    lines = [line for file in _logs(appliance) for line in file.read_text("utf-8", "replace").splitlines()]
    return [line for line in lines if line.startswith("{")]


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


def test_alarms_of_the_demo_say_what_is_wrong_with_it(appliance: Appliance, taken: Receiver):
    """A locked token and an expired certificate, which the demo has on purpose; the webhook is told once for each, signed,
    and others are told how many."""
    found = {one["code"]: one for one in appliance.as_role("operator").get("/v1/alarms").json()["alarms"]}
    assert {"token-locked", "certificate-expired"} <= found.keys()
    assert "kyso" in found["token-locked"]["do"]["en"]
    wait_for(lambda: any(b"token-locked" in body for body, _ in taken.messages))
    for body, headers in taken.messages:
        assert Webhook(SECRETS["webhook secret"]).verify(body, headers)["type"] == "alarm.raised"
    ready = httpx.get(f"{appliance.url}/health/ready").json()
    assert ("degraded", True) == (ready["status"], ready["alarms"]["critical"] >= 2)


def test_no_secret_reaches_a_log_an_error_a_metric_a_trace_a_table_or_a_process(
    appliance: Appliance, taken: Receiver, document: bytes, tmp_path: Path
):
    """Everything is driven with secrets in it, well and badly; then every place is searched. A planted one is found in
    each kind of place, so that the search is known to work."""
    answers = driving.Answers()
    _sign_and_judge(appliance, answers, document, tmp_path)
    assert driving.every_operation(appliance, answers, secrets=SECRETS, document=document) >= 20
    assert {200, 201, 400, 401, 403, 404, 422} <= set(answers.statuses), sorted(set(answers.statuses))
    told = _command_line(appliance, document, tmp_path)
    planted = "kanari-planted-5531"
    client = appliance.client
    answers.note("planted", client.get(f"/v1/{planted}", headers={"X-Request-Id": planted}))
    appliance.client.get("/health/alive", headers={"X-Request-Id": planted})
    wait_for(lambda: planted.encode() in b"".join(taken.bodies))

    places = {
        "log": b"".join(file.read_bytes() for file in _logs(appliance)),
        "metrics": appliance.as_role("operator").get("/metrics").content,
        "alarms": appliance.as_role("operator").get("/v1/alarms").content,
        "audit": appliance.as_role("auditor").get("/v1/audit?limit=1000").content,
        "traces": b"".join(taken.bodies),
        "webhook": b"".join(body + str(headers).encode() for body, headers in taken.messages),
        "diagnosis": _diagnosis(appliance, tmp_path),
        **{f"command line {name}": text.encode() for name, text in told.items()},
        **{f"answer {name}": content for name, content in answers.refusals.items()},
        **leaks.texts_of_database(appliance.home),
        **leaks.files(appliance.home, but=NOT_LOOKED_AT),
        **leaks.processes(appliance),
    }
    seen = {leak.where.split()[0] for leak in leaks.found({"planted": planted}, places)}
    assert {"log", "traces", "answer"} <= seen, "the search finds nothing"
    own_keys = {
        f"API key of {role}": (appliance.home / "demo" / f"{role}.key").read_text().strip().rpartition("_")[2]
        for role in ("client", "administrator", "operator", "auditor")
    }
    permit = (
        next(appliance.home.glob("run/permit.secret"), None) or _run_dir(appliance) / "permit.secret"
    ).read_bytes()
    found = leaks.found({**SECRETS, **own_keys, "secret of permits": permit.hex()}, places)
    assert [] == found


def _run_dir(appliance: Appliance) -> Path:
    return kyso_settings.load(appliance.home).run_dir


def _sign_and_judge(appliance: Appliance, answers: driving.Answers, document: bytes, folder: Path) -> None:
    """What goes well with secrets in it: a plain and an encrypted document, signed, judged, refused for a wrong password."""
    plain = folder / "plain.pdf"
    plain.write_bytes(document)
    secret = documents.encrypted(folder / "secret.pdf", plain, user=SECRETS["document password"]).read_bytes()
    for password, data, level in (
        (None, document, "B-T"),
        (SECRETS["document password"], secret, "B-B"),
        (SECRETS["wrong document password"], secret, "B-B"),
    ):
        more = {} if password is None else {"password": password}
        answer = answers.note("sign", appliance.sign(data, level=level, **more))
        if answer.status_code == 201:
            answers.signatures.append(answer.json()["id"])
            signed = appliance.client.get(answer.json()["document"]).content
            files = {"document": ("a.pdf", signed, "application/pdf")}
            report = appliance.client.post("/v1/verifications", files=files, data={"options": json.dumps(more)})
            answers.note("verify", report)
    assert 2 == len(answers.signatures)
    appliance.sign(document, key="demo-locked")


def _command_line(appliance: Appliance, document: bytes, folder: Path) -> dict[str, str]:
    """What `kyso` says on standard error beside the service, with right and wrong passwords."""
    told = {}
    for name in ("document password", "wrong document password"):
        (folder / "password").write_text(SECRETS[name])
        (folder / "password").chmod(0o600)
        ran = kyso(
            "sign", folder / "secret.pdf", "-o", folder / "out.pdf", "--key", "demo-official", "--password-file",
            folder / "password", home=appliance.home,
        )  # fmt: skip
        told[f"sign with {name}"] = "\n".join(ran.err)
    ran = kyso("verify", folder / "secret.pdf", "--password-file", folder / "password", home=appliance.home)
    told["verify with a wrong password"] = "\n".join((ran.out, *ran.err))
    return told


def _diagnosis(appliance: Appliance, folder: Path) -> bytes:
    log = max(_logs(appliance), key=lambda file: file.stat().st_size)
    ran = kyso("diagnose", "-o", folder / "d.zip", "--log", log, home=appliance.home)
    assert 0 == ran.status, ran.err
    with zipfile.ZipFile(folder / "d.zip") as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_no_process_leaves_a_core_file(appliance: Appliance):
    """Supervisor, api, keepers and document workers have a core size of 0, soft and hard."""
    pids = {part: appliance.processes(part) for part in ("api.serve", "hsm.keeper", "forkserver", "kyso")}
    assert pids["api.serve"]
    assert pids["hsm.keeper"]
    serving = [pid for part in ("api.serve", "hsm.keeper") for pid in pids[part]]
    for pid in [*serving, *(_parent(one) for one in pids["api.serve"])]:
        limit = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core" in line)
        assert ["0", "0"] == limit.split()[4:6], (pid, limit)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_an_end_under_load_finishes_what_is_begun_and_sends_the_rest_elsewhere(appliance: Appliance, document: bytes):
    """SIGTERM in the middle of signing: every answer is a signature or 503 with Retry-After, and the ledger is whole. The
    last test of this file, for the appliance has ended then."""
    answers: Counter[str] = Counter()
    stop = threading.Event()

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
    wait_for(lambda: answers["201"] >= 8, within=30)
    appliance.runner.terminate()
    appliance.runner.wait(60)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert answers["service-ending"] >= 1, answers
    # A connection that stood idle while the sockets closed is no answer that was lost.
    assert set(answers) <= {"201", "service-ending", "RemoteProtocolError", "ReadError"}, answers
    ran = kyso("audit", "verify", home=appliance.home)
    assert 0 == ran.status, ran
