"""One consent: the official agrees to these documents with this certificate, and nothing else is signed.

1. Nobody consented before, in this window or another: one of those who do so at once gets through.
2. Each document is the one that was shown, by its SHA-256, and waits; places and values are checked.
3. The key is the person's, or a seal that they may use; the directory says that they may sign so.
4. CONSENTED is on record with the digests.
5. A key of the appliance or a seal: the background signs (`working`). A person's key: all are prepared, and one challenge
   over all of them is the person's to answer (`api.workflows.activations`); the keeper believes nobody else.

What was interrupted between 4 and the person's answer is asked for again with `again`: a fresh challenge over what is
left. A second consent is for documents that the first left waiting, stopped or failed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from api import problems
from api.errors import ApiError, RequestInvalid, StaleDocument
from api.jobs import enqueue_within
from api.sandbox import wire
from api.services import Services
from api.sessions import choosing, ending, making, moves, people, steps, store
from api.sessions.errors import DocumentChanged, SessionConsented, SessionState
from api.sessions.model import Session, SessionDocument
from api.sessions.schema import ConsentDocument, ConsentRequest
from api.store import heads
from api.store.callers import Caller
from api.workflows import activations, persons
from hsm.activation import Assertion
from hsm.errors import HsmError
from signer.errors import SignerError
from signer.model import Prepared
from verify.errors import VerifyError

JOB = "sign-session"
AT_ONCE = 4
FORGOTTEN = 15.0
"""Seconds after which a consent that nobody has begun to work on is taken over."""
KNOWN = (ApiError, HsmError, SignerError, VerifyError)


def consent(
    services: Services, caller: Caller, identity: str, asked: ConsentRequest, *, idempotency_key: str | None
) -> dict[str, Any]:
    """`{state}`, and for a person's key `{activation}`. The same request again under its Idempotency-Key goes on where it
    was.

    Raises SessionConsented, SessionState, DocumentChanged, CertificateOfAnotherPerson, WrongRole, and what is wrong with
    places and keys; nothing is signed then."""
    session = ending.acted(services, caller, identity)
    mark = _mark(asked, idempotency_key)
    if mark is not None and session.consent is not None and session.consent.get("mark") == mark:
        return again(services, caller, identity)
    # 1
    if session.state not in choosing.UNDECIDED:
        raise (
            SessionConsented if session.state in ("consented", "signing", "done") else SessionState(state=session.state)
        )
    # 2
    listed = {one.id: one for one in services.database.read(store.listed, session.id)}
    chosen = [(_shown(listed, each), each) for each in asked.documents]
    values = [_values(services, session, one, each) for one, each in chosen]
    numbers = [(one, steps.number_of(session, one, {**making.values_of(one), **each.fill})) for one, each in chosen]
    services.database.read(_require_newest, [one for one, _ in chosen])
    # 3
    key = people.require(services, session, asked.key)
    on_behalf = asked.on_behalf or session.request["on_behalf"]
    if session.request["on_behalf"] not in (None, on_behalf):
        raise RequestInvalid("the session lays down another form", field="on_behalf")
    people.require_authority(services, people.Asked(session.person, session.organisation), on_behalf)
    # 4
    told = {"key": key.ref, "on_behalf": on_behalf, "mark": mark}
    turn = session.round + 1

    def also(connection: sa.Connection) -> None:
        for one, number in numbers:
            if number is not None:
                store.take_number(connection, number, document=f"{session.id} {one.number}")
        for (one, _), more in zip(chosen, values, strict=True):
            store.change(connection, session.id, one.number, **more, round=turn, signature=None, code=None)

    facts = {"key": key.ref, "documents_sha256": [one.sha256 for one, _ in chosen]}
    if on_behalf is not None:
        facts["on_behalf"] = on_behalf
    try:
        moves.move(
            services,
            session,
            "consented",
            also=also,
            facts=facts,
            round=turn,
            consented_at=time.time(),
            consent_json=json.dumps(told, ensure_ascii=False),
            activation_id=None,
            stopped=False,
        )
    except SessionState:
        raise SessionConsented from None
    # 5
    return again(services, caller, identity)


def again(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """How far the consent is; while a person's key waits, with a fresh challenge over all that is left."""
    session = ending.acted(services, caller, identity)
    if session.state != "consented" or session.consent is None:
        return {"state": session.state}
    if not persons.is_persons(services.settings, session.consent["key"]):
        begin(services, session)
        return {"state": "signing"}
    prepared = _prepare_all(services, session)
    if not prepared:
        return {"state": _nothing_left(services, session)}
    signer = making.signer(services, session)
    try:
        asked = activations.challenge(services, signer, [signature for _, signature in prepared])
    except HsmError as error:
        error.facts = {**error.facts, "session": session.id}
        raise
    activation = {"id": session.id, **activations.challenge_json(asked), "origins": _origins(services, session)}
    return {"state": "consented", "activation": activation}


def _origins(services: Services, session: Session) -> list[str]:
    """Of pages on which the keeper lets the person answer: a page elsewhere need not try, and use up a try."""
    chosen = services.settings.keys[(session.consent or {})["key"]].activation
    return [] if chosen is None else list(chosen.origins)


