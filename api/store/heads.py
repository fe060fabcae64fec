"""The head of a document: the newest file in a chain of our signatures, by its SHA-256.

Every signed file is the head of its chain until a signature is built on it. Who then comes with the older file would
make a second branch, of which one is lost; that is refused. The same signature may exist in several forms, as it was
signed and as it was lifted to a higher level: they are one head, and whoever builds on one of them makes all of them
old. A document that carries no signature of ours has no head here: a blank form is signed by as many people as like.

A signature that was refused in the end does not count: the file it was to be built on is the head again.
"""

from __future__ import annotations

import sqlalchemy as sa

from api.errors import StaleDocument
from api.store.dialect import insert_if_absent
from api.store.statement import Statement
from api.store.tables import caller as caller_table
from api.store.tables import other_form
from api.store.tables import signature as table

_next = table.alias("next")
_other = sa.select(other_form.c.signature).where(other_form.c.sha256 == sa.bindparam("sha256"))
SIGNATURES = Statement(
    sa.select(table.c.id, table.c.continued_by, _next.c.state)
    .outerjoin_from(table, _next, _next.c.id == table.c.continued_by)
    .where(sa.or_(table.c.signed_sha256 == sa.bindparam("sha256"), table.c.id.in_(_other)))
)
CONTINUED = Statement(
    table.update().where(table.c.id == sa.bindparam("the_id")).values(continued_by=sa.bindparam("successor"))
)


def require(connection: sa.Connection, sha256: str) -> tuple[str, ...]:
    """The signatures of which this file is the outcome: none where it is not ours, rarely more than one.

    Raises StaleDocument when a later signature was built on one of them."""
    found = SIGNATURES.rows(connection, {"sha256": sha256})
    if any(successor is not None and state != "refused" for _, successor, state in found):
        raise StaleDocument("a later signature was built on this document", found=sha256)
    return tuple(signature for signature, _, _ in found)


def require_for_lift(connection: sa.Connection, sha256: str, *, caller: str) -> None:
    """As `require`, for a document that is kept for this caller, by id, and gets further evidence: what another
    organisation builds on its copy does not end the care for this one. Raises StaleDocument."""
    for _, successor, state in SIGNATURES.rows(connection, {"sha256": sha256}):
        if successor is not None and state != "refused" and not _is_anothers(connection, successor, caller=caller):
            raise StaleDocument("a later signature was built on this document", found=sha256)


def _is_anothers(connection: sa.Connection, signature: str, *, caller: str) -> bool:
    """Whether a signature was asked for by another organisation than this caller's."""
    asked = sa.select(caller_table.c.organisation).join_from(table, caller_table, caller_table.c.id == table.c.caller)
    theirs = connection.execute(asked.where(table.c.id == signature)).scalar()
    own = connection.execute(sa.select(caller_table.c.organisation).where(caller_table.c.id == caller)).scalar()
    return theirs is not None and own is not None and theirs != own


def is_undecided(connection: sa.Connection, sha256: str) -> bool:
    """Whether a signature is being built on this file, of which nobody knows yet if it is refused in the end."""
    found = SIGNATURES.rows(connection, {"sha256": sha256})
    states = {state for _, successor, state in found if successor is not None}
    return bool(states - {"signed", "refused"}) and "signed" not in states


def take(connection: sa.Connection, sha256: str, *, successor: str) -> None:
    """From now on the head is what `successor` makes of this file; nothing happens for a file that is not ours.

    Raises StaleDocument. In the transaction that allows the signature: of two who want the same head one gets it.
    """
    for signature in require(connection, sha256):
        CONTINUED.change(connection, {"the_id": signature, "successor": successor})


def lifted(connection: sa.Connection, sha256: str, *, signature: str) -> None:
    """This file is another form of what a signature led to: before or after a lift."""
    insert_if_absent(connection, other_form, sha256=sha256, signature=signature)
