"""What the official does with single documents before consenting: puts the signature in its place, sends one back, or
passes it on to somebody else.

A place is on the page as it is shown, large enough to be read, and over no field; the signature's own empty field is none
of those. Where the order lays the place down, nobody chooses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from api.errors import RequestInvalid
from api.sandbox.calls import Survey
from api.services import Services
from api.sessions import ending, geometry, moves, showing, store, viewing
from api.sessions.errors import PlaceFixed, PlaceTooSmall, SessionConsented, SessionState
from api.sessions.geometry import Box
from api.sessions.model import Session, SessionDocument
from api.sessions.schema import PlaceRequest, ReassignRequest
from api.store.callers import Caller
from signer.errors import PlaceOutsidePage, PlaceOverField

SMALLEST = (36.0, 14.0)
"""Points: a stamp of half an inch, one line high."""
EDGE = 0.5
"""Points by which a box may overlap the page's edge: coordinates are often rounded."""
UNDECIDED = ("waiting", "opened", "partly")
"""States of a session in which its official decides about documents that wait."""


def put(services: Services, caller: Caller, identity: str, document: str, place: PlaceRequest) -> dict[str, Any]:
    """The document as it is shown then. Raises PlaceOutsidePage, PlaceOverField, PlaceTooSmall, PlaceFixed,
    SessionConsented, SessionState."""
    session, one = _waiting(services, caller, identity, document)
    box = checked(services, session, one, place)
    told = json.dumps({"page": place.page, "box": list(place.box), "own": list(box)})

    def work(connection: sa.Connection) -> None:
        if store.lock(connection, session.id).state not in UNDECIDED:
            raise SessionConsented
        store.change(connection, session.id, one.number, place_json=told)

    services.database.write(work)
    return showing.document_json(session, viewing.find(services, session, document))


def checked(services: Services, session: Session, one: SessionDocument, place: PlaceRequest) -> Box:
    """The box in the page's own coordinates, if the signature may go there."""
    if one.format != "PDF":
        raise RequestInvalid("only a PDF shows its signature", field="place")
    if showing.laid_down(one) is not None:
        raise PlaceFixed(document=one.id)
    pages, box = one.survey["pages"], place.box
    if place.page > len(pages):
        raise PlaceOutsidePage(page=place.page)
    page = pages[place.page - 1]
    left, bottom, right, top = box
    outside = left < -EDGE or bottom < -EDGE or right > page["width"] + EDGE or top > page["height"] + EDGE
    if left >= right or bottom >= top or outside:
        raise PlaceOutsidePage(page=place.page)
    if right - left < SMALLEST[0] or top - bottom < SMALLEST[1]:
        raise PlaceTooSmall(page=place.page, width=int(SMALLEST[0]), height=int(SMALLEST[1]))
    own = geometry.own(box, corner=tuple(page["corner"]), turn=page["turn"])
    for taken in _taken(services, session, one):
        if taken["page"] == place.page and geometry.overlap(own, tuple(taken["box"])):
            raise PlaceOverField(page=place.page, field=taken["name"])
    return own


def _taken(services: Services, session: Session, one: SessionDocument) -> Sequence[dict[str, Any]]:
    """Fields that are there; of a long document the worker looks once more rather than not at all."""
    if one.survey["looked"]:
        found: Sequence[dict[str, Any]] = one.survey["taken"]
        return found
    with services.documents.open(session.caller) as worker, services.blobs.open(one.blob or "") as file:
        told = worker.survey(file, order=Survey(one.sha256, one.request["order"].get("field")))
    if not told.looked:
        raise PlaceOverField("the document has more fields than can be looked at", page=0, field="?")
    return [{"page": each.page, "box": each.box, "name": each.name} for each in told.taken]


def send_back(services: Services, caller: Caller, identity: str, document: str, reason: str) -> dict[str, Any]:
    """The document is not signed; the system learns why. Raises SessionConsented, SessionState."""
    session, one = _waiting(services, caller, identity, document)
    return _settle(services, session, one, "returned", reason=reason)


def reassign(
    services: Services, caller: Caller, identity: str, document: str, asked: ReassignRequest
) -> dict[str, Any]:
    """Somebody else should sign it: the system learns who and why, and asks them. Raises as `send_back`."""
    session, one = _waiting(services, caller, identity, document)
    return _settle(services, session, one, "reassigned", reason=asked.reason, reassigned_to=asked.person)


def _settle(services: Services, session: Session, one: SessionDocument, state: str, **values: str) -> dict[str, Any]:
    if not moves.settle(services, session, one, state, what=f"signing-document-{state}", **values):
        raise SessionState(state=one.state)
    left = services.database.read(store.listed, session.id)
    if all(each.state in ("returned", "reassigned") for each in left):
        moves.move(services, session, "returned")
    found = ending.seen_again(services, session)
    return showing.document_json(found, viewing.find(services, found, one.id))


def _waiting(services: Services, caller: Caller, identity: str, document: str) -> tuple[Session, SessionDocument]:
    session = ending.acted(services, caller, identity)
    one = viewing.find(services, session, document)
    if session.state in ("consented", "signing"):
        raise SessionConsented
    if session.is_over or one.state != "waiting":
        raise SessionState(state=one.state if one.state != "waiting" else session.state)
    return session, one
