"""The keeper's own record of every use of a key: append-only JSON Lines in a SHA-256 chain.

Two lines for each use: `started` before C_Sign, `done` (with the value) or `failed` after it. They are written by
write(2) at once, so that a killed keeper leaves them; and no signature leaves before both are on the disk: one
fdatasync covers them, and threads that sign at the same time share it. If a line cannot be written, nothing is signed.

Each line ends in `"chain"`, the SHA-256 over the line before's chain and this line's other bytes. That shows a change
in the middle; a tail that was cut off shows only when the log is reconciled with the ledger. A last line that a crash
left unfinished is cut off at the next start and the cut is recorded.

It is also the memory that makes a permit single-use, and the place to ask what became of an interrupted one. It does
not decide whether a permit is authentic (`hsm.permit`). `history` reads a copy of the file, without a keeper.

>>> with UseLog.open(path) as log:                                                  # doctest: +SKIP
...     number = log.started(use, expires_at=…); log.done(number, value=b"…")
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self

import msgspec

from hsm.errors import HsmError, PermitRefused, UseLogBroken

_ORIGIN: Final = bytes(32)
_TAIL: Final = len(',"chain":""}') + 64
_LONGEST_LINE: Final = 16 * 1024
_PATIENCE: Final = 10.0
"""Seconds to wait for a former keeper's lock."""

_PAGE: Final = 500
"""Uses in one answer: half a megabyte at most."""

