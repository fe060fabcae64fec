"""A running service whose PIN nobody keeps: locked after the start, unlocked by an administrator, locked again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.ledger import Ledger
from api.store import callers
from api.store.database import open_database
from tests.appliance import free_port
from tests.cli_support import ROOT, Ran
from tests.documents import pdf
from tests.hsm_support import PIN, SO_PIN, SOFTHSM, WRONG_PIN, need_softhsm
from tests.pki import Authority

pytestmark = pytest.mark.appliance

SETTINGS = """
[server]
port = {port}
workers = 1

[modules.hsm]
library = "{library}"
token = "kyso-mau"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}
"""


@dataclass
class Service:
    """A service in a home of its own, and a client's API key."""

    home: Path
    port: int
    api_key: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from api.cli import main; main()", "serve"]
        with (self.home / "log" / "serve.log").open("ab") as sink:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment(), stdout=sink, stderr=sink)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.get("/health/alive").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.home / "log" / "serve.log").read_text()[-3000:])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def kyso(self, *arguments: str, typed: str = "") -> Ran:
        done = subprocess.run(
            [sys.executable, "-c", "from api.cli import main; main()", *arguments],
            cwd=ROOT,
            env=self._environment(),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout, done.stderr.splitlines())

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def post(self, path: str, document: Path, **data: str) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{self.port}{path}",
            files={"document": ("a.pdf", document.read_bytes(), "application/pdf")},
            data=data,
            headers={"Authorization": f"Bearer {self.api_key}", "Accept-Language": "en"},
            timeout=60,
        )

    def sign(self, document: Path) -> tuple[int, str]:
        answer = self.post("/v1/signatures", document, order=json.dumps({"key": "seal", "level": "B-B"}))
        return answer.status_code, answer.json().get("code", "")

    def lines(self) -> list[tuple[str, str]]:
        database = open_database(f"sqlite:///{self.home}/kyso.db")
        try:
            lines = Ledger(database).read(limit=1000)
            return [(line.kind, str(line.facts.get("what") or line.facts.get("purpose") or "")) for line in lines]
        finally:
            database.close()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KYSO_HOME": str(self.home), "KYSO_LANG": "en", "KYSO_PORT": str(self.port)}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    need_softhsm()
    home = tmp_path_factory.mktemp("locked") / "home"
    for folder in (home, home / "tokens", home / "log", home / "trust"):
        folder.mkdir()
    port = free_port()
    (home / "kyso.toml").write_text(SETTINGS.format(port=port, library=SOFTHSM))
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nobjectstore.backend = file\n")
    environment = {**os.environ, "SOFTHSM2_CONF": str(home / "softhsm2.conf")}
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "kyso-mau", "--so-pin", SO_PIN, "--pin", PIN],
        env=environment,
        check=True,
        capture_output=True,
    )
    root = Authority.root()
    (home / "trust" / "root.pem").write_bytes(root.pem)
    database = open_database(f"sqlite:///{home}/kyso.db")
    api_key = database.write(callers.create, name="client", role="client", keys=("seal",))
    database.close()
    made = Service(home, port, api_key)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return pdf(tmp_path / "a.pdf")


def test_an_administrator_unlocks_and_locks_a_running_service(service: Service, document: Path):
    """Locked: signing is refused for a state, verifying works. A wrong PIN changes nothing, the right one opens it while the
    service runs; `lock` closes it; a restart knows no PIN."""
    assert (503, "appliance-locked") == service.sign(document)
    assert 200 == service.post("/v1/verifications", document).status_code
    assert "locked" == service.get("/health/ready").json()["appliance"]["state"]
    wrong = service.kyso("unlock", "hsm", "--pin-stdin", typed=WRONG_PIN + "\n")
    assert 69 == wrong.status
    assert "pin-refused" in wrong.err[-1]
    assert 64 == service.kyso("unlock", typed="").status  # nobody types here
    opened = service.kyso("unlock", "hsm", "--pin-stdin", typed=PIN + "\n")
    assert 0 == opened.status, opened
    assert 0 == service.kyso("key", "create", "seal", "--algorithm", "p256").status
    deadline = time.monotonic() + 10
    while (found := service.sign(document)) == (503, "appliance-locked") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "appliance-locked" != found[1]
    for leak in (wrong, opened):
        assert PIN not in str(leak)
        assert WRONG_PIN not in str(leak)
    assert PIN not in (service.home / "log" / "serve.log").read_text()

    deadline = time.monotonic() + 30
    while ("INTENT", "canary") not in service.lines() and time.monotonic() < deadline:
        time.sleep(0.3)
    assert ("INTENT", "canary") in service.lines()  # the key that came signs its canary by itself

    assert 0 == service.kyso("lock").status
    deadline = time.monotonic() + 10
    while (found := service.sign(document)) != (503, "appliance-locked") and time.monotonic() < deadline:
        assert found[1] in ("token-locked", "key-without-certificate", "mechanism-not-supported"), found
        time.sleep(0.2)
    assert (503, "appliance-locked") == found
    service.stop()
    service.start()
    assert (503, "appliance-locked") == service.sign(document)
    said = service.kyso("status", "--format", "json")
    assert 69 == said.status
    assert {"do": "unlock", "about": "hsm"} in json.loads(said.out)["next"]
    changes = [what for kind, what in service.lines() if kind == "CHANGED"]
    assert ["unlock-asked", "unlock-refused", "unlock-asked", "unlocked", "locked"] == changes


def test_without_a_service_there_is_nothing_to_unlock(tmp_path: Path, service: Service):
    """A keeper of the command's own would forget at once: it says so instead."""
    alone = Service(tmp_path / "home", service.port, "")
    alone.home.mkdir()
    (alone.home / "kyso.toml").write_text((service.home / "kyso.toml").read_text())
    ran = alone.kyso("unlock", "hsm", "--pin-stdin", typed="1234\n")
    assert 69 == ran.status
    assert "keeper-not-available" in ran.err[-1]
