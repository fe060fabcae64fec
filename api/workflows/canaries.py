"""Canary signatures: at a start each key for documents signs bytes that mean nothing (`hsm.canary`), and is refused until
the next try if its value does not verify with the certificate that readers will use.

1. One process at a time (a lock on the note, `log/canaries.json`); the others read what it notes.
2. Keys that sign documents, whose token is open, and which `[keys.REF] canary` does not leave out: by itself it leaves out
   what would cost somebody something, a PIN at each use, a person's activation, one of a limited number of uses.
3. Each at most once a start, and never twice within `INTERVAL`, however often the service starts or a key fails.
4. INTENT, permit, keeper, DONE, as for every use (`keyuse.once`), with `purpose` = `canary`; the keeper's log says the same.
5. The value is checked with the certificate, whose key need not be the token's.
6. A token that goes away meanwhile says nothing about the key: it is asked again later, three times before that counts.

    canaries.sign_due(services)          # in the background, every few seconds; mostly finds nothing to do
    services.keys.mechanism(key)         # raises KeyCanaryFailed
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO, cast

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api import telemetry
from api.errors import ApiError, LedgerUnavailable
from api.services import Services
from api.settings import Key, Settings
from api.workflows.keys import KeyCanaryFailed, certificate_of
from hsm import canary
from hsm.errors import HsmError
from hsm.keys import KeyInfo
from signer.cms import verify_value
from signer.errors import SignerError

CALLER = "canary"
NOTE = "canaries.json"
INTERVAL = 600.0
"""Seconds between two canaries of one key, at least."""
AGAIN, TRIES = 60.0, 3
"""Seconds until a key is asked again whose token went away, and how often that may happen before it counts as failed."""
REMEMBERED = 2.0
"""Seconds for which a process does not look at the note again."""
_PASSING = frozenset({"keeper-not-available", "token-locked", "token-not-available", "signing-interrupted", "busy"})


@dataclass(frozen=True)
class Outcome:
    """What a key's last canary gave. `code` is empty where it verified; `start` names the start it was made in."""

    at: float
    start: str
    code: str = ""
    tries: int = 1

    @property
    def counts(self) -> bool:
        """Whether it refuses the key."""
        return bool(self.code) and (self.code not in _PASSING or self.tries >= TRIES)


class Canaries:
    """What is known, for every use of a key: looked up at most once in `REMEMBERED` seconds. Safe to share."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.log / NOTE
        self._until = 0.0
        self._failed: dict[str, str] = {}
        self._lock = threading.Lock()

    def require(self, ref: str) -> None:
        """Raise KeyCanaryFailed while the key's canary has not verified."""
        code = self.failed().get(ref)
        if code is not None:
            raise KeyCanaryFailed(key=ref, cause=code)

    def failed(self) -> dict[str, str]:
        """The keys that are refused, each with the code of why."""
        if time.monotonic() >= self._until:
            with self._lock:
                self._failed = {ref: one.code for ref, one in outcomes(self._file).items() if one.counts}
                self._until = time.monotonic() + REMEMBERED
        return self._failed


def outcomes(file: Path) -> dict[str, Outcome]:
    """The last outcome of each key; a note that cannot be read says nothing, and is written anew."""
    try:
        return _read(file.read_text("utf-8"))
    except OSError:
        return {}


def sign_due(services: Services) -> tuple[str, ...]:
    """Have every key sign that is due; the refs of those that did not verify. Raises LedgerUnavailable, OSError."""
    start = _start(services.settings)
    known = outcomes(services.settings.log / NOTE)
    if not any(_is_due(known.get(key.ref), start) for key in _candidates(services)):
        return ()
    wrong: list[str] = []
    with _note(services.settings.log / NOTE) as file:  # 1
        if file is None:
            return ()
        known = _read(file.read())
        for key in _candidates(services):  # 2
            before = known.get(key.ref)
            if not _is_due(before, start) or not _is_open(services, key):  # 3
                continue
            code = _sign(services, key)
            tries = before.tries + 1 if before is not None and before.code and code in _PASSING else 1
            known[key.ref] = Outcome(time.time(), start, code, tries)
            _write(file, known)  # after each: a crash between two must not have a key sign twice
            if known[key.ref].counts:
                wrong.append(key.ref)
                telemetry.logger().error("canary failed", key=key.ref, code=code)
    return tuple(wrong)


def _candidates(services: Services) -> Iterator[KeyInfo]:
    """2."""
    for key in services.keys.all():
        chosen = services.settings.keys.get(key.ref, Key())
        if not key.mechanisms or {"signed-attributes", "signed-info"}.isdisjoint(chosen.shapes):
            continue
        if chosen.holder == "person":  # nobody has activated it
            continue
        if chosen.canary == "on" or (chosen.canary == "auto" and not _costs_something(key, chosen)):
            yield key


def _is_open(services: Services, key: KeyInfo) -> bool:
    """Whether the key's token can be used now: lists of keys outlive a token that is away."""
    try:
        return services.keys.token(key).status().state == "operational"
    except HsmError:
        return False


def _costs_something(key: KeyInfo, chosen: Key) -> bool:
    limits = (chosen.per_minute, chosen.per_day, chosen.total)
    return key.pin_each_use or any(limit is not None for limit in limits)


def _is_due(before: Outcome | None, start: str) -> bool:
    """3 and 6."""
    if before is None:
        return True
    age = time.time() - before.at
    if before.code:
        return age >= (AGAIN if not before.counts else INTERVAL) or age < 0
    return before.start != start and (age >= INTERVAL or age < 0)


def _sign(services: Services, key: KeyInfo) -> str:
    """4 and 5. The code of what went wrong, or nothing."""
    mechanism = key.mechanisms[0]
    facts = {"caller": CALLER, "purpose": "canary", "level": "canary"}
    try:
        value = services.key_user.once(key, mechanism=mechanism, tbs=canary.TBS, facts=facts)
        verify_value(_public_key(key), value, tbs=canary.TBS, mechanism=mechanism)
    except LedgerUnavailable:
        raise
    except (HsmError, ApiError, SignerError) as error:
        return error.code
    return ""


def _public_key(key: KeyInfo) -> CertificatePublicKeyTypes:
    certificate = certificate_of(key)
    if certificate is not None:
        return certificate.public_key()
    return cast(CertificatePublicKeyTypes, load_der_public_key(key.public_key))


def _start(settings: Settings) -> str:
    """What names this start of the service: the supervisor writes the secret of permits anew at each."""
    try:
        return str(settings.permit_secret_file.stat().st_mtime_ns)
    except FileNotFoundError:
        return ""


# --- the note ---------------------------------------------------------------------------------------------------------


@contextmanager
def _note(path: Path) -> Iterator[TextIO | None]:
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        file.seek(0)
        yield file


def _read(text: str) -> dict[str, Outcome]:
    try:
        return {ref: Outcome(**one) for ref, one in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _write(file: TextIO, known: dict[str, Outcome]) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps({ref: asdict(one) for ref, one in sorted(known.items())}, indent=1))
    file.flush()
    os.fsync(file.fileno())
