"""What a document was before it came to a session: whether it is the newest of its chain, and which organisations took
which parts of its procedure in sessions before.

A procedure knows bodies by their level alone, and two organisations of one level may take part. Who began a body goes on
with it: its seal comes from the organisation whose official signed. Where the system says which organisation is which
(`bodies` of a document), that holds for all sessions after, until the letter has arrived.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa

from api.errors import RequestInvalid
from api.services import Services
from api.store import heads
from api.store.signing_tables import signing_document as documents


def former(services: Services, sha256: str, *, procedure: str | None) -> dict[str, str]:
    """Body → organisation, as sessions that led to this document left them. Raises StaleDocument for one on which a later
    signature was built: nobody is asked to sign what cannot be signed any more."""
    return services.database.read(_former, sha256, procedure=procedure)


def _former(connection: sa.Connection, sha256: str, *, procedure: str | None) -> dict[str, str]:
    made = heads.require(connection, sha256)
    if procedure is None or not made:
        return {}
    found: dict[str, str] = {}
    chosen = sa.select(documents.c.request_json).where(documents.c.signature.in_(made))
    for (text,) in connection.execute(chosen):
        request = json.loads(text)
        if request["procedure"] == procedure:
            found |= request.get("bodies", {})
    return found


def joined(services: Services, former: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """With what the system says now. Raises RequestInvalid for what the directory does not know, and for another
    organisation than the one that is known."""
    known = dict(former)
    for body, named in given.items():
        organisation = services.directory.tree().find(named)
        if organisation is None:
            raise RequestInvalid("the directory knows no such organisation", field="bodies", body=body)
        if known.setdefault(body, organisation) != organisation:
            raise RequestInvalid("another organisation takes this part", field="bodies", body=body)
    return known
