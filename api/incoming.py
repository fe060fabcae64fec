"""A file that comes in from outside, written piece by piece: without a name, with its digest, within the upload's limit.

with ExitStack() as opened:
    sink = Sink("a.pdf", folder=tmp, opened=opened, budget=Budget(limit))
    sink.write(b"%PDF-1.7")
    opened.pop_all()            # now the file is the caller's; else it is closed with the block, and gone
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from api.detached import Detached
from api.errors import UploadTooLarge
from api.store.work import Workplace

Place = Workplace | Path
"""Where what comes in is put: where documents are worked on, or a folder for those that may lie on the disk."""


@dataclass
class Budget:
    """What the files of one upload may hold together, in bytes."""

    limit: int
    used: int = 0

    def spend(self, size: int) -> None:
        """Raises UploadTooLarge."""
        self.used += size
        if self.used > self.limit:
            raise UploadTooLarge(limit=self.limit)


class Sink:
    """A new file in `folder`, closed with `opened` if the upload fails; its digest and size grow with it."""

    def __init__(self, name: str, *, folder: Place, opened: ExitStack, budget: Budget) -> None:
        self.name = name
        self.mime: str | None = None
        self.size = 0
        self._digest = hashlib.sha256()
        self._budget = budget
        place = folder if isinstance(folder, Workplace) else Workplace(folder)
        self._grown = place.growing()
        opened.callback(self._grown.close)

    @property
    def file(self) -> BinaryIO:
        """What was written, without a buffer."""
        return self._grown.file

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """All of it: a raw file may take less than it is given."""
        view = memoryview(data)
        self._budget.spend(len(view))
        self.size += len(view)
        self._digest.update(view)
        self._grown.write(view)

    def take(self, source: BinaryIO) -> Sink:
        """The rest of an open file."""
        while chunk := source.read(1 << 20):
            self.write(chunk)
        self.file.seek(0)
        return self

    def detached(self) -> Detached:
        """The whole, once it is."""
        self.file.seek(0)
        return Detached(self.name, self.file, self.sha256, self.size, self.mime)