def activate(services: Services, caller: Caller, identity: str, assertion: Assertion) -> dict[str, Any]:
    """The person's answer to the challenge: the keeper believes it, and the background signs. Raises the errors of
    activations, whose repeated failures the keeper limits, and SessionState."""
    session = ending.acted(services, caller, identity)
    if session.state in ("signing", "done", "partly") and session.activation is not None:
        return {"state": session.state}
    if session.state != "consented":
        raise SessionState(state=session.state)
    waiting = [(one, one.signature) for one in _chosen(services, session) if one.signature is not None]
    signer = making.signer(services, session)
    activation = activations.activate(services, signer, [signature or "" for _, signature in waiting], assertion)

    begin(services, session, activation=activation.id)
    return {"state": "signing"}


def begin(services: Services, session: Session, *, activation: str | None = None) -> None:
    """The background signs from here on; nothing happens where somebody else has begun it."""

    def also(connection: sa.Connection) -> None:
        enqueue(connection, session.id)

    facts = {} if activation is None else {"activation": activation}
    try:
        moves.move(services, session, "signing", also=also, facts=facts, activation_id=activation)
    except SessionState:
        if ending.seen_again(services, session).state not in ("signing", "done", "partly"):
            raise


def enqueue(connection: sa.Connection, session: str) -> None:
    """Within a transaction: each document is tried for as long as it may be, so that tries are not counted."""
    enqueue_within(connection, JOB, {"session": session}, unique=f"{JOB} {session}", max_tries=1_000_000)


def resume_all(services: Services) -> None:
    """Begin what was agreed to by somebody whose process died before it began. Run every few seconds, by any process."""
    for session in services.database.read(store.agreed, before=time.time() - FORGOTTEN):
        if session.consent is not None and not persons.is_persons(services.settings, session.consent["key"]):
            begin(services, session)


# --- a person's key ---------------------------------------------------------------------------------------------------


def _prepare_all(services: Services, session: Session) -> list[tuple[SessionDocument, str]]:
    """Every document of the consent that waits, prepared and checked against what was shown; those that cannot be are
    settled as failed. What was prepared too long ago is prepared again."""

    def prepare(one: SessionDocument) -> tuple[SessionDocument, str] | None:
        try:
            record = making.prepare(services, session, one)
            if record.prepared is not None:
                prepared: Prepared = wire.unpack(record.prepared, Prepared)
                if prepared.original_sha256 != one.sha256:
                    raise DocumentChanged(document=one.id, expected=one.sha256, found=prepared.original_sha256)
        except KNOWN as error:
            if problems.status_of(error.code, actor=error.actor) in (429, 503):
                raise
            making.fail(services, session, one, error)
            return None
        services.database.write(store.change, session.id, one.number, signature=record.id)
        return one, record.id

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="prepare") as pool:
        return [found for found in pool.map(prepare, _chosen(services, session)) if found is not None]


def _chosen(services: Services, session: Session) -> list[SessionDocument]:
    """The documents of the present consent of which nothing has come yet."""
    listed = services.database.read(store.listed, session.id)
    return [one for one in listed if one.state == "waiting" and one.round == session.round]


def _nothing_left(services: Services, session: Session) -> str:
    """None of the documents could be prepared: the consent has come to its end."""
    moves.move(services, session, "partly")
    return "partly"


# --- step 2 -----------------------------------------------------------------------------------------------------------


def _shown(listed: Mapping[str, SessionDocument], each: ConsentDocument) -> SessionDocument:
    one = listed.get(each.id)
    if one is None:
        raise RequestInvalid("the session has no such document", field="documents", document=each.id)
    if one.sha256 != each.sha256:
        raise DocumentChanged(document=one.id, expected=each.sha256, found=one.sha256)
    if one.state != "waiting":
        raise SessionConsented if one.state == "signed" else SessionState(state=one.state)
    return one


def _require_newest(connection: sa.Connection, chosen: Sequence[SessionDocument]) -> None:
    """Nobody signed another copy meanwhile. Raises StaleDocument."""
    for one in chosen:
        try:
            heads.require(connection, one.sha256)
        except StaleDocument as error:
            error.facts = {**error.facts, "document": one.id}
            raise


def _values(services: Services, session: Session, one: SessionDocument, each: ConsentDocument) -> dict[str, Any]:
    """What the official adds to a document: where the signature goes, what is filled in."""
    found: dict[str, Any] = {}
    if each.place is not None:
        own = choosing.checked(services, session, one, each.place)
        found["place_json"] = json.dumps({"page": each.place.page, "box": list(each.place.box), "own": list(own)})
    if each.fill:
        unknown = set(each.fill) - set(one.request["may_fill"])
        if unknown:
            raise RequestInvalid("the field is not the signer's to fill in", field=sorted(unknown)[0])
        found["fill_json"] = json.dumps(each.fill, ensure_ascii=False)
    return found


def _mark(asked: ConsentRequest, idempotency_key: str | None) -> str | None:
    if idempotency_key is None:
        return None
    return hashlib.sha256(f"{idempotency_key}\0{asked.model_dump_json()}".encode()).hexdigest()
