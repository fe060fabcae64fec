"""The text of a rule, as people write it and the database keeps it: JSON, checked, in one canonical form.

>>> text = RuleText(callers="role:client", keys="seal-*", hours=("07:30-11:30",), per_minute=10)
>>> text.canonical()
'{"callers":"role:client","hours":["07:30-11:30"],"keys":"seal-*","per_minute":10}'
>>> text.rule("trong-gio").limits.per_minute
10
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, time, tzinfo
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from api.errors import RequestInvalid
from api.rights.rule import CALLERS, Hours, Limits, Rule
from api.schema_base import Input
from api.store.callers import ROLES
from signer.model import Format, Level
from signer.xades.plan import Packaging

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
YEARS = (2000, 2200)
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Pattern = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


def sensible(at: datetime) -> datetime:
    """A time with its offset from UTC, so near that every zone can tell it. Raises ValueError."""
    if at.tzinfo is None:
        raise ValueError("a time wants its offset from UTC: 2026-11-22T00:00:00+07:00")
    if not YEARS[0] <= at.year < YEARS[1]:
        raise ValueError("a time between the years 2000 and 2200")
    return at


class RuleText(Input):
    """What callers may do with keys. What is left out does not narrow."""

    callers: str = Field(max_length=140)
    """`caller:ID`, `organisation:ID`, `role:ROLE` or `*`."""
    keys: Pattern
    """Pattern of names of keys (`*`, `?`, `[…]`); `certificate:SHA256` is a key on somebody's token, `extension:document`
    the lifting of a document, `verification:document` the judging of one, which `*` does not mean."""
    procedures: tuple[Pattern, ...] = Field(default=(), max_length=100)
    """Patterns of names of procedures; with some, an order that names none is refused."""
    levels: tuple[Level, ...] = Field(default=(), max_length=4)
    formats: tuple[Format, ...] = Field(default=(), max_length=2)
    packaging: tuple[Packaging, ...] = Field(default=(), max_length=4)
    """How XML signatures may lie in or beside their document."""
    mechanisms: tuple[Pattern, ...] = Field(default=(), max_length=20)
    """Patterns of mechanisms: `ecdsa_*`."""
    bare_digests: bool = False
    """True lets digests be signed without their document, where the key's own settings do."""
    document_bytes: Count | None = None
    per_minute: Count | None = None
    per_hour: Count | None = None
    per_day: Count | None = None
    in_all: Count | None = None
    hours: tuple[Annotated[str, Field(pattern=f"^(?:{HOURS.pattern})$")], ...] = Field(default=(), max_length=10)
    """Parts of a day in the service's zone: `07:30-11:30`, the end excluded; until midnight is `…-24:00`."""
    weekdays: tuple[Day, ...] = Field(default=(), max_length=7)
    valid_from: datetime | None = None
    """With an offset from UTC; before it, orders are refused."""
    valid_to: datetime | None = None
    """From then on, orders are refused."""

    @field_validator("callers")
    @classmethod
    def _some_callers(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        if not CALLERS.fullmatch(value) or (kind == "role" and name not in ROLES):
            raise ValueError(f"caller:ID, organisation:ID, role:({'|'.join(ROLES)}) or *")
        return value

    @field_validator("hours")
    @classmethod
    def _forward(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            start, _, end = one.partition("-")
            if start >= end:
                raise ValueError(f"{one}: the end is not after the start; split it at midnight")
        return value

    @field_validator("valid_from", "valid_to")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        return None if value is None else sensible(value)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_from >= self.valid_to:
            raise ValueError("valid_to is not after valid_from")
        return self

    def canonical(self) -> str:
        """One spelling of the rule; its SHA-256 stands in the ledger with each use of a key."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def rule(self, name: str, *, version: int = 0, zone: tzinfo | None = None) -> Rule:
        """The rule that it says; `zone` is the one in which refusals tell its times."""
        return Rule(
            name,
            callers=self.callers,
            keys=self.keys,
            procedures=self.procedures,
            levels=self.levels,
            formats=self.formats,
            packaging=self.packaging,
            mechanisms=self.mechanisms,
            bare_digests=self.bare_digests,
            document_bytes=self.document_bytes,
            limits=Limits(self.per_minute, self.per_hour, self.per_day, self.in_all),
            hours=tuple(map(_hours, self.hours)),
            weekdays=self.weekdays,
            valid_from=_told(self.valid_from, zone),
            valid_to=_told(self.valid_to, zone),
            version=version,
            sha256=digest(self.canonical()),
        )


def parse(data: bytes | str) -> RuleText:
    """A rule from JSON. Raises RequestInvalid."""
    try:
        return RuleText.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RequestInvalid(f"rule: {where}: {fault['msg']}", field=where or "rule") from None


def digest(canonical: str) -> str:
    return hashlib.sha256(canonical.encode()).hexdigest()


def _hours(text: str) -> Hours:
    start, _, end = text.partition("-")
    return Hours(time.fromisoformat(start), None if end == "24:00" else time.fromisoformat(end))


def _told(value: datetime | None, zone: tzinfo | None) -> datetime | None:
    return value if value is None or zone is None else value.astimezone(zone)
