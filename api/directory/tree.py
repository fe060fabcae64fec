"""The tree of organisations through time, held in memory: who lies below whom at a moment, and who went into whom.

Thousands of rows, changed a few times a year and asked with each request, so that they are read once a change. Rules:

1. An organisation that was merged lives on in its successor: whatever lay below it lies below the successor, and what was
   its own is in the successor's care.
2. One that ended without a successor stays where it last was, so that its past stays within somebody's sight.

>>> from dataclasses import replace
>>> from api.directory.model import Period
>>> old, new = (Organisation(OrganisationId(one), one, one, "chi-bo", None, Period(0, None)) for one in "ab")
>>> ended = replace(old, period=Period(0, 5), merged_into=new.id)
>>> cell = replace(old, id=OrganisationId("c"), code="c", parent=old.id)
>>> tree = Tree((ended, new, cell))
>>> tree.parent("c", 4), tree.parent("c", 5), sorted(tree.scope("b", 9)), tree.successor("a", 9)
('a', 'b', ['a', 'b', 'c'], 'b')
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api.directory.model import Organisation, OrganisationId

DEEPEST = 64
"""Levels that are climbed: the Party has five, and a chain of mergers in the records must end."""


class Tree:
    """All periods of all organisations, with the ways up and down."""

    def __init__(self, periods: Iterable[Organisation], *, change: int = 0) -> None:
        self.change = change
        """The newest change of the directory that is in it."""
        self._periods: dict[str, list[Organisation]] = {}
        self._by_code: dict[str, str] = {}
        self._near: dict[str, set[str]] = {}
        for one in periods:
            self._periods.setdefault(one.id, []).append(one)
            self._by_code[one.code] = one.id
            for above in (one.parent, one.merged_into):
                if above is not None:
                    self._near.setdefault(above, set()).add(one.id)
        for several in self._periods.values():
            several.sort(key=lambda one: one.period.start)
        self._in_order = [self._by_code[code] for code in sorted(self._by_code)]

    def find(self, text: str) -> OrganisationId | None:
        """The organisation of this id or code, whenever it existed."""
        found = text if text in self._periods else self._by_code.get(text)
        return None if found is None else OrganisationId(found)

    def at(self, identity: str, at: int) -> Organisation | None:
        """The organisation as it is then; None where it does not exist."""
        return next((one for one in self._periods.get(identity, ()) if one.period.holds(at)), None)

    def latest(self, identity: str, at: int) -> Organisation | None:
        """As it is then or was last."""
        begun = [one for one in self._periods.get(identity, ()) if one.period.start <= at]
        return begun[-1] if begun else None

    def all(self, at: int) -> Iterator[Organisation]:
        """Those that exist then, by their codes."""
        for identity in self._in_order:
            found = self.at(identity, at)
            if found is not None:
                yield found

    def successor(self, identity: str, at: int) -> OrganisationId | None:
        """Itself while it exists, then whom it was merged into; None when it ended without one."""
        for _ in range(DEEPEST):
            last = self.latest(identity, at)
            if last is None or last.period.holds(at):
                return None if last is None else last.id
            if last.merged_into is None:
                return None
            identity = last.merged_into
        return None

    def parent(self, identity: str, at: int) -> OrganisationId | None:
        """The organisation above it then, or above it at its end; a merged parent's successor in its stead."""
        last = self.latest(identity, at)
        if last is None or last.parent is None:
            return None
        return self.successor(last.parent, at) or last.parent

    def ancestors(self, identity: str, at: int) -> tuple[Organisation, ...]:
        """Those above it that exist then, the nearest first."""
        found: list[Organisation] = []
        above = self.parent(identity, at)
        while above is not None and len(found) < DEEPEST:
            here = self.at(above, at)
            if here is not None:
                found.append(here)
            above = self.parent(above, at)
        return tuple(found)

    def descendants(self, identity: str, at: int) -> tuple[Organisation, ...]:
        """Those below it that exist then, by their codes."""
        inside = (self.at(one, at) for one in self.scope(identity, at) if one != identity)
        return tuple(sorted((one for one in inside if one is not None), key=lambda one: one.code))

    def scope(self, identity: str, at: int) -> frozenset[str]:
        """All that is the organisation's to see: itself, those below it, and those that went into any of them."""
        if self.latest(identity, at) is None:
            return frozenset()
        found, frontier = {identity}, [identity]
        while frontier:
            for near in self._near.get(frontier.pop(), ()):
                if near not in found and self._up(near, at) in found:
                    found.add(near)
                    frontier.append(near)
        return frozenset(found)

    def _up(self, identity: str, at: int) -> str | None:
        """One step towards whoever answers for it: its successor if it was merged, else its recorded parent."""
        last = self.latest(identity, at)
        if last is None:
            return None
        return last.merged_into if last.merged_into is not None and not last.period.holds(at) else last.parent

    def inside(self, identity: str, of: str, at: int) -> bool:
        """Whether an organisation is `of` or lies below it then."""
        step: str | None = identity
        for _ in range(DEEPEST):
            if step is None or step == of:
                return step is not None
            step = self._up(step, at)
        return False
