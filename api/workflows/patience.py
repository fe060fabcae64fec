"""A fetcher that lets only so many threads wait for timestamp authorities, which can take minutes to answer.

Otherwise an authority that is silent would in time hold every thread, and signatures without a timestamp would stand
still behind those with one. A signature that finds no room is put off (`completion.put_off`) and completed by a job.
"""

from __future__ import annotations

import threading

from verify.fetcher import Fetcher, FetchFailed, FetchRequest

PATIENCE = 3.0
"""Seconds to wait for a place among those who wait."""


class BoundedWaiting:
    """`waiting` is the number of threads that may wait for a timestamp."""

    def __init__(self, inner: Fetcher, *, waiting: int) -> None:
        self._inner = inner
        self._places = threading.BoundedSemaphore(waiting)

    def fetch(self, request: FetchRequest, /) -> bytes:
        if request.kind != "timestamp":
            return self._inner.fetch(request)
        if not self._places.acquire(timeout=PATIENCE):
            raise FetchFailed("too many requests wait for timestamps", url=request.url, reason="busy")
        try:
            return self._inner.fetch(request)
        finally:
            self._places.release()
