"""The checkpoints of a ledger, kept outside of its database: one file that only grows, best on another mount.

`ledger.checkpoints` holds signed notes, each followed by a blank line; `ledger.vkey` beside it the verifier key, for
convenience: whoever audits should have it from somewhere else. The file is worth as much as its place: who may rewrite
database *and* file can drop the newest notes, though never make others.

>>> import tempfile
>>> kept = Kept(Path(tempfile.mkdtemp()))
>>> with kept.alone() as alone: alone, kept.notes()
(True, ())
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.ledger.note import Note, NoteRefused, VerifierKey, read

NOTES, KEY, LOCK = "ledger.checkpoints", "ledger.vkey", ".lock"
_TAIL = 64 * 1024
"""Bytes in which the last note surely lies."""
_END = re.compile("— [^\n]+\n\n".encode())
LARGEST = 64 << 20
"""Bytes that are read: some three hundred thousand checkpoints."""


@dataclass(frozen=True)
class Piece:
    """One note of a file, by its place (from 1), or what was wrong with it."""

    place: int
    note: Note | None
    wrong: str = ""


class Kept:
    """The folder. Written by whoever holds the lock (`alone`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / NOTES

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """True for the one process that may append now; the others need not wait for it. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def notes(self) -> tuple[Note, ...]:
        """Every note that can be read, in the order in which they were written. Raises OSError."""
        return tuple(piece.note for piece in pieces(self.file) if piece.note is not None)

    def newest(self) -> Note | None:
        """The last that can be read. Raises OSError."""
        try:
            with self.file.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - _TAIL))
                tail = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        readable = [piece.note for piece in _pieces(tail) if piece.note is not None]
        return readable[-1] if readable else None

    def append(self, note: str, *, key: VerifierKey) -> None:
        """Add a note; durable when it returns. A note that a crash tore is cut off first. Raises OSError."""
        with self.file.open("a+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _TAIL))
            tail = file.read()
            whole = max((found.end() for found in _END.finditer(tail)), default=0)
            if whole or end == len(tail):
                file.truncate(end - len(tail) + whole)
            file.write(f"{note}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        vkey = self.folder / KEY
        if not vkey.exists() or vkey.read_text("utf-8").strip() != key.text:
            vkey.write_text(f"{key.text}\n", "utf-8")
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def pieces(file: Path) -> tuple[Piece, ...]:
    """What is in a file of notes; nothing when there is no file. Raises OSError, ValueError when it is too large."""
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"{file.name}: too large for a file of checkpoints")
        return tuple(_pieces(file.read_bytes().decode("utf-8", "replace")))
    except FileNotFoundError:
        return ()


def _pieces(text: str) -> Iterator[Piece]:
    """Notes are cut where a signature line is followed by a blank one or the end."""
    place, held = 0, ""
    for line in text.splitlines(keepends=True):
        if line == "\n" and held.rpartition("\n\n")[2].startswith("— "):
            place += 1
            yield _piece(place, held)
            held = ""
        elif line != "\n" or held:
            held += line
    if held.strip():
        yield _piece(place + 1, held)


def _piece(place: int, text: str) -> Piece:
    try:
        return Piece(place, read(text))
    except NoteRefused as error:
        return Piece(place, None, str(error))
