"""The queue as an administrator sees it: what is open, what was given up, and trying that again.

Running jobs is `api.jobs`; nothing here claims one.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> database.read(listed), database.read(failed)
((), 0)
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from api.errors import NotFound
from api.store.tables import job as table

MOST = 200


@dataclass(frozen=True)
class QueuedJob:
    """`about` is the signature or batch that it is for; `code` what its last try ended with. Times are Unix seconds."""

    id: str
    kind: str
    state: Literal["open", "failed"]
    about: str
    code: str | None
    tries: int
    max_tries: int
    due: float
    is_running: bool
    created_at: float
    finished_at: float | None


def listed(connection: sa.Connection) -> tuple[QueuedJob, ...]:
    """Failed ones first, then open ones by when they are due; `MOST` at the most."""
    first = sa.case((table.c.state == "failed", 0), else_=1)
    chosen = (
        sa.select(table)
        .where(table.c.state.in_(("open", "failed")))
        .order_by(first, table.c.due, table.c.id)
        .limit(MOST)
    )
    return tuple(_job(row) for row in connection.execute(chosen))


def failed(connection: sa.Connection) -> int:
    """How many were given up."""
    chosen = sa.select(sa.func.count()).where(table.c.state == "failed")
    return connection.execute(chosen).scalar_one()


def kind_of(connection: sa.Connection, identity: str) -> str:
    """Of a job that was given up. Raises NotFound."""
    chosen = sa.select(table.c.kind).where(table.c.id == identity, table.c.state == "failed")
    found = connection.execute(chosen).scalar_one_or_none()
    if found is None:
        raise NotFound(f"no failed job {identity[:40]}")
    return str(found)


def retry(connection: sa.Connection, identity: str) -> None:
    """Open again, due now, with all its tries. A handler bears being run twice (`api.jobs`). Raises NotFound."""
    again = {"state": "open", "due": time.time(), "tries": 0, "holder": None, "finished_at": None}
    change = table.update().where(table.c.id == identity, table.c.state == "failed").values(**again)
    if connection.execute(change).rowcount != 1:
        raise NotFound(f"no failed job {identity[:40]}")


def _job(row: sa.Row[tuple[object, ...]]) -> QueuedJob:
    payload = json.loads(row.payload_json)
    about = payload.get("signature") or payload.get("batch") or payload.get("key") or ""
    return QueuedJob(
        row.id,
        row.kind,
        row.state,
        str(about),
        row.last_error,
        row.tries,
        row.max_tries,
        row.due,
        row.holder is not None,
        row.created_at,
        row.finished_at,
    )
