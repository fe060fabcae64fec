"""One use of a key, on record before and after: the only place that asks a keeper to sign.

Steps 6 to 9 of a signature (`api.workflows.signing`), and all of a timestamp:

6. INTENT is durable in the ledger: caller, key, mechanism, digests. If it cannot be written, nothing is signed.
7. A permit for exactly this use.
8. The keeper signs.
9. DONE, with the value, is durable. Whatever breaks afterwards is finished from it, never signed again.

What if it breaks in between: the keeper writes its own log before and after it uses the key, so that it is asked.

| The keeper says | Then |
|---|---|
| it never began | it is asked again for the same ledger number, which the keeper serves once; later FAILED |
| done, here is the value | step 9 |
| it failed | FAILED |
| it began, and no more | IN_DOUBT: for people to look at; nothing is signed again by itself |
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api import telemetry
from api.errors import ApiError
from api.ledger import Ledger
from api.ledger.log import Also
from api.refusals import SignatureInDoubt
from api.workflows.keys import Keys
from hsm import permit as permits
from hsm.errors import HsmError, KeeperNotAvailable, PermitRefused, SigningInterrupted
from hsm.keys import KeyInfo, Mechanism

PERMIT_SECONDS = 6.0
"""How long a permit is good for: shorter than a record's hold (`holds.LEASE`), so that nobody takes a record over while
its permit could still be used."""
PATIENCE = 15.0
"""Seconds for a keeper that went away to come back, before the caller is told to try again."""
PAUSE = 0.1


@dataclass(frozen=True)
class KeyUser:
    """Signs with keys. `permit_secret` gives the secret that api and keepers share since the supervisor's start."""

    ledger: Ledger
    keys: Keys
    permit_secret: Callable[[], bytes]

    def once(
        self, key: KeyInfo, *, mechanism: Mechanism, tbs: bytes, facts: Mapping[str, Any], activation: str = ""
    ) -> bytes:
        """6 to 9 for bytes that nobody has to complete afterwards (a timestamp, a bundle, a checkpoint): the value.

        `facts` say who and what for; the rest is added. A person's key wants an `activation`. Raises HsmError,
        SignatureInDoubt, LedgerUnavailable.
        """
        what = {"key": key.ref, "caller": facts["caller"]}
        said = {**facts, "key": key.ref, "mechanism": mechanism, "tbs_sha256": hashlib.sha256(tbs).hexdigest()}
        number = self.intend(said | ({"activation": activation} if activation else {}))
        try:
            value = self.sign(key, mechanism=mechanism, tbs=tbs, number=number, activation=activation)
        except HsmError as error:
            if error.code != SigningInterrupted.code:  # then the keeper's log is asked later: `recovery.scan`
                self.failed(number, code=error.code, facts=what)
            raise
        except ApiError:
            self.in_doubt(number, facts=what)
            raise
        self.done(number, value=value, facts=what)
        return value

    def intend(self, facts: Mapping[str, Any], *, also: Also | None = None) -> int:
        """6. The INTENT line's number, once it is durable; raises LedgerUnavailable."""
        return self.ledger.append("INTENT", facts, also=also)

    def sign(self, key: KeyInfo, *, mechanism: Mechanism, tbs: bytes, number: int, activation: str = "") -> bytes:
        """7 and 8. The value; of a person's key under an `activation`.

        Raises SigningInterrupted when the keeper's log has to be asked later, SignatureInDoubt when it says no more,
        or another HsmError: then the key was not used, or gave nothing.
        """
        try:
            return self._ask(key, mechanism=mechanism, tbs=tbs, number=number, activation=activation)
        except (SigningInterrupted, KeeperNotAvailable) as error:
            telemetry.logger().warning("keeper went away", key=key.ref, ledger=number, code=error.code)
            return self._resume(key, mechanism=mechanism, tbs=tbs, number=number, cause=error, activation=activation)

    def _ask(self, key: KeyInfo, *, mechanism: Mechanism, tbs: bytes, number: int, activation: str) -> bytes:
        permit = permits.issue(
            self.permit_secret(),
            key=key.ref,
            mechanism=mechanism,
            tbs=tbs,
            ledger_number=number,
            expires_at=time.time() + PERMIT_SECONDS,
        )
        token = self.keys.token(key)
        if activation:
            return token.sign(key=key.ref, mechanism=mechanism, tbs=tbs, permit=permit, activation=activation)
        return token.sign(key=key.ref, mechanism=mechanism, tbs=tbs, permit=permit)

    def _resume(
        self, key: KeyInfo, *, mechanism: Mechanism, tbs: bytes, number: int, cause: HsmError, activation: str
    ) -> bytes:
        """The value after all: from the keeper's log, or by asking again for the same ledger number."""
        token = self.keys.token(key)
        deadline = time.monotonic() + PATIENCE
        presented = isinstance(cause, SigningInterrupted)
        began = False
        while time.monotonic() < deadline:
            time.sleep(PAUSE)
            try:
                use = token.use(number)
                if use is None:
                    return self._ask(key, mechanism=mechanism, tbs=tbs, number=number, activation=activation)
            except (SigningInterrupted, KeeperNotAvailable, PermitRefused) as error:
                # PermitRefused: the first request reached the keeper after all, between the two questions.
                presented = presented or not isinstance(error, KeeperNotAvailable)
                continue
            if use.state == "done" and use.value is not None:
                return use.value
            if use.state == "failed":
                raise HsmError("the keeper's log says that this use failed", key=key.ref)
            if began:  # a keeper that was started anew will not finish what it began: no use in asking on
                break
            began = True
            time.sleep(10 * PAUSE)
        if began:
            raise SignatureInDoubt(key=key.ref)
        if presented:  # and nobody there to be asked
            raise SigningInterrupted(key=key.ref)
        raise cause

    def outcome(self, key_ref: str, number: int) -> tuple[str, bytes | None]:
        """What became of an earlier use: ("done", value), ("failed", None), ("never", None) or ("doubt", None).

        Raises HsmError while the keeper cannot be asked.
        """
        use, away = None, None
        for token in self.keys.places(key_ref):
            try:
                use = use or token.use(number)
            except HsmError as error:
                away = error
        if use is None:
            if away is not None:
                raise away
            return "never", None
        if use.state == "done" and use.value is not None:
            return "done", use.value
        return ("failed" if use.state == "failed" else "doubt"), None

    def done(self, number: int, *, value: bytes, facts: Mapping[str, Any], also: Also | None = None) -> None:
        """9. The value is durable."""
        self.ledger.append("DONE", _with_value(facts, number, value), also=also)

    def done_soon(self, number: int, *, value: bytes, facts: Mapping[str, Any], also: Also) -> None:
        """9. The value becomes durable with the next transaction (`Database.write_soon`); until then the keeper's log
        alone has it."""
        self.ledger.append_soon("DONE", _with_value(facts, number, value), also=also)

    def failed(self, number: int, *, code: str, facts: Mapping[str, Any], also: Also | None = None) -> None:
        """The key was not used, or returned nothing."""
        self.ledger.append("FAILED", {**facts, "intent": number, "code": code}, also=also)

    def in_doubt(self, number: int, *, facts: Mapping[str, Any], also: Also | None = None) -> None:
        """Whether the key was used is not known."""
        self.ledger.append("IN_DOUBT", {**facts, "intent": number}, also=also)


def _with_value(facts: Mapping[str, Any], number: int, value: bytes) -> dict[str, Any]:
    return {**facts, "intent": number, "value": base64.b64encode(value).decode()}
