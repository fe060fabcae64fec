"""Periods of one thing: whatever lines come in whatever order, they never overlap, and the same line again does nothing."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.directory.timeline import OPEN, UNSAID, Clash, Timeline

pytestmark = pytest.mark.appliance

LINES = st.lists(
    st.tuples(
        st.none() | st.integers(0, 20),
        st.sampled_from([UNSAID, OPEN]) | st.integers(0, 20),
        st.dictionaries(st.integers(0, 1), st.sampled_from(["A", "B"])),
        st.integers(0, 20),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_periods_stay_apart_and_lines_repeat(lines: list) -> None:
    """After each line: in order, none empty, none overlapping; and each line that was taken says `same` the second time."""
    line = Timeline([])
    for start, end, said, as_of in lines:
        before = [(one.start, one.end, one.values) for one in line.periods]
        try:
            line.put(start=start, end=end, said=said, width=2, as_of=as_of)
        except Clash:
            assert before == [(one.start, one.end, one.values) for one in line.periods]
            continue
        found = [(one.start, one.end) for one in line.periods]
        assert found == sorted(found, key=lambda one: one[0])
        assert all(end_ is None or start_ < end_ for start_, end_ in found)
        assert all(former[1] is not None and former[1] <= later[0] for former, later in itertools.pairwise(found))
        with contextlib.suppress(Clash):
            assert line.put(start=start, end=end, said=said, width=2, as_of=as_of).outcome in ("same",)
