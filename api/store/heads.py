"""The head of a document: the newest file in a chain of our signatures, by its SHA-256.

Every signed file is the head of its chain until a signature is built on it. Who then comes with the older file would
make a second branch, of which one is lost; that is refused. A document that carries no signature of ours has no head
here: a blank form is signed by as many people as like.

A signature that was refused in the end does not count: the file it was to be built on is the head again.
"""

from __future__ import annotations

import sqlalchemy as sa

from api.errors import StaleDocument
from api.store.statement import Statement
from api.store.tables import signature as table

_next = table.alias("next")
SUCCESSORS = Statement(
    sa.select(table.c.continued_by, _next.c.state)
    .outerjoin_from(table, _next, _next.c.id == table.c.continued_by)
    .where(table.c.signed_sha256 == sa.bindparam("sha256"))
)
CONTINUED = Statement(
    table.update().where(table.c.signed_sha256 == sa.bindparam("sha256")).values(continued_by=sa.bindparam("successor"))
)


def require(connection: sa.Connection, sha256: str) -> bool:
    """Whether this file is one of ours, and its chain's head. Raises StaleDocument when a signature was built on it."""
    found = SUCCESSORS.run(connection, {"sha256": sha256}).all()
    if any(row.continued_by is not None and row.state != "refused" for row in found):
        raise StaleDocument("a later signature was built on this document", found=sha256)
    return bool(found)


def take(connection: sa.Connection, sha256: str, *, successor: str) -> None:
    """From now on the head is what `successor` makes of this file; nothing happens for a file that is not ours.

    Raises StaleDocument. In the transaction that allows the signature: of two who want the same head one gets it.
    """
    if require(connection, sha256):
        CONTINUED.run(connection, {"sha256": sha256, "successor": successor})
