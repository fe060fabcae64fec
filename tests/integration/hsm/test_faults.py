"""How a PKCS#11 module fails under a real keeper, by a shim between the two, and the outcome promised for it.

Every call and every error stand in the fault table (`test_fault_table`); here, what the log and the caller learn.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hsm.errors import (
    HsmError,
    SignatureCheckFailed,
    SigningInterrupted,
    TokenLocked,
    TokenNotAvailable,
)
from hsm.keys import Mechanism
from hsm.token import Token
from tests.hsm_support import (
    PIN,
    WRONG_PIN,
    Box,
    a_box,
    a_faulty_box,
    build_shim,
    calls,
    eventually,
    signed_attributes,
)

pytestmark = pytest.mark.spine

EC: Mechanism = "ecdsa_sha256"
Plan = Callable[[str], None]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim, compiled once."""
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def faulty(shim: Path) -> Iterator[tuple[Box, Plan]]:
    """A token with one key behind the shim, its keeper running."""
    with a_faulty_box(shim, call_limit=1.0) as (box, follow):
        box.make_token()
        box.start()
        box.create("key", "p256")
        yield box, follow


def attempt(box: Box, *, number: int) -> bytes:
    """One signature under this ledger number."""
    with box.token as token:
        assert isinstance(token, Token)
        return box.sign(token, signed_attributes(str(number).encode()), key="key", mechanism=EC, number=number)


def state_of(box: Box, number: int) -> str | None:
    """What the keeper's log says about a ledger number."""
    with box.token as token:
        use = token.use(number)
    return use.state if use else None


@pytest.mark.parametrize("function", ["C_Sign", "C_SignInit"])
@pytest.mark.parametrize("answer", [0x05, 0x32])
def test_an_error_is_reported_once_and_the_next_use_works(faulty: tuple[Box, Plan], function: str, answer: int) -> None:
    """The session is dropped, the use recorded as failed, nothing is signed a second time behind one's back."""
    box, follow = faulty
    before = calls(box, "C_Sign")
    follow(f"{function} answer {answer:#x} 1")
    with pytest.raises(TokenNotAvailable) as caught:
        attempt(box, number=501)
    follow("")
    assert caught.value.facts["function"] == function
    assert calls(box, "C_Sign") - before <= 1
    assert state_of(box, 501) == "failed"
    assert attempt(box, number=502)
    assert state_of(box, 502) == "done"


def test_a_wrong_bit_never_leaves(faulty: tuple[Box, Plan]) -> None:
    """The public key refuses the value; the log says that nothing left."""
    box, follow = faulty
    follow("C_Sign flip 0 1")
    with pytest.raises(SignatureCheckFailed):
        attempt(box, number=511)
    follow("")
    assert state_of(box, 511) == "failed"
    assert attempt(box, number=512)


@pytest.mark.parametrize("moment", ["kill-before", "kill-after"])
def test_a_keeper_that_dies_while_signing_leaves_an_open_line(faulty: tuple[Box, Plan], moment: str) -> None:
    """The asker is told that the outcome is unknown; the next keeper knows the use was started, and repeats nothing."""
    box, follow = faulty
    follow(f"C_Sign {moment} 0 1")
    with pytest.raises(SigningInterrupted) as caught:
        attempt(box, number=521)
    assert caught.value.facts["ledger_number"] == 521
    assert box.process is not None
    assert box.process.wait(10) == -signal.SIGKILL
    follow("")
    signed = calls(box, "C_Sign")
    box.start()
    assert state_of(box, 521) == "started"
    assert signed == calls(box, "C_Sign") - _probes(box)
    with pytest.raises(HsmError, match="used before"):
        attempt(box, number=521)
    assert attempt(box, number=522)


def _probes(box: Box) -> int:
    """C_Sign calls that were probes of the second start: one family, one key."""
    return (box.path / "box.uses").read_text().count('"note":"asked"') - 1


def test_a_hang_ends_with_the_keeper(faulty: tuple[Box, Plan]) -> None:
    """After the call limit the process is killed; the asker learns it at once."""
    box, follow = faulty
    follow("C_Sign sleep 60000 1")
    with pytest.raises(SigningInterrupted):
        attempt(box, number=531)
    assert box.process is not None
    assert box.process.wait(10) == -signal.SIGKILL
    assert "call takes too long" in box.errors()
    follow("")
    box.start()
    assert attempt(box, number=532)
    assert state_of(box, 531) == "started"


def test_a_token_that_is_away_and_back_is_opened_anew(faulty: tuple[Box, Plan]) -> None:
    """Unavailable while it is gone; operational again by itself, with a login and without a restart."""
    box, _ = faulty
    shutil.move(box.path / "tokens", box.path / "away")
    (box.path / "tokens").mkdir()
    with pytest.raises(TokenNotAvailable):
        attempt(box, number=541)
    eventually(lambda: box.token.status().state == "unavailable")
    (box.path / "tokens").rmdir()
    shutil.move(box.path / "away", box.path / "tokens")
    eventually(lambda: box.token.status().state == "operational")
    assert attempt(box, number=546)


def test_a_module_that_cannot_lock_is_served_by_one_lane(shim: Path) -> None:
    """CKR_CANT_LOCK: one session behind one lock, and still right."""
    with a_faulty_box(shim) as (box, follow):
        box.make_token()
        follow("C_Initialize cannot-lock 0 1")
        with box.start() as token:
            assert (token.status().state, token.status().sessions) == ("operational", 1)
            box.create("key", "p256")
        assert [attempt(box, number=n) for n in range(551, 556)]


