"""Refused orders are ledger lines too, at a bounded rate: nobody can fill the ledger by being refused.

Each refusal costs a durable write. Beyond the rate they are counted, and the next line says how many were left out.

>>> bucket = Bucket(rate=1.0, burst=2, clock=iter([0.0, 0.0, 0.0, 0.5, 1.5]).__next__)
>>> [bucket.take() for _ in range(4)]
[True, True, False, True]
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from api import telemetry
from api.errors import DatabaseUnavailable, RequestInProgress
from api.ledger import Ledger

RATE = 5.0
"""Lines a second in the long run, for one api process."""
BURST = 50


class Bucket:
    """A token bucket: `burst` at once, `rate` a second after that."""

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._level = float(burst)
        self._at = clock()

    def take(self) -> bool:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class RefusalLog:
    """Writes REFUSED lines. A ledger that cannot be written is no reason to answer a refusal otherwise."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._bucket = Bucket(rate=RATE, burst=BURST)
        self._left_out = 0

    def note(self, error: Exception, *, caller: str, key: str, document_sha256: str) -> None:
        """Put a refusal on record, if it is one: what an operator must mend is in the service's log instead."""
        code, actor = getattr(error, "code", ""), getattr(error, "actor", "operator")
        if code == RequestInProgress.code or (
            actor != "caller" and not code.startswith(("certificate-", "key-without"))
        ):
            return
        with self._lock:
            if not self._bucket.take():
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
        facts = {"caller": caller, "key": key, "document_sha256": document_sha256, "code": code, "left_out": left_out}
        try:
            self._ledger.append("REFUSED", facts)
        except DatabaseUnavailable:
            telemetry.logger().exception("a refusal could not be put on record", code=code)
