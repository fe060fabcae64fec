"""The door: which alarms stand, and the thread that tells of each change.

    current(services)                       # for /v1/alarms, metrics, `kyso status`
    services.watch.begin(services)          # in the service: log, and webhook where one is set, at each change

Every api process looks for itself when it is asked (and remembers the answer for a few seconds); one of them, whoever
holds a lock, keeps the book of what stands since when and tells of changes. An alarm changes nothing but what is told:
signing goes on, and nothing is written into the ledger about it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api import telemetry
from api.settings import Settings
from api.watching.alarm import Alarm
from api.watching.outcomes import Outcomes

if TYPE_CHECKING:
    from api.services import Services

REMEMBERED = 5.0
"""Seconds for which an answer is repeated: whoever asks for readiness should not thereby ask every token."""


@dataclass
class Watch:
    """What watching needs between two looks. Made by composition, one for a process."""

    settings: Settings
    outcomes: Outcomes = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: tuple[float, tuple[Alarm, ...]] | None = None

    def __post_init__(self) -> None:
        from api.watching.machine import ClockWatch  # noqa: PLC0415 - it knows Services, which knows this

        self.outcomes = Outcomes(self.settings.run_dir / "authorities")
        self.clock = ClockWatch()

    def look(self, services: Services, *, remembered: float = REMEMBERED) -> tuple[Alarm, ...]:
        """The alarms that stand, critical ones first, then by code."""
        with self._lock:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] > remembered:
                self._seen = now, _look(services)
            return self._seen[1]

    def begin(self, services: Services) -> Callable[[], None]:
        """Watch on a thread of its own; the function returned ends it and waits."""
        stop = threading.Event()
        thread = threading.Thread(target=_run, args=(services, stop), name="alarms", daemon=True)
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        return end


def current(services: Services) -> tuple[Alarm, ...]:
    """The alarms that stand now; asks every token, so it may take seconds while one is away."""
    return services.watch.look(services)


def _look(services: Services) -> tuple[Alarm, ...]:
    from api.watching import checks, machine, notes  # noqa: PLC0415 - they know Services, which knows this

    since = {(one.code, one.subject): one.since for one in notes.book(services.settings).alarms}
    now = time.time()
    every = (*checks.ALL, services.watch.clock.look, machine.disk)
    found: dict[tuple[str, str], Alarm] = {}
    for one in checks.findings(services, every):
        at = datetime.fromtimestamp(since.get((one.code, one.subject), now), UTC)
        alarm = Alarm(one.code, one.subject, one.severity, at, one.facts)
        found.setdefault(alarm.identity, alarm)
    return tuple(sorted(found.values(), key=lambda one: (not one.is_critical, one.code, one.subject)))


def _run(services: Services, stop: threading.Event) -> None:
    from api.watching import telling  # noqa: PLC0415 - as above

    while not stop.is_set():
        try:
            telling.tell(services)
        except Exception:  # noqa: BLE001 - this thread must outlive whatever is wrong with one look
            telemetry.logger().exception("watching failed")
        stop.wait(services.settings.alarms.every)
