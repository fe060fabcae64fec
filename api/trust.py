"""The trust folder of KYSO_HOME, read when it has changed: anchors in `trust/`, issuers in `trust/intermediates/`.

Reading is `verify.trust`'s; here is only when. An operator adds a file and the next verification uses it.
"""

from __future__ import annotations

import threading
import time
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

    def current(self) -> Trust:
        """The trust as the folder stands now; raises SettingsUnusable."""
        with self._lock:
            now = time.monotonic()
            if self._trust is None or now > self._until:
                marks = self._look()
                if self._trust is None or marks != self._marks:
                    self._trust, self._marks = self._read(), marks
                self._until = now + LOOKED_AT
            return self._trust

    def _read(self) -> Trust:
        try:
            return trust.load([self._folder])
        except TrustUnusable as error:  # a file of the operator's, not of whoever asks
            raise SettingsUnusable(f"trust: {error}", **error.facts) from error

    def _look(self) -> tuple[object, ...]:
        found = []
        for file in sorted(self._folder.rglob("*")):
            facts = file.stat()
            found.append((str(file), facts.st_mtime_ns, facts.st_size))
        return tuple(found)
