"""The set-up and the runner: again in seconds, with its data; and what they say when they cannot go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.appliance import free_port
from tests.cli_support import ROOT

pytestmark = pytest.mark.spine

RUNNER = (sys.executable, ROOT / "docker" / "demo" / "run.py")


def _demo(home: Path, port: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_PORT": str(port), "KYSO_LANG": "en"}
    return subprocess.run(
        RUNNER, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_a_second_run_is_quick_and_keeps_the_data(tmp_path: Path):
    """Keys, API keys and the ledger of the first run are there in the second, also on another port."""
    home, port = tmp_path / "home", free_port()
    first = _demo(home, port)
    assert 0 == first.returncode, first.stdout + first.stderr
    kept = {path: path.read_bytes() for path in (home / "demo").glob("*.key")}
    keys = sorted(path.name for path in (home / "softhsm").rglob("*.object"))
    began = time.monotonic()
    second = _demo(home, port)
    took = time.monotonic() - began
    assert 0 == second.returncode, second.stdout + second.stderr
    assert "TOTAL_PASSED" in second.stdout
    assert {path: path.read_bytes() for path in kept} == kept
    assert sorted(path.name for path in (home / "softhsm").rglob("*.object")) == keys
    assert took < 20, f"{took:.1f} s"  # 5 s is what it takes; this is no benchmark
    moved = _demo(home, free_port())
    assert 0 == moved.returncode, moved.stdout + moved.stderr
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_busy_port_is_told_and_nothing_is_made(tmp_path: Path):
    """Who has another program on the port reads which port, and how to choose another."""
    port = free_port()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        ran = _demo(tmp_path / "home", port)
    assert 69 == ran.returncode
    assert f"port {port}" in ran.stderr
    assert "KYSO_PORT=" in ran.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("path", "said"), [("", "Python 3.11"), ("python", "neither Debian nor Ubuntu")], ids=["no python", "no apt"]
)
def test_the_set_up_says_what_it_lacks(tmp_path: Path, path: str, said: str):
    """On a machine that is not Debian's kin, nobody is left with a stack of shell errors."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "python3").symlink_to(sys.executable)
    ran = subprocess.run(
        ["/bin/bash", ROOT / "docker" / "setup.sh", "run"],
        env={"PATH": str(tmp_path / path) if path else str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 69 == ran.returncode
    assert said in ran.stderr
    assert 1 == len(ran.stderr.splitlines())


def test_the_set_up_has_nothing_to_do_here_and_is_quick():
    """With every package present it neither asks for rights nor waits."""
    ran = subprocess.run(
        [ROOT / "docker" / "setup.sh", "test"], capture_output=True, text=True, check=False, timeout=10
    )
    assert (0, "") == (ran.returncode, ran.stdout), ran.stderr
