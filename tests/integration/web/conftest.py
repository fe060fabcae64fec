"""The components are built before the pages that load them are tried; without Node there is nothing to try."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.appliance import ROOT

NOT_AVAILABLE = 69


@pytest.fixture(scope="session", autouse=True)
def components() -> None:
    done = subprocess.run([sys.executable, ROOT / "docker" / "web.py"], capture_output=True, text=True, check=False)
    if done.returncode == NOT_AVAILABLE:
        pytest.skip(done.stderr.strip()[-300:])
    assert 0 == done.returncode, done.stderr
