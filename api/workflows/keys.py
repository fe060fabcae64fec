"""Which key lies on which token: the keepers' lists, asked once in a while.

Keys change only when an operator makes or certifies one, so lists are kept for `REMEMBERED` seconds, and longer while
a keeper is away: a keeper that is started anew must not make its keys vanish from under a running request. It holds
no key, only what anybody who may use one may know.

A key may have a twin on another module (`[keys.REF] twin = "MODULE/REF"`), a key of its own or the same one, each with
its own certificate. `find` decides between the two, once a request and before anything is prepared, because the
certificate is part of what is signed: the first key if its module is at work, else the twin if that one is. From then
on the request stays with its key; whether a use took place is asked of both modules (`places`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

from cryptography import x509

from api.errors import ApiError
from hsm.activation import Activation, Assertion, Challenge, Documents
from hsm.counting import KeyCount
from hsm.errors import HsmError, KeyNotFound, MechanismNotSupported, TokenLocked, TokenNotAvailable
from hsm.keys import KeyInfo, Mechanism
from hsm.permit import Permit
from hsm.uselog import KeyUse, UsesPage

REMEMBERED = 5.0
RESTING = 15.0
"""Seconds for which a keeper that did not answer is not asked again, if there is a twin."""


class KeyCanaryFailed(ApiError):
    """The key's canary signature at the start did not verify; the key is not used until another one does."""

    code = "key-canary-failed"


class TokenState(Protocol):
    """What readiness tells of a keeper (`hsm.token.TokenStatus`)."""

    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def sessions(self) -> int: ...
    @property
    def uses(self) -> tuple[KeyCount, ...]: ...


class TokenLike(Protocol):
    """The part of `hsm.token.Token` that use cases rely on."""

    def status(self) -> TokenState: ...
    def keys(self) -> tuple[KeyInfo, ...]: ...
    def sign(self, *, key: str, mechanism: Mechanism, tbs: bytes, permit: Permit, activation: str = "") -> bytes: ...
    def begin_activation(self, key: str, documents: Documents, *, asker: str = "") -> Challenge: ...
    def activate(self, assertion: Assertion) -> Activation: ...
    def activation(self, identity: str) -> Activation: ...
    def use(self, ledger_number: int) -> KeyUse | None: ...
    def uses(self, after: int) -> UsesPage: ...


@dataclass(frozen=True)
class _List:
    keys: tuple[KeyInfo, ...]
    until: float
    error: HsmError | None


