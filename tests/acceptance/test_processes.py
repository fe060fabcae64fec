"""Each kind of process is killed while signatures are made; the service comes back and nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from pathlib import Path

import httpx
import pytest

from tests import readers
from tests.appliance import Appliance, running
from tests.cli_support import kyso
from tests.documents import pdf

pytestmark = pytest.mark.spine

PARTS = ["hsm.keeper", "api.sandbox.forkserver", "api.serve"]
RECOVERS_WITHIN = 30.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory):
    """An appliance of its own: it is going to be hurt."""
    with running(tmp_path_factory.mktemp("hurt") / "home") as served:
        yield served


class Client(threading.Thread):
    """Signs in a loop as a patient backend does: one Idempotency-Key a document, repeated until it is answered, or
    until the answer is that only people can tell whether the key was used."""

    def __init__(self, appliance: Appliance, document: bytes) -> None:
        super().__init__()
        self._appliance, self._document = appliance, document
        self._stop_ = threading.Event()
        self.signed: list[dict] = []
        self.strange: list[str] = []
        self.doubts = 0

    def run(self) -> None:
        while not self._stop_.is_set():
            self._sign_one({"Idempotency-Key": str(uuid.uuid4())})

    def _sign_one(self, headers: dict[str, str]) -> None:
        deadline = time.monotonic() + RECOVERS_WITHIN
        while time.monotonic() < deadline:
            try:
                answer = self._appliance.sign(self._document, headers=headers)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 201:
                self.signed.append(answer.json())
                return
            if answer.json().get("code") == "signature-in-doubt":
                self.doubts += 1
                return
            if answer.status_code not in (409, 503):
                self.strange.append(answer.text)
                return
            time.sleep(0.1)
        self.strange.append("no answer in time")

    def finish(self) -> None:
        self._stop_.set()
        self.join(2 * RECOVERS_WITHIN)


@pytest.mark.parametrize("part", PARTS)
def test_killed_while_signing(own: Appliance, tmp_path: Path, part: str):
    """kill -9 of this part, three times under load: every acknowledged signature is there and valid. Only a keeper that
    dies in the middle of a use leaves a doubt."""
    document = pdf(tmp_path / "a.pdf", ballast=20_000).read_bytes()
    client = Client(own, document)
    client.start()
    try:
        for _ in range(3):
            time.sleep(0.7)
            pids = own.processes(part)
            assert pids, f"no process of {part} is running"
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            before = len(client.signed)
            deadline = time.monotonic() + RECOVERS_WITHIN
            while len(client.signed) < before + 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(client.signed) >= before + 2, f"signing did not go on after {part} was killed"
    finally:
        client.finish()
    assert [] == client.strange
    assert client.doubts <= (3 if part == "hsm.keeper" else 0)
    for answer in (client.signed[0], *client.signed[-5:]):
        path = tmp_path / "signed.pdf"
        path.write_bytes(own.client.get(answer["document"]).content)
        assert [(True, True)] == readers.poppler(path)


def test_a_worker_killed_costs_one_answer_at_most(own: Appliance, tmp_path: Path):
    """Document workers are killed while they work: the next document is signed."""
    document = pdf(tmp_path / "a.pdf", ballast=20_000).read_bytes()
    forkservers = own.processes("api.sandbox.forkserver")
    for _ in range(3):
        own.sign(document)
        for pid in own.processes("api.sandbox.forkserver"):
            if pid not in forkservers[:1]:
                os.kill(pid, signal.SIGKILL)
        assert 201 == own.sign(document).status_code


def test_the_whole_appliance_killed_and_started_again(own: Appliance, tmp_path: Path):
    """kill -9 of the supervisor takes everything down; the next start serves, and the ledger is whole.

    The last test of this file: `own` is gone after it.
    """
    document = pdf(tmp_path / "a.pdf").read_bytes()
    answer = own.sign(document).json()
    (supervisor, *_) = own.processes("kyso serve")
    others = [Path(f"/proc/{pid}") for part in PARTS for pid in own.processes(part)]
    assert len(others) >= 4
    os.kill(supervisor, signal.SIGKILL)
    own.runner.wait(RECOVERS_WITHIN)
    deadline = time.monotonic() + RECOVERS_WITHIN
    while any(process.exists() for process in others) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [process for process in others if process.exists()]
    assert 0 == kyso("audit", "verify", home=own.home).status
    with running(own.home, port=own.port) as again:
        path = tmp_path / "signed.pdf"
        path.write_bytes(again.client.get(answer["document"]).content)
        assert [(True, True)] == readers.poppler(path)
        assert 201 == again.sign(document).status_code
