"""The clock guard: a wall clock that was set is out until somebody says that it is right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from signer.clock import TOLERANCE, ClockGuard, ClockUnreliable, kernel_is_synchronised

pytestmark = pytest.mark.spine


@dataclass
class Clocks:
    """A wall and a monotonic clock in a test's hand."""

    wall: float = 1_800_000_000.0
    monotonic: float = 100.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def guard(self, **options) -> ClockGuard:
        return ClockGuard(wall=lambda: self.wall, monotonic=lambda: self.monotonic, **options)


def test_time_that_passes_is_no_divergence():
    """A year of both clocks going alike changes nothing."""
    clocks = Clocks()
    guard = clocks.guard()
    clocks.pass_(365 * 86400.0)
    assert datetime.fromtimestamp(clocks.wall, UTC) == guard.now()


@pytest.mark.parametrize("step", [1.1, -1.1, 3600.0, -3600.0, 25200.0])
def test_a_wall_clock_that_was_set_stops_it(step):
    """More than a second either way; it goes on when the clock is right again."""
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += step
    with pytest.raises(ClockUnreliable):
        guard.now()
    clocks.wall -= step
    guard.now()


def test_a_second_is_tolerated_and_steps_add_up():
    """Small corrections in one direction are a drift like any other once they make more than a second."""
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += TOLERANCE * 0.6
    guard.now()
    clocks.wall += TOLERANCE * 0.6
    with pytest.raises(ClockUnreliable):
        guard.now()


def test_a_machine_that_slept_stops_it():
    """The monotonic clock stands still in sleep, the wall clock is set on waking."""
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += 8 * 3600.0
    with pytest.raises(ClockUnreliable):
        guard.now()


def test_resync_takes_the_new_time_as_right():
    """An operator who has set the clock starts the measure anew."""
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += 3600.0
    guard.resync()
    assert datetime.fromtimestamp(clocks.wall, UTC) == guard.now()


def test_an_unsynchronised_kernel_stops_it_only_where_asked():
    """The kernel's own opinion counts when it is configured to."""
    answers = iter((True, False))
    guard = Clocks().guard(synchronised=lambda: next(answers))
    guard.now()
    with pytest.raises(ClockUnreliable):
        guard.now()
    Clocks().guard().now()


def test_the_real_clocks_agree_and_the_kernel_can_be_asked():
    """On this machine: the guard gives the present time, adjtimex answers yes or no."""
    now = ClockGuard().now()
    assert abs((datetime.now(UTC) - now).total_seconds()) < 1
    assert now.tzinfo is UTC
    assert kernel_is_synchronised() in (True, False)
