"""Which mechanisms a key really has: the token's list says what might work, one signature each shows what does.

A probe signs bytes of no meaning (no shape that the keeper would sign for anybody), is written to the log of uses
before and after, and its value goes nowhere. Recipes of one family share a probe; results are kept for the life of the
process, so that a token that was away for a moment is not probed again. An error that may pass (`unsure`) is probed up
to three times. A key that asks for the PIN at each use is not probed: the first use tells.

>>> prober.keep_working(key, slot=0).info.mechanisms                                 # doctest: +SKIP
('ecdsa_sha256', 'ecdsa_sha384')
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from hsm.cryptoki import Cryptoki, CryptokiError
from hsm.errors import SignatureCheckFailed
from hsm.keys import Mechanism
from hsm.mechanisms import Recipe, check_value, value_of
from hsm.objects import TokenKey

_log = logging.getLogger("kyso.keeper")

_TRIES: Final = 3
_NEVER: Final = frozenset({0x07, 0x20, 0x21, 0x54, 0x62, 0x63, 0x68, 0x70, 0x71})
"""ARGUMENTS_BAD, DATA_*, FUNCTION_NOT_SUPPORTED, KEY_SIZE_RANGE, KEY_TYPE_*, KEY_FUNCTION_*, MECHANISM_*."""

ProbeOutcome = Literal["asked", "works", "fails"]
ProbeLog = Callable[[str, Mechanism, bytes, ProbeOutcome], None]


class Prober:
    """Remembers what worked."""

    def __init__(self, cryptoki: Callable[[], Cryptoki], *, record: ProbeLog) -> None:
        self._cryptoki = cryptoki
        self._record = record
        self._known: dict[tuple[bytes, tuple[int, str | None]], bool] = {}
        self._failures: Counter[tuple[bytes, tuple[int, str | None]]] = Counter()
        self.unsure = False
        """Whether something failed that may work when the keys are read again."""

    def keep_working(self, key: TokenKey, *, slot: int) -> TokenKey:
        """The key with, for each mechanism, the first of its ways that works."""
        works: dict[Mechanism, Recipe] = {}
        doubtful: set[Mechanism] = set()
        for recipe in key.ways:
            if recipe.mechanism in works:
                continue
            outcome = self._works(key, recipe, slot=slot)
            if outcome:
                works[recipe.mechanism] = recipe
            elif outcome is None:
                doubtful.add(recipe.mechanism)
        self.unsure = self.unsure or not doubtful <= works.keys()
        return replace(key, recipes=works, info=replace(key.info, mechanisms=tuple(works)))

    def _works(self, key: TokenKey, recipe: Recipe, *, slot: int) -> bool | None:
        """What is known, else what a probe shows; None: something failed that may pass."""
        mark = key.info.public_key, recipe.family
        if key.always_authenticate:
            return True
        if mark not in self._known:
            outcome = self._try(key, recipe, slot=slot)
            self._failures[mark] += outcome is None
            if outcome is None and self._failures[mark] < _TRIES:
                return None
            self._known[mark] = bool(outcome)
        return self._known[mark]

    def _try(self, key: TokenKey, recipe: Recipe, *, slot: int) -> bool | None:
        """True: works; False: the token cannot; None: something failed."""
        cryptoki, ref = self._cryptoki(), key.info.ref
        tbs = b"kyso probe signature: of no meaning " + secrets.token_hex(16).encode()
        session = cryptoki.open_session(slot)  # its own: an error may leave an operation active in it
        try:
            handle = next(iter(cryptoki.find(session, key.template())), None)
            if handle is None:
                return None
            self._record(ref, recipe.mechanism, tbs, "asked")
            data = recipe.data(tbs, digest=None, curve_bytes=key.curve_bytes)
            value = value_of(
                cryptoki.sign(session, handle, mechanism=recipe.native, data=data), public_key=key.public_key
            )
            check_value(value, public_key=key.public_key, mechanism=recipe.mechanism, tbs=tbs)
        except (CryptokiError, SignatureCheckFailed) as e:
            _log.warning("mechanism left out", extra={"facts": {"mechanism": recipe.mechanism, "error": str(e)}})
            self._record(ref, recipe.mechanism, tbs, "fails")
            return False if isinstance(e, CryptokiError) and e.rv in _NEVER else None
        finally:
            cryptoki.close_session(session)
        self._record(ref, recipe.mechanism, tbs, "works")
        return True
