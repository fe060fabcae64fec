"""The step of a record that waited for a person: from `prepared` to `signing`, once the person has agreed.

prepared ──▶ signing ──▶ completing ──▶ signed
"""

from __future__ import annotations

import secrets
import time

import sqlalchemy as sa

from api.errors import ClaimLost
from api.store.signatures import LEASE, Hold, SignatureId
from api.store.tables import signature as table


def begin(connection: sa.Connection, identity: str, *, ledger_number: int, lease: float = LEASE) -> Hold:
    """From now on the key may be used, once, for the INTENT line `ledger_number`.

    Raises ClaimLost when another request was quicker, or the time is over."""
    now = time.time()
    hold = Hold(SignatureId(identity), secrets.token_hex(8))
    change = (
        table.update()
        .where(table.c.id == identity, table.c.state == "prepared", table.c.expires_at > now)
        .values(
            state="signing",
            ledger_number=ledger_number,
            holder=hold.token,
            held_until=now + lease,
            updated_at=now,
        )
    )
    if connection.execute(change).rowcount != 1:
        raise ClaimLost(f"signature {identity} waits for nobody", signature=identity)
    return hold
