"""One PKCS#11 module with one token: opened, logged in once, watched, and opened anew when the token was away.

Lanes are sessions: a thread that signs has one to itself. After any PKCS#11 error its session is dropped, and the
watching thread looks whether the token is still there; if not, every session is closed, the module finalised and
initialised, the token searched and logged in to again. A signature that failed is never repeated here: the caller asks
for a new use, with a new line in the ledger.

It knows keys and bytes. Permits, shapes and the log of uses are `hsm.keeper`'s.

>>> module = Module(ModuleConfig(name="demo", library=…, token="kyso-demo", pin=PinSource(file=…)), guard=guard)
>>> module.start(); module.status().state                                            # doctest: +SKIP
'operational'
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hsm import objects
from hsm.cryptoki import (
    CKR_PIN_LOCKED,
    PIN_REFUSALS,
    Cryptoki,
    CryptokiError,
    TokenInfo,
)
from hsm.errors import (
    HsmError,
    KeyNotFound,
    MechanismNotSupported,
    PinUnreadable,
    TokenLocked,
    TokenNotAvailable,
)
from hsm.keys import KeyInfo, Mechanism
from hsm.lane import Lane, Lanes
from hsm.lifecycle import AttemptGuard, Pin, PinSource, State, TokenStatus, pin_of
from hsm.login import Login
from hsm.mechanisms import Recipe
from hsm.names import Names
from hsm.objects import TokenKey
from hsm.probe import ProbeLog, Prober

_log = logging.getLogger("kyso.keeper")

SENSIBLE_SESSIONS: Final = 4
"""Sessions when none are configured: SoftHSM is served by two on two cores; a network HSM likes a few more."""
_RETRY: Final = 2.0
"""Seconds between attempts to reach a token that is away; the first come sooner, except after a login that failed."""
_FIRST_RETRY: Final = 0.1
_CHECK: Final = 5.0
"""Seconds between looks at a token that is there."""
_PATIENCE: Final = 10.0
"""Seconds that a request waits for a module that is just being opened, or for a free session."""

_GONE: Final = frozenset({0x030, 0x032, 0x0E0, 0x0E1, 0x190})
"""DEVICE_ERROR, DEVICE_REMOVED, TOKEN_NOT_PRESENT, TOKEN_NOT_RECOGNIZED, CRYPTOKI_NOT_INITIALIZED: open it all anew."""
_ENOUGH: Final = 2
"""Uses in a row that failed otherwise, before the same is done: a TPM that is away says GENERAL_ERROR, and only then."""


@dataclass(frozen=True)
class ModuleConfig:
    """Which library, which token, how many sessions (0: as many as sensible), where the PIN is."""

    name: str
    library: str
    token: str
    pin: PinSource | None
    sessions: int = 0
    names: Path | None = None
    """The file that keeps the names of keys."""


class Module:
    """The token of this keeper: its state, its keys, its lanes. Thread-safe."""

    def __init__(self, config: ModuleConfig, *, guard: AttemptGuard, record_probe: ProbeLog) -> None:
        self.config = config
        self.slot = 0
        self._login = Login(config.pin, guard=guard)
        self._cryptoki: Cryptoki | None = None
        self._status = TokenStatus(config.name, "unavailable", "starting", config.token, pid=os.getpid())
        self._names = Names(config.names)
        self._keys: dict[str, TokenKey] = {}
        self._prober = Prober(lambda: self.cryptoki, record=record_probe)
        self._lanes = Lanes()
        self.failures = 0
        self._pause = _FIRST_RETRY
        self._settled = threading.Event()
        self._wake = threading.Event()
        self._stopping = False
        self._stale = False
        self._exclusive = threading.RLock()
        self._seen = False

    @property
    def pin(self) -> Pin | None:
        """The PIN that the token accepted."""
        return self._login.pin

    @property
    def cryptoki(self) -> Cryptoki:
        """The loaded module; TokenNotAvailable before it could be loaded."""
        if self._cryptoki is None:
            raise TokenNotAvailable("the PKCS#11 module could not be loaded", reason="module-failed")
        return self._cryptoki

    def calls_under_way(self) -> Cryptoki | None:
        """The binding whose calls the watchdog watches, once it is loaded."""
        return self._cryptoki

    # -- for requests ----------------------------------------------------------------------------------------------

    def status(self) -> TokenStatus:
        """The state now; waits a little while the module is being opened."""
        self._settled.wait(_PATIENCE)
        return self._status

    def all_keys(self) -> tuple[KeyInfo, ...]:
        """The keys, by ref; from public objects and without mechanisms while the token is locked."""
        if self.status().state not in ("operational", "locked"):
            raise self._unusable()
        return tuple(self._keys[ref].info for ref in sorted(self._keys))

    def key(self, ref: str) -> TokenKey:
        """One key."""
        self._require()
        found = self._keys.get(ref)
        if found is None:
            raise KeyNotFound(key=ref)
        return found

    def way(self, ref: str, mechanism: Mechanism) -> tuple[TokenKey, Recipe]:
        """The key and how it signs with `mechanism`."""
        key = self.key(ref)
        recipe = key.recipes.get(mechanism)
        if recipe is None:
            raise MechanismNotSupported(key=ref, mechanism=mechanism)
        return key, recipe

    @contextlib.contextmanager
    def lane(self) -> Iterator[Lane]:
        """A session for this thread."""
        self._require()
        with self._lanes.one(patience=_PATIENCE) as lane:
            self._require(wait=False)
            yield lane

    @contextlib.contextmanager
    def management(self, *, writable: bool = True) -> Iterator[int]:
        """A session of its own for making keys and storing certificates; the keys are read again afterwards."""
        self._require()
        with self._exclusive, self._translated():
            session = self.cryptoki.open_session(self.slot, writable=writable)
            try:
                yield session
                self._keys = self._read_keys(session, private=True)
            finally:
                self.cryptoki.close_session(session)

    @contextlib.contextmanager
    def alone(self) -> Iterator[Cryptoki]:
        """The loaded module with nobody else opening or closing it; afterwards it is opened anew."""
        with self._exclusive, self._translated():
            yield self.cryptoki
            self._open()

    def unlock(self, pin: bytearray | None = None) -> TokenStatus:
        """An operator takes the risk of one attempt: with the PIN that is configured now, or with this one. A token
        that is open stays as it is: nobody locks it by mistyping."""
        with self._exclusive:
            if pin is None:
                self._login.forget()
            else:
                given = pin_of(pin)
                if self._status.state == "operational":
                    given.wipe()
                    return self._status
                self._login.offer(given)
            self._open(risk=True)
            return self._status

    def lock(self) -> TokenStatus:
        """Log out and stay locked, also after a restart, until `unlock`."""
        with self._exclusive:
            try:
                self._login.hold()
            finally:  # also where it cannot be noted: then the lock lasts as long as this process
                self._open()
            return self._status

    def suspect(self, error: CryptokiError) -> None:
        """A call failed: have the token looked at. A PIN that was refused in a use is not tried again."""
        _log.warning("call failed", extra={"facts": {"call": error.function, "answer": error.name}})
        if error.function == "C_Login" and error.rv in PIN_REFUSALS and self.pin is not None:
            self._login.refused()
            reason = "pin-locked" if error.rv == CKR_PIN_LOCKED else "pin-refused"
            self._become("locked", reason)
        if error.function in ("C_Sign", "C_SignInit"):
            self.failures += _ENOUGH if error.rv in _GONE else 1
        self._stale = self._stale or error.function == "C_FindObjects"  # a key that is there no more
        self._wake.set()

    # -- the watching thread ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start to open the module and to watch it."""
        threading.Thread(target=self._run, name="module", daemon=True).start()

    def stop(self) -> None:
        """Let the signatures under way end, then give the module back."""
        self._stopping = True
        self._wake.set()
        with self._exclusive, self._lanes.all():
            self._close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                with self._exclusive:
                    if not self._stopping:
                        self._look()
            except Exception as e:  # noqa: BLE001  # whatever it is, the thread that mends things must live
                _log.error("watching failed", extra={"facts": {"error": type(e).__name__}})
                self._become("unavailable", "token-failed")
            self._settled.set()
            if self._status.state == "operational":
                self._wake.wait(_CHECK)
            else:
                self._wake.wait(self._pause)
                self._pause = min(_RETRY, 2 * self._pause)
            self._wake.clear()

    def _look(self) -> None:
        state = self._status.state
        if state == "operational" and self.failures < _ENOUGH and self._is_well():
            if self._prober.unsure or self._stale:
                self._read_again()
            return
        if state == "locked" and not self._may_try_again():
            return
        if state == "operational":
            self._settled.clear()  # requests wait for what comes of it
        self._open()

    def _is_well(self) -> bool:
        try:
            # OpenSC tells of a pulled card in the list of slots alone; it goes on to show all it has in memory.
            if self.slot not in self.cryptoki.slots():
                return False
            if self.cryptoki.token_info(self.slot).label != self.config.token:
                return False
            session = self.cryptoki.open_session(self.slot)
            try:
                some = next(iter(self._keys.values()), None)
                return self.cryptoki.is_logged_in(session) and (
                    some is None or len(self.cryptoki.find(session, some.template())) == 1
                )
            finally:
                self.cryptoki.close_session(session)
        except CryptokiError:
            return False

    def _read_again(self) -> None:
        session = self.cryptoki.open_session(self.slot)
        try:
            self._keys = self._read_keys(session, private=True)
        finally:
            self.cryptoki.close_session(session)

    def _may_try_again(self) -> bool:
        """While locked: whether the PIN's place or the token's flags have changed since the last look."""
        try:
            info = self.cryptoki.token_info(self.slot)
        except (CryptokiError, HsmError):
            return True
        return self._login.has_changed(info.flags)

    def _open(self, *, risk: bool = False) -> None:
        """Everything anew, from loading the module to a token that signs. Sets the state; raises nothing of PKCS#11."""
        with self._lanes.all():
            self._close()
            self.failures = 0
            try:
                self._open_token(risk=risk)
            except OSError as e:
                _log.error("module cannot be loaded", extra={"facts": {"error": str(e)}})
                self._become("unavailable", "module-failed")
            except CryptokiError as e:
                _log.warning("token not reached", extra={"facts": {"call": e.function, "answer": e.name}})
                self._pause = _RETRY if e.function == "C_Login" else self._pause
                self._become("unavailable", "token-failed")
        self._settled.set()

    def _open_token(self, *, risk: bool) -> None:
        if self._cryptoki is None:
            self._cryptoki = Cryptoki(self.config.library)
        cryptoki = self._cryptoki
        cryptoki.initialise()
        info = self._find_token()
        if info is None:
            self._become("unavailable" if self._seen else "unprovisioned", "token-absent")
            return
        self._seen, self.slot = True, info.slot
        self._status = replace(
            self._status, token=info.label, model=info.model, manufacturer=info.manufacturer, serial=info.serial
        )
        # This session stays open: with the last one the login would end.
        session = cryptoki.open_session(info.slot)
        self._keys = self._read_keys(session, private=False)
        try:
            seen = replace(info, flags=info.flags & ~TokenInfo.PIN_COUNT_LOW) if risk else info
            self._login.attempt(cryptoki, session, seen)
        except (TokenLocked, PinUnreadable) as e:
            self._login.failed(cryptoki.token_info(info.slot).flags)
            self._become("locked", str(e.facts.get("reason", e.code)))
            return
        self._keys = self._read_keys(session, private=True)
        self._become("operational", None)
        self._pause = _FIRST_RETRY
        self._fill_lanes()

    def _find_token(self) -> TokenInfo | None:
        for slot in self.cryptoki.slots():
            try:
                info = self.cryptoki.token_info(slot)
            except CryptokiError:
                continue  # pulled between the two calls, or a card of another kind
            if info.label == self.config.token and info.has(TokenInfo.INITIALISED):
                return info
        return None

    def _read_keys(self, session: int, *, private: bool) -> dict[str, TokenKey]:
        self._prober.unsure = self._stale = False
        offered = self.cryptoki.mechanisms(self.slot)
        found = objects.read_keys(
            self.cryptoki, session, module=self.config.name, names=self._names, offered=offered, private=private
        )
        return {ref: self._prober.keep_working(key, slot=self.slot) for ref, key in found.items()} if private else found

    # -- lanes and states ------------------------------------------------------------------------------------------

    def _fill_lanes(self) -> None:
        wanted = self.config.sessions or SENSIBLE_SESSIONS
        self._lanes.fill(wanted if self.cryptoki.thread_safe else 1, owner=self)
        self._status = replace(self._status, sessions=self._lanes.count)

    def _close(self) -> None:
        if self._cryptoki is None:
            return
        if self._seen:
            self._cryptoki.close_all(self.slot)
        self._cryptoki.finalise()

    def _become(self, state: State, reason: str | None) -> None:
        if (state, reason) != (self._status.state, self._status.reason):
            _log.info("state", extra={"facts": {"state": state, "reason": reason or ""}})
        if state in ("unavailable", "unprovisioned"):
            self._keys = {}
        self._status = replace(self._status, state=state, reason=reason)

    def _require(self, *, wait: bool = True) -> None:
        if wait:
            self._settled.wait(_PATIENCE)
        if self._status.state != "operational":
            raise self._unusable()

    def _unusable(self) -> HsmError:
        reason = self._status.reason or "starting"
        if self._status.state == "locked":
            return TokenLocked(f"the token {self.config.token} is locked: {reason}", reason=reason)
        return TokenNotAvailable(f"the token {self.config.token} cannot be used: {reason}", reason=reason)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except CryptokiError as e:
            self.suspect(e)
            raise TokenNotAvailable(f"{e.function} failed: {e.name}", function=e.function, answer=e.name) from e
