"""How often each key was used, and how often it may be: counted from the keeper's own log of uses, at its start anew.

A use counts when it begins, whatever comes of it. A minute and a day are sliding windows, divided into slots (one
second, ten minutes), so that what is remembered stays small; a slot leaves when all of it is over, so that no true
window ever holds more uses than allowed. A clock that was set back makes no room: uses count as of the latest slot.

>>> counters = Counters({"seal": Limits(per_minute=2)})
>>> counters.add("seal", at=0.0); counters.add("seal", at=1.0)
>>> counters.require("seal", now=2.0)
Traceback (most recent call last):
hsm.errors.KeyLimitReached: the key was used as often as it may be in a minute
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from hsm.errors import KeyLimitReached

NEVER: Final = "never"
"""When a limit ends that is for all time."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a key may be used; None is as often as wanted."""

    per_minute: int | None = None
    per_day: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class KeyCount:
    """Uses of one key, as of now."""

    key: str
    total: int
    last_minute: int
    last_day: int


Slots = list[tuple[int, int]]
Carried = tuple[int, Slots, Slots]
"""Of one key the total, and the slots of the last minute and of the last day."""


@dataclass
class Window:
    """Uses within the last `seconds`, in slots of `step` seconds."""

    seconds: int
    step: int
    slots: deque[list[int]] = field(default_factory=deque)
    count: int = 0

    def add(self, at: float, *, uses: int = 1) -> None:
        slot = int(at // self.step)
        if self.slots and self.slots[-1][0] >= slot:
            self.slots[-1][1] += uses
        else:
            self.prune(at)
            self.slots.append([slot, uses])
        self.count += uses

    def prune(self, now: float) -> None:
        """Forget what is over."""
        while self.slots and (self.slots[0][0] + 1) * self.step + self.seconds <= now:
            self.count -= self.slots.popleft()[1]

    def room_at(self) -> float:
        """When the oldest slot leaves."""
        return float((self.slots[0][0] + 1) * self.step + self.seconds)


class _Counter:
    """One key's."""

    __slots__ = ("day", "minute", "total")

    def __init__(self, carried: Carried = (0, [], [])) -> None:
        self.total = carried[0]
        self.minute = Window(60, 1)
        self.day = Window(86400, 600)
        for window, slots in ((self.minute, carried[1]), (self.day, carried[2])):
            for slot, uses in slots:
                window.add(slot * window.step, uses=uses)


class Counters:
    """The counters of all keys. Not thread-safe: the log of uses has the lock."""

    def __init__(self, limits: Mapping[str, Limits] | None = None) -> None:
        self._limits = dict(limits or {})
        self._counters: dict[str, _Counter] = {}

    def require(self, key: str, *, now: float) -> None:
        """Raise KeyLimitReached if the key was used as often as it may be."""
        limits = self._limits.get(key)
        if limits is None:
            return
        counter = self._counters.get(key)
        used = counter.total if counter else 0
        if limits.total is not None and used >= limits.total:
            raise _reached(key, "total", limits.total, ends=NEVER, sentence="as often as it may ever be")
        for name, sentence in (("per_minute", "in a minute"), ("per_day", "in a day")):
            most: int | None = getattr(limits, name)
            if most is None:
                continue
            window = (counter.minute if name == "per_minute" else counter.day) if counter else Window(60, 1)
            window.prune(now)
            if window.count >= most:
                ends = _told(window.room_at()) if window.slots else NEVER
                raise _reached(key, name, most, ends=ends, sentence=f"as often as it may be {sentence}")

    def add(self, key: str, *, at: float) -> None:
        """A use began."""
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = _Counter()
        counter.total += 1
        counter.minute.add(at)
        counter.day.add(at)

    def counts(self, *, now: float) -> tuple[KeyCount, ...]:
        """Every key that was ever used, by name."""
        found = []
        for key in sorted(self._counters):
            counter = self._counters[key]
            counter.minute.prune(now)
            counter.day.prune(now)
            found.append(KeyCount(key, counter.total, counter.minute.count, counter.day.count))
        return tuple(found)

    def carried(self, *, now: float) -> dict[str, Carried]:
        """What a new part of the log has to know of the former ones, by key."""
        found = {}
        for key, counter in self._counters.items():
            counter.minute.prune(now)
            counter.day.prune(now)
            found[key] = counter.total, _slots(counter.minute), _slots(counter.day)
        return found

    def carry(self, carried: Mapping[str, Carried]) -> None:
        """Begin with what `carried` told."""
        self._counters = {key: _Counter(told) for key, told in carried.items()}


def _slots(window: Window) -> Slots:
    return [(slot, uses) for slot, uses in window.slots]


def _reached(key: str, limit: str, most: int, *, ends: str, sentence: str) -> KeyLimitReached:
    return KeyLimitReached(f"the key was used {sentence}", key=key, limit=limit, most=most, ends=ends)


def _told(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
