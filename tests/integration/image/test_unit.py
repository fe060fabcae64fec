"""The systemd unit: how exposed it leaves the service, and that the service works under it, workers' lock-down included."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.appliance import ROOT, free_port
from tests.documents import pdf

pytestmark = [pytest.mark.appliance, pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")]

UNIT = ROOT / "docker" / "systemd" / "kyso.service"
MOST_EXPOSURE = 1.5
PIN = 'pin_credential = "token-pin"'


def test_the_exposure_is_small(tmp_path: Path):
    """`systemd-analyze security` finds at most 1.5 of 10, and no fault in the unit."""
    unit = tmp_path / "kyso.service"
    unit.write_text(UNIT.read_text())
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", told.stdout)
    assert found is not None, told.stdout + told.stderr
    assert float(found[1]) <= MOST_EXPOSURE


def test_the_pin_is_an_encrypted_credential():
    """The unit names no PIN and no file of one: systemd decrypts it for this service alone."""
    text = UNIT.read_text()
    assert "LoadCredentialEncrypted=token-pin\n" in text
    assert not re.search(r"^(Environment|SetCredential)=.*[Pp][Ii][Nn]", text, re.MULTILINE)


@pytest.fixture(scope="module")
def trial():
    """What the image's smoke test uses as well."""
    sys.path.insert(0, str(ROOT / "docker" / "image"))
    try:
        return importlib.import_module("trial")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that is not below /tmp, which the unit's service has to itself."""
    if os.geteuid() != 0:
        pytest.skip("mounts of its own take root")
    with tempfile.TemporaryDirectory(prefix="kyso-unit-", dir="/var/tmp") as folder:
        yield Path(folder)


def processes(first: int) -> list[dict[str, str]]:
    """/proc/PID/status of all processes below one."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        found[int(facts["Pid"])] = facts
    below, frontier = [first], [first]
    while frontier:
        frontier = [pid for pid, facts in found.items() if int(facts["PPid"]) in frontier]
        below += frontier
    return [found[pid] for pid in below if pid in found]


@pytest.mark.skipif(os.environ.get("TEST_IMAGE") != "all", reason="changes mounts of its own process: make test-image")
@pytest.mark.skipif(ROOT.is_relative_to("/tmp"), reason="the unit's own /tmp hides a project that lies there")
def test_the_service_signs_under_the_unit(trial, place: Path, tmp_path: Path):
    """With the unit's system-call filter, read-only files, no capability and the PIN as a credential: ready, workers with
    a filter of their own and Landlock, a signature, a verdict, and an orderly end."""
    home, credentials, port = place / "home", place / "credentials", free_port()
    credentials.mkdir(mode=0o700)
    (credentials / "token-pin").write_text("76543210")
    kyso = Path(sys.executable).with_name("kyso")
    environment = {
        "KYSO_HOME": str(home),
        "CREDENTIALS_DIRECTORY": str(credentials),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "KYSO_LANG": "en",
    }

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [kyso, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    with trial.crl_server() as (crl_port, offered):
        trial.make_home(home, port=port, crl_port=crl_port, at=home, pin=PIN)
        authority = trial.Authority.new(f"http://127.0.0.1:{crl_port}/ca.crl")
        offered["/ca.crl"] = authority.revoked()
        run("token", "init", "--so-pin-file", home / "secrets" / "so.pin")
        run("key", "create", "trial", "--algorithm", "p256")
        run("key", "csr", "trial", "--subject", "CN=Unit", "-o", home / "trial.csr")
        (home / "trial.pem").write_bytes(authority.certify((home / "trial.csr").read_bytes()))
        (home / "trust" / "root.pem").write_bytes(authority.pem)
        run("key", "import-cert", "trial", home / "trial.pem")
        api_key = json.loads(run("caller", "create", "--name", "unit", "--key", "trial", "--format", "json"))["api_key"]
        sandbox = [sys.executable, "-m", "tests.integration.image.unit_sandbox", UNIT, home]
        with (tmp_path / "log").open("wb") as log:
            service = subprocess.Popen([*sandbox, kyso, "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            ready = wait_until_ready(service, port, tmp_path / "log")
            document = pdf(tmp_path / "plain.pdf").read_bytes()
            headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/pdf"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
                order = json.dumps(
                    {"key": "trial", "level": "B-B", "place": {"page": 1, "box": [60, 60, 320, 130]}, "stamp": {}}
                )
                signed = client.post("/v1/signatures", files={"document": document}, data={"order": order})
                assert 201 == signed.status_code, signed.text
                headers = {"Accept": "application/json"}
                report = client.post("/v1/verifications", files={"document": signed.content}, headers=headers).json()
            found = processes(service.pid)
        finally:
            service.send_signal(signal.SIGTERM)
            status = service.wait(60)
    assert "TOTAL_PASSED" == report["verdict"]
    assert ready["workers"]["seccomp"] is True
    assert ready["workers"]["landlock"] >= 1
    assert {"0" * 16} == {facts[name] for facts in found for name in ("CapEff", "CapPrm", "CapBnd")}
    filters = [int(facts["Seccomp_filters"]) for facts in found]
    assert 1 == min(filters)
    assert 2 == max(filters)  # the workers' own
    assert 0 == status
    assert "76543210" not in (tmp_path / "log").read_text()


def wait_until_ready(service: subprocess.Popen[bytes], port: int, log: Path) -> dict:
    """What `/health/ready` says, once all is well."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and service.poll() is None:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5)
            if answer.status_code == 200:
                return answer.json()
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    service.kill()
    raise AssertionError(log.read_text()[-3000:])
