"""The periods of one thing, one after the other, and how a line of a file changes them.

1. A line with a beginning is about the period that begins then: what differs is a correction of that whole period. Where
   none begins then, it begins a new one, and the open period before it ends there.
2. A line without a beginning is about the period at `as_of`: what differs holds from `as_of` on, and the former period ends.
3. What a line does not say stays; an end is taken back only by saying that it is open.
4. Periods never overlap: a line that would make them is refused.
5. What has ended begins again only by a line with a beginning.

>>> line = Timeline([])
>>> line.put(start=None, end=UNSAID, said={0: "A"}, width=1, as_of=100).outcome
'new'
>>> line.put(start=None, end=UNSAID, said={0: "B"}, width=1, as_of=200).outcome
'changed'
>>> line.put(start=None, end=300, said={}, width=1, as_of=250).outcome
'ended'
>>> [(one.start, one.end, one.values) for one in line.periods]
[(100, 200, ('A',)), (200, 300, ('B',))]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["new", "changed", "corrected", "ended", "same"]
Values = tuple[str | None, ...]
UNSAID: Final = "unsaid"
OPEN: Final = "open"
End = int | Literal["unsaid", "open"]


class Clash(Exception):
    """The line does not fit what is there; `code` has a sentence."""

    def __init__(self, code: Literal["overlaps", "end-before-start", "needs-values"], **facts: int) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


class Stretch:
    """One period as it will be; `was` is what is on record of it, None for a new one."""

    __slots__ = ("end", "id", "row", "start", "values", "was", "where")

    def __init__(
        self, start: int, end: int | None, values: Values, *, identity: str | None = None, row: int | None = None
    ) -> None:
        self.start = start
        self.end = end
        self.values = values
        self.id = identity
        self.row = row
        self.was = None if row is None else (start, end, values)
        self.where: tuple[int, int] | None = None
        """Source and line that touched it last, for faults that show later."""

    @property
    def is_changed(self) -> bool:
        return self.was != (self.start, self.end, self.values)

    def holds(self, at: int) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(frozen=True)
class Put:
    """What a line came to, and the period that it is about."""

    outcome: Outcome
    stretch: Stretch


@dataclass
class Timeline:
    """All periods of one thing, in order."""

    periods: list[Stretch]

    def put(
        self,
        *,
        start: int | None,
        end: End,
        said: Mapping[int, str | None],
        width: int,
        as_of: int,
        begins: int | None = None,
        at_end: frozenset[int] = frozenset(),
    ) -> Put:
        """Take a line in. `said` are values by column, `at_end` those columns that speak of the end; `begins` is where
        something new starts that says nothing. Raises Clash; the periods are then as they were."""
        target = self._about(start, end, said, as_of)
        if target is None:
            chosen = next(one for one in (start, begins, as_of) if one is not None)
            return self._begin(chosen, end, said, width)
        values, wanted = _with(target.values, said), target.end if end == UNSAID else _end(end)
        differs = any(
            one != was
            for index, (one, was) in enumerate(zip(values, target.values, strict=True))
            if index not in at_end
        )
        if differs and start is None and target.start < as_of:  # rule 2
            return Put("changed", self._insert(as_of, wanted, values, after=target))
        self._check(target.start, wanted, but=target)
        outcome: Outcome = "corrected"
        if (values, wanted) == (target.values, target.end):
            outcome = "same"
        elif not differs and target.end is None and wanted is not None:
            outcome = "ended"
        target.values, target.end = values, wanted
        return Put(outcome, target)

    def _about(self, start: int | None, end: End, said: Mapping[int, str | None], as_of: int) -> Stretch | None:
        """The period that a line is about; None for one that is not there yet."""
        if start is not None:
            return next((one for one in self.periods if one.start == start), None)
        here = next((one for one in self.periods if one.holds(as_of)), None)
        if here is not None:
            return here
        # Rule 5: the same line again, after the end.
        over = (one for one in reversed(self.periods) if one.start <= as_of and end in (UNSAID, one.end))
        return next((one for one in over if _with(one.values, said) == one.values), None)

    def _begin(self, start: int, end: End, said: Mapping[int, str | None], width: int) -> Put:
        before = next((one for one in reversed(self.periods) if one.start < start), None)
        if before is None and len(said) < width:
            said = {**dict.fromkeys(range(width)), **said}
        values = _with(before.values if before is not None else (None,) * width, said)
        new = self._insert(start, None if end in (UNSAID, OPEN) else _end(end), values, after=before)
        return Put("changed" if before is not None and before.end == start else "new", new)

    def _insert(self, start: int, end: int | None, values: Values, *, after: Stretch | None) -> Stretch:
        following = next((one for one in self.periods if one.start > start), None)
        if end is None and following is not None:
            end = following.start
        if after is not None and after.end is not None and after.end > start and after.end != end:
            raise Clash("overlaps", start=after.start, end=after.end)
        self._check(start, end, but=after)
        if after is not None and (after.end is None or after.end > start):
            after.end = start
        new = Stretch(start, end, values)
        self.periods.append(new)
        self.periods.sort(key=lambda one: one.start)
        return new

    def _check(self, start: int, end: int | None, *, but: Stretch | None) -> None:
        if end is not None and end <= start:
            raise Clash("end-before-start")
        for one in self.periods:
            if one is not but and (end is None or one.start < end) and (one.end is None or one.end > start):
                raise Clash("overlaps", start=one.start, end=one.end or 0)


def _end(end: End) -> int | None:
    return end if isinstance(end, int) else None


def _with(values: Values, said: Mapping[int, str | None]) -> Values:
    if not said:
        return values
    return tuple(said.get(index, value) for index, value in enumerate(values))
