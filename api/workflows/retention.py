"""Documents go when their time is over (`[retention]`), unless somebody holds them; what was done with keys stays on record.

E1. Signed documents whose days are over, and that nobody holds, are chosen.
E2. A ledger line (`documents-erased`: ids and how many), the records without their documents, and the list of files to
    be erased, in one transaction.
E3. Each file's key is overwritten where it is encrypted (`container.erase`), the file is removed, durably; then it is
    struck from the list. A crash is made up for by whoever comes next.

The records stay, with digests, level and times, without what the order said of the document's content. Their documents
answer `document-erased` (410). On disks that write elsewhere than they were told (flash, copy-on-write) and in backups
the former bytes may last longer: a backup is as old as its policy lets it be.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from api import telemetry
from api.errors import NotFound
from api.services import Services
from api.store import fates, signatures
from api.store.fates import Document

DAY = 86_400.0
TOGETHER = 50
"""Documents in one ledger line."""


@dataclass(frozen=True)
class Purge:
    """What was, or would be, erased; how many of those that are due are held."""

    signatures: tuple[str, ...]
    held: int


def due(services: Services, *, now: float | None = None) -> Iterator[Document]:
    """E1. Held ones too."""
    chosen, moment = services.settings.retention, time.time() if now is None else now
    if chosen.shortest is None:
        return
    after = ""
    while page := services.database.read(fates.documents, before=moment - chosen.shortest * DAY, after=after):
        after = page[-1].signature
        for document in page:
            procedure = json.loads(document.order).get("profile")
            days = chosen.days(caller=document.caller, procedure=procedure)
            if days is not None and document.since < moment - days * DAY:
                yield document


def purge(services: Services, *, by: str = "kyso", dry: bool = False, now: float | None = None) -> Purge:
    """E1 to E3; with `dry`, E1."""
    found = tuple(due(services, now=now))
    free = [document for document in found if not document.is_held]
    gone: list[str] = []
    if dry:
        gone = [document.signature for document in free]
    else:
        for start in range(0, len(free), TOGETHER):
            gone += _take(services, free[start : start + TOGETHER], by=by)
        finish(services)
    if gone and not dry:
        telemetry.logger().info("documents erased", count=len(gone))
    return Purge(tuple(gone), len(found) - len(free))


def finish(services: Services) -> None:
    """E3."""
    while blobs := services.database.read(fates.to_erase):
        for blob in blobs:
            services.blobs.erase(blob)
        services.database.write(fates.erased, blobs)


def hold(services: Services, identity: str, *, by: str, note: str) -> None:
    """Raises NotFound."""
    if services.database.read(signatures.get, identity) is None:
        raise NotFound

    def also(connection: sa.Connection, _number: int) -> None:
        fates.hold(connection, identity, by=by, note=note)

    services.ledger.append("CHANGED", {"what": "hold-set", "caller": by, "signature": identity}, also=also)


def release(services: Services, identity: str, *, by: str) -> None:
    """Raises NotFound where nothing is held."""

    def also(connection: sa.Connection, _number: int) -> None:
        if not fates.release(connection, identity):
            raise NotFound

    services.ledger.append("CHANGED", {"what": "hold-released", "caller": by, "signature": identity}, also=also)


def _take(services: Services, documents: list[Document], *, by: str) -> list[str]:
    """E2. What was held or lifted since it was chosen stays, and is no part of the line."""
    taken = [document.signature for document in documents if not services.database.read(_is_held, document.signature)]
    if not taken:
        return []
    chosen = [document for document in documents if document.signature in taken]

    def also(connection: sa.Connection, _number: int) -> None:
        for document in chosen:
            if not fates.take(connection, document):
                raise _Changed

    facts = {"what": "documents-erased", "caller": by, "signatures": taken, "count": len(taken)}
    try:
        services.ledger.append("CHANGED", facts, also=also)
    except _Changed:
        return [] if len(documents) == 1 else [one for each in documents for one in _take(services, [each], by=by)]
    return taken


class _Changed(Exception):
    """A document was held or lifted a moment ago."""


def _is_held(connection: sa.Connection, identity: str) -> bool:
    return any(one.signature == identity for one in fates.held(connection))
