"""The image is built and tried out as `make image` does it: what is promised of the container is looked at by the kernel's
own records. A machine that cannot build or run containers skips, with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.appliance import ROOT

pytestmark = [
    pytest.mark.appliance,
    pytest.mark.timeout(1500),
    pytest.mark.skipif("TEST_IMAGE" not in os.environ, reason="takes minutes and Debian's archive: make test-image"),
]

NOT_AVAILABLE = 69


def ran(script: str) -> str:
    """One part of `make image`; what it printed."""
    command = [sys.executable, ROOT / "docker" / "image" / script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == NOT_AVAILABLE:
        pytest.skip(done.stderr.strip()[-300:])
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> str:
    return ran("build.py")


def test_the_image_signs_without_rights(built: str):
    """Read-only root, uid 10001, no capability, seccomp on: it signs over HTTP, its signature is TOTAL_PASSED, and it
    ends by SIGTERM with status 0. `smoke.py` checks each and fails otherwise."""
    told = ran("smoke.py")
    for part in (
        "TOTAL_PASSED over HTTP",
        "10001, 10001 in all of them",
        "10002, 10001 in all of them",
        "their management socket refuses the service",
        "none: CapPrm",
        "seccomp True",
        "ro,",
        "status 0",
    ):
        assert part in told


def test_an_image_that_is_current_is_not_made_again(built: str):
    """Built a second time with nothing changed, nothing is made."""
    assert "base      kept" in ran("build.py")


def test_no_file_of_the_context_is_forgotten():
    """Whatever the Containerfiles copy is let through by .dockerignore, and state and history are not."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in allowed)
    assert not {"var", ".git", ".venv", "tests"} & {name.split("/")[0] for name in allowed}
    for file in ("Containerfile", "Containerfile.softhsm"):
        for line in (ROOT / "docker" / file).read_text().splitlines():
            if line.startswith("COPY ") and "--from" not in line:
                sources = line.split()[1:-1]
                assert all(
                    source == "." or any(Path(source).is_relative_to(name) for name in allowed) for source in sources
                )
