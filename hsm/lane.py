"""Lanes: each one session, the handles of the keys in it, and one signature at a time.

The rules of every use of a key stand here: two calls, the value checked with the public key before it leaves, the
session dropped after any error, nothing repeated.

>>> with module.lane() as lane:                                                      # doctest: +SKIP
...     value = lane.sign(key, recipe, tbs)
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from typing import Protocol

from hsm.cryptoki import PIN_REFUSALS, Cryptoki, CryptokiError
from hsm.errors import SignatureCheckFailed, TokenLocked, TokenNotAvailable
from hsm.lifecycle import Pin
from hsm.mechanisms import Recipe, check_value, value_of
from hsm.objects import TokenKey


class Owner(Protocol):
    """What a lane needs of its module."""

    slot: int
    failures: int
    """Uses that failed since one succeeded."""

    @property
    def pin(self) -> Pin | None:
        """The PIN that the token accepted."""

    @property
    def cryptoki(self) -> Cryptoki:
        """The loaded module."""

    def suspect(self, error: CryptokiError) -> None:
        """Have the token looked at after this error."""


class Lane:
    """One session and the handles of the keys in it; used by one thread at a time."""

    def __init__(self, module: Owner) -> None:
        self._module = module
        self._session: int | None = None
        self._handles: dict[bytes, int] = {}

    def sign(self, key: TokenKey, recipe: Recipe, tbs: bytes, *, digest: bytes | None = None) -> bytes:
        """The signature value, checked with the public key. Any error drops the session; nothing is repeated."""
        cryptoki, pin = self._module.cryptoki, self._module.pin
        try:
            raw = cryptoki.sign(
                self._opened(),
                self._handle(key),
                mechanism=recipe.native,
                data=recipe.data(tbs, digest=digest, curve_bytes=key.curve_bytes),
                context_pin=pin.reveal() if key.always_authenticate and pin else None,
            )
            value = value_of(raw, public_key=key.public_key)
            check_value(value, public_key=key.public_key, mechanism=recipe.mechanism, tbs=tbs, digest=digest)
        except CryptokiError as e:
            self.drop()
            self._module.suspect(e)
            if e.function == "C_Login" and e.rv in PIN_REFUSALS:
                raise TokenLocked("the token refused the PIN for this use", reason="pin-refused") from e
            raise TokenNotAvailable(f"{e.function} failed: {e.name}", function=e.function, answer=e.name) from e
        except SignatureCheckFailed:
            self.drop()
            raise
        self._module.failures = 0
        return value

    def ready(self, key: TokenKey) -> None:
        """Open the session and find the key, so that what can fail without a use fails before the use is recorded."""
        try:
            self._handle(key)
        except CryptokiError as e:
            self.drop()
            self._module.suspect(e)
            raise TokenNotAvailable(f"{e.function} failed: {e.name}", function=e.function, answer=e.name) from e

    def drop(self) -> None:
        """Close the session; the next use opens another."""
        if self._session is not None:
            self._module.cryptoki.close_session(self._session)
        self.forget()

    def forget(self) -> None:
        """The session is gone already."""
        self._session = None
        self._handles.clear()

    def _opened(self) -> int:
        if self._session is None:
            self._session = self._module.cryptoki.open_session(self._module.slot)
        return self._session

    def _handle(self, key: TokenKey) -> int:
        handle = self._handles.get(key.info.public_key)
        if handle is None:
            found = self._module.cryptoki.find(self._opened(), key.template())
            if len(found) != 1:
                # The session sees no private objects: the token was away and came back without a login.
                raise CryptokiError("C_FindObjects", 0x82)
            handle = self._handles[key.info.public_key] = found[0]
        return handle


class Lanes:
    """The lanes of one module, lent to one thread each; all of them to whoever opens the module anew."""

    def __init__(self) -> None:
        self._free: queue.LifoQueue[Lane] = queue.LifoQueue()
        self.count = 0

    def fill(self, wanted: int, *, owner: Owner) -> None:
        """Make more, up to `wanted`."""
        while self.count < wanted:
            self._free.put(Lane(owner))
            self.count += 1

    @contextlib.contextmanager
    def one(self, *, patience: float) -> Iterator[Lane]:
        """One lane; TokenNotAvailable when none becomes free within `patience` seconds."""
        try:
            lane = self._free.get(timeout=patience)
        except queue.Empty:
            raise TokenNotAvailable("every session of the token is in use", reason="busy") from None
        try:
            yield lane
        finally:
            self._free.put(lane)

    @contextlib.contextmanager
    def all(self) -> Iterator[None]:
        """Wait until no thread signs, and keep it so. The watchdog bounds how long a call can take."""
        held = [self._free.get() for _ in range(self.count)]
        try:
            yield
        finally:
            for lane in held:
                lane.forget()
                self._free.put(lane)
