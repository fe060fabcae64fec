"""Logging in: the PIN as it stands in its place, at most one attempt with each, and what the last attempt was made with.

The guard (`hsm.lifecycle`) decides whether there is an attempt; here is what the module asks of it. No session is
opened here and no state is kept but the PIN.

>>> Login(PinSource(file=…), guard=guard).attempt(cryptoki, session, info)           # doctest: +SKIP
"""

from __future__ import annotations

import logging

from hsm.cryptoki import CKR_USER_ALREADY_LOGGED_IN, Cryptoki, CryptokiError
from hsm.errors import PinUnreadable, TokenLocked
from hsm.lifecycle import AttemptGuard, Pin, PinSource, read_pin
from hsm.structures import TokenInfo

_log = logging.getLogger("kyso.keeper")


class Login:
    """The PIN of one token. `pin` is the one that the token accepted, for keys that ask for it at each use."""

    def __init__(self, source: PinSource | None, *, guard: AttemptGuard) -> None:
        self.pin: Pin | None = None
        self._source = source
        self._guard = guard
        self._tried: Pin | None = None
        self._typed: Pin | None = None
        self._last: tuple[int, Pin | None] | None = None

    def attempt(self, cryptoki: Cryptoki, session: int, info: TokenInfo) -> None:
        """Log in, if the token wants it and the guard allows it; raises TokenLocked, PinUnreadable, CryptokiError."""
        self._tried = None
        if not info.has(TokenInfo.LOGIN_REQUIRED):
            return
        if self._typed is None:
            self._guard.require_open()
        self._tried = pin = self._typed or self._fresh(strict=True) or self.pin
        if pin is None:
            raise TokenLocked("no PIN is configured", reason="pin-missing")

        def login(pin: Pin) -> None:
            try:
                cryptoki.login(session, pin.reveal())
            except CryptokiError as e:
                if e.rv != CKR_USER_ALREADY_LOGGED_IN:
                    raise

        self._guard.attempt(pin, token=info, login=login)
        self.pin = pin
        self._guard.release()

    def failed(self, flags: int) -> None:
        """Remember the token's flags after an attempt that left it locked, and the PIN of that attempt."""
        if self._typed is not None and self._tried is self._typed:
            self._typed.wipe()
            self._typed = None
            self._tried = self._fresh()  # the PIN in its place is as it was: no reason to try that one now
        self._last = (flags, self._tried)

    def has_changed(self, flags: int) -> bool:
        """While locked: whether the PIN in its place or the token's flags are others than at the last attempt."""
        if self._guard.is_held:
            return False
        if self._last is None:
            return True
        former, tried = self._last
        pin = self._fresh()
        same = tried is None if pin is None else pin.is_same(tried)
        return not (same and former == flags)

    def forget(self) -> None:
        """An operator permits an attempt."""
        self._guard.forget()
        self._guard.release()
        self._last = None

    def offer(self, pin: Pin) -> None:
        """An operator typed this PIN: it comes before the one in its place, until it is refused or the token locked.
        It never reaches the disk, so that a restart knows nothing of it."""
        if not self._guard.was_refused(pin):  # a mistyped PIN is not worth a second of the token's tries
            self._guard.forget()
        self._typed = pin
        self._last = None

    def hold(self) -> None:
        """An operator locks: no attempt until `forget` or `offer`. Raises HsmError when that cannot be noted on disk."""
        for pin in (self.pin, self._typed):
            if pin is not None:
                pin.wipe()
        self.pin = self._typed = None
        self._guard.hold()

    def refused(self) -> None:
        """The token refused the PIN in a use of a key: it is not tried again."""
        if self.pin is not None:
            self._guard.refuse(self.pin)

    def _fresh(self, *, strict: bool = False) -> Pin | None:
        """The PIN as it stands in its place now; a descriptor can be read only once, so it stays as it was."""
        if self._source is None or (self._source.fd is not None and self.pin is not None):
            return self.pin
        try:
            pin = read_pin(self._source)
        except PinUnreadable as e:
            if strict and self.pin is None:
                _log.error("PIN unreadable", extra={"facts": {"detail": str(e)}})
                raise
            return None
        if self._source.fd is not None:
            self.pin = pin
        return pin
