"""The keeper's own record of every use of a key: append-only JSON Lines in a SHA-256 chain.

Two lines for each use: `started` before C_Sign, `done` (with the value) or `failed` after it. They are written by
write(2) at once, so that a killed keeper leaves them; and no signature leaves before both are on the disk: one
fdatasync covers them, and threads that sign at the same time share it. If a line cannot be written, nothing is signed.

The file and its chain are `hsm.chained`'s. A tail that was cut off shows only when the log is reconciled with the
ledger. A last line that a crash left unfinished is cut off at the next start and the cut is recorded.

A file that has grown beyond `part_size` is closed (`hsm.parts`) and a new one goes on: its first line, `continued`, has
the former's last chain and what has to be known of it, so that a start reads one part and not years. It is begun while
no use is under way.

It is also the memory that makes a permit single-use, counts the uses of each key (`hsm.counting`), and the place to ask
what became of an interrupted one. It does not decide whether a permit is authentic (`hsm.permit`). `history` reads a
copy of the files, without a keeper.

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from hsm import parts
from hsm.chained import ChainedFile, chained, lock
from hsm.counting import Counters, KeyCount, Limits
from hsm.errors import HsmError, PermitRefused, UseLogBroken
from hsm.parts import Part, part_path
from hsm.uselines import (
    Former,
    KeyUse,
    Line,
    UsesPage,
    beginning,
    decoder,
    history,
    places,
    require_newest,
    use_of,
)

__all__ = ["PART_SIZE", "KeyUse", "UseLog", "UsesPage", "history"]

PART_SIZE: Final = 64 * 1024 * 1024
"""Bytes after which another file is begun: some 85,000 uses."""
_PAGE: Final = 500
"""Uses in one answer: half a megabyte at most."""
_QUIET_WITHIN: Final = 5.0
"""Seconds to wait for the uses under way before another part is begun; else it is tried again some uses later."""


@dataclass(slots=True)
class _Use:
    """Where the lines of one use are: the memory of all uses costs a hundred bytes each."""

    tbs_sha256: bytes
    expires_at: float
    number: int
    started: int
    ended: int | None = None


class UseLog:
    """The log of one keeper; thread-safe. One process at a time (an exclusive lock on the file)."""

    def __init__(self, path: Path, file: ChainedFile[Line], *, counters: Counters, part_size: int) -> None:
        self._path = path
        self._file = file
        self._part_size = part_size
        self._turn_at = part_size
        self._turning = False
        self._lock = threading.Condition(threading.Lock())
        self._counters = counters
        self._parts: list[Part[Line]] = []
        self._closed = 0
        self._highest = 0
        self._uses: dict[int, list[_Use]] = {}
        self._open: dict[int, _Use] = {}
        self._order: list[_Use] = []
        self._first = ""

    @classmethod
    def open(cls, path: Path, *, limits: Mapping[str, Limits] | None = None, part_size: int = PART_SIZE) -> Self:
        """Open or create the log, check its chain, mend a torn end. UseLogBroken if a line was changed."""
        _finish_turn(path)
        descriptor = lock(path)
        try:
            log = cls(path, ChainedFile(descriptor, Line), counters=Counters(limits), part_size=part_size)
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
        self._file.close()

    # -- before and after a use ------------------------------------------------------------------------------------

    def started(
        self,
        *,
        ledger_number: int,
        key: str,
        mechanism: str,
        tbs: bytes,
        expires_at: float,
        note: str = "",
        activation: str = "",
        credential: str = "",
    ) -> int:
        """Record that the key is about to be used; returns the use's number.

        PermitRefused if this use was before, KeyLimitReached. Ledger number 0 stands for a use that an operator asked
        for, without a permit.
        """
        digest = hashlib.sha256(tbs).digest()
        with self._lock:
            if self._file.size >= self._turn_at or self._turning:
                self._turn()
            at = time.time()
            if ledger_number:
                self._require_new(ledger_number, digest, at=at)
                self._counters.require(key, now=at)
            use = _Use(digest, expires_at, ledger_number, self._file.size)
            sequence = self._file.sequence + 1
            self._append(
                Line(
                    sequence=sequence,
                    at=at,
                    kind="started",
                    ledger_number=ledger_number,
                    key=key,
                    mechanism=mechanism,
                    tbs_sha256=digest.hex(),
                    expires_at=expires_at,
                    note=note,
                    activation=activation,
                    credential=credential,
                )
            )
            self._counters.add(key, at=at)
            self._uses.setdefault(ledger_number, []).append(use)
            self._order.append(use)
            self._open[sequence] = use
            return sequence

    def done(self, use: int, *, value: bytes) -> None:
        """Record the value; returns when everything up to here is on the disk. Only then may the value leave."""
        file = self._file  # no other is begun before this use has ended
        file.sync(self._end(use, "done", value=value))

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
                    sequence=self._file.sequence + 1,
                    at=time.time(),
                    kind="probe",
                    key=key,
                    mechanism=mechanism,
                    tbs_sha256=hashlib.sha256(tbs).hexdigest(),
                    note=outcome,
                )
            )

    # -- questions -------------------------------------------------------------------------------------------------

    def find(self, ledger_number: int) -> KeyUse | None:
        """The last use that this ledger line stands for, or None: then the key was not used for it."""
        with self._lock:
            uses = self._uses.get(ledger_number)
            if uses:
                return self._told(uses[-1])
            for part in reversed(self._parts) if 0 < ledger_number <= self._highest else ():
                if former := list(part.find(ledger_number)):
                    return use_of(*former[-1])
            return None

    def page(self, after: int) -> UsesPage:
        """The uses behind the first `after`, some hundred at once."""
        chosen: list[KeyUse] = []
        with self._lock:
            begin, end = max(after, 0), max(after, 0) + _PAGE
            base = 0
            for part in self._parts:
                here = range(max(begin - base, 0), min(end - base, part.count))
                chosen += (use_of(*part.at(order)) for order in here)
                base += part.count
            chosen += map(self._told, self._order[max(begin - base, 0) : max(end - base, 0)])
            return UsesPage(self._first, self._closed + len(self._order), tuple(chosen))

    def counts(self) -> tuple[KeyCount, ...]:
        """How often each key was used."""
        with self._lock:
            return self._counters.counts(now=time.time())

    def _told(self, use: _Use) -> KeyUse:
        line_at = self._file.line_at
        return use_of(line_at(use.started), None if use.ended is None else line_at(use.ended))

    # -- the file --------------------------------------------------------------------------------------------------

    def _require_new(self, number: int, digest: bytes, *, at: float) -> None:
        """Ledger numbers come again when a ledger is restored from a backup; the bytes to sign do not."""
        for former in self._uses.get(number, ()):
            if former.tbs_sha256 == digest or former.expires_at >= at:
                raise PermitRefused("the permit was used before", ledger_number=number)
        if number <= self._highest:
            for part in self._parts:
                for line, _ in part.find(number):
                    if line.tbs_sha256 == digest.hex() or line.expires_at >= at:
                        raise PermitRefused("the permit was used before", ledger_number=number)

    def _end(self, use: int, kind: Literal["done", "failed"], *, value: bytes | None = None, note: str = "") -> int:
        with self._lock:
            sequence = self._file.sequence + 1
            place = self._append(Line(sequence=sequence, at=time.time(), kind=kind, use=use, value=value, note=note))
            self._open.pop(use).ended = place
            if self._turning and not self._open:
                self._lock.notify_all()
            return self._file.size

    def _append(self, line: Line) -> int:
        place = self._file.append(line)
        self._first = self._first or self._file.chain.hex()
        return place

    def _load(self) -> None:
        with self._path.open("rb") as file:
            before, sequence, former = beginning(file)
        require_newest(self._path, former)
        if former is not None:
            self._continue(former)
        for line, place in self._file.load(before=before, sequence=sequence):
            self._remember(line, place)
            if place == 0 and former is None:
                self._first = chained(line, before=before)[1].hex()
        self._open.clear()  # what a former process left open will not end
        if torn := self._file.mend():
            line = Line(sequence=self._file.sequence + 1, at=time.time(), kind="healed", note=f"{torn} bytes")
            self._append(line)
        self._file.settle()

    def _continue(self, former: Former) -> None:
        for number in range(1, former.part + 1):
            self._parts.append(Part.open(self._path, number, decoder=decoder, uses=places))
        self._closed = sum(part.count for part in self._parts)
        if self._closed != former.uses or not _ends_in(part_path(self._path, former.part), former.chain):
            raise UseLogBroken("a former part of the log of uses is another than the one that was closed")
        self._highest, self._first = former.highest, former.log
        self._counters.carry(former.counts)

    def _remember(self, line: Line, place: int) -> None:
        if line.kind == "started":
            use = _Use(bytes.fromhex(line.tbs_sha256), line.expires_at, line.ledger_number, place)
            self._uses.setdefault(line.ledger_number, []).append(use)
            self._order.append(use)
            self._open[line.sequence] = use
            self._counters.add(line.key, at=line.at)
        elif line.use:
            self._open.pop(line.use).ended = place

    # -- another part ----------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Begin another part when no use is under way; whoever wants to begin one meanwhile waits."""
        if self._turning:
            self._lock.wait_for(lambda: not self._turning, timeout=2 * _QUIET_WITHIN)
            return
        self._turning = True
        try:
            if self._lock.wait_for(lambda: not self._open, timeout=_QUIET_WITHIN):
                self._begin_part()
            else:
                self._turn_at = self._file.size + self._part_size // 16
        except OSError:  # a full disk: the old file goes on, and says so itself if it must
            self._turn_at = self._file.size + self._part_size // 16
        finally:
            self._turning = False
            self._lock.notify_all()

    def _begin_part(self) -> None:
        number = len(self._parts) + 1
        closed, fresh = part_path(self._path, number), _fresh(self._path)
        self._file.sync(self._file.size)
        parts.write_index(closed, [(use.started, use.ended, use.number) for use in self._order])
        now = time.time()
        former = Former(
            number,
            self._file.chain.hex(),
            self._first,
            self._closed + len(self._order),
            max(self._highest, max(self._uses, default=0)),
            self._counters.carried(now=now),
        )
        line = Line(sequence=self._file.sequence + 1, at=now, kind="continued", former=former)
        data, _ = chained(line, before=self._file.chain)
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(descriptor, data) != len(data):
                raise OSError("the disk is full")  # noqa: TRY301 - one way out for all that can go wrong
            os.fsync(descriptor)
            self._path.rename(closed)
            _rename(fresh, self._path, or_back=closed)  # a crash before this is finished by the next start
        except BaseException:
            os.close(descriptor)
            raise
        _sync_folder(self._path.parent)
        file = ChainedFile(descriptor, Line)
        for _ in file.load(before=self._file.chain, sequence=self._file.sequence):
            pass
        file.settle()
        self._file.close()
        self._parts.append(Part.open(self._path, number, decoder=decoder, uses=places))
        self._file, self._closed, self._highest = file, former.uses, former.highest
        self._uses, self._order, self._turn_at = {}, [], self._part_size


def _rename(fresh: Path, path: Path, *, or_back: Path) -> None:
    """The new file under the log's name; else the old one again."""
    try:
        fresh.rename(path)
    except OSError:
        or_back.rename(path)
        raise


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _finish_turn(path: Path) -> None:
    """What a crash between two names left."""
    fresh = _fresh(path)
    if fresh.exists():
        if path.exists():
            fresh.unlink()
        else:
            fresh.rename(path)
            _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ends_in(path: Path, chain: str) -> bool:
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 128), os.SEEK_END)
        return file.read().endswith(f'"chain":"{chain}"}}\n'.encode())
