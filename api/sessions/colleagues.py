"""To whom an official may pass a document on: those with a post in the same organisation, and its clerks.

What the list tells is what stands at the door of an office: name and post. Nobody learns of other organisations by it.

    listed(services, caller, "ses_1")    # [{"id": "per_…", "name": "…", "title": "Phó Bí thư"}]
"""

from __future__ import annotations

from typing import Any

from api.directory import listing
from api.directory.model import RANKS
from api.services import Services
from api.sessions import ending, people
from api.sessions.model import Session
from api.store.callers import Caller

MOST = 200
"""People told of; an office with more has somebody else decide."""


def listed(services: Services, caller: Caller, identity: str) -> list[dict[str, Any]]:
    """The highest first; without the session's own person. Raises SessionNotFound, SessionExpired, SessionWithdrawn."""
    session = ending.acted(services, caller, identity)
    where, now = session.organisation, int(services.clock().timestamp())
    if where is None:
        return []
    members = services.database.read(listing.members, [where], now) - {session.person}
    known = services.database.read(listing.people, now, among=members, after="", limit=MOST)
    found = []
    for one in known:
        posts = [post for post in services.directory.posts(one.id) if post.organisation == where]
        rank = min((RANKS.index(post.rank) for post in posts), default=len(RANKS))
        found.append((rank, {"id": one.id, "name": one.name, "title": posts[0].title if posts else None}))
    return [told for _, told in sorted(found, key=lambda pair: (pair[0], pair[1]["name"] or ""))]


def called(services: Services, session: Session, person: str) -> str:
    """What people call whom a document was passed on to; what was said where nobody of that office is meant: a name from
    elsewhere is nobody's to learn by guessing codes."""
    identity = people.person_id(services, person)
    now = int(services.clock().timestamp())
    where = [session.organisation] if session.organisation is not None else []
    if identity is None or identity not in services.database.read(listing.members, where, now):
        return person
    known = services.directory.person(identity)
    return known.name if known is not None and known.name else person
