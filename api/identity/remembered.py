"""What was found a moment ago, so that it is not looked up with every request.

>>> times = iter([0.0, 1.0, 3.0]).__next__
>>> known = Remembered[str](seconds=2.0, clock=times)
>>> known.put(b"a", "An")
>>> known.get(b"a"), known.get(b"a")
('An', None)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 1_000


class Remembered(Generic[T]):
    """Values for a while. Safe to share between threads; reading takes no lock."""

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._known: dict[Hashable, tuple[float, T]] = {}
        self._lock = threading.Lock()

    def get(self, mark: Hashable) -> T | None:
        found = self._known.get(mark)
        return found[1] if found is not None and found[0] > self._clock() else None

    def put(self, mark: Hashable, value: T, *, at_most: float | None = None) -> None:
        """Remember it, for `at_most` seconds where these are fewer."""
        seconds = self._seconds if at_most is None else min(self._seconds, at_most)
        if seconds <= 0:
            return
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[mark] = (self._clock() + seconds, value)

    def forget(self, mark: Hashable) -> None:
        self._known.pop(mark, None)

    def clear(self) -> None:
        self._known.clear()
