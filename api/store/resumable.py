"""Files that come in pieces: a row for each, and a row and a blob for each piece, so that any process goes on with any.

Not here: receiving and joining them (`api.resuming`).
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from api.store.upload_tables import upload as table
from api.store.upload_tables import upload_piece as pieces

AT_ONCE = 100
"""Uploads that are removed in one go."""
MOST_PIECES, LARGE = 20_000, 1 << 20
"""Pieces of one upload that are smaller than this; larger ones its size bounds."""


@dataclass(frozen=True)
class Uploading:
    """A file of `size` bytes, of which the first `offset` are there; `expires_at` is Unix time."""

    id: str
    owner: str
    name: str
    size: int
    offset: int
    expires_at: float

    @property
    def is_whole(self) -> bool:
        return self.offset == self.size


COLUMNS = tuple(table.c[name] for name in Uploading.__dataclass_fields__)


def held(connection: sa.Connection, owner: str) -> tuple[int, int]:
    """How many uploads somebody has, and how large they are to become together."""
    chosen = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(table.c.size), 0)).where(table.c.owner == owner)
    count, size = connection.execute(chosen).one()
    return int(count), int(size)


def add(connection: sa.Connection, made: Uploading) -> None:
    values = {name: getattr(made, name) for name in Uploading.__dataclass_fields__}
    connection.execute(table.insert().values(**values))


def get(connection: sa.Connection, identity: str, *, owner: str, now: float) -> Uploading | None:
    """An upload of this owner that has not expired."""
    chosen = sa.select(*COLUMNS).where(table.c.id == identity, table.c.owner == owner, table.c.expires_at > now)
    row = connection.execute(chosen).one_or_none()
    return None if row is None else Uploading(*row)


def append(connection: sa.Connection, identity: str, *, start: int, size: int, blob: str, expires_at: float) -> bool:
    """Another piece, if it begins where the last one ended; False where somebody else was first, there
    are too many, or it is gone."""
    if size < LARGE and _count(connection, identity) >= MOST_PIECES:
        return False
    at = (table.c.id == identity, table.c.offset == start, table.c.size >= start + size)
    grown = table.update().where(*at).values(offset=start + size, expires_at=expires_at)
    if connection.execute(grown).rowcount != 1:
        return False
    connection.execute(pieces.insert().values(upload=identity, start=start, size=size, blob=blob))
    return True


def _count(connection: sa.Connection, identity: str) -> int:
    chosen = sa.select(sa.func.count()).where(pieces.c.upload == identity)
    return int(connection.execute(chosen).scalar_one())


def blobs(connection: sa.Connection, identity: str) -> tuple[str, ...]:
    """The pieces in their order."""
    chosen = sa.select(pieces.c.blob).where(pieces.c.upload == identity).order_by(pieces.c.start)
    return tuple(connection.execute(chosen).scalars())


def remove(connection: sa.Connection, identity: str) -> tuple[str, ...]:
    """Forget an upload; the blobs of its pieces, which nobody names any more."""
    connection.execute(table.delete().where(table.c.id == identity))
    found = blobs(connection, identity)
    connection.execute(pieces.delete().where(pieces.c.upload == identity))
    return found


def expired(connection: sa.Connection, *, now: float) -> tuple[str, ...]:
    """Uploads whose time is over, a bounded number."""
    chosen = sa.select(table.c.id).where(table.c.expires_at <= now).order_by(table.c.expires_at).limit(AT_ONCE)
    return tuple(connection.execute(chosen).scalars())
