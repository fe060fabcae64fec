"""A page as it will be once it is signed: the signature is prepared with the certificate that is looked at, and drawn.

Nothing is kept and no key is used; what is drawn is what would be signed now, its time included. A worker prepares and
draws, as for the signature itself, so that the picture shows what the look and its pictures come to.

    picture = drawn(services, caller, "ses_1", "d1", asked, width=800)      # WebP
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from api.errors import RequestInvalid
from api.sandbox.calls import Look
from api.services import Services
from api.sessions import choosing, ending, making, people, viewing
from api.sessions.errors import SessionState
from api.sessions.model import Session, SessionDocument
from api.sessions.schema import PreviewRequest
from api.sessions.showing import laid_down
from api.store.callers import Caller
from api.workflows import formats, orders
from hsm.errors import MechanismNotSupported


def drawn(
    services: Services, caller: Caller, identity: str, document: str, asked: PreviewRequest, *, width: int
) -> bytes:
    """The page that the signature is seen on. Raises what consent and signing would: PlaceOverField,
    CertificateOfAnotherPerson, what stands against a step; SessionState when there is nothing to sign any more."""
    session = ending.acted(services, caller, identity)
    one = viewing.find(services, session, document)
    if session.is_over or one.state != "waiting":
        raise SessionState(state=one.state if one.state != "waiting" else session.state)
    key = people.require(services, session, asked.key)
    if not key.mechanisms:
        raise MechanismNotSupported(key=key.ref, mechanism="")
    session, one = _as_agreed(services, session, one, asked)
    page = _page(one)
    with making.stored(services, one) as upload, services.documents.open(session.caller) as worker:
        order = formats.fitting(making.order_of(services, session, one), upload)
        plan = orders.plan(services, order, upload, key, mechanism=key.mechanisms[0])
        with services.blobs.draft(size=upload.size) as draft:
            nonce = 1 << 63 | secrets.randbits(63)
            worker.prepare(
                upload.file, draft.file, order=plan, sha256=upload.sha256, nonce=nonce, detached=upload.contents
            )
            return worker.draw(draft.file, order=Look(page, viewing.bounded(width))).picture.webp


def _as_agreed(
    services: Services, session: Session, one: SessionDocument, asked: PreviewRequest
) -> tuple[Session, SessionDocument]:
    """As if consent had been given to this."""
    agreed = {"key": asked.key, "on_behalf": session.request["on_behalf"]}
    place = one.place
    if asked.place is not None:
        own = choosing.checked(services, session, one, asked.place)
        place = {"page": asked.place.page, "box": list(asked.place.box), "own": list(own)}
    return replace(session, consent=agreed), replace(one, place=place, fill=dict(asked.fill) or one.fill)


def _page(one: SessionDocument) -> int:
    fixed = laid_down(one)
    if fixed is not None:
        return fixed[0]
    if one.format != "PDF" or one.place is None:
        raise RequestInvalid("the signature is seen on no page", field="place")
    return int(one.place["page"])
