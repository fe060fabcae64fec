"""A rule: what callers may do with keys, and whether an order is within it. Values and pure functions; no database.

A rule is for callers (one, those of an organisation, those of a role, all) and for keys (a pattern). Of the rules that fit
a caller and a key the most specific one counts, alone: first the narrower choice of callers, then the narrower pattern,
then the name. Where none fits, nothing is narrowed: role, patterns and organisation of the caller decide by themselves.

>>> from datetime import datetime
>>> rule = Rule("thu", callers="role:client", keys="seal-*", levels=("B-T",))
>>> chosen((rule,), subjects=("caller:1", "role:client"), key="seal-1").name
'thu'
>>> rule.refusal(Use(key="seal-1", level="B-B"), at=datetime(2026, 11, 23, 9)).code
'right-level'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase

from api.rights.errors import (
    RightBareDigest,
    RightFormat,
    RightHours,
    RightLevel,
    RightMechanism,
    RightPackaging,
    RightPeriod,
    RightProcedure,
    RightRefused,
    RightSize,
)
from api.store.callers import Caller

CALLERS = re.compile(r"(?:caller|organisation|role):[A-Za-z0-9:._-]{1,120}|\*")
KINDS = ("*", "role", "organisation", "caller")
"""Choices of callers, from the widest to the narrowest."""
LIFTING, JUDGING = "extension:document", "verification:document"
"""What stands in the place of a key where none is used: lifting a document to a higher level, and judging one."""
NO_KEYS = ("certificate:", "extension:", "verification:")
"""How names begin that are no key of the appliance."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Hours:
    """A part of a day; `end` is excluded, and None is midnight."""

    start: time
    end: time | None

    def hold(self, at: time) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(frozen=True)
class Limits:
    """How many signatures in how long; None is no limit."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    in_all: int | None = None

    @property
    def some(self) -> bool:
        return (self.per_minute, self.per_hour, self.per_day, self.in_all) != (None, None, None, None)


@dataclass(frozen=True)
class Use:
    """What an order wants of a key. For a key on somebody's token, `key` is `certificate:` and its SHA-256."""

    key: str
    level: str | None = None
    format: str | None = None
    packaging: str | None = None
    mechanism: str | None = None
    procedure: str | None = None
    size: int = 0
    is_bare: bool = False


@dataclass(frozen=True)
class Rule:
    """None or an empty tuple does not narrow; `procedures` and `mechanisms` are patterns. Times are in the service's zone."""

    name: str
    callers: str
    keys: str
    procedures: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    packaging: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    bare_digests: bool = False
    document_bytes: int | None = None
    limits: Limits = Limits()
    hours: tuple[Hours, ...] = ()
    weekdays: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    version: int = 0
    sha256: str = ""

    def fits(self, subjects: Iterable[str], key: str) -> bool:
        if key == JUDGING and not self.keys.startswith("verification:"):
            return False  # "all keys" does not mean reading: a rule on that says so
        return self.callers in ("*", *subjects) and fnmatchcase(key, self.keys)

    def narrowness(self) -> tuple[int, int, int, str]:
        """Greater is more specific."""
        literal = re.sub(r"\[[^]]*\]|[*?]", "", self.keys)
        return KINDS.index(self.callers.partition(":")[0]), int(literal == self.keys), len(literal), self.name

    def refusal(self, use: Use, *, at: datetime) -> RightRefused | None:
        """The first reason against it; limits are counted elsewhere (`api.rights.counting`)."""
        return next(self.refusals(use, at=at), None)

    def refusals(self, use: Use, *, at: datetime) -> Iterator[RightRefused]:
        """Every reason against it."""
        if self.valid_from is not None and at < self.valid_from:
            yield RightPeriod(rule=self.name, since=self.valid_from.isoformat(), until="…")
        if self.valid_to is not None and at >= self.valid_to:
            yield RightPeriod(rule=self.name, since="…", until=self.valid_to.isoformat())
        if not self.open_at(at):
            opens = self.opens(at)
            facts: dict[str, str | int] = {"rule": self.name}
            if opens is not None:
                facts |= {"opens": opens.isoformat(), "retry_after": _seconds(opens - at)}
            yield RightHours("", **facts)
        if use.is_bare and not self.bare_digests:
            yield RightBareDigest(rule=self.name)
        if self.procedures and not _among(use.procedure or "", self.procedures):
            yield RightProcedure(rule=self.name, value=use.procedure or "–", allowed=", ".join(self.procedures))
        if self.levels and use.level is not None and use.level not in self.levels:
            yield RightLevel(rule=self.name, value=use.level, allowed=", ".join(self.levels))
        if self.formats and use.format is not None and use.format not in self.formats:
            yield RightFormat(rule=self.name, value=use.format, allowed=", ".join(self.formats))
        if self.packaging and use.packaging is not None and use.packaging not in self.packaging:
            yield RightPackaging(rule=self.name, value=use.packaging, allowed=", ".join(self.packaging))
        if self.mechanisms and use.mechanism is not None and not _among(use.mechanism, self.mechanisms):
            yield RightMechanism(rule=self.name, value=use.mechanism, allowed=", ".join(self.mechanisms))
        if self.document_bytes is not None and use.size > self.document_bytes:
            yield RightSize(rule=self.name, value=use.size, allowed=self.document_bytes)

    def open_at(self, at: datetime) -> bool:
        """Whether it is an hour of a day at which keys may be used."""
        if self.weekdays and DAYS[at.weekday()] not in self.weekdays:
            return False
        return not self.hours or any(hours.hold(at.timetz().replace(tzinfo=None)) for hours in self.hours)

    def opens(self, at: datetime) -> datetime | None:
        """When it is next, within a week."""
        starts = sorted(hours.start for hours in self.hours) or [time(0)]
        for ahead in range(8):
            day = at + timedelta(days=ahead)
            for start in starts:
                moment = day.replace(hour=start.hour, minute=start.minute, second=0, microsecond=0)
                if moment > at and self.open_at(moment):
                    return moment
        return None


def subjects(caller: Caller) -> tuple[str, ...]:
    """By what rules may name the caller."""
    organisation = () if caller.organisation is None else (f"organisation:{caller.organisation}",)
    return (f"caller:{caller.id}", *organisation, f"role:{caller.role}")


def chosen(rules: Iterable[Rule], *, subjects: tuple[str, ...], key: str) -> Rule | None:
    """The rule that counts; None where nothing is narrowed."""
    return max((rule for rule in rules if rule.fits(subjects, key)), key=Rule.narrowness, default=None)


def _among(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _seconds(span: timedelta) -> int:
    return max(1, int(span.total_seconds()) + 1)
