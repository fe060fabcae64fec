"""What an order would get, without anything being done: the trial of a rule before it is set, or of those in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from api import auth
from api.errors import ApiError, NotPermitted
from api.rights import counting, store
from api.rights.counting import Counts
from api.rights.rule import JUDGING, NO_KEYS, Rule, Use, chosen, subjects
from api.rights.scope import Scopes
from api.store.callers import Caller
from api.store.database import Database
from hsm.errors import HsmError, KeyNotFound


@dataclass(frozen=True)
class Trial:
    """`rule` is the one that counts, None where nothing is narrowed; without refusals the order would be signed."""

    rule: Rule | None
    counts: Counts
    refusals: tuple[ApiError | HsmError, ...]


def attempt(
    database: Database, scopes: Scopes, caller: Caller, use: Use, *, at: datetime, candidate: Rule | None = None
) -> Trial:
    """Everything that the order would be refused for. `candidate` counts as if it were in force, in the place of the rule
    of its name."""
    kept = database.read(store.in_force)
    rules = [one.text.rule(one.name, version=one.version, zone=at.tzinfo) for one in kept]
    if candidate is not None:
        rules = [*(rule for rule in rules if rule.name != candidate.name), candidate]
    rule = chosen(rules, subjects=subjects(caller), key=use.key)
    counts = Counts()
    if rule is not None:
        counts = database.read(counting.counts, rule.name, caller=caller.id, at=at)
    return Trial(rule, counts, tuple(_refusals(scopes, caller, use, rule=rule, counts=counts, at=at)))


def _refusals(
    scopes: Scopes, caller: Caller, use: Use, *, rule: Rule | None, counts: Counts, at: datetime
) -> Iterator[ApiError | HsmError]:
    needed: auth.Permission = "verify" if use.key == JUDGING else "sign"
    if not auth.may(caller, needed):
        yield NotPermitted(f"role {caller.role} may not {needed}")
    if not use.key.startswith(NO_KEYS) and not scopes.may_use_key(caller, use.key):
        yield KeyNotFound(key=use.key)
    if rule is None:
        return
    yield from rule.refusals(use, at=at)
    met = counting.refusal(rule, counts, at=at)
    if met is not None:
        yield met
