"""How often a key may be used: windows that slide, counters that survive, a refusal that says when it ends."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.counting import NEVER, Counters, Limits, Window
from hsm.errors import KeyLimitReached
from hsm.uselog import UseLog

pytestmark = pytest.mark.appliance


@given(st.lists(st.floats(0, 1e5), max_size=80).map(sorted), st.integers(1, 20))
def test_no_true_window_ever_holds_more_than_allowed(moments: list[float], most: int) -> None:
    """Whatever the moments: of the uses let through, any 60 seconds hold at most `most`."""
    counters, let_through = Counters({"seal": Limits(per_minute=most)}), []
    for at in moments:
        try:
            counters.require("seal", now=at)
        except KeyLimitReached:
            continue
        counters.add("seal", at=at)
        let_through.append(at)
    assert all(sum(1 for one in let_through if at - 60 < one <= at) <= most for at in let_through)


def test_a_refusal_says_when_it_ends_and_then_it_does() -> None:
    """The moment that is told is one at which the key may be used again; `total` never ends."""
    counters = Counters({"seal": Limits(per_minute=2, per_day=3, total=4)})
    for at in (1000.0, 1000.5):
        counters.add("seal", at=at)
    with pytest.raises(KeyLimitReached) as refused:
        counters.require("seal", now=1030.0)
    assert ("per_minute", 2) == (refused.value.facts["limit"], refused.value.facts["most"])
    ends = datetime.fromisoformat(str(refused.value.facts["ends"])).timestamp()
    assert 1060 <= ends <= 1062
    counters.require("seal", now=ends)
    counters.add("seal", at=ends)
    with pytest.raises(KeyLimitReached) as refused:
        counters.require("seal", now=ends + 100)
    assert "per_day" == refused.value.facts["limit"]
    counters.add("seal", at=ends + 100_000)
    with pytest.raises(KeyLimitReached) as refused:
        counters.require("seal", now=ends + 1e9)
    assert ("total", NEVER) == (refused.value.facts["limit"], refused.value.facts["ends"])
    counters.require("another", now=ends)


def test_a_clock_that_was_set_back_makes_no_room() -> None:
    """Uses from before still count, as of the latest moment."""
    window = Window(60, 1)
    for at in (5000.0, 1000.0, 1001.0):
        window.add(at)
    window.prune(1001.0)
    assert 3 == window.count


def test_what_is_remembered_stays_small() -> None:
    """A million uses in a day are some hundred slots."""
    window = Window(86400, 600)
    for second in range(0, 86400 * 3, 7):
        window.add(float(second))
    assert len(window.slots) <= 146


def use(log: UseLog, number: int, key: str = "seal") -> None:
    began = log.started(
        ledger_number=number, key=key, mechanism="ed25519", tbs=b"%d" % number, expires_at=time.time() + 60
    )
    log.done(began, value=b"v")


def test_limits_are_counted_from_the_log_of_uses(tmp_path: Path) -> None:
    """A restart changes nothing, a use that was refused is none, and other keys go on."""
    path = tmp_path / "box.uses"
    limits = {"seal": Limits(total=3)}
    with UseLog.open(path, limits=limits) as log:
        use(log, 1)
        use(log, 2)
    with UseLog.open(path, limits=limits) as log:
        use(log, 3)
        for _ in range(2):
            with pytest.raises(KeyLimitReached):
                use(log, 4)
        use(log, 5, key="other")
        assert [("other", 1), ("seal", 3)] == [(one.key, one.total) for one in log.counts()]
        assert log.find(4) is None
