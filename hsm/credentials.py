"""The keeper's own record of who may activate a person's key: credentials, activations, and failed attempts.

An append-only file beside the log of uses, chained like it (`hsm.chained`). What is there was put there through the
management socket, but for activations and refusals, which the keeper writes itself. An activation's line holds the
assertion whole, so that it can be shown to an auditor; its id says where the line begins.

It judges no assertion (`hsm.webauthn`) and remembers no challenge (`hsm.activating`).

>>> with CredentialStore.open(path) as store:                                       # doctest: +SKIP
...     store.invite("chu-tich", code_sha256=…, expires_at=…)
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from hsm.activation import Activation, Assertion, Credential, Credentials, Lock
from hsm.chained import ChainedFile, lock
from hsm.errors import ActivationUnknown, CredentialNotFound

_LONGEST_LINE: Final = 256 * 1024
_FREE, _FIRST_WAIT, _LONGEST_WAIT = 3, 60.0, 3600.0
"""Failures in a row from which on there are pauses; the first pause, which doubles, and the longest, in seconds."""
_FORGOTTEN = 24 * 3600.0
"""Seconds without a failure after which a row of them is over."""
_MOST, _WITHIN = 100, 3600.0
"""Failures of one key, whoever asked, in so many seconds: then none is looked at until that is over. Who asks is the
api's word, so that one which lies has no more tries than these."""

