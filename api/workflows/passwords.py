"""The password of an encrypted document: known while a request lasts, and sealed for what comes after, if anything does.

Laying out and embedding need no password; writing evidence into the document does. So only an order at B-LT or B-LTA, or
one that may be lifted later, leaves anything behind: a sealed value (`api.sealing`), bound to its record and gone with
the signature's end or the end of its last lift. It is no part of the stored order, of what was prepared, of jobs or of
the digest by which an Idempotency-Key knows a request.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from api.sealing import Seal
from api.services import Services
from api.store import sealed
from signer.model import Prepared, SignOrder


def seal(services: Services, prepared: Prepared, *, signature: str) -> bytes | None:
    """The password of the order, sealed, if anything after this request needs it."""
    order = prepared.order
    if order.password is None or not _is_needed_later(order):
        return None
    return _seal(services).close(order.password, bound_to=signature)


def without(prepared: Prepared) -> Prepared:
    """As it is stored."""
    if prepared.order.password is None:
        return prepared
    return replace(prepared, order=replace(prepared.order, password=None))


def back(services: Services, prepared: Prepared, *, signature: str) -> Prepared:
    """As it was before it was stored. Raises SealBroken."""
    found = of(services, signature)
    return prepared if found is None else replace(prepared, order=replace(prepared.order, password=found))


def of(services: Services, signature: str) -> str | None:
    """The password that is kept for a signature. Raises SealBroken."""
    value = services.database.read(sealed.get, signature)
    return None if value is None else _seal(services).open(value, bound_to=signature)


def sweep(services: Services, *, job_kind: str) -> int:
    """Forget what no lift waits for; returns how many. Each end of a signature does it by itself: this is for those
    that ended with their process, and for lifts that are over."""
    found = services.database.read(sealed.unneeded, job_kind=job_kind)

    def work(connection: sa.Connection) -> None:
        for signature in found:
            sealed.forget(connection, signature)

    if found:
        services.database.write(work)
    return len(found)


def _is_needed_later(order: SignOrder) -> bool:
    return order.level in ("B-LT", "B-LTA") or (order.level == "B-T" and order.allow_degraded)


def _seal(services: Services) -> Seal:
    return Seal(services.settings.secrets / "sealing.key", keys=services.storage_keys)
