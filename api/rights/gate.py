"""The rights of the service: which rule counts for an order, what it refuses, and the counting of what it grants.

    grant = services.rights.grant(caller, use)          # raises RightRefused
    …
    facts = {…, **grant.facts}                          # into the INTENT line: the SHA-256 of the rule in force
    grant.count(connection)                             # in the INTENT's transaction

Rules are read again after `REMEMBERED` seconds, by each process; which one counts for a caller and a key is worked out
once in that time. A limit that was just met is remembered until it is over, so that a caller who goes on asking costs no
transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.rights import counting, store
from api.rights.errors import RightRefused
from api.rights.rule import Rule, Use, chosen, subjects
from api.store.callers import Caller
from api.store.database import Database

REMEMBERED = 2.0
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Grant:
    """An order that is within its rule; without one, there is nothing to count and nothing to tell."""

    rule: Rule | None
    caller: str
    at: datetime
    rights: Rights | None = field(default=None, repr=False)

    @property
    def facts(self) -> Mapping[str, str]:
        """For the ledger: the rule in force."""
        return {} if self.rule is None else {"rights": self.rule.sha256}

    @property
    def is_counted(self) -> bool:
        """Whether `count` does anything."""
        return self.rule is not None and self.rule.limits.some

    def count(self, connection: sa.Connection) -> None:
        """Count the use, in the transaction that puts it on record. Raises RightRate, RightCount."""
        if self.rule is None or not self.is_counted:
            return
        try:
            counting.count(connection, self.rule, caller=self.caller, at=self.at)
        except RightRefused as error:
            if self.rights is not None:
                self.rights.remember(error, rule=self.rule, caller=self.caller, at=self.at)
            raise


@dataclass(frozen=True)
class _Met:
    """A limit that was met, and when one may ask again."""

    sha256: str
    until: datetime
    error: type[RightRefused]
    facts: Mapping[str, str | int]


class Rights:
    """The rules of one database. Safe to share between threads."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._read_until = 0.0
        self._rules: tuple[Rule, ...] = ()
        self._chosen: dict[tuple[tuple[str, ...], str], Rule | None] = {}
        self._met: dict[tuple[str, str], _Met] = {}

    def grant(self, caller: Caller, use: Use) -> Grant:
        """The order may go on. Raises RightRefused; RightRate and RightCount also with `Grant.count`."""
        rule = self.rule(caller, use.key)
        at = self._clock()
        if rule is None:
            return Grant(None, caller.id, at)
        refused = rule.refusal(use, at=at)
        if refused is not None:
            raise refused
        if rule.limits.some:
            self._refuse_again(rule, caller.id, at)
        return Grant(rule, caller.id, at, self)

    def rule(self, caller: Caller, key: str) -> Rule | None:
        """The rule that counts for this caller and key; None where nothing is narrowed."""
        if self._read_until <= time.monotonic():
            self._read()
        asked = (subjects(caller), key)
        known = self._chosen
        if asked not in known:
            found = chosen(self._rules, subjects=asked[0], key=key)
            if len(known) < MOST_REMEMBERED:
                known[asked] = found
            return found
        return known[asked]

    def forget(self) -> None:
        """Rules were changed by this process."""
        self._read_until = 0.0

    def remember(self, error: RightRefused, *, rule: Rule, caller: str, at: datetime) -> None:
        """A limit was met: until it is over, or the rule changes, refuse without asking the database."""
        seconds = error.facts.get("retry_after", REMEMBERED)
        until = at + timedelta(seconds=min(float(seconds), 60.0))
        with self._lock:
            if len(self._met) >= MOST_REMEMBERED:
                self._met.clear()
            self._met[rule.name, caller] = _Met(rule.sha256, until, type(error), error.facts)

    def _refuse_again(self, rule: Rule, caller: str, at: datetime) -> None:
        met = self._met.get((rule.name, caller))
        if met is None or met.sha256 != rule.sha256 or at >= met.until:
            return
        facts = dict(met.facts)
        if "period" in facts:
            facts["retry_after"] = counting.left(str(facts["period"]), at)
        raise met.error("", **facts)

    def _read(self) -> None:
        kept = self._database.read(store.in_force)
        zone = self._clock().tzinfo
        rules = tuple(one.text.rule(one.name, version=one.version, zone=zone) for one in kept)
        with self._lock:
            self._rules, self._chosen = rules, {}
            self._read_until = time.monotonic() + REMEMBERED