def test_a_refused_pin_is_shown_to_the_token_once(shim: Path) -> None:
    """Not again while running, nor by three restarts; a corrected file is noticed, tried once, and works."""
    with a_faulty_box(shim) as (box, _):
        box.make_token()
        box.start()
        box.create("key", "p256")
        box.stop()
        seen = calls(box, "C_Login")
        box.write_pin(WRONG_PIN)
        for _ in range(3):
            with box.start() as token:
                status = token.status()
                assert status.state == "locked"
                assert status.reason in ("pin-refused", "pin-count-low")
            box.kill()
        box.start()
        with pytest.raises(TokenLocked):
            attempt(box, number=561)
        assert calls(box, "C_Login") == seen + 1
        box.write_pin(PIN)
        eventually(lambda: box.token.status().state == "operational")
        assert calls(box, "C_Login") == seen + 2
        assert attempt(box, number=561)


def test_a_locked_keeper_still_shows_its_keys(shim: Path) -> None:
    """From public objects: name and public key, no mechanisms."""
    with a_faulty_box(shim) as (box, _):
        box.make_token()
        with box.start() as token:
            box.create("key", "p256")
            (unlocked,) = token.keys()
        box.stop()
        box.write_pin(WRONG_PIN)
        with box.start() as token:
            (locked,) = token.keys()
    assert (locked.ref, locked.public_key, locked.mechanisms) == ("key", unlocked.public_key, ())


def test_a_crash_during_the_login_is_not_repeated(shim: Path) -> None:
    """The keeper died while the token looked at the PIN: only an operator may ask again."""
    with a_faulty_box(shim) as (box, follow):
        box.make_token()
        follow("C_Login kill-after 0 1")
        box.start()
        assert box.process is not None
        assert box.process.wait(10) == -signal.SIGKILL
        follow("")
        for _ in range(2):
            with box.start() as token:
                assert (token.status().state, token.status().reason) == ("locked", "pin-outcome-unknown")
            box.kill()
        assert calls(box, "C_Login") == 1
        box.start()
        with box.admin as admin:
            assert admin.unlock().state == "operational"
        assert calls(box, "C_Login") == 2


@pytest.mark.parametrize(
    ("flag", "reason"), [(0x10000, "pin-count-low"), (0x20000, "pin-final-try"), (0x40000, "pin-locked")]
)
def test_flags_stop_the_first_attempt(shim: Path, flag: int, reason: str) -> None:
    """Few tries left, for whatever reason: the token never sees the PIN."""
    with a_faulty_box(shim) as (box, follow):
        box.make_token()
        follow(f"C_GetTokenInfo flags {flag:#x} 1")
        with box.start() as token:
            assert (token.status().state, token.status().reason) == ("locked", reason)
        assert calls(box, "C_Login") == 0


def test_a_key_that_asks_for_the_pin_each_time_gets_it(shim: Path) -> None:
    """CKA_ALWAYS_AUTHENTICATE: a login for each use; a refusal there locks and is not repeated."""
    script = """
import sys; from hsm.cryptoki import Cryptoki; from pkcs11 import Attribute as A, Mechanism
c = Cryptoki(sys.argv[1]); c.initialise(); slot = next(s for s in c.slots() if c.token_info(s).label == "box")
s = c.open_session(slot, writable=True); c.login(s, bytearray(sys.argv[2].encode()))
both = {A.TOKEN: True, A.LABEL: "key", A.ID: b"1"}
c.generate_pair(s, mechanism=Mechanism.EC_KEY_PAIR_GEN,
    public=both | {A.PRIVATE: False, A.VERIFY: True, A.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107")},
    private=both | {A.PRIVATE: True, A.SENSITIVE: True, A.SIGN: True, A.ALWAYS_AUTHENTICATE: True})
"""
    with a_faulty_box(shim) as (box, follow):
        box.make_token()
        subprocess.run(
            [sys.executable, "-c", script, str(box.library), PIN],
            env=os.environ | box.environment,
            cwd=Path(__file__).parents[3],
            check=True,
        )
        box.start()
        assert attempt(box, number=571)
        logins = calls(box, "C_Login")
        assert attempt(box, number=572)
        assert calls(box, "C_Login") == logins + 1
        follow("C_Login answer 0xa0 1")
        with pytest.raises(TokenLocked):
            attempt(box, number=573)
        eventually(lambda: box.token.status().state == "locked")
        with pytest.raises(TokenLocked):
            attempt(box, number=574)
        assert calls(box, "C_Login") == logins + 2


def test_the_keeper_dies_with_its_parent() -> None:
    """A supervisor that is killed leaves no keeper with an open token behind."""
    with a_box() as box:
        box.make_token()
        (box.path / "config.json").write_bytes(msgspec.json.encode(box.config))
        script = (
            "import sys, time, msgspec; from hsm.keeper import KeeperConfig, spawn;"
            "p = spawn(msgspec.json.decode(open(sys.argv[1],'rb').read(), type=KeeperConfig)); print(p.pid, flush=True);"
            "time.sleep(60)"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", script, str(box.path / "config.json")],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert box.token.status().state == "operational"
        parent.kill()
        parent.wait()
        parent.stdout.close()

        def gone() -> bool:
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return True
            return Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"

        eventually(gone)
