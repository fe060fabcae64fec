"""Counted limits: exact across threads, connections and restarts, and undone with the transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.rights import counting
from api.rights.errors import RightCount, RightRate, RightRefused
from api.rights.gate import Grant, Rights
from api.rights.rule import Limits, Rule, Use
from api.rights.store import put, remove
from api.rights.text import RuleText
from api.store.callers import Caller, CallerId
from api.store.database import Database, open_database
from tests.integration.store.test_postgresql import server

pytestmark = pytest.mark.appliance

__all__ = ["server"]
NOON = datetime(2026, 11, 23, 12, 0, 5, tzinfo=timezone(timedelta(hours=7)))
CALLER = Caller(CallerId("c"), "c", "client", ("*",))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'kyso.db'}"
        return
    found = request.getfixturevalue("server")
    yield found
    database = open_database(found)
    database.write(lambda connection: connection.execute(sa.text("DELETE FROM rights_use")).rowcount)
    database.close()


def limited(**limits: int) -> Rule:
    return Rule("r", callers="*", keys="*", limits=Limits(**limits), sha256="00")


def use(database: Database, rule: Rule, *, at: datetime = NOON, caller: str = "c") -> None:
    database.write(counting.count, rule, caller=caller, at=at)


@pytest.mark.parametrize(
    ("limit", "period", "seconds_left"),
    [
        ("per_minute", timedelta(minutes=1), 55),
        ("per_hour", timedelta(hours=1), 3595),
        ("per_day", timedelta(days=1), 43_195),
    ],
)
def test_a_rate_is_kept_and_begins_anew(url: str, limit: str, period: timedelta, seconds_left: int) -> None:
    """Three pass, the fourth is told when to come again; in the next period three pass again."""
    database, rule = open_database(url), limited(**{limit: 3})
    for at in (NOON, NOON + period):
        for _ in range(3):
            use(database, rule, at=at)
        with pytest.raises(RightRate) as caught:
            use(database, rule, at=at)
        assert (limit.removeprefix("per_"), 3, seconds_left) == tuple(
            caught.value.facts[name] for name in ("period", "allowed", "retry_after")
        )
    use(database, rule, at=NOON, caller="another")
    database.close()


def test_a_total_is_never_given_back(url: str) -> None:
    """Two in all, a year apart; a restart changes nothing."""
    rule = limited(in_all=2)
    for days in (0, 365):
        database = open_database(url)
        use(database, rule, at=NOON + timedelta(days=days))
        database.close()
    database = open_database(url)
    with pytest.raises(RightCount):
        use(database, rule, at=NOON + timedelta(days=400))
    assert 2 == database.read(counting.counts, "r", caller="c", at=NOON).in_all
    database.close()


def test_the_limit_that_lasts_longest_is_told(url: str) -> None:
    """Whoever has used up the day is not told to come again in a minute."""
    database, rule = open_database(url), limited(per_minute=1, per_day=1)
    use(database, rule)
    with pytest.raises(RightRate) as caught:
        use(database, rule)
    assert "day" == caught.value.facts["period"]
    database.close()


def test_two_clocks_that_differ_do_not_begin_anew_in_turn(url: str) -> None:
    """One node is in the next minute already: together they still get no more than the limit."""
    database, rule = open_database(url), limited(per_minute=4)
    behind, ahead = NOON, NOON + timedelta(minutes=1)
    passed = 0
    for at in (behind, ahead) * 10:
        try:
            use(database, rule, at=at)
        except RightRate:
            continue
        passed += 1
    assert 5 == passed  # one in the minute before, then four, whoever asks
    database.close()


def test_a_clock_that_was_set_right_by_days_does_not_lock_out(url: str) -> None:
    """A count that lies far ahead belongs to no period that is near: it begins anew."""
    database, rule = open_database(url), limited(per_minute=1)
    use(database, rule, at=NOON + timedelta(days=400))
    use(database, rule, at=NOON)
    with pytest.raises(RightRate):
        use(database, rule, at=NOON)
    database.close()


def test_what_is_undone_is_not_counted(url: str) -> None:
    """A transaction that fails gives the use back."""
    database, rule = open_database(url), limited(in_all=1)

    def work(connection: sa.Connection) -> None:
        counting.count(connection, rule, caller="c", at=NOON)
        raise RuntimeError("pulled plug")

    with pytest.raises(RuntimeError, match="pulled plug"):
        database.write(work)
    use(database, rule)
    database.close()


def test_many_at_once_get_exactly_the_limit(url: str) -> None:
    """Two nodes of eight threads each: of 64 uses at the same moment ten pass."""
    nodes, rule = [open_database(url) for _ in range(2)], limited(per_hour=10)
    passed, lock = [0], threading.Lock()

    def go(database: Database) -> None:
        for _ in range(4):
            try:
                use(database, rule)
            except RightRefused:
                continue
            with lock:
                passed[0] += 1

    threads = [threading.Thread(target=go, args=(database,)) for database in nodes for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [10] == passed
    for database in nodes:
        database.close()


# --- the gate ---------------------------------------------------------------------------------------------------------


def test_a_limit_that_was_met_costs_no_transaction(tmp_path: Path) -> None:
    """Until it is over, the order is refused before anything is prepared; a rule that was changed is looked at anew."""
    database, now = open_database(f"sqlite:///{tmp_path / 'kyso.db'}"), [NOON]
    rights = Rights(database, clock=lambda: now[0])
    database.write(put, name="r", rule=RuleText(callers="*", keys="*", per_minute=1), by="x")

    def sign() -> Grant:
        grant = rights.grant(CALLER, Use("seal"))
        database.write(grant.count)
        return grant

    assert 64 == len(sign().facts["rights"])
    with pytest.raises(RightRate):
        database.write(rights.grant(CALLER, Use("seal")).count)
    now[0] += timedelta(seconds=10)
    with pytest.raises(RightRate) as caught:
        rights.grant(CALLER, Use("seal"))
    assert 45 == caught.value.facts["retry_after"]
    now[0] += timedelta(seconds=45)
    sign()
    database.write(put, name="r", rule=RuleText(callers="*", keys="*", per_minute=2), by="x")
    rights.forget()
    sign()


def test_a_rule_that_was_removed_is_forgotten_with_its_counts(tmp_path: Path) -> None:
    """Set again, it counts from the beginning; without it nothing is narrowed and nothing told."""
    database = open_database(f"sqlite:///{tmp_path / 'kyso.db'}")
    rights = Rights(database, clock=lambda: NOON)
    text = RuleText(callers="*", keys="*", in_all=1)
    for _ in range(2):
        database.write(put, name="r", rule=text, by="x")
        rights.forget()
        database.write(rights.grant(CALLER, Use("seal")).count)
        database.write(remove, name="r", by="x")
        rights.forget()
        assert {} == rights.grant(CALLER, Use("seal")).facts


def test_a_rule_counts_for_a_process_that_did_not_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process looks again after two seconds."""
    from api.rights import gate

    database, elapsed = open_database(f"sqlite:///{tmp_path / 'kyso.db'}"), [0.0]
    monkeypatch.setattr(gate.time, "monotonic", lambda: elapsed[0])
    rights = Rights(database, clock=lambda: NOON)
    elapsed[0] = 1.0
    assert rights.rule(CALLER, "seal") is None
    database.write(put, name="r", rule=RuleText(callers="*", keys="*"), by="x")
    elapsed[0] = 1.0 + gate.REMEMBERED
    found = rights.rule(CALLER, "seal")
    assert found is not None
    assert ("r", 1) == (found.name, found.version)
