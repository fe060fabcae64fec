"""Rules on the use of keys: set, removed, tried. Each change is a version in the database and a line in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from api import locale
from api.changes.errors import ChangesByTwo
from api.errors import NotFound, RequestInvalid
from api.ledger import Ledger
from api.locale import Language
from api.rights import Rights, Scopes, Use, store, trial
from api.rights.rule import Rule
from api.rights.store import Kept
from api.rights.text import NAME, RuleText
from api.rights.trial import Trial
from api.services import Services
from api.store import callers
from api.store.database import Database


@dataclass(frozen=True)
class Rules:
    """What changing rules rests on."""

    database: Database
    ledger: Ledger
    rights: Rights
    scopes: Scopes
    by_two: bool = False
    """Whether rules are changed by two administrators alone (`api.changes`)."""

    def listed(self) -> tuple[Kept, ...]:
        return self.database.read(store.in_force)

    def history(self, name: str) -> tuple[Kept, ...]:
        """All versions, the newest first. Raises NotFound."""
        found = self.database.read(store.history, name) if NAME.fullmatch(name) else ()
        if not found:
            raise NotFound(f"no rule {name}")
        return found

    def put(self, name: str, text: RuleText, *, by: str) -> Kept:
        """Set a rule; within `gate.REMEMBERED` seconds it counts everywhere. The same text again changes nothing.

        Raises RequestInvalid, ChangesByTwo."""
        self._require_one()
        if not NAME.fullmatch(name):
            raise RequestInvalid("name: up to 40 of a-z, 0-9, _ and -", field="name")
        same = next((kept for kept in self.listed() if kept.name == name), None)
        if same is not None and same.text == text:
            return same
        made: list[Kept] = []

        def also(connection: sa.Connection, _number: int) -> None:
            made[:] = [store.put(connection, name=name, rule=text, by=by)]

        sha256 = text.rule(name).sha256
        self.ledger.append("CHANGED", {"what": "rights-set", "caller": by, "rule": name, "rights": sha256}, also=also)
        self.rights.forget()
        return made[0]

    def remove(self, name: str, *, by: str) -> None:
        """From now on the rule narrows nothing. Raises NotFound, ChangesByTwo."""
        self._require_one()

        def also(connection: sa.Connection, _number: int) -> None:
            store.remove(connection, name=name, by=by)

        if not NAME.fullmatch(name):
            raise NotFound(f"no rule {name}")
        self.ledger.append("CHANGED", {"what": "rights-removed", "caller": by, "rule": name}, also=also)
        self.rights.forget()

    def attempt(self, caller: str, use: Use, *, at: datetime, candidate: Rule | None = None) -> Trial:
        """What an order of a caller, by its id, would get. Raises RequestInvalid when there is no such caller."""
        found = self.database.read(callers.named, caller)
        if found is None:
            raise RequestInvalid("there is no such caller", field="caller")
        return trial.attempt(self.database, self.scopes, found, use, at=at, candidate=candidate)

    def _require_one(self) -> None:
        if self.by_two:
            raise ChangesByTwo(subject="rights")


def of(services: Services) -> Rules:
    by_two = "rights" in services.settings.changes.two_administrators
    return Rules(services.database, services.ledger, services.rights, services.scopes, by_two=by_two)


def kept_json(kept: Kept) -> dict[str, Any]:
    """A version of a rule as HTTP and `--format json` tell it."""
    return {
        "name": kept.name,
        "version": kept.version,
        "rule": kept.text.model_dump(mode="json", exclude_defaults=True),
        "sha256": kept.sha256,
        "set_by": kept.set_by,
        "set_at": _told(kept.set_at),
        "ended_by": kept.ended_by,
        "ended_at": None if kept.ended_at is None else _told(kept.ended_at),
    }


def trial_json(found: Trial, *, language: Language) -> dict[str, Any]:
    """What an order would get, in words too."""
    refusals = []
    for error in found.refusals:
        words = locale.problem(error.code, language=language, facts=error.facts)
        refusals.append({"code": error.code, "title": words.title, "detail": words.detail, "facts": dict(error.facts)})
    counts, rule = found.counts, found.rule
    return {
        "outcome": "refused" if refusals else "signed",
        "rule": None if rule is None else {"name": rule.name, "version": rule.version, "sha256": rule.sha256},
        "refusals": refusals,
        "counts": {
            "in_minute": counts.in_minute,
            "in_hour": counts.in_hour,
            "in_day": counts.in_day,
            "in_all": counts.in_all,
        },
    }


def _told(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
