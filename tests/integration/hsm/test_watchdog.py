"""A module that hangs inside the interpreter's lock: the thread cannot run, the kernel's timer can."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.spine

SCRIPT = """
import ctypes, sys
from hsm import watchdog
watchdog._GRACE = 0.5
watchdog.Watchdog(lambda: None, limit=0.5).start()
import time; time.sleep({seconds})      # lets the lock go: nothing happens
{hang}
print("still here")
"""


def run(*, hang: str) -> subprocess.CompletedProcess[str]:
    """A process with a watchdog of half a second."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(hang=hang, seconds=1.5)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_call_that_keeps_the_interpreter_lock_ends_the_process() -> None:
    """SIGALRM by the timer that nobody pushed ahead."""
    assert run(hang="ctypes.PyDLL(None).sleep(20)").returncode == -signal.SIGALRM


def test_a_process_that_works_is_left_alone() -> None:
    """Longer than limit and grace together."""
    assert run(hang="").stdout == "still here\n"
