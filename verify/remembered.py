"""A bounded memory of what was found out about bytes: for answers that follow from the bytes alone, never from the time.

A responder's answer is good for many signatures, and checking it costs more than anything else at B-LT. Entries are found
by digest; whoever remembers says what the answer depends on.

>>> known = Remembered[int](limit=2)
>>> known.get((b"a",), lambda: 1), known.get((b"a",), lambda: 2)
(1, 1)
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """At most `limit` answers, the one used longest ago forgotten first. Safe for threads."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[bytes, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, parts: Iterable[bytes], find_out: Callable[[], T]) -> T:
        """The answer for these bytes; `find_out` is called when it is not known. What it raises is not remembered."""
        key = _digest(parts)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        answer = find_out()
        with self._lock:
            self._known[key] = answer
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        return answer


def _digest(parts: Iterable[bytes]) -> bytes:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()
