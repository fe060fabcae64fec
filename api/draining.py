"""An orderly end: after SIGTERM what is begun is finished, what is new is sent elsewhere, within a time that is set.

1. SIGTERM: `/health/ready` says no; new requests get 503 `service-ending` with Retry-After, except health and metrics.
2. For `drain_notice` seconds the sockets stay open, so that a load balancer has seen it.
3. When nothing is going on any more, or `drain` seconds are over, the sockets close and the process ends.

A second SIGTERM, or SIGINT, ends at once. What is cut off then is finished by recovery after the next start.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from api.errors import ApiError
from api.logs import Logger

ALWAYS = ("/health/", "/metrics")
log = Logger()


class ServiceEnding(ApiError):
    """The service is being ended or started anew; ask again in a moment, or another node."""

    code = "service-ending"


class Drain:
    """Counts what is going on. Used from the event loop, but for `begin`, which a signal handler may call."""

    def __init__(self, *, seconds: float, notice: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._notice, self._monotonic = seconds, notice, monotonic
        self._began: float | None = None
        self.going_on = 0

    @property
    def is_on(self) -> bool:
        return self._began is not None

    def begin(self) -> bool:
        """False when it had begun before."""
        if self._began is not None:
            return False
        self._began = self._monotonic()
        log.info("draining", requests=self.going_on, seconds=self._seconds)
        return True

    def refuses(self, path: str) -> bool:
        return self._began is not None and not path.startswith(ALWAYS)

    def is_over(self) -> bool:
        """Whether the sockets may close."""
        if self._began is None:
            return False
        passed = self._monotonic() - self._began
        return passed >= self._notice and (self.going_on <= 0 or passed >= self._seconds + self._notice)