class Keys:
    """The keys of all modules, by their names. Safe to share between threads."""

    def __init__(
        self,
        tokens: Mapping[str, TokenLike],
        *,
        twins: Mapping[str, str] | None = None,
        require: Iterable[Callable[[str], None]] = (),
    ) -> None:
        self._require = tuple(require)
        self.tokens = dict(tokens)
        self._twins = dict(twins or {})
        self._resting: dict[str, float] = {}
        self._lists: dict[str, _List] = {}
        self._lock = threading.Lock()

    def all(self) -> tuple[KeyInfo, ...]:
        """Every key that is known, ordered by name; a module that is away contributes what it had last."""
        found: dict[str, KeyInfo] = {}
        for module in self.tokens:
            for key in self._list(module).keys:
                found.setdefault(key.ref, key)
        return tuple(found[ref] for ref in sorted(found))

    def find(self, ref: str) -> KeyInfo:
        """The key of this name, or its twin while the key's module is not at work and the twin's is.

        Raises KeyNotFound, or KeeperNotAvailable while it may be on a token that is away.
        """
        if ref not in self._twins:
            return self._first(ref)
        try:
            first = self._first(ref)
        except KeyNotFound:
            raise
        except HsmError:
            twin = self._twin(ref)
            if twin is None:
                raise
            return twin
        if self._is_at_work(first.module):
            return first
        return self._twin(ref) or first

    def places(self, ref: str) -> tuple[TokenLike, ...]:
        """The tokens on which a use of this key may have taken place; every one, where a twin may have signed."""
        if ref in self._twins:
            return tuple(self.tokens.values())
        return (self.token(self._first(ref)),)

    def _twin(self, ref: str) -> KeyInfo | None:
        """The twin, if it can sign now."""
        module, _, name = self._twins[ref].partition("/")
        if module not in self.tokens or not self._is_at_work(module):
            return None
        found = (key for fresh in (False, True) for key in self._list(module, fresh=fresh).keys)
        return next((key for key in found if key.ref == name and key.mechanisms), None)

    def _is_at_work(self, module: str) -> bool:
        """Whether the module signs now. A keeper that did not answer, which takes seconds, is left alone for a while."""
        if self._resting.get(module, 0.0) > time.monotonic():
            return False
        try:
            return self.tokens[module].status().state == "operational"
        except HsmError:
            self._resting[module] = time.monotonic() + RESTING
            return False

    def _first(self, ref: str) -> KeyInfo:
        away: HsmError | None = None
        for fresh in (False, True):  # a key that was made a moment ago is worth one question
            for module in self.tokens:
                listed = self._list(module, fresh=fresh)
                for key in listed.keys:
                    if key.ref == ref:
                        return key
                away = listed.error or away
        if away is not None:
            raise away
        raise KeyNotFound(key=ref)

    def token(self, key: KeyInfo) -> TokenLike:
        """The token that holds this key."""
        return self.tokens[key.module]

    def mechanism(self, key: KeyInfo, *, wanted: str | None = None) -> Mechanism:
        """The mechanism that an order names, or the key's default: the first that was found to work.

        Raises MechanismNotSupported; TokenLocked or TokenNotAvailable when nothing could be tried, because the token
        does not let anybody in; KeyCanaryFailed.
        """
        for require in self._require:
            require(key.ref)
        for mechanism in key.mechanisms:
            if wanted in (None, mechanism):
                return mechanism
        if not key.mechanisms:
            status = self.token(key).status()
            if status.state == "locked":
                raise TokenLocked(key=key.ref, reason=status.reason or "locked")
            if status.state != "operational":
                raise TokenNotAvailable(key=key.ref, reason=status.reason or status.state)
            # The token was opened since its keys were listed.
            for one in self._list(key.module, fresh=True).keys:
                if one.ref == key.ref and one.mechanisms:
                    return self.mechanism(one, wanted=wanted)
        raise MechanismNotSupported(key=key.ref, mechanism=wanted or "any", offered=", ".join(key.mechanisms))

    def _list(self, module: str, *, fresh: bool = False) -> _List:
        now = time.monotonic()
        known = self._lists.get(module)
        if known is not None and known.until > now and not fresh:
            return known
        try:
            found = _List(self.tokens[module].keys(), now + REMEMBERED, None)
        except HsmError as error:
            # Asked again at once: the keeper may be back in a moment.
            found = _List(known.keys if known else (), now, error)
        with self._lock:
            self._lists[module] = found
        return found


def certificate_of(key: KeyInfo) -> x509.Certificate | None:
    """The key's certificate, parsed. It comes from our own token, not from a document."""
    return None if key.certificate is None else x509.load_der_x509_certificate(key.certificate)


def as_json(key: KeyInfo) -> dict[str, Any]:
    """A key as `GET /v1/keys` and `kyso key list --format json` show it."""
    certificate = certificate_of(key)
    return {
        "ref": key.ref,
        "label": key.label,
        "algorithm": key.algorithm,
        "key_size": key.key_size,
        "mechanisms": list(key.mechanisms),
        "subject": certificate.subject.rfc4514_string() if certificate else None,
        "issuer": certificate.issuer.rfc4514_string() if certificate else None,
        "not_after": certificate.not_valid_after_utc.astimezone(UTC).isoformat() if certificate else None,
    }
