"""The database: opened, brought up to date, read, and written so that an answer means durable.

Not an ORM and not a repository: the modules beside it (`signatures`, `idempotency`, `callers`, …) are functions that
take a connection first, and `read` and `write` run them. `write` commits several threads' work in one transaction
(group commit): while one thread waits for the disk the others queue up, and the first of them takes all along. Each
sleeps on a lock of its own, so that a commit wakes whom it concerns, once.

>>> import tempfile
>>> from api.store import callers
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> secret = database.write(callers.create, name="workflow", role="client", keys=("seal-*",))
>>> database.read(callers.find, secret).may_use("seal-1")
True
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.errors import DatabaseUnavailable
from api.store import schema

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long a writer waits for another process's transaction."""
BATCH = 64
"""Pieces of work in one transaction at most, so that nobody waits long for the others."""
RETRIABLE = frozenset({"40001", "40P01"})
"""PostgreSQL: serialisation failure and deadlock; the same transaction may succeed the next time."""
TRIES = 4
_LAST = "kyso_last"


@dataclass(eq=False)
class _Work:
    """One thread's piece of a transaction, and what came of it. `turn` is free once the thread may go on: because the
    piece is finished, or because it is to commit what waits. Nobody waits for a piece that is not `awaited`."""

    run: Callable[[sa.Connection], Any]
    awaited: bool = True
    result: Any = None
    error: BaseException | None = None
    finished: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class Database:
    """One engine with its pool. Made by `open_database`; shared by all threads of a process, never across a fork."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._waiting: list[_Work] = []
        self._waiting_lock = threading.Lock()
        self._busy = False  # a thread commits, or was woken to do so
        self._writer = 0  # the thread that commits
        self._kept: sa.Connection | None = None  # for that thread: SQLite has one writer at a time anyway

    def read(self, work: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work(connection, …)` in a transaction that only reads. Raises DatabaseUnavailable."""
        with _translated(), self.engine.connect() as connection:
            connection.begin()  # at once: a `Statement` goes past SQLAlchemy, which would begin at the first it sees
            return work(connection, *args, **kwargs)

    def write(self, work: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work(connection, …)`, once it is durable. Raises what `work` raises, or DatabaseUnavailable.

        `work` may run more than once, each time after a rollback: it must do nothing outside the connection.
        If it raises, nothing of it is stored. If the connection is lost during the commit itself, DatabaseUnavailable
        is raised although the transaction may have been stored: whoever writes must be able to find that out, or not
        care.
        """
        if self._writer == threading.get_ident():
            raise RuntimeError("a write inside a write: pass the connection on instead")
        mine = _Work(lambda connection: work(connection, *args, **kwargs))
        with self._waiting_lock:
            self._waiting.append(mine)
            sleep, self._busy = self._busy, True
            if sleep:
                mine.turn.acquire()
        if sleep:
            mine.turn.acquire()  # until whoever commits lets go of it
        while not mine.finished:  # nearly always once: many pieces that nobody waits for may stand before it
            self._commit_what_waits()
        return mine.outcome()  # type: ignore[no-any-return]  # _Work is untyped, `run` returns T

    def write_soon(
        self, work: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Have `work` done with the next transaction of this process, whichever thread begins it.

        It comes before everything that this thread writes later. That must show whether it was done (a step that
        presupposes it, and fails without), for what it raises is lost; and the thread must write again soon."""
        mine = _Work(lambda connection: work(connection, *args, **kwargs), awaited=False)
        with self._waiting_lock:
            self._waiting.append(mine)

    def go_back(self, target: str) -> tuple[str, ...]:
        """Bring the schema back to an older version, for an older program; the versions that were left."""
        with _translated():
            return schema.go_back(self.engine, self._transaction, target=target)

    def close(self) -> None:
        """Let go of all connections; whoever asks again opens new ones."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        self.engine.dispose()

    def _commit_what_waits(self) -> None:
        """Commit what waits, the caller's own piece among it, and wake whom it concerns: first the one who commits
        next, so that the disk does not wait, then those whose pieces are finished."""
        taken: list[_Work] = []
        self._writer = threading.get_ident()
        try:
            self._commit(taken)
        finally:
            self._writer = 0
            with self._waiting_lock:
                following = next((work for work in self._waiting if work.awaited), None)
                self._busy = following is not None
            for work in (following, *taken):
                if work is not None and work.turn.locked():
                    work.turn.release()

    def _take(self, taken: list[_Work]) -> None:
        """Move a batch of what waits to `taken`, oldest first, unless that was done before."""
        if not taken:
            with self._waiting_lock:
                taken += self._waiting[:BATCH]
                del self._waiting[:BATCH]

    def _commit(self, taken: list[_Work]) -> None:
        """Run and commit a batch, which is put into `taken`; whatever happens, every piece has an outcome."""
        try:
            self._commit_together(taken)
            for work in taken:
                if not work.finished:
                    self._commit_alone(work)
        finally:
            self._take(taken)  # not begun at all: nobody is left waiting
            for work in taken:
                if not work.finished:
                    work.error, work.finished = DatabaseUnavailable("the writing thread was interrupted"), True

    def _commit_together(self, taken: list[_Work]) -> None:
        """One transaction; what comes while another process has the lock still goes along. What is not finished
        afterwards is to be tried by itself."""
        try:
            with _translated(), self._transaction() as connection:
                self._take(taken)
                results = [work.run(connection) for work in taken]
        except DatabaseUnavailable as error:
            self._take(taken)
            if error.facts.get("sqlstate") in RETRIABLE:
                return
            for work in taken:  # it is not about one of them: nobody tries again
                work.error, work.finished = DatabaseUnavailable(str(error), **error.facts), True
        except Exception as error:  # noqa: BLE001 - one piece failed, and took the others with it
            if len(taken) == 1:
                taken[0].error, taken[0].finished = error, True
        else:
            for work, result in zip(taken, results, strict=True):
                work.result, work.finished = result, True

    def _commit_alone(self, work: _Work) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                with _translated(), self._transaction() as connection:
                    work.result = work.run(connection)
            except DatabaseUnavailable as error:
                if error.facts.get("sqlstate") in RETRIABLE and attempt < TRIES:
                    time.sleep(0.01 * attempt)
                    continue
                work.error = error
            except Exception as error:  # noqa: BLE001 - raised again in the thread whose work it is
                work.error = error
            break
        work.finished = True

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """One that writes. On SQLite the connection is kept for the next; after an error there is a new one."""
        connection = self._kept or self.engine.connect().execution_options(kyso_writes=True)
        self._kept = None
        last = connection.info[_LAST] = {}
        try:
            with connection.begin():
                yield connection
                for act in last.values():
                    act(connection)
        except BaseException:
            connection.info.pop(_LAST, None)
            connection.close()
            raise
        del connection.info[_LAST]
        if connection.dialect.name == "sqlite":
            self._kept = connection
        else:  # the pool looks whether a server is still there
            connection.close()


def at_the_end(connection: sa.Connection, name: str, act: Callable[[sa.Connection], Any]) -> None:
    """Have `act` done once, last thing in the transaction of `Database.write`, instead of what had this name before: what
    each piece of a batch changes is written once. Outside of one it is done now."""
    last = connection.info.get(_LAST)
    if last is None:
        act(connection)
    else:
        last[name] = act


def noted(connection: sa.Connection, name: str) -> Any:
    """What `at_the_end` was given under this name in the transaction that is under way; None where nothing was."""
    return connection.info.get(_LAST, {}).get(name)


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors as DatabaseUnavailable; without SQL and parameters, which may hold personal data.

    A violated constraint or a wrong statement is not translated: it is a fault of the program.
    """
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError, NotSupportedError):
        raise
    except DBAPIError as error:
        sqlstate = str(getattr(error.orig, "sqlstate", None) or "")
        raise DatabaseUnavailable(f"database: {error.orig}", reason=str(error.orig), sqlstate=sqlstate) from error
    except PoolTimeout as error:
        raise DatabaseUnavailable("no free database connection", reason="pool") from error


def open_database(url: str, *, busy_seconds: float = BUSY_SECONDS, migrate: bool = True) -> Database:
    """Connect to `url` (sqlite:///… or postgresql+psycopg://…) and bring the schema up to date.

    Raises DatabaseUnavailable, or DatabaseVersionUnknown when a newer program has been here. Safe when several
    processes start at once.
    """
    engine = _sqlite(url, busy_seconds) if url.startswith("sqlite") else _postgresql(url, busy_seconds)
    database = Database(engine)
    if migrate:
        with _translated():
            schema.migrate(engine, database._transaction)
    return database


def _postgresql(url: str, busy_seconds: float) -> sa.Engine:
    # READ COMMITTED; whoever must not run beside another locks the row it is about.
    return sa.create_engine(
        url,
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,
        connect_args={"options": f"-c lock_timeout={int(busy_seconds * 1000)} -c synchronous_commit=on"},
    )


def _sqlite(url: str, busy_seconds: float) -> sa.Engine:
    # isolation_level None: the driver leaves transactions to us, as its own begin too late to hold a lock.
    engine = sa.create_engine(
        url,
        pool_size=8,
        max_overflow=24,
        pool_reset_on_return="rollback",
        connect_args={"timeout": busy_seconds, "isolation_level": None, "check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(driver_connection: Any, _record: Any) -> None:
        _wal(driver_connection, busy_seconds)
        driver_connection.execute("PRAGMA synchronous=FULL")  # WAL: an fsync before each commit returns
        # Pages that change often are copied from the log to the file once in 16 MB, not once in four.
        driver_connection.execute("PRAGMA wal_autocheckpoint=4000")
        driver_connection.execute("PRAGMA foreign_keys=ON")
        driver_connection.execute("PRAGMA trusted_schema=OFF")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("kyso_writes", False):
            _begin_writing(connection, busy_seconds)
        else:
            _wait_in_sqlite(connection, busy_seconds)
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: sa.Connection, busy_seconds: float) -> None:
    """Take the write lock at once: a transaction that turns from reader to writer cannot wait, only fail.

    SQLite would sleep ever longer while another process has the lock, up to a tenth of a second; commits take a few
    milliseconds, so we look again every half."""
    _wait_in_sqlite(connection, 0.0)
    driver_connection: Any = connection.connection.driver_connection
    deadline = time.monotonic() + busy_seconds
    while time.monotonic() < deadline:
        try:
            driver_connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                break
            time.sleep(0.0005)
        else:
            return
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # the last try, whose error is SQLAlchemy's


def _wait_in_sqlite(connection: sa.Connection, seconds: float) -> None:
    """How long SQLite itself waits for a lock; set where it changes, as connections are pooled."""
    if connection.info.get("kyso_waits") != seconds:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(seconds * 1000)}")
        connection.info["kyso_waits"] = seconds


def _wal(driver_connection: Any, busy_seconds: float) -> None:
    """Write-ahead log; kept in the file, so that it is set once. SQLite does not wait for the lock here: we do."""
    if driver_connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            driver_connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
