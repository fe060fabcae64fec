"""Sealed values of signature records (`api.sealing`): bytes in, bytes out, gone when the record needs them no more.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> database.write(keep, "sig_1", value=b"sealed")
>>> database.read(get, "sig_1")
b'sealed'
>>> database.write(forget, "sig_1")
>>> database.read(get, "sig_1") is None
True
"""

from __future__ import annotations

import sqlalchemy as sa

from api.store.statement import Statement
from api.store.tables import job, sealed, signature

ENDED = ("signed", "refused")
FORGOTTEN = Statement(sealed.delete().where(sealed.c.signature == sa.bindparam("the_signature")))


def keep(connection: sa.Connection, signature: str, *, value: bytes) -> None:
    connection.execute(sealed.insert().values(signature=signature, value=value))


def get(connection: sa.Connection, signature: str) -> bytes | None:
    return connection.execute(sa.select(sealed.c.value).where(sealed.c.signature == signature)).scalar()


def forget(connection: sa.Connection, signature: str) -> None:
    FORGOTTEN.change(connection, {"the_signature": signature})


def unneeded(connection: sa.Connection, *, job_kind: str) -> tuple[str, ...]:
    """Signatures at their end that have a sealed value, and no open job of this kind (`unique`: kind and id)."""
    open_job = sa.exists().where(job.c.unique_key == sa.literal(f"{job_kind} ") + sealed.c.signature)
    chosen = (
        sa.select(sealed.c.signature)
        .join_from(sealed, signature, signature.c.id == sealed.c.signature)
        .where(signature.c.state.in_(ENDED), ~open_job)
    )
    return tuple(connection.execute(chosen).scalars())
