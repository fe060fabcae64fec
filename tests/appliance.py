"""A whole appliance with its demo identities, as `make run` starts it: own home, own ports, real processes.

>>> with running(tmp_path / "home") as appliance:                     # doctest: +SKIP
...     appliance.client.get("/health/ready")
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 120.0
ENDS_WITHIN = 30.0


@dataclass
class Appliance:
    """A running appliance: where it lives, and how a client with the demo's API key talks to it."""

    home: Path
    port: int
    runner: subprocess.Popen[bytes]
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.as_role("client")

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def as_role(self, role: str) -> httpx.Client:
        """An HTTP client with the demo's API key of a role."""
        api_key = (self.home / "demo" / f"{role}.key").read_text().strip()
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {api_key}", "Accept-Language": "en"}, timeout=60
        )

    def sign(self, document: bytes, *, headers: dict[str, str] | None = None, **order: object) -> httpx.Response:
        """POST /v1/signatures, as a workflow backend does."""
        order = {"key": "demo-official", "format": "PAdES", "level": "B-B", **order}
        return self.client.post(
            "/v1/signatures",
            files={"document": ("a.pdf", document, "application/pdf")},
            data={"order": json.dumps(order)},
            headers=headers,
        )

    def verify(self, document: bytes) -> dict[str, object]:
        """POST /v1/verifications: the report."""
        answer = self.client.post("/v1/verifications", files={"document": ("a.pdf", document, "application/pdf")})
        answer.raise_for_status()
        return answer.json()

    def processes(self, part: str) -> list[int]:
        """Process ids below the runner whose command line holds `part`, oldest first."""
        return [pid for pid in _descendants(self.runner.pid) if part in _command(pid)]


def free_port() -> int:
    """A loopback port that is free together with its successor, where the demo PKI listens."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise RuntimeError("no two ports in a row are free")


SET_UP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import setup_home
setup_home.set_up(Path(sys.argv[2]), port=int(sys.argv[3]))
"""


@cache
def _template() -> tuple[Path, int]:
    """A demo's home as its first set-up leaves it, made once a run, and its port: addresses stand in its certificates."""
    folder = Path(tempfile.mkdtemp(prefix="kyso-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = free_port()
    command = [sys.executable, "-c", SET_UP, ROOT / "docker" / "demo", folder / "home", str(port)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return folder / "home", port


def laid_out(home: Path) -> int:
    """Make `home`, which is not there, that of a demo whose set-up is done; the port on which it is to be served.

    From a template, because making tokens and keys takes longer than all else; while another demo has the template's port,
    from the beginning."""
    template, port = _template()
    with socket.socket() as first, socket.socket() as second:
        try:
            for one, wanted in ((first, port), (second, port + 1)):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    shutil.copytree(template, home)
    for name in ("softhsm2.conf", "demo/setup.json"):
        text = (home / name).read_text("utf-8")
        assert str(template) in text
        (home / name).write_text(text.replace(str(template), str(home)), "utf-8")
    return port


@contextmanager
def running(home: Path, *, port: int | None = None) -> Iterator[Appliance]:
    """Set up what is missing in `home`, serve until the block ends, stop in order."""
    if port is None:
        port = free_port() if home.exists() else laid_out(home)
    log = home.with_suffix(".log")
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_PORT": str(port), "KYSO_LANG": "en"}
    log.unlink(missing_ok=True)
    with log.open("ab") as sink:
        runner = subprocess.Popen(
            [sys.executable, ROOT / "docker" / "demo" / "run.py", "--serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        _wait_until_serving(runner, log)
        yield Appliance(home, port, runner)
    finally:
        runner.send_signal(signal.SIGTERM)
        try:
            runner.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            runner.kill()
            runner.wait()


@contextmanager
def serving(home: Path, *, port: int) -> Iterator[Appliance]:
    """A home that is set up, served until the block ends, without the samples that a demo signs first."""
    log = home.with_suffix(".log")
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_LANG": "en"}
    pki = [ROOT / "docker" / "demo" / "pki.py", home / "demo" / "pki", str(port + 1)]
    commands = ([sys.executable, *pki], [Path(sys.executable).with_name("kyso"), "serve"])
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("ab") as sink:
            for command in commands:
                run = partial(subprocess.Popen, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
                started.append(run(command, stdout=sink, stderr=sink))
        _wait_until_ready(started, log, port=port)
        yield Appliance(home, port, started[-1])
    finally:
        for one in reversed(started):
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def _wait_until_ready(started: list[subprocess.Popen[bytes]], log: Path, *, port: int) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        if any(one.poll() is not None for one in started) or time.monotonic() > deadline:
            raise RuntimeError(f"the appliance did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")
        try:
            answers = [
                httpx.get(f"http://localhost:{at}{path}") for at, path in ((port, "/health/ready"), (port + 1, "/"))
            ]
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answers[0].status_code == httpx.codes.OK:
            return
        time.sleep(0.1)


def _wait_until_serving(runner: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while b"Serving" not in log.read_bytes():
        if runner.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the appliance did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")
        time.sleep(0.1)


def _descendants(root: int) -> list[int]:
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found, frontier = set(), {root}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return sorted(found)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
