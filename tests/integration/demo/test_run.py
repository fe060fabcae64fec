"""The set-up and the runner: again in seconds, with its data; and what they say when they cannot go on."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.appliance import free_port, running
from tests.cli_support import ROOT

pytestmark = pytest.mark.spine

sys.path.append(str(ROOT / "docker" / "demo"))
import home as demo_home  # noqa: E402 - the demo is a folder of scripts, not a package
import setup_home  # noqa: E402
from identities import IDENTITIES  # noqa: E402

RUNNER = (sys.executable, ROOT / "docker" / "demo" / "run.py")


def _demo(home: Path, port: int | str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_PORT": str(port), "KYSO_LANG": "en"}
    return subprocess.run(
        RUNNER, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_a_second_run_is_quick_and_keeps_the_data(tmp_path: Path):
    """`make demo` ends with status 0; `make run` after it has the same keys, API keys and signatures."""
    home, port = tmp_path / "a home", free_port()
    first = _demo(home, port)
    assert 0 == first.returncode, first.stdout + first.stderr
    assert "TOTAL_PASSED" in first.stdout
    assert all(identity.ref in first.stdout for identity in IDENTITIES)
    api_keys = {path: path.read_bytes() for path in (home / "demo").glob("*.key")}
    keys = sorted(path.name for path in (home / "softhsm").rglob("*.object"))
    began = time.monotonic()
    with running(home, port=port) as appliance:
        took = time.monotonic() - began
        lines = appliance.as_role("auditor").get("/v1/audit").json()
    assert {path: path.read_bytes() for path in api_keys} == api_keys
    assert sorted(path.name for path in (home / "softhsm").rglob("*.object")) == keys
    assert str(lines).count("COMPLETED") > 5
    assert took < 25, f"{took:.1f} s: it should be seconds; a busy machine may take some more"


def test_another_port_has_certificates_issued_anew_and_edited_settings_stay(tmp_path: Path):
    """Addresses stand in certificates and settings: both follow KYSO_PORT, unless the operator wrote the settings."""
    (tmp_path / "demo").mkdir()
    demo_home.write(tmp_path, port=8080, former_port=None)
    demo_home.note_state(tmp_path, port=8080)
    assert demo_home.is_set_up(tmp_path, port=8080)
    assert not demo_home.is_set_up(tmp_path, port=9090)
    demo_home.write(tmp_path, port=9090, former_port=8080)
    toml = tmp_path / "kyso.toml"
    assert demo_home.kyso_toml(port=9090) == toml.read_text()
    toml.write_text(toml.read_text() + "# mine\n")
    demo_home.write(tmp_path, port=7070, former_port=9090)
    assert toml.read_text().endswith("# mine\n")


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


@pytest.mark.parametrize("port", ["http", "65535", "0", "-1"])
def test_a_port_that_is_none_is_told(tmp_path: Path, port: str):
    """The last port has no room for the demo PKI behind it; words are no ports."""
    ran = _demo(tmp_path / "home", port)
    assert 69 == ran.returncode
    assert [f"kyso: demo: KYSO_PORT is a number to 65534, not {port}"] == ran.stderr.splitlines()


def test_settings_of_an_older_demo_are_written_anew(tmp_path: Path):
    """What the last set-up wrote is not the operator's, even if this version writes it otherwise."""
    (tmp_path / "demo").mkdir()
    demo_home.write(tmp_path, port=8080, former_port=None)
    demo_home.note_state(tmp_path, port=8080)
    older = "# as an older version wrote it\n"
    (tmp_path / "kyso.toml").write_text(older)
    noted = demo_home.state(tmp_path) | {"toml": hashlib.sha256(older.encode()).hexdigest()}
    (tmp_path / "demo" / "setup.json").write_text(json.dumps(noted))
    demo_home.write(tmp_path, port=8080, former_port=8080)
    assert demo_home.kyso_toml(port=8080) == (tmp_path / "kyso.toml").read_text()


def test_the_pins_outlive_the_folder_of_the_demo(tmp_path: Path):
    """Who deletes `demo` to begin anew still has the PINs of the tokens that stay."""
    setup_home._pins(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    setup_home._pins(tmp_path)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert 5 == len(before)


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
