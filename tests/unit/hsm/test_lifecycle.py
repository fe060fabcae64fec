"""The PIN: where it may come from, that it does not show, and when it may be tried."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm.cryptoki import CryptokiError, TokenInfo
from hsm.errors import PinUnreadable, TokenLocked
from hsm.lifecycle import AttemptGuard, Pin, PinSource, read_pin

pytestmark = pytest.mark.spine

GOOD, OTHER = b"492716", b"111111"


def info(flags: int = 0) -> TokenInfo:
    """A token with these flags."""
    return TokenInfo(slot=0, label="box", manufacturer="", model="", serial="", flags=flags)


def answering(rv: int, seen: list[bytes]) -> Callable[[Pin], None]:
    """A login that notes what was tried and answers `rv`."""

    def login(pin: Pin) -> None:
        seen.append(bytes(pin.reveal()))
        if rv:
            raise CryptokiError("C_Login", rv)

    return login


def pin(value: bytes = GOOD) -> Pin:
    """A fresh PIN."""
    return Pin(bytearray(value))


@pytest.fixture
def guard(tmp_path: Path) -> Callable[[], AttemptGuard]:
    """The guard, as each new process makes it."""
    return lambda: AttemptGuard(tmp_path, name="box")


def refusal(guard: AttemptGuard, what: Pin, *, flags: int = 0, rv: int = 0) -> str:
    """Why there was no login; the login itself would have answered `rv`."""
    seen: list[bytes] = []
    with pytest.raises(TokenLocked) as caught:
        guard.attempt(what, token=info(flags), login=answering(rv, seen))
    assert not seen, "the PIN was tried"
    return str(caught.value.facts["reason"])


def test_an_accepted_pin_leaves_no_trace(guard: Callable[[], AttemptGuard], tmp_path: Path) -> None:
    """And may be used again at the next start."""
    for _ in range(2):
        guard().attempt(pin(), token=info(), login=answering(0, []))
    assert [] == list(tmp_path.glob("*.pin-attempt"))


def test_a_refused_pin_is_not_tried_again_by_another_process(guard: Callable[[], AttemptGuard]) -> None:
    """Not once more, whatever the token would say now."""
    with pytest.raises(TokenLocked):
        guard().attempt(pin(), token=info(), login=answering(0xA0, []))
    assert refusal(guard(), pin()) == "pin-refused"


def test_another_pin_is_tried_once_also_while_few_tries_are_left(guard: Callable[[], AttemptGuard]) -> None:
    """The marker explains the low count; a second wrong PIN is refused in its turn."""
    with pytest.raises(TokenLocked):
        guard().attempt(pin(OTHER), token=info(), login=answering(0xA0, []))
    seen: list[bytes] = []
    guard().attempt(pin(), token=info(TokenInfo.PIN_COUNT_LOW), login=answering(0, seen))
    assert [GOOD] == seen


def test_a_crash_during_the_attempt_is_not_followed_by_a_second(guard: Callable[[], AttemptGuard]) -> None:
    """The marker is on the disk before the token sees the PIN."""

    def crash(_: Pin) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard().attempt(pin(), token=info(), login=crash)
    assert refusal(guard(), pin()) == "pin-outcome-unknown"


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (TokenInfo.PIN_COUNT_LOW, "pin-count-low"),
        (TokenInfo.PIN_FINAL_TRY | TokenInfo.PIN_COUNT_LOW, "pin-final-try"),
        (TokenInfo.PIN_LOCKED, "pin-locked"),
    ],
)
def test_the_tokens_flags_stop_the_attempt(guard: Callable[[], AttemptGuard], flags: int, reason: str) -> None:
    """Somebody else's wrong PINs count too."""
    assert refusal(guard(), pin(), flags=flags) == reason


def test_a_final_try_is_not_taken_even_with_another_pin(guard: Callable[[], AttemptGuard]) -> None:
    """The last try is a person's."""
    with pytest.raises(TokenLocked):
        guard().attempt(pin(OTHER), token=info(), login=answering(0xA0, []))
    assert refusal(guard(), pin(), flags=TokenInfo.PIN_FINAL_TRY) == "pin-final-try"


def test_a_device_that_fails_is_tried_three_times_at_most(guard: Callable[[], AttemptGuard]) -> None:
    """An error that says nothing about the PIN may pass, but not for ever."""
    for _ in range(3):
        with pytest.raises(CryptokiError):
            guard().attempt(pin(), token=info(), login=answering(0x30, []))
    assert refusal(guard(), pin()) == "pin-outcome-unknown"


def test_an_operator_may_ask_for_one_more(guard: Callable[[], AttemptGuard]) -> None:
    """`forget` permits the same PIN again, once."""
    with pytest.raises(TokenLocked):
        guard().attempt(pin(), token=info(), login=answering(0xA0, []))
    guard().forget()
    seen: list[bytes] = []
    with pytest.raises(TokenLocked):
        guard().attempt(pin(), token=info(), login=answering(0xA0, seen))
    assert [GOOD] == seen
    assert refusal(guard(), pin()) == "pin-refused"


def test_the_marker_does_not_hold_the_pin(guard: Callable[[], AttemptGuard], tmp_path: Path) -> None:
    """Only a salted slow digest of it, readable by nobody else."""
    with pytest.raises(TokenLocked):
        guard().attempt(pin(), token=info(), login=answering(0xA0, []))
    (marker,) = tmp_path.glob("*.pin-attempt")
    assert GOOD not in marker.read_bytes()
    assert marker.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_pin_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The PIN must be thought of as known."""
    file = tmp_path / "pin"
    file.write_bytes(GOOD)
    file.chmod(mode)
    with pytest.raises(PinUnreadable, match="others"):
        read_pin(PinSource(file=str(file)))


def test_a_pin_comes_from_a_file_a_descriptor_or_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line; its end does not count."""
    file = tmp_path / "pin"
    file.write_bytes(GOOD + b"\n")
    file.chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    reader, writer = os.pipe()
    os.write(writer, GOOD)
    os.close(writer)
    for source in (PinSource(file=str(file)), PinSource(fd=reader), PinSource(credential="pin")):
        assert read_pin(source).is_same(pin())


@pytest.mark.parametrize("content", [b"", b"\n", b"12\n34\n", b"1" * 300, b"12\x0034"])
def test_what_is_not_one_pin_is_refused(tmp_path: Path, content: bytes) -> None:
    """And is not quoted."""
    file = tmp_path / "pin"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(PinUnreadable) as caught:
        read_pin(PinSource(file=str(file)))
    assert content.decode().strip() == "" or content.decode().strip() not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        PinSource(),
        PinSource(file="x", credential="y"),
        PinSource(file="/nowhere/pin"),
        PinSource(file="/dev/null"),
        PinSource(credential="../pin"),
    ],
)
def test_a_bad_place_is_refused(source: PinSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Places that are none, two, absent, no file, or outside of the credentials."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(PinUnreadable):
        read_pin(source)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody who can place a link cannot choose what is read."""
    (tmp_path / "real").write_bytes(GOOD)
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PinUnreadable):
        read_pin(PinSource(file=str(tmp_path / "link")))


def test_a_pin_does_not_show_itself() -> None:
    """Not printed, formatted, pickled, compared; and wiped when asked."""
    secret = pin()
    assert "492716" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    secret.wipe()
    assert secret.reveal() == bytes(6)
