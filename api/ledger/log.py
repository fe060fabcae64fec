"""The log itself: append, read, examine, export.

An append is durable when it returns: line, leaf hash and the new frontier are one transaction, together with whatever
else the caller wants stored at that moment (`also`), and several threads' appends share one (`Database.write`). If the
answer of the database is lost in mid-commit, LedgerUnavailable is raised and the line may exist all the same: an INTENT
without a use, which recovery closes; the wrong way round (a use without a line) cannot happen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import sqlalchemy as sa

from api.errors import DatabaseUnavailable, LedgerBroken, LedgerUnavailable
from api.ledger.examine import Examination, Observer, require
from api.ledger.inclusion import Tree, leaves_of
from api.ledger.line import CLOSING, Kind, Line, canonical, columns, decode, encode
from api.ledger.merkle import Frontier, LedgerState, leaf_hash
from api.store.database import Database, at_the_end, noted
from api.store.statement import Statement
from api.store.tables import ledger as table
from api.store.tables import ledger_head as head_table

Also = Callable[[sa.Connection, int], None]
"""What is stored in a line's transaction; it gets the line's number."""

PAGE = 1000
"""Lines fetched at once when all are read."""

HEAD = Statement(sa.select(head_table.c.size, head_table.c.frontier))
HEAD_TO_CHANGE = Statement(sa.select(head_table.c.size, head_table.c.frontier).with_for_update())
NEW_LINE = Statement(table.insert())
NEW_HEAD = Statement(head_table.update().values(size=sa.bindparam("new_size"), frontier=sa.bindparam("new_frontier")))


def _now() -> datetime:
    return datetime.now(UTC)


def append_within(connection: sa.Connection, kind: Kind, facts: Mapping[str, Any], *, text: str, at: datetime) -> int:
    """Append inside a transaction of `Database.write`; the number counts only once that has returned.

    `text` is `canonical(facts)`. The head's row is locked until the commit: lines have no gaps. It is read for the first
    line of a transaction and written after the last."""
    before: _NewHead | None = noted(connection, _NewHead.__name__)
    head = _head(connection, chosen=HEAD_TO_CHANGE) if before is None else before.frontier
    number = head.size + 1
    line = encode(number, at=at, kind=kind, facts_json=text)
    leaf = leaf_hash(line.encode())
    NEW_LINE.change(connection, {"number": number, "line": line, "leaf_hash": leaf, "kind": kind, **columns(facts)})
    at_the_end(connection, _NewHead.__name__, _NewHead(head.add(leaf)))
    return number


def state_within(connection: sa.Connection) -> LedgerState:
    """Size and root as the head says, unproved, in a transaction that is under way."""
    return _head(connection).state()


class _NewHead:
    """The head as it will be written."""

    def __init__(self, frontier: Frontier) -> None:
        self.frontier = frontier

    def __call__(self, connection: sa.Connection) -> None:
        size, hashes = self.frontier.size, self.frontier.to_bytes()
        NEW_HEAD.change(connection, {"new_size": size, "new_frontier": hashes})


class Ledger:
    """The one ledger of a database. Safe for any number of threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock
        self.tree = Tree(leaves_of(database))
        """For proofs; kept, so that full subtrees are hashed once a process."""

    def append(self, kind: Kind, facts: Mapping[str, Any], *, also: Also | None = None) -> int:
        """Append a line and return its number, once it is durable. Raises LedgerUnavailable; ValueError for odd facts.

        `also(connection, number)` is run in the same transaction; what it raises undoes the line and is raised here.
        """
        try:
            return self._database.write(self._work(kind, facts, also))
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(f"the ledger cannot be written: {error}", **error.facts) from error

    def append_soon(self, kind: Kind, facts: Mapping[str, Any], *, also: Also | None = None) -> None:
        """Append a line with the next transaction of this process, under the conditions of `Database.write_soon`."""
        self._database.write_soon(self._work(kind, facts, also))

    def _work(self, kind: Kind, facts: Mapping[str, Any], also: Also | None) -> Callable[[sa.Connection], int]:
        text = canonical(facts)
        at = self._clock()

        def work(connection: sa.Connection) -> int:
            number = append_within(connection, kind, facts, text=text, at=at)
            if also is not None:
                also(connection, number)
            return number

        return work

    def state(self) -> LedgerState:
        """Size and root as the head says, unproved."""
        return self._database.read(_head).state()

    def read(
        self,
        *,
        since: int = 0,
        limit: int = 100,
        kind: Kind | None = None,
        caller: str | None = None,
        key: str | None = None,
        signature: str | None = None,
        document: str | None = None,
        among: sa.ColumnElement[bool] | None = None,
    ) -> tuple[Line, ...]:
        """Up to `limit` lines with numbers above `since`, in order, that fit all filters given; `among` is a condition on
        the ledger's table (`api.rights.scope`)."""
        filters = {"kind": kind, "caller": caller, "key": key, "signature": signature, "document": document}
        chosen = sa.select(table.c.line).where(table.c.number > since).order_by(table.c.number).limit(limit)
        if among is not None:
            chosen = chosen.where(among)
        for column, value in filters.items():
            if value is not None:
                chosen = chosen.where(table.c[column] == value)
        return self._database.read(lambda connection: tuple(_line(row) for row in connection.execute(chosen)))

    def open_intents(self) -> tuple[Line, ...]:
        """INTENT lines of which no line says what became of them, oldest first: what recovery has to look at.

        Also those whose use is under way right now. How far all are settled is noted, so that this stays quick.
        """

        def work(connection: sa.Connection) -> tuple[tuple[Line, ...], int, int]:
            head = connection.execute(sa.select(head_table.c.size, head_table.c.settled)).one()
            closing = table.alias("closing")
            closed = sa.exists().where(closing.c.intent == table.c.number, closing.c.kind.in_(CLOSING))
            chosen = (
                sa.select(table.c.line)
                .where(table.c.number > head.settled, table.c.number <= head.size, table.c.kind == "INTENT", ~closed)
                .order_by(table.c.number)
            )
            found = tuple(_line(row) for row in connection.execute(chosen))
            return found, head.settled, found[0].number - 1 if found else head.size

        found, known, settled = self._database.read(work)
        if settled >= known + PAGE:  # not for a handful of lines: it is a write
            note = head_table.update().where(head_table.c.settled < settled).values(settled=settled)
            self._database.write(lambda connection: connection.execute(note).rowcount)
        return found

    def verify(self, *, known: tuple[LedgerState, ...] = ()) -> LedgerState:
        """Recompute everything from the lines' text and return the state that was proved. Raises LedgerBroken.

        `known` are states noted earlier, elsewhere: the ledger must begin with each of them.
        """
        examination, state = self.examine(known=known)
        require(examination)
        return state

    def examine(
        self, *, known: Iterable[LedgerState] = (), observer: Observer | None = None
    ) -> tuple[Examination, LedgerState]:
        """Recompute everything and tell all that is wrong, with the state that the lines make."""
        return self._database.read(_examine, Examination(known, observer=observer))

    def others_since(self, number: int, *, key: str) -> int:
        """How many lines above `number` are not about the uses of `key`."""
        chosen = sa.select(sa.func.count()).where(
            table.c.number > number, sa.or_(table.c.key.is_(None), table.c.key != key)
        )
        return self._database.read(lambda connection: connection.execute(chosen).scalar_one())

    def lines(self, numbers: Iterable[int]) -> dict[int, Line]:
        """The lines of these numbers that exist."""
        chosen = sa.select(table.c.line).where(table.c.number.in_(tuple(numbers)))
        return self._database.read(
            lambda connection: {line.number: line for line in map(_line, connection.execute(chosen))}
        )

    def export(self, file: BinaryIO, *, since: int = 0) -> LedgerState:
        """Write the lines above `since` as they were hashed, one a line, and the state at the end
        (`examine_export` checks it). Raises ValueError when there are fewer lines than `since`."""

        def work(connection: sa.Connection) -> LedgerState:
            head = _head(connection)
            if since > head.size:
                raise ValueError(f"the ledger has {head.size} lines")
            if since:
                start = Frontier()
                for leaf in self.tree.leaves(0, since):
                    start = start.add(leaf)
                file.write(_json({"frontier": start.to_bytes().hex(), "since": since}))
            for row in _rows(connection, head.size, since=since):
                file.write(row.line.encode() + b"\n")
            return head.state()

        state = self._database.read(work)
        file.write(_json({"root": state.root, "size": state.size}))
        return state


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _head(connection: sa.Connection, *, chosen: Statement = HEAD) -> Frontier:
    rows = chosen.rows(connection)
    if not rows:
        raise LedgerBroken("the ledger has no head")
    ((size, frontier),) = rows
    try:
        return Frontier.from_bytes(size, frontier)
    except ValueError as error:
        raise LedgerBroken(f"the ledger's head: {error}") from None


