"""The PIN stays in the keeper: seen from outside, and in everything it writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hsm.lifecycle import PinSource
from tests.hsm_support import PIN, SO_PIN, WRONG_PIN, a_box, signed_attributes

pytestmark = pytest.mark.spine

ROOT = Path(__file__).parents[3]


def test_the_pin_is_nowhere_but_in_its_file_and_the_keepers_memory() -> None:
    """Not in arguments, environment, logs, log of uses, markers or answers; right, wrong or the officer's."""
    with a_box() as box:
        box.make_token()
        token = box.start()
        box.create("key", "p256")
        box.sign(token, signed_attributes(b"x"), key="key", mechanism="ecdsa_sha256")
        answers = [repr(token.status()), repr(token.keys()), repr(box.config)]
        seen = _from_outside(box.process.pid if box.process else 0)
        box.stop()
        box.write_pin(WRONG_PIN)
        token = box.start()
        answers.append(repr(token.status()))
        seen += _from_outside(box.process.pid if box.process else 0)
        box.stop()
        written = [
            file.read_bytes()
            for file in box.path.rglob("*")
            if file.is_file() and file.name not in ("pin", "so") and "tokens" not in file.parts
        ]
    assert written
    everything = seen + b"\n".join(written) + "\n".join(answers).encode()
    for pin in (PIN, SO_PIN, WRONG_PIN):
        assert pin.encode() not in everything


def _from_outside(pid: int) -> bytes:
    """What others may read about a process."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm", "status"))


def test_a_pin_comes_over_a_descriptor() -> None:
    """Read once, closed, and enough for the life of the process."""
    with a_box() as box:
        box.make_token()
        (box.path / "pin").unlink()
        reader, writer = os.pipe()
        os.write(writer, PIN.encode())
        os.close(writer)
        box.pin, box.pass_fds = PinSource(fd=reader), (reader,)
        try:
            assert box.start().status().state == "operational"
        finally:
            os.close(reader)


def test_the_keeper_leaves_no_core_and_cannot_be_traced() -> None:
    """Core size 0, not dumpable, no new privileges; and it starts no process."""
    script = """
import ctypes, os, resource, subprocess
from hsm.keeper import harden
harden(die_with_parent=True)
prctl = ctypes.CDLL(None).prctl
print(resource.getrlimit(resource.RLIMIT_CORE), prctl(3, 0, 0, 0, 0), prctl(39, 0, 0, 0, 0), oct(os.umask(0)))
for start in (os.fork, lambda: subprocess.run(["true"]), lambda: os.system("true")):
    try:
        start()
        print("started")
    except RuntimeError as e:
        print(e)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ["(0, 0) 0 1 0o77", *["a keeper starts no process"] * 3] == done.stdout.splitlines()


def test_a_running_keeper_has_these_limits() -> None:
    """Seen from outside, in the process that holds the PIN."""
    with a_box() as box:
        box.make_token()
        box.start().status()
        assert box.process is not None
        limits = Path(f"/proc/{box.process.pid}/limits").read_text()
        status = Path(f"/proc/{box.process.pid}/status").read_text()
    (core,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    assert ["0", "0"] == core[4:6]
    assert "NoNewPrivs:\t1" in status


def test_an_error_about_a_pin_does_not_quote_it() -> None:
    """A traceback printed in full, with a PIN in play."""
    script = f"""
import sys, traceback
from hsm.cryptoki import Cryptoki, CryptokiError
from hsm.lifecycle import Pin
pin = Pin(bytearray(b"{WRONG_PIN}"))
c = Cryptoki(sys.argv[1]); c.initialise(); slot = next(s for s in c.slots() if c.token_info(s).label == "box")
try:
    c.login(c.open_session(slot), pin.reveal())
except CryptokiError as e:
    t = traceback.TracebackException.from_exception(e, capture_locals=False)
    print("".join(t.format()), repr(e), e.args, pin)
"""
    with a_box() as box:
        box.make_token()
        done = subprocess.run(
            [sys.executable, "-c", script, str(box.library)],
            env=os.environ | box.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "CKR_PIN_INCORRECT" in done.stdout
    assert WRONG_PIN not in done.stdout + done.stderr
