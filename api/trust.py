"""The trust folder of KYSO_HOME, read when it has changed: anchors in `trust/`, issuers in `trust/intermediates/`.

Reading is `verify.trust`'s; here is only when, and that nobody reads while `kyso trust` writes (a lock on the folder).
An operator adds a file and the next verification uses it, within `LOOKED_AT` seconds and without a restart: each
process looks by itself, and workers get the trust with every call.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.settings import SettingsUnusable
from verify import trust
from verify.errors import TrustUnusable
from verify.trust import Trust

LOOKED_AT = 2.0
"""Seconds for which the folder is not looked at again."""


class TrustFolder:
    """The present trust, from a folder and those below it; without an anchor it trusts nobody, and says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._marks: tuple[object, ...] = ()
        self._until = 0.0
        self._trust: Trust | None = None
        self._read_times = 0

    def current(self) -> Trust:
        """The trust as the folder stands now; raises SettingsUnusable."""
        with self._lock:
            now = time.monotonic()
            if self._trust is None or now > self._until:
                with held(self._folder, alone=False):
                    marks = self._look()
                    if self._trust is None or marks != self._marks:
                        self._trust = None  # should reading fail, what was believed before is not believed on
                        self._trust, self._marks = self._read(), marks
                self._until = now + LOOKED_AT
            return self._trust

    def generation(self) -> int:
        """Another number whenever trust has changed: what was found out by an earlier one is to be found out anew."""
        self.current()
        return self._read_times

    def _read(self) -> Trust:
        self._read_times += 1
        try:
            return trust.load([self._folder])
        except TrustUnusable as error:  # a file of the operator's, not of whoever asks
            raise SettingsUnusable(f"trust: {error}", **error.facts) from error

    def _look(self) -> tuple[object, ...]:
        found = []
        for file in sorted(self._folder.rglob("*")):
            facts = file.stat()
            found.append((str(file), facts.st_ino, facts.st_mtime_ns, facts.st_size))
        return tuple(found)


@contextmanager
def held(folder: Path, *, alone: bool) -> Iterator[None]:
    """The folder's lock: shared by those who read, `alone` for the one who writes. A folder that is missing has none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
