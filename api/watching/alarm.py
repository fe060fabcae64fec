"""One alarm: a code, what it is about, how bad it is, since when; and its words.

>>> one = Alarm("token-locked", "usb", "critical", datetime(2026, 11, 22, tzinfo=UTC), {"module": "usb"})
>>> one.identity
('token-locked', 'usb')
>>> "unlock" in one.words("en").do
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from api import locale
from api.locale import Language

Severity = Literal["warning", "critical"]
Facts = Mapping[str, str | int]


@dataclass(frozen=True)
class Finding:
    """What a check found now. `facts` fill the words and hold ids, names of keys and modules, numbers: no secret."""

    code: str
    subject: str = ""
    severity: Severity = "warning"
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    what: str
    do: str


@dataclass(frozen=True)
class Alarm:
    """A finding that stands since a moment."""

    code: str
    subject: str
    severity: Severity
    since: datetime
    facts: Facts = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str]:
        return self.code, self.subject

    @property
    def is_critical(self) -> bool:
        return self.severity == "critical"

    def words(self, language: Language) -> Words:
        """What is the matter and what to do."""
        entry = locale.words(language)["alarms"][self.code]
        facts = {**self.facts, "subject": self.subject}
        return Words(locale.fill(entry["what"], facts), locale.fill(entry["do"], facts))

    def as_json(self, *, zone: tzinfo = UTC) -> dict[str, Any]:
        """With the words in both languages."""
        told = {language: self.words(language) for language in locale.LANGUAGES}
        return {
            "code": self.code,
            "subject": self.subject,
            "severity": self.severity,
            "since": self.since.astimezone(zone).isoformat(timespec="seconds"),
            "what": {language: words.what for language, words in told.items()},
            "do": {language: words.do for language, words in told.items()},
            "facts": dict(self.facts),
        }
