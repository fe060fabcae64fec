"""Jobs: work that must happen later, or again, and survives the process that was asked for it.

At least once, not exactly once: a job whose process dies is started anew by another when the lease is over, and so is
one that outlives its lease. A handler must bear being run twice, from the start or beside a slower twin; the key-use
journal (ledger and signature record), not the engine, sees to it that a key signs once. Failing handlers are tried
again with growing pauses, up to `max_tries`; then the job stays as `failed`, for a person to look at.

>>> import tempfile
>>> from api.store.database import open_database
>>> jobs = Jobs(open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db"))
>>> job = jobs.enqueue("complete", {"signature": "sig_1"}, unique="complete sig_1")
>>> jobs.enqueue("complete", {"signature": "sig_1"}, unique="complete sig_1") is None    # one is waiting already
True
>>> jobs.run_one({"complete": lambda job: print(job.payload["signature"], job.tries)})
sig_1 1
True
"""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NewType

import sqlalchemy as sa

from api.errors import ClaimLost, DatabaseUnavailable
from api.logs import Logger
from api.store.database import Database
from api.store.dialect import insert_if_absent
from api.store.tables import job as table

JobId = NewType("JobId", str)
LEASE = 180.0
"""Seconds until a started job counts as abandoned; a longer handler calls `Job.renew`."""
MAX_TRIES = 12
"""With the pauses below: given up after about five hours."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0

log = Logger()


class Later(Exception):
    """Raised by a handler that cannot go on yet: run again in `seconds`, without counting this as a try."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds} s")
        self.seconds = seconds


class GiveUp(Exception):
    """Raised by a handler for which no further try makes sense: the job has failed."""


@dataclass(frozen=True)
class Job:
    """A started job. `tries` counts this one; `renew()` prolongs the lease, or raises ClaimLost."""

    id: JobId
    kind: str
    payload: Mapping[str, Any]
    tries: int
    last: bool
    renew: Callable[[], None]


Handlers = Mapping[str, Callable[[Job], None]]


def enqueue_within(
    connection: sa.Connection,
    kind: str,
    payload: Mapping[str, Any],
    *,
    due: float | None = None,
    unique: str | None = None,
    max_tries: int = MAX_TRIES,
) -> JobId | None:
    """Add a job in the same transaction as what it is about. None when an unfinished one with this `unique` exists.

    `due` is a Unix time, None for now; `payload` is plain JSON.
    """
    now = time.time()
    job = JobId(secrets.token_hex(16))
    inserted = insert_if_absent(
        connection,
        table,
        id=job,
        kind=kind,
        payload_json=json.dumps(payload, ensure_ascii=False),
        state="open",
        unique_key=unique,
        due=now if due is None else due,
        tries=0,
        max_tries=max_tries,
        created_at=now,
    )
    return job if inserted else None


