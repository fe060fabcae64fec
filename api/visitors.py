"""Visitors: who verifies without an API key, where `[verification] public` allows it, and how much each may ask for.

A visitor is an address. Each may make so many requests a minute, all of them together so many at a time, and each gets a
worker of its own, for visitors are strangers to one another. Counted per api process; behind a proxy that is not in
`[server] trusted_proxies` all visitors have the proxy's address, unless it limits them itself.

>>> gate = Visitors(per_minute=1, at_a_time=1, clock=lambda: 0.0)
>>> with gate.admit("192.0.2.1"):
...     pass
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from api.errors import ApiError

REMEMBERED = 10_000
"""Addresses whose requests are counted; beyond them those that have been quiet for a minute are forgotten."""
MINUTE = 60.0


class TooManyRequests(ApiError):
    """This address has asked too often, or too many visitors ask at once."""

    code = "too-many-requests"
    actor = "caller"


class Visitors:
    """Admits visitors. Safe to share between threads; 0 is no limit."""

    def __init__(self, *, per_minute: int, at_a_time: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._at_a_time, self._clock = per_minute, at_a_time, clock
        self._lock = threading.Lock()
        self._seen: dict[str, list[float]] = {}
        self._inside = 0

    @contextmanager
    def admit(self, address: str) -> Iterator[None]:
        """Room for one request of this address; raises TooManyRequests."""
        with self._lock:
            self._count(address)
            if self._at_a_time and self._inside >= self._at_a_time:
                raise TooManyRequests
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    def _count(self, address: str) -> None:
        now = self._clock()
        if len(self._seen) >= REMEMBERED:
            self._seen = {one: times for one, times in self._seen.items() if now - times[-1] < MINUTE}
            if len(self._seen) >= REMEMBERED and address not in self._seen:
                raise TooManyRequests
        recent = [at for at in self._seen.get(address, ()) if now - at < MINUTE]
        if self._per_minute and len(recent) >= self._per_minute:
            raise TooManyRequests
        self._seen[address] = [*recent, now]
