"""The supervisor keeps its children alive, ends them in order, and never leaves one behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from api.sandbox.pool import Sandbox
from hsm.token import Token
from tests.integration.sandbox.test_mishaps import assert_gone
from tests.sandbox_support import Text
from verify.fetcher import Offline

pytestmark = pytest.mark.spine
NAMES = {"workers", "keeper-demo", "api-1", "api-2"}
CONFIGURATION = """
[server]
port = 0
workers = 2
[modules.demo]
library = "/nowhere/module.so"
token = "nothing"
"""


class Supervised:
    """A supervisor under test and the log lines that it has written."""

    def __init__(self, home: Path, manner: str = "plain") -> None:
        self.home, self.lines = home, []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.supervisor_support", str(home), manner], stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            if line.startswith("{"):
                self.lines.append(json.loads(line))

    def seen(self, event: str, *, process: str | None = None) -> list[dict]:
        chosen = [line for line in self.lines if line["event"] == event]
        return chosen if process is None else [line for line in chosen if line.get("process") == process]

    def wait_for(self, event: str, *, times: int = 1, process: str | None = None) -> dict:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if len(found := self.seen(event, process=process)) >= times:
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no {event} of {process}: {self.lines}")

    def pids(self) -> dict[str, int]:
        return {line["process"]: line["pid"] for line in self.seen("started")}

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self._reader.join(5)
        self.process.stderr.close()
        return status


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "kyso.toml").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def supervised(home):
    made = []

    def make(manner: str = "plain") -> Supervised:
        made.append(Supervised(home, manner))
        return made[-1]

    yield make
    for one in made:
        one.stop(signal.SIGKILL)


def run_dir(home: Path) -> Path:
    from api.settings import load

    return load(home).run_dir


def test_whatever_dies_is_started_again_and_the_end_is_orderly(supervised, home):
    """All are started, the second api worker once the first answers. Each kind of process is killed and comes back, the
    service answers as before; SIGTERM ends all and leaves neither a process nor the permit secret."""
    running = supervised()
    ready = running.wait_for("ready")
    second = running.wait_for("started", process="api-2")
    assert running.lines.index(ready) < running.lines.index(second)
    assert set(running.pids()) == NAMES
    secret = run_dir(home) / "permit.secret"
    assert (len(secret.read_bytes()), secret.stat().st_mode & 0o777) == (32, 0o600)

    first = running.pids()
    for pid in first.values():
        os.kill(pid, signal.SIGKILL)
    for name in NAMES:
        assert running.wait_for("ended", process=name)["status"] == -signal.SIGKILL
        running.wait_for("started", process=name, times=2)
    assert urllib.request.urlopen(ready["url"] + "/health/ready", timeout=5).status == 200
    with Sandbox(run_dir(home) / "workers.sock").worker("a") as worker:
        assert worker.call("echo", Text("alive"), files=[], fetcher=Offline(), result=str) == "alive"
    assert Token(run_dir(home) / "keeper-demo.sock").status().state == "unavailable"

    last = running.pids()
    assert running.stop() == 0
    assert len(running.seen("stopping")) == 1
    assert running.lines[-1]["event"] == "stopped"
    assert running.seen("killed") == []
    assert not secret.exists()
    for pid in {*first.values(), *last.values()}:
        assert_gone(pid)


def test_children_do_not_outlive_a_killed_supervisor(supervised, home):
    """Also SIGKILL, which the supervisor cannot heed, leaves no process behind."""
    running = supervised()
    running.wait_for("ready")
    # A keeper binds itself to its parent, once it has started.
    assert Token(run_dir(home) / "keeper-demo.sock").status().pid == running.pids()["keeper-demo"]
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL

    for pid in running.pids().values():
        assert_gone(pid)


def test_there_is_one_supervisor_for_a_home(supervised):
    """A second supervisor for the same state refuses to start and disturbs nothing."""
    running = supervised()
    running.wait_for("ready")
    second = supervised()

    assert second.stop(0) == 69
    assert "another supervisor" in second.seen("cannot start")[0]["reason"]
    assert running.process.poll() is None
    assert running.stop(signal.SIGINT) == 0


def test_a_child_that_ignores_its_end_is_killed(supervised):
    """The orderly end has a time limit."""
    running = supervised("stubborn")
    running.wait_for("started", process="api-2")
    began = time.monotonic()

    assert running.stop() == 0
    assert time.monotonic() - began < 20
    killed = {line["process"] for line in running.seen("killed")}
    assert set() < killed <= {"api-1", "api-2"}


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(supervised):
    """Restarts back off, so that a broken child does not eat the machine; the supervisor says what it sees."""
    running = supervised("short-lived")
    running.wait_for("ended", process="api-1", times=3)
    announced = [line["again_in"] for line in running.seen("ended", process="api-1")][:3]

    assert announced == [announced[0], 2 * announced[0], 4 * announced[0]]
    assert announced[0] >= 0.1
    # The log's clock and the supervisor's differ by what passes between a decision and its line.
    assert all(gap > 0.8 * pause for gap, pause in zip(_gaps(running, "api-1"), announced, strict=False))
    assert running.wait_for("ended", process="api-1")["status"] == 3
    assert running.seen("ready") == []
    assert running.stop() == 0


def _gaps(running: Supervised, process: str) -> list[float]:
    """Seconds between an end and the next start."""
    from datetime import datetime

    running.wait_for("started", process=process, times=3)
    ends = [datetime.fromisoformat(line["timestamp"]) for line in running.seen("ended", process=process)]
    starts = [datetime.fromisoformat(line["timestamp"]) for line in running.seen("started", process=process)]
    return [(start - end).total_seconds() for end, start in zip(ends, starts[1:], strict=False)]


def test_the_supervisor_stays_small():
    """It imports no library that reads documents or certificates, no database and no web framework."""
    program = "import sys, api.supervisor; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    forbidden = {
        "pyhanko",
        "lxml",
        "cryptography",
        "asn1crypto",
        "pypdfium2",
        "pkcs11",
        "fastapi",
        "uvicorn",
        "sqlalchemy",
        "httpx",
    }

    assert forbidden & set(modules.split()) == set()
