"""The PIN: where it is read from, how it is held, and the guard that decides whether it may be tried.

A token counts wrong PINs and then locks for ever, so a refused PIN must never be tried twice by a machine: not after a
restart, not after a crash in the middle of the attempt. The guard therefore

1. reads the token's flags: PIN locked, final try, or few tries left stop the attempt;
2. compares with a marker on disk, keyed by a salted, slow digest of the PIN: the same PIN is not tried again;
3. writes that marker, durably, before the attempt;
4. makes one attempt;
5. removes the marker when the token accepted, and marks it as refused when it did not.

Another PIN (the operator corrected the file) permits one new attempt, also while few tries are left, because the
marker explains why. Nothing else does but `unlock`, which an operator asks for.

It does not know sockets or keys. States are those of an appliance: Unprovisioned, Locked, Operational, and
unavailable when the token cannot be reached.

>>> Pin(bytearray(b"123456"))
<Pin>
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from hsm.counting import KeyCount
from hsm.cryptoki import PIN_REFUSALS, CryptokiError, TokenInfo
from hsm.errors import HsmError, PinUnreadable, TokenLocked

State = Literal["unprovisioned", "locked", "operational", "unavailable"]


@dataclass(frozen=True)
class TokenStatus:
    """State of the appliance's token. `reason` is a code for people who must act; None while all is well."""

    name: str
    state: State
    reason: str | None
    token: str
    model: str = ""
    manufacturer: str = ""
    serial: str = ""
    sessions: int = 0
    pid: int = 0
    uses: tuple[KeyCount, ...] = ()


_LONGEST_PIN: Final = 256
_MOST_UNCLEAR_FAILURES: Final = 3
"""Attempts that ended in an error which says nothing about the PIN, before an operator has to look."""


class PinSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a PIN is read from: exactly one of a file, a descriptor, a systemd credential (systemd.exec(5))."""

    file: str | None = None
    fd: int | None = None
    credential: str | None = None


class Pin:
    """A PIN in memory that can be wiped and never shows itself: not in repr, format, pickle or comparison."""

    __slots__ = ("_value",)

    def __init__(self, value: bytearray) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "<Pin>"

    def __reduce__(self) -> str:
        raise TypeError("a PIN is not to be copied")

    def reveal(self) -> bytearray:
        """The PIN itself, for the one call that needs it; do not keep it."""
        return self._value

    def is_same(self, other: Pin | None) -> bool:
        """Compare in constant time."""
        return other is not None and hmac.compare_digest(self._value, other._value)

    def wipe(self) -> None:
        """Overwrite the PIN; it cannot be used again."""
        self._value[:] = bytes(len(self._value))


def read_pin(source: PinSource) -> Pin:
    """Read the PIN; PinUnreadable says what is wrong with the place, never what is in it."""
    given = [source.file, source.fd, source.credential]
    if sum(g is not None for g in given) != 1:
        raise PinUnreadable("name one of file, fd and credential")
    if source.fd is not None:
        try:
            return _read(source.fd)
        finally:
            os.close(source.fd)
    if source.credential is not None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder or "/" in source.credential or source.credential.startswith("."):
            raise PinUnreadable("there is no such systemd credential", credential=source.credential)
        # systemd keeps that folder for this service alone; an ACL there shows as group bits, so modes say nothing.
        return _read_file(Path(folder) / source.credential, private=False)
    return _read_file(Path(source.file or ""), private=True)


def _read_file(path: Path, *, private: bool) -> Pin:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as e:
        raise PinUnreadable(f"{path}: {e.strerror}", file=str(path)) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise PinUnreadable(f"{path} is not a file", file=str(path))
        if private and found.st_mode & 0o077:
            raise PinUnreadable(f"{path} can be read by others; chmod 600 it and change the PIN", file=str(path))
        if private and found.st_uid not in (0, os.getuid()):
            raise PinUnreadable(f"{path} belongs to another user", file=str(path))
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Pin:
    value = bytearray()
    try:
        while len(value) <= _LONGEST_PIN and (chunk := os.read(descriptor, _LONGEST_PIN + 1 - len(value))):
            value += chunk
    except OSError as e:
        raise PinUnreadable(f"the PIN cannot be read: {e.strerror}") from None
    return pin_of(value)


def pin_of(value: bytearray) -> Pin:
    """The PIN in one line, whose end is no part of it; PinUnreadable."""
    if value.endswith(b"\n"):
        del value[-1:]
    if not 1 <= len(value) <= _LONGEST_PIN or b"\n" in value or b"\0" in value:
        raise PinUnreadable("what stands there is not one PIN in one line")
    return Pin(value)


class _Marker(msgspec.Struct):
    """What is on disk while an attempt is under way or was refused."""

    salt: bytes
    digest: bytes
    state: Literal["attempting", "refused", "unclear"]
    failures: int = 0
    """Unclear endings in a row."""
    at: float = 0.0


class AttemptGuard:
    """Decides whether a PIN may be tried on a token, and remembers. `folder` is the keeper's own, mode 0700."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._path = folder / f"keeper-{name}.pin-attempt"
        self._held_path = folder / f"keeper-{name}.locked"
        self._held = self._held_path.exists()
        self._lock_path = folder / "keeper-logins.lock"

    def attempt(self, pin: Pin, *, token: TokenInfo, login: Callable[[Pin], None]) -> None:
        """Call `login` once if that is safe. TokenLocked: the PIN was refused, or must not be tried now."""
        with self._only_one():
            marker = self._read_marker()
            same = marker is not None and hmac.compare_digest(marker.digest, _slow_digest(pin, marker.salt))
            self._check_flags(token, explained=marker is not None and not same)  # 1
            failures = 0
            if marker is not None and same:  # 2
                if marker.state != "unclear" or marker.failures >= _MOST_UNCLEAR_FAILURES:
                    raise _locked({"refused": "pin-refused"}.get(marker.state, "pin-outcome-unknown"))
                failures = marker.failures
            salt = secrets.token_bytes(16)
            marker = _Marker(salt, _slow_digest(pin, salt), "attempting", failures, time.time())
            self._write_marker(marker)  # 3
            try:
                login(pin)  # 4
            except CryptokiError as e:
                refused = e.rv in PIN_REFUSALS
                marker.state, marker.failures = ("refused" if refused else "unclear"), failures + 1
                self._write_marker(marker)  # 5
                if refused:
                    raise _locked("pin-refused") from e
                raise
            self.forget()  # 5

    def refuse(self, pin: Pin) -> None:
        """Remember a PIN that the token refused outside of a login (a key that asks for it at each use)."""
        salt = secrets.token_bytes(16)
        self._write_marker(_Marker(salt, _slow_digest(pin, salt), "refused", 1, time.time()))

    def forget(self) -> None:
        """Permit a new attempt: the token accepted, or an operator takes the risk (`unlock`)."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
            self._sync_folder()

    def was_refused(self, pin: Pin) -> bool:
        """Whether the last attempt was with this PIN, and the token said no."""
        try:
            marker = self._read_marker()
        except TokenLocked:
            return False  # nobody can tell: the operator's word counts
        if marker is None or marker.state != "refused":
            return False
        return hmac.compare_digest(marker.digest, _slow_digest(pin, marker.salt))

    @property
    def is_held(self) -> bool:
        """Whether an operator has locked the token."""
        return self._held

    def require_open(self) -> None:
        """Raise TokenLocked while an operator wants it locked."""
        if self._held:
            raise _locked("locked-by-operator")

    def hold(self) -> None:
        """An operator locks; a restart does not change that. Raises HsmError when it cannot be noted on the disk."""
        self._held = True
        try:
            os.close(os.open(self._held_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._sync_folder()
        except OSError as e:
            raise HsmError(f"locked, but only until a restart: it cannot be noted ({e.strerror})") from None

    def release(self) -> None:
        """An operator has unlocked."""
        if self._held:
            self._held_path.unlink(missing_ok=True)
            self._held = False

    @staticmethod
    def _check_flags(token: TokenInfo, *, explained: bool) -> None:
        if token.has(TokenInfo.PIN_LOCKED):
            raise _locked("pin-locked")
        if token.has(TokenInfo.PIN_FINAL_TRY):
            raise _locked("pin-final-try")
        if token.has(TokenInfo.PIN_COUNT_LOW) and not explained:
            raise _locked("pin-count-low")

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        """One login at a time among all keepers of this folder: concurrent ones fail on some modules."""
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read_marker(self) -> _Marker | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Marker)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            raise _locked("pin-outcome-unknown") from None

    def _write_marker(self, marker: _Marker) -> None:
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(marker))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self._path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _locked(reason: str) -> TokenLocked:
    return TokenLocked(_SENTENCES[reason], reason=reason)


_SENTENCES: Final = {
    "locked-by-operator": "an operator locked the token; `kyso unlock` opens it",
    "pin-refused": "the token refused this PIN; it is not tried again until the PIN is changed",
    "pin-locked": "the token has locked its PIN; unblock it with the security officer's",
    "pin-final-try": "one try is left on the token; log in by hand with another tool first",
    "pin-count-low": "somebody gave a wrong PIN; check the PIN, then ask for one attempt (unlock)",
    "pin-outcome-unknown": "an attempt with this PIN was cut short; check the PIN, then ask for one attempt (unlock)",
}


def _slow_digest(pin: Pin, salt: bytes) -> bytes:
    """scrypt (RFC 7914), because a PIN has few digits and the marker may reach a backup."""
    return hashlib.scrypt(pin.reveal(), salt=salt, n=2**14, r=8, p=1, dklen=32)
