"""The lock files and the make targets that everybody relies on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.spine

ROOT = Path(__file__).parents[3]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock", "requirements-build.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_version_and_hash_and_names_no_address(name):
    """An installation takes exactly these files, from whichever index or mirror the machine uses."""
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links| @ |/(opt|home|work|root)/", text)
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^ *#.*\n?", "", text))
    pinned = [entry for entry in entries if re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==\S+", entry)]
    assert len(pinned) == len([entry for entry in entries if entry.strip()]) > 0
    assert all("--hash=sha256:" in entry for entry in pinned)


def test_the_runtime_lock_is_part_of_the_development_lock():
    """What is tested is what runs: both name the same version of each package."""
    versions = [
        dict(re.findall(r"(?m)^([a-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / name).read_text("utf-8")))
        for name in LOCKS[:2]
    ]
    runtime, development = versions
    assert runtime == {name: development.get(name) for name in runtime}


@pytest.mark.parametrize("target", ["run", "demo", "test", "bench", "check", "image", "bundle"])
def test_every_target_of_the_interface_exists(target):
    """`make TARGET` is known, and its set-up is part of it."""
    planned = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stderr
    assert "docker/setup.sh" in planned.stdout
