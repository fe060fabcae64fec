"""The parts of the lock-down, each on its own in a forked child."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from api.sandbox import lockdown

pytestmark = pytest.mark.spine


def in_child(work) -> str:
    """What `work` returns in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = str(work())
        except Exception as error:  # noqa: BLE001 - the parent asserts what it was
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def outcome(attempt) -> str:
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "allowed"


@pytest.fixture(scope="module")
def plan() -> lockdown.Plan:
    return lockdown.prepare(lockdown.Limits())


def test_a_process_reports_what_holds_it(plan):
    """Entering the plan answers that seccomp is on, and Landlock's ABI of this kernel."""
    assert in_child(plan.enter) == f"Lockdown(seccomp=True, landlock_abi={plan.landlock_abi})"


def test_a_filter_that_cannot_be_loaded_is_an_error(plan):
    """Without its system-call filter a process does not count as locked down."""
    assert in_child(replace(plan, program=b"").enter).startswith("LockdownFailed: prctl 22")


def test_a_filter_that_lets_everything_pass_is_noticed(plan):
    """A program that loads and refuses nothing (`BPF_RET ALLOW`) does not pass for a lock-down."""
    allow_all = bytes.fromhex("06000000" + "0000ff7f")
    answer = in_child(replace(plan, program=allow_all, ruleset=None).enter)

    assert answer == "LockdownFailed: the system-call filter is not in force"


def test_the_capabilities_are_gone(plan):
    """A worker of a service that runs as root holds no capability, neither effective nor permitted."""

    def capabilities() -> str:
        status = os.open("/proc/self/status", os.O_RDONLY)
        lockdown._drop_capabilities()
        lines = os.read(status, 10_000).decode().splitlines()
        return " ".join(line.split()[1] for line in lines if line.startswith(("CapEff", "CapPrm", "CapInh")))

    assert in_child(capabilities) == "0000000000000000 0000000000000000 0000000000000000"


@pytest.mark.skipif(lockdown._landlock()[1] < 1, reason="this kernel has no Landlock")
def test_landlock_alone_refuses_files_and_tcp():
    """Behind the system-call filter stands a second wall: Landlock refuses files, and TCP from ABI 4."""
    ruleset, abi = lockdown._landlock()

    def walled() -> str:
        lockdown._prctl(lockdown._PR_SET_NO_NEW_PRIVS, 1)
        lockdown._syscall("restrict", lockdown._LANDLOCK_RESTRICT_SELF, ruleset, 0)
        attempts = [
            lambda: os.open("/etc/passwd", os.O_RDONLY),
            lambda: Path("/tmp/kyso-was-here").mkdir(),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).bind(("127.0.0.1", 0)),
        ]
        return " ".join(outcome(attempt) for attempt in attempts)

    tcp = "PermissionError" if abi >= 4 else "allowed"
    assert in_child(walled) == f"PermissionError PermissionError {tcp}"
    os.close(ruleset)


def test_without_libseccomp_nothing_is_served(tmp_path):
    """Where the filter cannot be compiled the fork server ends with status 69 instead of serving."""
    program = (
        "import sys; from api.sandbox import forkserver, lockdown; import pyseccomp\n"
        "def broken(*a): raise OSError('no seccomp here')\n"
        "pyseccomp.SyscallFilter = broken\n"
        "sys.exit(forkserver.main(['--socket-fd', '0', '--ops', 'tests.sandbox_support']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)

    assert (69, True) == (ended.returncode, "cannot be locked down" in ended.stderr)