Kind = Literal["invited", "enrolled", "revoked", "activated", "refused", "copied", "lifted", "healed"]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line, without its chain."""

    sequence: int
    at: float
    kind: Kind
    key: str = ""
    credential: bytes = b""
    public_key: bytes = b""
    model: str = ""
    sign_count: int = 0
    backed_up: bool = False
    code_sha256: str = ""
    expires_at: float = 0.0
    activation: str = ""
    text: bytes = b""
    assertion: Assertion | None = None
    note: str = ""
    asker: str = ""


@dataclass
class _Failures:
    """In a row, for one who asks; when the last was."""

    count: int = 0
    at: float = 0.0


@dataclass
class _Key:
    """What is known of one key."""

    credentials: dict[bytes, Credential] = field(default_factory=dict)
    code_sha256: str = ""
    invited_until: float = 0.0
    failures: dict[str, _Failures] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST))


class CredentialStore:
    """The file; thread-safe. One process at a time."""

    def __init__(self, file: ChainedFile[Line]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._keys: dict[str, _Key] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create it, check its chain, mend a torn end. UseLogBroken if a line was changed."""
        store = cls(ChainedFile(lock(path), Line))
        for line, _ in store._file.load():
            store._remember(line)
        if torn := store._file.mend():
            store._write("healed", note=f"{torn} bytes")
        store._file.settle()
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sync and close."""
        self._file.close()

    # -- an administrator's ----------------------------------------------------------------------------------------

    def invite(self, key: str, *, code_sha256: str, expires_at: float) -> None:
        """Remember the digest of a one-time code; a former one is worth nothing from now on."""
        self._keep("invited", key=key, code_sha256=code_sha256, expires_at=expires_at)

    def enrol(self, credential: Credential) -> None:
        """Keep a credential; the code is used up."""
        self._keep(
            "enrolled",
            key=credential.key,
            credential=credential.id,
            public_key=credential.public_key,
            model=credential.model,
            sign_count=credential.sign_count,
            backed_up=credential.backed_up,
        )

    def revoke(self, key: str, credential: bytes) -> None:
        """Believe it no more. Raises CredentialNotFound."""
        if self.credential(key, credential) is None:
            raise CredentialNotFound(key=key)
        self._keep("revoked", key=key, credential=credential)

    def lift(self, key: str) -> None:
        """Forget the failures."""
        self._keep("lifted", key=key)

    # -- the keeper's own ------------------------------------------------------------------------------------------

    def activated(
        self,
        credential: Credential,
        *,
        text: bytes,
        expires_at: int,
        assertion: Assertion,
        sign_count: int,
        asker: str = "",
    ) -> str:
        """Record what was agreed to; returns the activation's id once that is on the disk."""
        with self._lock:
            identity = f"act_{self._file.size:x}_{secrets.token_hex(8)}"
            self._write(
                "activated",
                key=credential.key,
                credential=credential.id,
                public_key=credential.public_key,
                sign_count=sign_count,
                expires_at=float(expires_at),
                activation=identity,
                text=text,
                assertion=assertion,
                asker=asker,
            )
            end = self._file.size
        self._file.sync(end)
        return identity

    def refused(self, credential: Credential, *, asker: str, reason: str) -> None:
        """Record a failed attempt with one of the key's credentials; it counts also after a restart."""
        kind: Kind = "copied" if reason == "sign-count" else "refused"
        with self._lock:
            self._write(kind, key=credential.key, credential=credential.id, note=reason, asker=asker)

    # -- questions -------------------------------------------------------------------------------------------------

    def credential(self, key: str, identity: bytes) -> Credential | None:
        """The credential of this key that has this id."""
        with self._lock:
            return self._of(key).credentials.get(identity)

    def of(self, key: str) -> Credentials:
        """All that is known of a key's credentials."""
        with self._lock:
            found = self._of(key)
            invited = found.invited_until if found.code_sha256 and found.invited_until > time.time() else None
            locks = [one for asker in ("", *found.failures) if (one := _locked(found, asker)) is not None]
            lasting = max(locks, key=lambda one: one.until, default=None)
            return Credentials(tuple(found.credentials.values()), lasting, invited)

    def lock_of(self, key: str, *, asker: str) -> Lock | None:
        """What stands against looking at another activation of this key now, for whoever asks."""
        with self._lock:
            return _locked(self._of(key), asker)

    def invitation(self, key: str) -> str:
        """The digest of the code that is good now, or nothing."""
        with self._lock:
            found = self._of(key)
            return found.code_sha256 if found.invited_until > time.time() else ""

    def activation(self, identity: str) -> Activation:
        """What was agreed to under this id. Raises ActivationUnknown."""
        head, _, rest = identity.partition("_")
        place = rest.partition("_")[0]
        try:
            line = self._file.line_at(int(place, 16), longest=_LONGEST_LINE) if head == "act" else None
        except (ValueError, OverflowError, OSError, msgspec.MsgspecError):
            line = None
        if line is None or line.activation != identity or line.assertion is None:
            raise ActivationUnknown(activation=identity[:64])
        return Activation(identity, line.key, line.at, int(line.expires_at), line.text, line.public_key, line.assertion)

    # -- the file --------------------------------------------------------------------------------------------------

    def _of(self, key: str) -> _Key:
        return self._keys.setdefault(key, _Key())

    def _keep(self, kind: Kind, **facts: object) -> None:
        with self._lock:
            self._write(kind, **facts)
            end = self._file.size
        self._file.sync(end)

    def _write(self, kind: Kind, **facts: object) -> None:
        line = Line(self._file.sequence + 1, time.time(), kind, **facts)  # type: ignore[arg-type]  # the fields by name
        self._file.append(line)
        self._remember(line)

    def _remember(self, line: Line) -> None:
        key = self._of(line.key)
        match line.kind:
            case "invited":
                key.code_sha256, key.invited_until = line.code_sha256, line.expires_at
            case "enrolled":
                key.code_sha256 = ""
                key.credentials[line.credential] = Credential(
                    line.key,
                    line.credential,
                    line.public_key,
                    line.model,
                    line.at,
                    sign_count=line.sign_count,
                    backed_up=line.backed_up,
                )
            case "revoked":
                key.credentials.pop(line.credential, None)
            case "activated":
                key.failures.pop(line.asker, None)
                if (known := key.credentials.get(line.credential)) is not None:
                    key.credentials[line.credential] = replace(
                        known, sign_count=line.sign_count, activations=known.activations + 1
                    )
            case "refused" | "copied":
                before = key.failures.get(line.asker, _Failures())
                key.failures[line.asker] = _Failures(_still(before, line.at) + 1, line.at)
                key.recent.append(line.at)
                if line.kind == "copied" and (known := key.credentials.get(line.credential)) is not None:
                    key.credentials[line.credential] = replace(known, copied=True)
            case "lifted":
                key.failures.clear()
                key.recent.clear()


def _still(failures: _Failures, now: float) -> int:
    """How many of a row still count."""
    return failures.count if now < failures.at + _FORGOTTEN else 0


def _locked(key: _Key, asker: str) -> Lock | None:
    """The longer of the two locks: this asker's own, and that of all together."""
    now = time.time()
    found = []
    if len(key.recent) == _MOST:
        found.append(Lock(_MOST, key.recent[0] + _WITHIN))
    failures = key.failures.get(asker, _Failures())
    count = _still(failures, now)
    if count >= _FREE:
        pause = min(_FIRST_WAIT * 2.0 ** min(count - _FREE, 16), _LONGEST_WAIT)
        found.append(Lock(count, failures.at + pause, asker))
    return max((lock for lock in found if lock.until > now), key=lambda lock: lock.until, default=None)
