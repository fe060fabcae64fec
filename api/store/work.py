"""Where plain bytes of documents are worked on: uploads, drafts, what a worker reads. Files without a name, gone when closed.

While documents are encrypted on the disk, small ones are worked on in memory (memfd), larger ones in a folder of the
system's tmpfs, which is memory too but says when it is full; never on a disk, unless the operator names a folder there.
Otherwise everything is a file without a name in `KYSO_HOME/tmp`. What is memory may be written to swap: see
`api/store/README.md`.

>>> place = Workplace(folder=None)
>>> with place.file(size=8) as file: file.write(b"%PDF-1.7")
8
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from api.errors import ApiError
from api.settings.section import GIB, MIB
from api.settings.storage import Storage

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - tmpfs, and the files there have no name
BUFFER = 1 << 16
RESERVE = 64 * MIB
"""Bytes that stay free in the folder."""


class NoRoomToWork(ApiError):
    """There is no room in memory for the plain bytes of a document of this size."""

    code = "no-room-to-work"


@dataclass(frozen=True)
class Workplace:
    """Files of up to `memory` bytes are memory; larger ones are in `folder`, or memory too where that is None.

    Without `memory` all are in the folder, whose disk says itself when it is full."""

    folder: Path | None
    memory: int = 0

    def file(self, *, size: int, buffering: int = BUFFER) -> BinaryIO:
        """A new file, empty, to read and write; `size` is what it will hold, roughly. Raises NoRoomToWork."""
        if self.memory and size >= self.memory and self._left() < size + RESERVE:
            raise NoRoomToWork(needed=size)
        if self.folder is None or size < self.memory:
            number = os.memfd_create("kyso", os.MFD_CLOEXEC)
            return os.fdopen(number, "w+b", buffering=buffering)
        return cast(BinaryIO, tempfile.TemporaryFile("w+b", buffering=buffering, dir=self.folder))

    def _left(self) -> int:
        """Bytes that can still be worked on."""
        if self.folder is None:
            return _memory_left()
        free = os.statvfs(self.folder)
        return free.f_bavail * free.f_frsize

    def growing(self) -> Growing:
        """A new file that nobody knows the size of."""
        return Growing(self)


class Growing:
    """A file without a buffer that begins small, and moves once it no longer is."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._size = 0
        self.file = place.file(size=0, buffering=0)

    def write(self, data: memoryview) -> None:
        """All of it: a raw file may take less than it is given. Raises OSError, NoRoomToWork."""
        before, self._size = self._size, self._size + len(data)
        if self._place.folder is not None and before < self._place.memory <= self._size:
            self._move()
        while data:
            data = data[self.file.write(data) :]

    def close(self) -> None:
        self.file.close()

    def _move(self) -> None:
        small, self.file = self.file, self._place.file(size=self._size, buffering=0)
        with small:
            small.seek(0)
            shutil.copyfileobj(small, self.file, BUFFER)


def of(chosen: Storage, *, tmp: Path) -> Workplace:
    """As the settings say; `tmp` is for documents that are not encrypted anyway."""
    if not chosen.encrypts:
        return Workplace(tmp)
    folder = chosen.work or (SHARED_MEMORY if _is_large_memory(SHARED_MEMORY) else None)
    return Workplace(folder, max(1, chosen.memory))


def _is_large_memory(folder: Path) -> bool:
    """Whether a tmpfs is mounted there that is more than a container's 64 MB."""
    try:
        mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
        facts = os.statvfs(folder)
    except OSError:
        return False
    kinds = [fields[2] for fields in mounts if fields[1] == str(folder)]
    return kinds[-1:] == ["tmpfs"] and facts.f_blocks * facts.f_frsize >= GIB and os.access(folder, os.W_OK)


def _memory_left() -> int:
    """Bytes of memory that are free, for the machine and for this control group."""
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
            break
    else:
        return 0
    group = Path("/sys/fs/cgroup")
    try:
        most, used = ((group / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return free
    return free if most == "max" else min(free, int(most) - int(used))
