"""One issuer: its discovery document and its keys, fetched, kept for a while, and renewed when a token names another.

Keys are fetched when they are first needed, every `keys_for` seconds, and when a token names a key that is not known, the
last no more often than every `ASK_AGAIN` seconds: a flood of made-up key ids is no flood of questions. While the issuer
does not answer, what was fetched counts for `keys_without_issuer` seconds more; then its tokens are refused with
`issuer-unavailable`. At most one thread asks, the others go on with what is there.

Only public keys for signatures are taken: RSA of 2048 bits at least, P-256/384/521, Ed25519/448 (RFC 8725 §3.5).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey, import_key

from api.errors import ApiError
from api.identity.errors import IssuerUnavailable, TokenForged
from api.identity.outgoing import UNANSWERED, Outgoing
from api.logs import Logger
from api.settings.identity import Issuer as Chosen

ASK_AGAIN = 30.0
"""Seconds between two questions that tokens cause, or that failed."""
RETRY = 5.0
"""The same for its discovery document, while people want to sign in."""
FIRST_WAIT = 2.0
"""Seconds for which a request waits for the first keys, while another one asks."""
MOST_KEYS = 100
LONGEST_KID = 256
CURVES = frozenset({"P-256", "P-384", "P-521", "Ed25519", "Ed448"})
METADATA = ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "end_session_endpoint")
log = Logger()


class MetadataWrong(ApiError):
    """What the issuer says of itself cannot be used, or is about another issuer."""

    code = "issuer-metadata-wrong"


@dataclass
class _Known:
    """What was fetched, and when."""

    keys: KeySet
    at: float


class Issuer:
    """Safe to share between threads."""

    def __init__(
        self, name: str, chosen: Chosen, outgoing: Outgoing, *, home: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self.chosen, self.outgoing = name, chosen, outgoing
        self._home, self._clock = home, clock
        self._known: _Known | None = None
        self._metadata: dict[str, Any] | None = None
        self._asked = self._discovered = -ASK_AGAIN
        self._asking = threading.Lock()

    def key(self, kid: object, *, algorithm: str) -> Key:
        """The key by which a token must be signed. Raises TokenForged for an unknown one, IssuerUnavailable."""
        if kid is not None and not (isinstance(kid, str) and len(kid) <= LONGEST_KID):
            raise TokenForged("the key id is not one")
        known = self._current()
        found = _find(known.keys, kid, algorithm)
        if found is None and self._renew(known):
            found = _find(self._counting().keys, kid, algorithm)
        if found is None:
            raise TokenForged("no such key of the issuer")
        return found

    def metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0 §4). Raises IssuerUnavailable, MetadataWrong."""
        if self._metadata is not None:
            return self._metadata
        if not self._asking.acquire(timeout=FIRST_WAIT):
            raise IssuerUnavailable(issuer=self.name)
        try:
            if self._metadata is None:
                if (
                    self._clock() - self._discovered < RETRY
                ):  # an issuer that is away is no reason to keep threads waiting
                    raise IssuerUnavailable(issuer=self.name)
                self._discovered = self._clock()
                self._metadata = self._discover()
        except UNANSWERED as error:
            log.warning("the issuer cannot be asked", issuer=self.name, reason=str(error)[:200])
            raise IssuerUnavailable(issuer=self.name) from None
        finally:
            self._asking.release()
        return self._metadata

    def _current(self) -> _Known:
        known = self._known
        if known is None or self._clock() - known.at > self.chosen.keys_for:
            self._renew(known)
        return self._counting()

    def _counting(self) -> _Known:
        """The keys that count now."""
        known = self._known
        if known is None:
            raise IssuerUnavailable(issuer=self.name)
        over = self._clock() - known.at - self.chosen.keys_for
        if self.chosen.jwks_file is None and over > self.chosen.keys_without_issuer:
            raise IssuerUnavailable(issuer=self.name)
        return known

    def _renew(self, former: _Known | None) -> bool:
        """Fetch keys, if nobody does and it is not too soon; whether there are others now than `former`."""
        if not self._asking.acquire(timeout=FIRST_WAIT if former is None else 0):
            return self._known is not former
        try:
            if self._known is not former:
                return True
            if self._clock() - self._asked < ASK_AGAIN:
                return False
            self._asked = self._clock()
            self._known = _Known(self._fetch(), self._clock())
        except (*UNANSWERED, MetadataWrong, IssuerUnavailable) as error:
            log.warning("the issuer's keys cannot be fetched", issuer=self.name, reason=str(error)[:200])
            return False
        else:
            log.info("the issuer's keys were fetched", issuer=self.name, count=len(self._known.keys.keys))
            return True
        finally:
            self._asking.release()

    def _fetch(self) -> KeySet:
        if self.chosen.jwks_file is not None:
            return _key_set(_file(self._home / self.chosen.jwks_file))
        if self.chosen.jwks_uri is not None:
            return _key_set(self.outgoing.get_json(self.chosen.jwks_uri))
        self._metadata = self._discover()  # where the keys are may have changed as well
        return _key_set(self.outgoing.get_json(self._metadata["jwks_uri"]))

    def _discover(self) -> dict[str, Any]:
        found = self.outgoing.get_json(self.chosen.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self.chosen.issuer:  # Discovery §4.3, RFC 8414 §3.3
            raise MetadataWrong("the discovery document is about another issuer", issuer=self.name)
        for name in METADATA:
            if name in found and not isinstance(found[name], str):
                raise MetadataWrong(f"{name} is no URL", issuer=self.name)
        if "jwks_uri" not in found:
            raise MetadataWrong("jwks_uri is missing", issuer=self.name)
        return found


def _file(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MetadataWrong(f"jwks_file: {error}") from None
    if not isinstance(found, dict):
        raise MetadataWrong("jwks_file is not a JWK set")
    return found


def _find(keys: KeySet, kid: str | None, algorithm: str) -> Key | None:
    """The key of this id; without one, the only key that there is for the algorithm."""
    fitting = [key for key in keys.keys if key.get("alg") in (None, algorithm) and (kid is None or key.kid == kid)]
    return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None


def _key_set(found: dict[str, Any]) -> KeySet:
    """The keys that may verify; what is not one of them is left out (RFC 7517 §5)."""
    given = found.get("keys")
    if not isinstance(given, list):
        raise MetadataWrong("not a JWK set")
    taken = [key for one in given[:MOST_KEYS] if (key := _public(one)) is not None]
    if not taken:
        raise MetadataWrong("no key in it verifies signatures")
    return KeySet(taken)


def _public(given: object) -> Key | None:
    if not isinstance(given, dict) or given.get("kty") not in ("RSA", "EC", "OKP") or "d" in given:
        return None
    if given.get("use", "sig") != "sig" or "verify" not in given.get("key_ops", ["verify"]):
        return None
    try:
        key = import_key({name: value for name, value in given.items() if isinstance(value, str)})
        raw = key.raw_value
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAKey):
        return key if raw.key_size >= 2048 else None  # type: ignore[union-attr]  # of an RSAKey, RSA's
    return key if isinstance(key, ECKey | OKPKey) and given.get("crv") in CURVES else None
