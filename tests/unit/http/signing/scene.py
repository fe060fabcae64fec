"""A signature as the HTTP route makes it, and what it leaves behind."""

from __future__ import annotations

import io
import time
from pathlib import Path

from api.schemas import OrderRequest
from api.store import signatures, tables
from api.uploads import of_file
from api.workflows import signing
from tests.http_support import House


def sign(home: House, document: bytes, *, name: str = "client", key: str | None = None, ref: str = "seal", **order):
    """Sign as the HTTP route does."""
    settings = home.services.settings
    with of_file(io.BytesIO(document), name="a.pdf", folder=settings.tmp, limit=1 << 30) as upload:
        wanted = OrderRequest(key=ref, **order)
        return signing.sign(home.services, home.callers[name], wanted, upload, idempotency_key=key)


def states(home: House) -> list[str]:
    """States of all signature records."""
    table = signatures.table
    return home.services.database.read(lambda c: [row.state for row in c.execute(table.select())])


def files(home: House) -> list[Path]:
    """Everything in the working folder, where nothing may stay."""
    return list(home.services.settings.tmp.iterdir())


def lapse(home: House) -> None:
    """Let every claim lapse and every permit expire, as if the process had died a while ago."""

    def work(connection):
        connection.execute(signatures.table.update().values(held_until=0.0, updated_at=time.time() - 60))
        connection.execute(tables.idempotency.update().values(held_until=0.0))

    home.services.database.write(work)
