"""Jobs: run at least once, retried with patience, taken over from the dead."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import jobs as engine
from api.errors import ClaimLost, DatabaseUnavailable
from api.jobs import GiveUp, Job, Jobs, Later, enqueue_within
from api.store.database import Database, open_database

pytestmark = pytest.mark.spine


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, spread=lambda: 0.0)


def rows(database: Database) -> list[sa.Row[tuple[object, ...]]]:
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT * FROM job ORDER BY created_at"))


def make_due(database: Database) -> None:
    database.write(lambda connection: connection.exec_driver_sql("UPDATE job SET due = 0").rowcount)


def test_jobs_run_in_the_order_they_are_due_and_once(jobs: Jobs) -> None:
    """The payload arrives as it was given; what is not due waits; kinds without a handler are left for others."""
    done: list[object] = []
    now = time.time()
    jobs.enqueue("a", {"tên": "hai"}, due=now - 1)
    jobs.enqueue("a", {"tên": "một"}, due=now - 2)
    jobs.enqueue("a", {"tên": "later"}, due=now + 60)
    jobs.enqueue("b", {})
    while jobs.run_one({"a": lambda job: done.append(job.payload["tên"])}):
        pass
    assert done == ["một", "hai"]
    assert jobs.waiting() == 2
    assert jobs.run_one({}) is False


def test_a_unique_job_waits_once(jobs: Jobs) -> None:
    """Enqueued again while it is open: None. When it is done, it may be asked for anew."""
    assert jobs.enqueue("a", {}, unique="u") is not None
    assert jobs.enqueue("a", {}, unique="u") is None
    assert jobs.run_one({"a": lambda _: None})
    assert jobs.enqueue("a", {}, unique="u") is not None


def test_failures_are_retried_with_growing_pauses_and_then_given_up(jobs: Jobs, database: Database) -> None:
    """5, 10 … seconds; after the last try the job is `failed` with the code of its error, and stays to be looked at."""
    tries: list[tuple[int, bool]] = []

    def handler(job: Job) -> None:
        tries.append((job.tries, job.last))
        raise DatabaseUnavailable

    jobs.enqueue("a", {}, max_tries=3, unique="u")
    for pause in (5, 10):
        assert jobs.run_one({"a": handler})
        assert not jobs.run_one({"a": handler})
        assert rows(database)[0].due == pytest.approx(time.time() + pause, abs=4)
        make_due(database)
    assert jobs.run_one({"a": handler})
    assert tries == [(1, False), (2, False), (3, True)]
    row = rows(database)[0]
    assert (row.state, row.last_error, row.unique_key) == ("failed", "database-unavailable", None)
    assert database.write(engine.purge, kept=-1) == 0


def test_a_handler_can_ask_for_more_time_or_give_up(jobs: Jobs, database: Database) -> None:
    """`Later` is no failed try; `GiveUp` ends the job at once; an unforeseen error is a failed try like any other."""

    def later(_job: Job) -> None:
        raise Later(30)

    def give_up(_job: Job) -> None:
        raise GiveUp

    def breaks(_job: Job) -> None:
        raise ZeroDivisionError

    jobs.enqueue("a", {})
    assert jobs.run_one({"a": later})
    row = rows(database)[0]
    assert (row.state, row.tries) == ("open", 0)
    assert row.due == pytest.approx(time.time() + 30, abs=4)
    make_due(database)
    assert jobs.run_one({"a": breaks})
    assert (rows(database)[0].state, rows(database)[0].last_error) == ("open", "ZeroDivisionError")
    make_due(database)
    assert jobs.run_one({"a": give_up})
    assert rows(database)[0].state == "failed"


def test_an_expired_lease_is_taken_over_and_the_slow_one_changes_nothing(database: Database) -> None:
    """A handler that outlives its lease: another runner starts the job, and the first one's end does not count."""
    slow, quick = Jobs(database, lease=0.05), Jobs(database)
    seen: list[str] = []

    def twin(job: Job) -> None:
        seen.append(f"twin {job.tries}")

    def sleeper(job: Job) -> None:
        seen.append(f"sleeper {job.tries}")
        time.sleep(0.1)
        assert quick.run_one({"a": twin})
        with pytest.raises(ClaimLost):
            job.renew()
        raise RuntimeError("too late to matter")

    slow.enqueue("a", {})
    assert slow.run_one({"a": sleeper})
    assert seen == ["sleeper 1", "twin 2"]
    assert rows(database)[0].state == "done"


def test_a_renewed_lease_is_not_taken_over(database: Database) -> None:
    """A long handler says that it is alive."""
    slow, other = Jobs(database, lease=0.3), Jobs(database)

    def handler(job: Job) -> None:
        for _ in range(3):
            time.sleep(0.15)
            job.renew()
            assert not other.run_one({"a": handler})

    slow.enqueue("a", {})
    assert slow.run_one({"a": handler})
    assert rows(database)[0].state == "done"


def test_a_job_that_kills_its_process_every_time_ends(database: Database) -> None:
    """Started max_tries times and never ended: failed, not started for ever."""
    jobs = Jobs(database)
    jobs.enqueue("a", {}, max_tries=2)
    database.write(lambda c: c.exec_driver_sql("UPDATE job SET tries = 2, holder = 'dead', due = 0").rowcount)
    assert not jobs.run_one({"a": lambda _: pytest.fail("run again")})
    assert (rows(database)[0].state, rows(database)[0].last_error) == ("failed", "abandoned")


def test_many_runners_start_a_job_once(jobs: Jobs) -> None:
    """Forty jobs, eight threads: each job ran once."""
    done: list[int] = []
    for number in range(40):
        jobs.enqueue("a", {"n": number})

    def work() -> None:
        while jobs.run_one({"a": lambda job: done.append(job.payload["n"])}):
            pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while jobs.run_one({"a": lambda job: done.append(job.payload["n"])}):
        pass
    assert sorted(done) == list(range(40))


def test_a_job_is_enqueued_with_what_it_is_about_or_not_at_all(jobs: Jobs, database: Database) -> None:
    """In the same transaction as the record: a rollback takes both."""

    def work(connection: sa.Connection) -> None:
        enqueue_within(connection, "a", {})
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)
    assert jobs.waiting() == 0


def test_the_runner_wakes_for_news_and_stops_when_told(jobs: Jobs) -> None:
    """A job enqueued in this process runs at once although the runner looks but once a minute."""
    ran = threading.Event()
    stop = jobs.start({"a": lambda _: ran.set()}, idle=60.0)
    time.sleep(0.05)
    jobs.enqueue("a", {})
    assert ran.wait(20)
    begun = time.monotonic()
    stop()
    assert time.monotonic() - begun < 20
    assert not any(thread.name == "jobs" for thread in threading.enumerate())


def test_the_runner_survives_a_database_that_goes_away(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away the runner waits; then it goes on."""
    ran, real, failures = threading.Event(), jobs.run_one, iter([True, True])

    def flaky(handlers: engine.Handlers) -> bool:
        if next(failures, False):
            raise DatabaseUnavailable
        return real(handlers)

    monkeypatch.setattr(jobs, "run_one", flaky)
    jobs.enqueue("a", {})
    stop = jobs.start({"a": lambda _: ran.set()}, idle=0.02)
    assert ran.wait(20)
    stop()
