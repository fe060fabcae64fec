"""Which key lies on which token: the keepers' lists, asked once in a while.

Keys change only when an operator makes or certifies one, so lists are kept for `REMEMBERED` seconds, and longer while
a keeper is away: a keeper that is started anew must not make its keys vanish from under a running request. It holds
no key, only what anybody who may use one may know.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

from cryptography import x509

from hsm.errors import HsmError, KeyNotFound, MechanismNotSupported, TokenLocked, TokenNotAvailable
from hsm.keys import KeyInfo, Mechanism
from hsm.permit import Permit

REMEMBERED = 5.0


class KeyState(Protocol):
    """What a keeper's log says about one use (`hsm.token.KeyUse`)."""

    @property
    def state(self) -> str: ...
    @property
    def value(self) -> bytes | None: ...


class TokenState(Protocol):
    """What readiness tells of a keeper (`hsm.token.TokenStatus`)."""

    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def sessions(self) -> int: ...


class TokenLike(Protocol):
    """The part of `hsm.token.Token` that use cases rely on."""

    def status(self) -> TokenState: ...
    def keys(self) -> tuple[KeyInfo, ...]: ...
    def sign(self, *, key: str, mechanism: Mechanism, tbs: bytes, permit: Permit) -> bytes: ...
    def use(self, ledger_number: int) -> KeyState | None: ...


@dataclass(frozen=True)
class _List:
    keys: tuple[KeyInfo, ...]
    until: float
    error: HsmError | None


class Keys:
    """The keys of all modules, by their names. Safe to share between threads."""

    def __init__(self, tokens: Mapping[str, TokenLike]) -> None:
        self.tokens = dict(tokens)
        self._lists: dict[str, _List] = {}
        self._lock = threading.Lock()

    def all(self) -> tuple[KeyInfo, ...]:
        """Every key that is known, ordered by name; a module that is away contributes what it had last."""
        return tuple(
            sorted((key for module in self.tokens for key in self._list(module).keys), key=lambda key: key.ref)
        )

    def find(self, ref: str) -> KeyInfo:
        """The key of this name; raises KeyNotFound, or KeeperNotAvailable while it may be on a token that is away."""
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
        does not let anybody in.
        """
        for mechanism in key.mechanisms:
            if wanted in (None, mechanism):
                return mechanism
        if not key.mechanisms:
            status = self.token(key).status()
            if status.state == "locked":
                raise TokenLocked(key=key.ref, reason=status.reason or "locked")
            if status.state != "operational":
                raise TokenNotAvailable(key=key.ref, reason=status.reason or status.state)
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
