"""Append-only files of JSON Lines in a SHA-256 chain: how the keeper keeps what must not be changed behind its back.

Each line ends in `"chain"`, the SHA-256 over the line before's chain and this line's other bytes. That shows a change
in the middle; a tail that was cut off shows only to whoever holds another record. A last line that a crash left
unfinished is cut off at the next start; who opens the file records that.

It knows nothing of what the lines say (`hsm.uselog`, `hsm.credentials`), only that each has a sequence number.

>>> file = ChainedFile(lock(path), Line)                                            # doctest: +SKIP
>>> file.sync(file.append(Line(sequence=file.sequence + 1)).end)
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Generic, Protocol, TypeVar

import msgspec

from hsm.errors import UseLogBroken

ORIGIN: Final = bytes(32)
"""The chain before a file's first line."""
LONGEST_LINE: Final = 16 * 1024
"""Bytes of a line that is read alone."""
_TAIL: Final = len(',"chain":""}') + 64
_PATIENCE: Final = 10.0
"""Seconds to wait for a former keeper's lock."""


class Numbered(Protocol):
    """A line, without its chain."""

    @property
    def sequence(self) -> int: ...


L = TypeVar("L", bound=Numbered)


def lock(path: Path) -> int:
    """The file, open and for this process alone; made where there is none. Raises UseLogBroken."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as e:
            raise UseLogBroken(f"the log of uses cannot be opened: {e.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(descriptor).st_ino:  # a former keeper may just have begun another
                    return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise UseLogBroken("another keeper writes to this log") from None
            time.sleep(0.05)
        os.close(descriptor)


class ChainedFile(Generic[L]):
    """One open file, its writers' business: `append` wants a lock around it, `sync` brings its own."""

    def __init__(self, descriptor: int, kind: type[L]) -> None:
        self._descriptor = descriptor
        self._decoder = msgspec.json.Decoder(kind)
        self._sync_lock = threading.Lock()
        self._synced = 0
        self._broken = False
        self.size = 0
        self.sequence = 0
        self.chain = ORIGIN

    @property
    def broken(self) -> bool:
        """Whether the disk failed in a way that nothing written since can be relied on."""
        return self._broken

    def append(self, line: L) -> int:
        """Write one line, or leave the file as it was: the next attempt writes at the same place. Returns its place."""
        if self._broken:
            raise UseLogBroken("the log of uses could not be brought to the disk")
        data, chain = chained(line, before=self.chain)
        position = self.size
        try:
            written = os.pwrite(self._descriptor, data, position)
            why = "the disk is full"
        except OSError as e:
            written, why = 0, str(e.strerror)
        if written != len(data):
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, position)
            raise UseLogBroken(f"the log of uses cannot be written: {why}")
        self.chain, self.sequence = chain, line.sequence
        self.size = position + len(data)
        return position

    def sync(self, upto: int) -> None:
        """fdatasync, shared: a thread that waited for another's sync mostly finds its own lines on the disk."""
        if self._synced >= upto:
            return
        with self._sync_lock:
            if self._synced >= upto:
                return
            size = self.size
            try:
                os.fdatasync(self._descriptor)
            except OSError as e:
                self._broken = True  # what the kernel dropped is not written by asking again
                raise UseLogBroken(f"the log of uses cannot be written: {e.strerror}") from None
            self._synced = size

    def line_at(self, position: int, *, longest: int = LONGEST_LINE) -> L:
        """The line that begins there."""
        data = os.pread(self._descriptor, longest, position)
        return self._decoder.decode(data[: data.index(b"\n") + 1])

    def load(self, *, before: bytes = ORIGIN, sequence: int = 0) -> Iterator[tuple[L, int]]:
        """Every line with its place, the chain checked as it goes. Exhaust it before anything else is done."""
        self.chain, self.sequence = before, sequence
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            end = os.fstat(self._descriptor).st_size
            for line, data, chain in walk(file, end, decoder=self._decoder, before=before, sequence=sequence):
                yield line, self.size
                self.chain, self.sequence, self.size = chain, line.sequence, self.size + len(data)

    def mend(self) -> int:
        """Cut off what a crash left behind the last whole line; returns the bytes that went."""
        torn = os.fstat(self._descriptor).st_size - self.size
        if torn:
            os.ftruncate(self._descriptor, self.size)
        return torn

    def settle(self) -> None:
        """Everything that is there is on the disk."""
        os.fsync(self._descriptor)
        self._synced = self.size

    def close(self) -> None:
        """Sync and close."""
        self.sync(self.size)
        os.close(self._descriptor)


def chained(line: Numbered, *, before: bytes) -> tuple[bytes, bytes]:
    """The line's octets, and the chain behind it."""
    body = msgspec.json.encode(line)
    chain = hashlib.sha256(before + body).digest()
    return body[:-1] + b',"chain":"' + chain.hex().encode() + b'"}\n', chain


def walk(
    file: BinaryIO, size: int, *, decoder: msgspec.json.Decoder[L], before: bytes = ORIGIN, sequence: int = 0
) -> Iterator[tuple[L, bytes, bytes]]:
    """Each line, its octets, and the chain behind it, up to a torn end. UseLogBroken at the first that was changed."""
    position = 0
    for data in file:
        if not data.endswith(b"\n"):
            return
        body = data[: -_TAIL - 1] + b"}"
        chain = hashlib.sha256(before + body).digest()
        if data[-_TAIL - 1 :] != b',"chain":"' + chain.hex().encode() + b'"}\n':
            # A crash of the machine may leave a last line of zeros or garbage; anything before is tampering.
            if position + len(data) >= size and not _is_line(data, decoder):
                return
            raise UseLogBroken("the log of uses was changed", line=sequence + 1)
        line = decoder.decode(data)
        if line.sequence != sequence + 1:
            raise UseLogBroken("the log of uses was changed", line=line.sequence)
        yield line, data, chain
        before, position, sequence = chain, position + len(data), line.sequence


def _is_line(data: bytes, decoder: msgspec.json.Decoder[L]) -> bool:
    try:
        decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True