class Jobs:
    """The queue of a database. `random` spreads retries (injected for tests)."""

    def __init__(
        self, database: Database, *, lease: float = LEASE, spread: Callable[[], float] = random.random
    ) -> None:
        self._database = database
        self._lease = lease
        self._spread = spread
        self._news = threading.Event()

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        due: float | None = None,
        unique: str | None = None,
        max_tries: int = MAX_TRIES,
    ) -> JobId | None:
        """As `enqueue_within`, durable when it returns; a runner of this process wakes up."""
        job = self._database.write(enqueue_within, kind, payload, due=due, unique=unique, max_tries=max_tries)
        self.wake()
        return job

    def wake(self) -> None:
        """Let the runner of this process look now (after `enqueue_within`)."""
        self._news.set()

    def run_one(self, handlers: Handlers) -> bool:
        """Run the job that has been due longest, of a kind in `handlers`; False when there is none."""
        if not handlers:
            return False
        token = secrets.token_hex(8)
        # A look without the write lock first: an idle queue must not disturb those who write.
        if not self._database.read(_next, tuple(handlers)):
            return False
        row = self._database.write(_claim, tuple(handlers), token=token, lease=self._lease)
        if row is None:
            return False
        renew = self._renewal(row.id, token)
        job = Job(row.id, row.kind, json.loads(row.payload_json), row.tries, row.tries >= row.max_tries, renew)
        change = self._run(job, handlers[job.kind])
        try:
            self._database.write(_change, job.id, token, change)
        except ClaimLost:
            log.warning("job-lease-lost", job=job.id, kind=job.kind)
        return True

    def run_forever(self, handlers: Handlers, stop: threading.Event, *, idle: float = 1.0) -> None:
        """Run jobs until `stop` is set, looking every `idle` seconds; a job that was begun is brought to its end."""
        while not stop.is_set():
            self._news.clear()
            try:
                busy = self.run_one(handlers)
            except DatabaseUnavailable as error:
                log.warning("jobs-wait", reason=str(error))
                busy = False
            if not busy:
                self._news.wait(idle)

    def start(self, handlers: Handlers, *, idle: float = 1.0) -> Callable[[], None]:
        """`run_forever` on a thread of its own; the function returned stops it and waits for its end."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self.run_forever, args=(handlers, stop), kwargs={"idle": idle}, name="jobs", daemon=True
        )
        thread.start()

        def end() -> None:
            stop.set()
            self._news.set()
            thread.join()

        return end

    def waiting(self) -> int:
        """How many jobs are open, due or not."""
        chosen = sa.select(sa.func.count()).where(table.c.state == "open")
        return self._database.read(lambda connection: connection.execute(chosen).scalar_one())

    def _renewal(self, job: str, token: str) -> Callable[[], None]:
        return lambda: self._database.write(_change, job, token, {"due": time.time() + self._lease})

    def _run(self, job: Job, handler: Callable[[Job], None]) -> dict[str, object]:
        """What becomes of the job's row."""
        now = time.time
        ended: dict[str, object] = {"unique_key": None, "holder": None}
        try:
            handler(job)
        except Later as later:
            return {"holder": None, "due": now() + later.seconds, "tries": job.tries - 1}
        except Exception as error:  # whatever a handler raises is its job's failure
            foreseen = isinstance(error, GiveUp) or hasattr(error, "code")
            what = str(getattr(error, "code", type(error).__name__))
            log.warning("job-failed", job=job.id, kind=job.kind, tries=job.tries, error=what, exc_info=not foreseen)
            if job.last or isinstance(error, GiveUp):
                return {**ended, "state": "failed", "finished_at": now(), "last_error": what}
            return {"holder": None, "due": now() + self._pause(job.tries), "last_error": what}
        return {**ended, "state": "done", "finished_at": now(), "last_error": None}

    def _pause(self, tries: int) -> float:
        """Doubling, with up to a quarter more at random, so that what failed together is not retried together."""
        return min(FIRST_PAUSE * 2.0 ** (tries - 1), LONGEST_PAUSE) * (1 + self._spread() / 4)


def purge(connection: sa.Connection, *, kept: float) -> int:
    """Forget jobs done more than `kept` seconds ago; failed ones stay. Returns how many."""
    old = table.delete().where(table.c.state == "done", table.c.finished_at < time.time() - kept)
    return connection.execute(old).rowcount


def _due(kinds: tuple[str, ...]) -> sa.Select[Any]:
    # A running job is an open one whose `due` is the end of its lease: one index serves both.
    return (
        sa.select(table)
        .where(table.c.state == "open", table.c.due <= time.time(), table.c.kind.in_(kinds))
        .order_by(table.c.due)
        .limit(1)
    )


def _next(connection: sa.Connection, kinds: tuple[str, ...]) -> bool:
    return connection.execute(_due(kinds)).one_or_none() is not None


def _claim(connection: sa.Connection, kinds: tuple[str, ...], *, token: str, lease: float) -> sa.Row[Any] | None:
    row = connection.execute(_due(kinds).with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    now = time.time()
    if row.tries >= row.max_tries:  # its last try ended with the process
        values = {"state": "failed", "holder": None, "unique_key": None, "finished_at": now, "last_error": "abandoned"}
        connection.execute(table.update().where(table.c.id == row.id).values(**values))
        return None
    taken = table.update().where(table.c.id == row.id)
    connection.execute(taken.values(holder=token, due=now + lease, tries=row.tries + 1))
    return connection.execute(sa.select(table).where(table.c.id == row.id)).one()


def _change(connection: sa.Connection, job: str, token: str, values: dict[str, object]) -> None:
    change = table.update().where(table.c.id == job, table.c.holder == token).values(**values)
    if connection.execute(change).rowcount != 1:
        raise ClaimLost(f"job {job} was taken over", job=job)
