"""Counted limits: one row for each rule and caller, changed in the very transaction that puts the use on record.

So the limit holds across processes, nodes and restarts, costs no transaction of its own, and what is undone with the
INTENT is not counted. Minutes, hours and days are those of the clock in the service's zone, not sliding: around the turn
of a minute twice the limit may pass within sixty seconds. A clock that is one period behind goes on counting the later
one, so that two nodes whose clocks differ a little do not begin anew in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from api.rights.errors import RightCount, RightRate, RightRefused
from api.rights.rule import Rule
from api.store.statement import Statement
from api.store.tables import rights_use as table

NONE = 2**53 - 1
MINUTE, HOUR, DAY = 60, 3600, 86_400
PERIODS = (("minute", MINUTE), ("hour", HOUR), ("day", DAY))


def _same(period: str) -> sa.ColumnElement[bool]:
    now = sa.bindparam(f"now_{period}", type_=sa.BigInteger)
    return table.c[period].between(now, now + sa.literal_column("1"))


def _count(period: str, otherwise: str) -> sa.ColumnElement[int]:
    """How many there were in this period."""
    return sa.case((_same(period), table.c[f"in_{period}"]), else_=sa.literal_column(otherwise))


ONE_MORE = Statement(
    table.update()
    .where(
        table.c.rule == sa.bindparam("of_rule"),
        table.c.caller == sa.bindparam("of_caller"),
        *(_count(period, "0") < sa.bindparam(f"per_{period}", type_=sa.BigInteger) for period, _ in PERIODS),
        table.c.in_all < sa.bindparam("most_in_all", type_=sa.BigInteger),
    )
    .values(
        {
            **{f"in_{period}": _count(period, "0") + sa.literal_column("1") for period, _ in PERIODS},
            **{
                period: sa.case(
                    (_same(period), table.c[period]),
                    else_=sa.bindparam(f"now_{period}", type_=sa.BigInteger),
                )
                for period, _ in PERIODS
            },
            "in_all": table.c.in_all + sa.literal_column("1"),
        }
    )
)
FIRST = Statement(
    sa.text(
        "INSERT INTO rights_use (rule, caller, minute, in_minute, hour, in_hour, day, in_day, in_all) "
        "VALUES (:of_rule, :of_caller, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (rule, caller) DO NOTHING"
    )
)
COUNTS = sa.select(table).where(table.c.rule == sa.bindparam("of_rule"), table.c.caller == sa.bindparam("of_caller"))


@dataclass(frozen=True)
class Counts:
    """How many uses there were in the present minute, hour, day, and in all."""

    in_minute: int = 0
    in_hour: int = 0
    in_day: int = 0
    in_all: int = 0


def count(connection: sa.Connection, rule: Rule, *, caller: str, at: datetime) -> None:
    """One use more. Raises RightRate or RightCount, and counts nothing, where that would be one too many."""
    limits = rule.limits
    mine = {"of_rule": rule.name, "of_caller": caller}
    values = {
        **mine,
        **_now(at),
        "per_minute": limits.per_minute or NONE,
        "per_hour": limits.per_hour or NONE,
        "per_day": limits.per_day or NONE,
        "most_in_all": limits.in_all or NONE,
    }
    if ONE_MORE.change(connection, values) == 1:
        return
    FIRST.change(connection, mine)  # nothing where there is a row already
    if ONE_MORE.change(connection, values) != 1:
        raise refusal(rule, counts(connection, rule.name, caller=caller, at=at), at=at) or RightRate(rule=rule.name)


def counts(connection: sa.Connection, rule: str, *, caller: str, at: datetime) -> Counts:
    """How far the caller is."""
    row = connection.execute(COUNTS, {"of_rule": rule, "of_caller": caller}).one_or_none()
    if row is None:
        return Counts()
    now = _now(at)
    found = {
        f"in_{period}": getattr(row, f"in_{period}") if 0 <= getattr(row, period) - now[f"now_{period}"] <= 1 else 0
        for period, _ in PERIODS
    }
    return Counts(**found, in_all=row.in_all)


def refusal(rule: Rule, counts: Counts, *, at: datetime) -> RightRefused | None:
    """What one use more would be refused for: the limit that lasts longest."""
    limits = rule.limits
    if limits.in_all is not None and counts.in_all >= limits.in_all:
        return RightCount(rule=rule.name, allowed=limits.in_all)
    for period, most, so_far in (
        ("day", limits.per_day, counts.in_day),
        ("hour", limits.per_hour, counts.in_hour),
        ("minute", limits.per_minute, counts.in_minute),
    ):
        if most is not None and so_far >= most:
            return RightRate(rule=rule.name, allowed=most, period=period, retry_after=left(period, at))
    return None


def _now(at: datetime) -> dict[str, int]:
    """The numbers of the present minute, hour and day in the zone of `at`."""
    local = _local(at)
    return {f"now_{period}": local // seconds for period, seconds in PERIODS}


def left(period: str, at: datetime) -> int:
    """Seconds until the next one begins."""
    seconds = dict(PERIODS)[period]
    return seconds - _local(at) % seconds


def _local(at: datetime) -> int:
    offset = at.utcoffset()
    return int(at.timestamp()) + (0 if offset is None else int(offset.total_seconds()))
