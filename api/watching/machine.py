"""Clock and disk: what the machine below the service does.

The wall clock is compared with the monotonic one, which nobody can set, between two looks. A jump stays an alarm for a
while, for it explains what came after it; a clock behind the ledger's newest line is found by `checks.ledger`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api.services import Services
from api.watching.alarm import Finding, Severity
from signer.clock import ClockUnreliable, kernel_is_synchronised

TOLD_FOR = 900.0
"""Seconds for which a jump is told."""


@dataclass
class ClockWatch:
    """Remembers how far the wall clock was from the monotonic one. One for a process; `wall` and `monotonic` are
    injected in tests."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    synchronised: Callable[[], bool] = kernel_is_synchronised
    _distance: float | None = None
    _jumped: tuple[float, float] | None = field(default=None)

    def look(self, services: Services) -> Iterator[Finding]:
        """What is wrong with the clock."""
        authority = services.settings.authority
        if not self.synchronised():
            is_needed = authority is not None and authority.require_synchronised_clock
            yield Finding("clock-unsynchronised", severity="critical" if is_needed else "warning")
        if (jump := self.jump(services.settings.alarms.clock_jump)) is not None:
            yield Finding("clock-jumped", severity="critical", facts={"seconds": round(jump)})
        if services.timestamps is not None:
            try:
                services.timestamps.clock.now()
            except ClockUnreliable as error:
                yield Finding("clock-unreliable", severity="critical", facts={"reason": str(error)[:200]})

    def jump(self, tolerance: float) -> float | None:
        """Seconds by which the clock was set of late; None where it was not."""
        now = self.monotonic()
        distance = self.wall() - now
        if self._distance is not None and abs(distance - self._distance) > tolerance:
            self._jumped = distance - self._distance, now
        self._distance = distance
        if self._jumped is not None and now - self._jumped[1] < TOLD_FOR:
            return self._jumped[0]
        return None


@dataclass(frozen=True)
class Space:
    """What is free on one file system. A file system without inodes of its own has -1."""

    place: str
    bytes: int
    inodes: int


def spaces(services: Services) -> tuple[Space, ...]:
    """The file systems that hold KYSO_HOME, blobs and checkpoints, each once."""
    settings = services.settings
    found: dict[int, Space] = {}
    for name, path in (
        ("home", settings.home),
        ("blobs", settings.blobs),
        ("checkpoints", settings.checkpoint_folder),
    ):
        there = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
        facts = os.statvfs(there)
        inodes = facts.f_favail if facts.f_files else -1
        found.setdefault(there.stat().st_dev, Space(name, facts.f_bavail * facts.f_frsize, inodes))
    return tuple(found.values())


def disk(services: Services) -> Iterator[Finding]:
    chosen = services.settings.alarms
    for one in spaces(services):
        if one.bytes < chosen.disk_bytes:
            is_critical = one.bytes < chosen.disk_bytes / 10
            facts = {"megabytes": one.bytes // 1024**2}
            yield Finding("disk-full" if is_critical else "disk-low", one.place, _worse(is_critical), facts)
        if 0 <= one.inodes < chosen.disk_inodes:
            is_critical = one.inodes < chosen.disk_inodes / 10
            yield Finding("inodes-low", one.place, _worse(is_critical), {"inodes": one.inodes})


def _worse(is_critical: bool) -> Severity:
    return "critical" if is_critical else "warning"
