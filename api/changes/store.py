"""Changes in the database. Nothing is overwritten but a change's own state, and each step of that has a ledger line.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> made = new("key-disable", subject="keys", payload='{"key":"seal"}', reason="lost", by="c1")
>>> database.write(insert, made)
>>> database.read(get, made.id).state
'proposed'
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from api.changes.errors import ChangeDecided
from api.errors import NotFound
from api.store.change_tables import change as table

State = Literal["proposed", "applying", "applied", "rejected", "undone"]
PREFIX = "chg_"


@dataclass(frozen=True)
class Change:
    """`payload` is JSON, what the kind takes; `effect` JSON, what is done and how it is undone, once that is decided.
    `undoes` names the change that this one takes back. Times are Unix seconds."""

    id: str
    kind: str
    subject: str
    payload: str
    reason: str
    state: State
    proposed_by: str
    proposed_at: float
    undoes: str | None = None
    decided_by: str | None = None
    decided_at: float | None = None
    effect: str | None = None

    @property
    def sha256(self) -> str:
        """Of what was proposed: what the one who approves has seen."""
        return hashlib.sha256(f"{self.kind}\0{self.undoes or ''}\0{self.payload}".encode()).hexdigest()


def new(kind: str, *, subject: str, payload: str, reason: str, by: str, undoes: str | None = None) -> Change:
    return Change(PREFIX + secrets.token_hex(8), kind, subject, payload, reason, "proposed", by, time.time(), undoes)


def insert(connection: sa.Connection, change: Change) -> None:
    connection.execute(
        table.insert().values(
            id=change.id,
            kind=change.kind,
            subject=change.subject,
            payload_json=change.payload,
            reason=change.reason,
            state=change.state,
            proposed_by=change.proposed_by,
            proposed_at=change.proposed_at,
            undoes=change.undoes,
        )
    )


def get(connection: sa.Connection, identity: str) -> Change:
    """Raises NotFound."""
    row = connection.execute(sa.select(table).where(table.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound(f"no change {identity[:40]}")
    return _change(row)


def listed(connection: sa.Connection, *, state: str | None = None, limit: int = 200) -> tuple[Change, ...]:
    """The newest first."""
    chosen = sa.select(table).order_by(table.c.proposed_at.desc(), table.c.id).limit(limit)
    if state is not None:
        chosen = chosen.where(table.c.state == state)
    return tuple(_change(row) for row in connection.execute(chosen))


def under_way(connection: sa.Connection, subject: str) -> str | None:
    """The id of a change of this subject that is just being done, or was cut off; None where there is none."""
    chosen = sa.select(table.c.id).where(table.c.state == "applying", table.c.subject == subject).limit(1)
    found: str | None = connection.execute(chosen).scalar()
    return found


def move(
    connection: sa.Connection,
    identity: str,
    *,
    before: State,
    after: State,
    by: str | None = None,
    effect: str | None = None,
) -> None:
    """From one state to the next. Raises ChangeDecided where it is in another one."""
    values: dict[str, object] = {"state": after}
    if by is not None:
        values |= {"decided_by": by, "decided_at": time.time()}
    if effect is not None:
        values["effect_json"] = effect
    moved = connection.execute(table.update().where(table.c.id == identity, table.c.state == before).values(**values))
    if moved.rowcount != 1:
        raise ChangeDecided(change=identity, state=get(connection, identity).state)


def _change(row: sa.Row[tuple[object, ...]]) -> Change:
    return Change(
        row.id,
        row.kind,
        row.subject,
        row.payload_json,
        row.reason,
        row.state,
        row.proposed_by,
        row.proposed_at,
        row.undoes,
        row.decided_by,
        row.decided_at,
        row.effect_json,
    )