def _line(row: sa.Row[Any]) -> Line:
    try:
        return decode(row.line)
    except ValueError as error:
        raise LedgerBroken(f"a line was edited: {error}") from None


def _rows(connection: sa.Connection, size: int, *, since: int = 0) -> Iterator[sa.Row[Any]]:
    """All lines above `since`, up to `size`, in order, without holding them all."""
    last = since
    while True:
        page = connection.execute(
            sa.select(table).where(table.c.number > last, table.c.number <= size).order_by(table.c.number).limit(PAGE)
        ).all()
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1].number


def _examine(connection: sa.Connection, examination: Examination) -> tuple[Examination, LedgerState]:
    """1 the numbers run without gap to the head; 2 each text is canonical, its hash and columns are copies of it;
    3 the hashes make the head's frontier; 4 and, on the way, each known state; 5 nothing open is marked as settled."""
    most = sa.select(sa.func.max(table.c.number)).scalar_subquery()
    row = connection.execute(sa.select(head_table.c.settled, sa.func.coalesce(most, 0).label("most"))).one_or_none()
    try:
        head = _head(connection)
    except LedgerBroken as error:
        examination.find("HEAD_BROKEN", str(error))
        return examination, examination.frontier.state()
    # 1 (the head may have grown since the statement before, it cannot have shrunk)
    if row is None or row.most > head.size:
        examination.find("LINES_BEHIND_HEAD", "there are lines behind the ledger's head", head.size + 1)
    last = 0
    for found in _rows(connection, head.size):
        last = found.number
        line = examination.add(found.line, stored=found.number, leaf=found.leaf_hash)  # 1, 2, 4
        if line is not None and line.number == found.number:
            copies = {"kind": line.kind, **columns(line.facts)}
            if any(copies[name] != getattr(found, name) for name in copies):
                examination.find("INDEX_EDITED", f"the index of line {line.number} was edited", line.number)
    if last < head.size:
        examination.damage("CUT_BEHIND", f"lines are missing behind {last}", last + 1, head.size)
    elif examination.frontier != head:  # 3
        examination.find("ROOT_DIFFERS", "the lines do not make the ledger's root")
    first = min(examination.open, default=0)
    if row is not None and 0 < first <= row.settled:  # 5
        examination.find("OPEN_COUNTED_SETTLED", f"line {first} is open and counted as settled", first)
    return examination, examination.finish()
