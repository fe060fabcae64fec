"""Where blocking work of HTTP requests is done: a bounded number of threads, and a bounded number of requests before
them. Beyond that a request is told at once that the service is busy, instead of waiting until its client gives up.

There are two rooms, because a signature that waits for a timestamp from our own authority must find a thread free for
that one.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from api.refusals import Busy

P = ParamSpec("P")
T = TypeVar("T")

WAITING = 8
"""Requests that may wait, for each thread."""


class Room:
    """Threads for one kind of work; used from the event loop."""

    def __init__(self, name: str, *, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = threads * (1 + WAITING)
        self._inside = 0

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, done in a thread with the request's log context; raises Busy."""
        if self._inside >= self._limit:
            raise Busy
        self._inside += 1
        try:
            context = contextvars.copy_context()
            call = partial(context.run, work, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Wait for what was begun."""
        self._executor.shutdown(wait=True, cancel_futures=True)
