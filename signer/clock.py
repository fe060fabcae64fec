"""A clock that says when it cannot be trusted: for the timestamp authority, which must then stop.

`time.monotonic` cannot be set, so the distance between it and the wall clock changes only when somebody, or a time
daemon, sets the wall clock. (Slewing moves both alike and is no divergence; a machine that slept is one.)

>>> guard = ClockGuard()
>>> guard.now().tzinfo
datetime.timezone.utc
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime

TOLERANCE = 1.0
"""Seconds by which wall and monotonic clock may diverge."""

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class ClockUnreliable(Exception):
    """The wall clock cannot be relied on."""


class _Timex(ctypes.Structure):
    """The head of `struct timex` (adjtimex(2)); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_is_synchronised() -> bool:
    """Whether the kernel believes that something keeps its time right (adjtimex(2), read only)."""
    answer = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(answer))
    return state not in (-1, _TIME_ERROR) and not answer.status & _STA_UNSYNC


class ClockGuard:
    """The wall clock, measured against the monotonic one since the start or the last `resync`.

    `synchronised`, where given, is asked each time: pass `kernel_is_synchronised` where the configuration asks for it.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        synchronised: Callable[[], bool] | None = None,
    ) -> None:
        self._wall, self._monotonic, self._synchronised = wall, monotonic, synchronised
        self.resync()

    def resync(self) -> None:
        """Take the wall clock as right from now on: for an operator who has set it."""
        self._distance = self._wall() - self._monotonic()

    def now(self) -> datetime:
        """The time in UTC. Raises ClockUnreliable if the clock was set by more than TOLERANCE, or is unsynchronised
        where that matters."""
        wall = self._wall()
        divergence = wall - self._monotonic() - self._distance
        if abs(divergence) > TOLERANCE:
            raise ClockUnreliable(f"the wall clock was set by {divergence:+.1f} s since the start")
        if self._synchronised is not None and not self._synchronised():
            raise ClockUnreliable("the kernel's time is not synchronised")
        return datetime.fromtimestamp(wall, UTC)
