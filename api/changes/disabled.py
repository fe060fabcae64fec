"""Whether a key is disabled: looked up at most once in `REMEMBERED` seconds by each process, for every use of a key."""

from __future__ import annotations

import threading
import time

from api.errors import ApiError
from api.store import keystates
from api.store.database import Database

REMEMBERED = 2.0


class KeyDisabled(ApiError):
    """An administrator has disabled the key."""

    code = "key-disabled"
    actor = "operator"


class DisabledKeys:
    """Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._until = 0.0
        self._found: frozenset[str] = frozenset()

    def require(self, ref: str) -> None:
        """Raises KeyDisabled; DatabaseUnavailable where it cannot be told."""
        if ref in self.found():
            raise KeyDisabled(key=ref)

    def found(self) -> frozenset[str]:
        if time.monotonic() >= self._until:
            with self._lock:
                self._found = self._database.read(keystates.all_disabled)
                self._until = time.monotonic() + REMEMBERED
        return self._found