Kind = Literal["started", "done", "failed", "probe", "healed"]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line, without its chain. `use` is the sequence number of the `started` line that the line belongs to."""

    sequence: int
    at: float
    kind: Kind
    use: int = 0
    ledger_number: int = 0
    key: str = ""
    mechanism: str = ""
    tbs_sha256: str = ""
    expires_at: float = 0.0
    value: bytes | None = None
    note: str = ""


@dataclass(frozen=True)
class KeyUse:
    """What the keeper knows about the use that a ledger line stands for; `value` once it is done."""

    ledger_number: int
    key: str
    mechanism: str
    tbs_sha256: str
    state: Literal["started", "done", "failed"]
    value: bytes | None
    at: float


@dataclass(frozen=True)
class UsesPage:
    """Some uses in their order. `log` names the file (its first line's chain), so that whoever counts on with another
    one notices; `total` is the number of uses in it. A use that an operator asked for has ledger number 0."""

    log: str
    total: int
    uses: tuple[KeyUse, ...]


@dataclass
class _Use:
    """Where the lines of one use are: the memory of all uses costs a hundred bytes each."""

    tbs_sha256: bytes
    expires_at: float
    started: int
    ended: int | None = None


class UseLog:
    """The log of one keeper; thread-safe. One process at a time (an exclusive lock on the file)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._size = 0
        self._synced = 0
        self._sequence = 0
        self._chain = _ORIGIN
        self._uses: dict[int, list[_Use]] = {}
        self._open: dict[int, _Use] = {}
        self._order: list[_Use] = []
        self._first = ""
        self._broken = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the log, check its chain, mend a torn end. UseLogBroken if a line was changed."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as e:
            raise UseLogBroken(f"the log of uses cannot be opened: {e.strerror}") from None
        try:
            _lock(descriptor)
            log = cls(descriptor)
            log._load()
        except BaseException:
            os.close(descriptor)
            raise
        return log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sync and close."""
        self._sync(self._size)
        os.close(self._descriptor)

    # -- before and after a use ------------------------------------------------------------------------------------

    def started(
        self, *, ledger_number: int, key: str, mechanism: str, tbs: bytes, expires_at: float, note: str = ""
    ) -> int:
        """Record that the key is about to be used; returns the use's number. PermitRefused if this use was before.

        Ledger number 0 stands for a use that an operator asked for, without a permit.
        """
        at = time.time()
        digest = hashlib.sha256(tbs).digest()
        with self._lock:
            for former in self._uses.get(ledger_number, ()) if ledger_number else ():
                # Ledger numbers come again when a ledger is restored from a backup; the bytes to sign do not.
                if former.tbs_sha256 == digest or former.expires_at >= at:
                    raise PermitRefused("the permit was used before", ledger_number=ledger_number)
            use = _Use(digest, expires_at, self._size)
            self._append(
                Line(
                    sequence=self._sequence + 1,
                    at=at,
                    kind="started",
                    ledger_number=ledger_number,
                    key=key,
                    mechanism=mechanism,
                    tbs_sha256=digest.hex(),
                    expires_at=expires_at,
                    note=note,
                )
            )
            self._uses.setdefault(ledger_number, []).append(use)
            self._order.append(use)
            self._open[self._sequence] = use
            return self._sequence

    def done(self, use: int, *, value: bytes) -> None:
        """Record the value; returns when everything up to here is on the disk. Only then may the value leave."""
        self._sync(self._end(use, "done", value=value))

    def failed(self, use: int, *, code: str) -> None:
        """Record that the use ended without a value that left."""
        self._end(use, "failed", note=code)

    @contextlib.contextmanager
    def ending(self, use: int) -> Iterator[None]:
        """Around the use of the key: an error is recorded as its end and goes on."""
        try:
            yield
        except BaseException as e:
            self.failed(use, code=e.code if isinstance(e, HsmError) else type(e).__name__)
            raise

    def probe(self, *, key: str, mechanism: str, tbs: bytes, outcome: Literal["asked", "works", "fails"]) -> None:
        """Record a probe signature: one line before it and one after."""
        with self._lock:
            self._append(
                Line(
                    sequence=self._sequence + 1,
                    at=time.time(),
                    kind="probe",
                    key=key,
                    mechanism=mechanism,
                    tbs_sha256=hashlib.sha256(tbs).hexdigest(),
                    note=outcome,
                )
            )

    def find(self, ledger_number: int) -> KeyUse | None:
        """The last use that this ledger line stands for, or None: then the key was not used for it."""
        with self._lock:
            uses = self._uses.get(ledger_number)
            if not uses:
                return None
            return self._told(uses[-1])

    def page(self, after: int) -> UsesPage:
        """The uses behind the first `after`, some hundred at once."""
        with self._lock:
            chosen = self._order[max(after, 0) : max(after, 0) + _PAGE]
            return UsesPage(self._first, len(self._order), tuple(self._told(use) for use in chosen))

    def _told(self, use: _Use) -> KeyUse:
        return _use_of(self._line_at(use.started), None if use.ended is None else self._line_at(use.ended))

    # -- the file --------------------------------------------------------------------------------------------------

    def _end(self, use: int, kind: Literal["done", "failed"], *, value: bytes | None = None, note: str = "") -> int:
        with self._lock:
            position = self._size
            self._append(Line(sequence=self._sequence + 1, at=time.time(), kind=kind, use=use, value=value, note=note))
            self._open.pop(use).ended = position
            return self._size

    def _append(self, line: Line) -> None:
        """Write one line, or leave the file as it was: the next attempt writes at the same place."""
        if self._broken:
            raise UseLogBroken("the log of uses could not be brought to the disk")
        body = msgspec.json.encode(line)
        chain = hashlib.sha256(self._chain + body).digest()
        data = body[:-1] + b',"chain":"' + chain.hex().encode() + b'"}\n'
        try:
            written = os.pwrite(self._descriptor, data, self._size)
            why = "the disk is full"
        except OSError as e:
            written, why = 0, str(e.strerror)
        if written != len(data):
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise UseLogBroken(f"the log of uses cannot be written: {why}")
        self._chain, self._sequence = chain, line.sequence
        self._first = self._first or chain.hex()
        self._size += len(data)

    def _sync(self, upto: int) -> None:
        """fdatasync, shared: a thread that waited for another's sync mostly finds its own lines on the disk."""
        if self._synced >= upto:
            return
        with self._sync_lock:
            if self._synced >= upto:
                return
            size = self._size
            try:
                os.fdatasync(self._descriptor)
            except OSError as e:
                self._broken = True  # what the kernel dropped is not written by asking again
                raise UseLogBroken(f"the log of uses cannot be written: {e.strerror}") from None
            self._synced = size

    def _line_at(self, position: int) -> Line:
        data = os.pread(self._descriptor, _LONGEST_LINE, position)
        return _parse(data[: data.index(b"\n") + 1])

    def _load(self) -> None:
        file_size = os.fstat(self._descriptor).st_size
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            for line, data, chain in _walk(file, file_size):
                self._remember(line, position=self._size)
                self._first = self._first or chain.hex()
                self._chain, self._size = chain, self._size + len(data)
        if self._size < file_size:
            os.ftruncate(self._descriptor, self._size)
            line = Line(
                sequence=self._sequence + 1, at=time.time(), kind="healed", note=f"{file_size - self._size} bytes"
            )
            self._append(line)
        os.fsync(self._descriptor)
        self._synced = self._size

    def _remember(self, line: Line, *, position: int) -> None:
        self._sequence = line.sequence
        if line.kind == "started":
            use = _Use(bytes.fromhex(line.tbs_sha256), line.expires_at, position)
            self._uses.setdefault(line.ledger_number, []).append(use)
            self._order.append(use)
            self._open[line.sequence] = use
        elif line.use:
            self._open.pop(line.use).ended = position


def history(path: Path) -> tuple[KeyUse, ...]:
    """All uses in a log or in a copy of one, in their order, after its chain was checked; a last line that is being
    written is left out. Raises UseLogBroken if a line was changed, OSError."""
    started: dict[int, Line] = {}
    ended: dict[int, Line] = {}
    with path.open("rb") as file:
        for line, _, _ in _walk(file, path.stat().st_size):
            if line.kind == "started":
                started[line.sequence] = line
            elif line.use:
                ended[line.use] = line
    return tuple(_use_of(line, ended.get(sequence)) for sequence, line in started.items())


def _use_of(started: Line, ended: Line | None) -> KeyUse:
    state: Literal["started", "done", "failed"] = "started"
    if ended is not None:
        state = "done" if ended.kind == "done" else "failed"
    return KeyUse(
        ledger_number=started.ledger_number,
        key=started.key,
        mechanism=started.mechanism,
        tbs_sha256=started.tbs_sha256,
        state=state,
        value=ended.value if ended else None,
        at=ended.at if ended else started.at,
    )


def _walk(file: BinaryIO, size: int) -> Iterator[tuple[Line, bytes, bytes]]:
    """Each line, its octets, and the chain behind it, up to a torn end. UseLogBroken at the first that was changed."""
    before, position, sequence = _ORIGIN, 0, 0
    for data in file:
        if not data.endswith(b"\n"):
            return
        body = data[: -_TAIL - 1] + b"}"
        chain = hashlib.sha256(before + body).digest()
        if data[-_TAIL - 1 :] != b',"chain":"' + chain.hex().encode() + b'"}\n':
            # A crash of the machine may leave a last line of zeros or garbage; anything before is tampering.
            if position + len(data) >= size and not _is_line(data):
                return
            raise UseLogBroken("the log of uses was changed", line=sequence + 1)
        line = _parse(data)
        if line.sequence != sequence + 1:
            raise UseLogBroken("the log of uses was changed", line=line.sequence)
        yield line, data, chain
        before, position, sequence = chain, position + len(data), line.sequence


def _lock(descriptor: int) -> None:
    """One writer; wait a little for a former keeper that is just ending."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UseLogBroken("another keeper writes to this log") from None
            time.sleep(0.05)
        else:
            return


def _is_line(data: bytes) -> bool:
    try:
        _parse(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _parse(data: bytes) -> Line:
    return msgspec.json.decode(data, type=Line)
