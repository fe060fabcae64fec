"""The background signs what was agreed to: each document once, whatever breaks in between.

Whichever process takes the job goes on where the former stopped: what is signed stays so, what was begun comes to its
end, what an operator can mend is tried again. A stop, a withdrawal, or the loss of the person's activation begins nothing
further; `go_on` does, with a fresh challenge where a person's key needs one.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from api import problems, telemetry
from api.errors import NotPermitted
from api.jobs import Handlers, Job, Later
from api.services import Services
from api.sessions import consenting, ending, making, moves, store
from api.sessions.consenting import AT_ONCE, JOB, KNOWN
from api.sessions.errors import SessionState
from api.sessions.model import Session, SessionDocument
from api.store import signatures
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.workflows import activations, persons

AGAIN = 5.0
"""Seconds until what could not be done is tried again."""
ACTIVATION_LOST = ("activation-unknown", "activation-mismatch", "activation-required")
"""What the keeper says when the person has to agree anew: its time is over, or the keeper was started again."""

NOT_BY_ITSELF = ("token-locked",)
"""What passes only when somebody has been called: the official is told at once, and may then try again."""


def handlers(services: Services) -> Handlers:
    """As `api.jobs` calls it."""
    return {JOB: lambda job: _run(services, job)}


def stop(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """Begin no further document. Raises SessionState unless it is being signed."""
    session = ending.acted(services, caller, identity)
    if session.state == "consented":
        moves.move(services, session, "partly", stopped=True)
    elif session.state == "signing":
        services.database.write(store.note, session.id, stopped=True)
    elif not (session.state == "partly" and session.stopped):
        raise SessionState(state=session.state)
    return {"state": ending.seen_again(services, session).state, "stopped": True}


def go_on(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """With what the consent left over: stopped, or failed for a reason that may have passed. Answers as a consent does.

    Raises SessionState where nothing is left."""
    session = ending.acted(services, caller, identity)
    if session.state == "signing" and session.stopped:
        services.database.write(_resume, session)
        services.jobs.wake()
        return {"state": "signing"}
    if session.state in ("consented", "signing"):
        return consenting.again(services, caller, identity)
    if session.state != "partly" or session.consent is None:
        raise SessionState(state=session.state)
    left = [one for one in services.database.read(store.listed, session.id) if _is_left(one)]
    if not left:
        raise SessionState(state=session.state)
    turn = session.round + 1

    def also(connection: sa.Connection) -> None:
        for one in left:
            values: dict[str, Any] = {"signature": None, "code": None, "support_code": None}
            store.change(connection, session.id, one.number, state="waiting", round=turn, **values)

    moves.move(services, session, "consented", also=also, round=turn, activation_id=None, stopped=False)
    return consenting.again(services, caller, identity)


def _resume(connection: sa.Connection, session: Session) -> None:
    store.note(connection, session.id, stopped=False)
    consenting.enqueue(connection, session.id)


def _is_left(one: SessionDocument) -> bool:
    if one.round == 0:
        return False
    if one.state == "waiting":
        return True
    passing = one.code is not None and _may_pass_code(one.code)
    return one.state == "failed" and (passing or one.code in (*ACTIVATION_LOST, "preparation-expired"))


# --- the job ----------------------------------------------------------------------------------------------------------


def _run(services: Services, job: Job) -> None:
    identity = str(job.payload["session"])
    session = services.database.read(store.get, identity)
    if session is None or session.state not in ("signing", "withdrawn"):
        return
    left = [one for one in _of_round(services, session) if one.state == "waiting"]
    settled: list[bool] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="session") as pool:
        for done in as_completed([pool.submit(_one, services, session, one) for one in left]):
            settled.append(done.result())
            job.renew()
    now = services.database.read(store.get, identity)
    if now is None or now.state != "signing":
        if not all(settled) and any(one.record_state is not None for one in _unsettled(services, session)):
            raise Later(AGAIN)  # withdrawn, and something that was begun is not at its end
        return
    if not all(settled):
        raise Later(AGAIN)
    _close(services, now)


def _unsettled(services: Services, session: Session) -> list[SessionDocument]:
    return [one for one in _of_round(services, session) if one.state == "waiting"]


def _of_round(services: Services, session: Session) -> list[SessionDocument]:
    return [one for one in services.database.read(store.listed, session.id) if one.round == session.round]


def _close(services: Services, session: Session) -> None:
    """Nothing is left to begin: the session's state says what came of it."""
    listed = services.database.read(store.listed, session.id)
    with suppress(SessionState):
        moves.move(services, session, "done" if all(one.state == "signed" for one in listed) else "partly")


def _one(services: Services, session: Session, one: SessionDocument) -> bool:
    """Whether this document needs nothing more in this run."""
    assert session.consent is not None
    is_persons = persons.is_persons(services.settings, session.consent["key"])
    begun = one.signature is not None and one.record_state not in (None, "prepared")
    if not begun:
        now = services.database.read(store.get, session.id)
        if now is None or now.stopped or now.state != "signing":
            return True  # stopped: it stays waiting
    try:
        if begun or (is_persons and one.signature is not None):
            record = _go_on(services, session, one)
        else:
            record = making.sign(services, session, one)
    except KNOWN as error:
        return _failed(services, session, one, error)
    return _settle(services, session, one, record)


def _go_on(services: Services, session: Session, one: SessionDocument) -> SignatureRecord:
    assert one.signature is not None
    record = services.database.read(signatures.get, one.signature)
    if record is None:
        raise NotPermitted("the signature is not on record")
    if record.state == "prepared":
        return activations.use(
            services, making.signer(services, session), one.signature, session.activation or ""
        ).record
    return record


def _settle(services: Services, session: Session, one: SessionDocument, record: SignatureRecord) -> bool:
    """False while the signature waits for something, such as its timestamp."""
    if record.state == "signed":
        moves.settle(services, session, one, "signed", what=None, signature=record.id)
        return True
    if record.state in ("refused", "in-doubt"):
        code = record.error_code or "signature-in-doubt"
        support = making.support_code(session, one)
        moves.settle(services, session, one, "failed", what=None, code=code, support_code=support, signature=record.id)
        return True
    if one.signature != record.id:
        services.database.write(store.change, session.id, one.number, signature=record.id)
    return False


def _failed(services: Services, session: Session, one: SessionDocument, error: Any) -> bool:
    """Whether that was its end."""
    if (begun := error.facts.get("signature")) is not None:  # it has a record, and a job that goes on with it
        record = services.database.read(signatures.get, str(begun))
        if record is not None:
            return _settle(services, session, one, record)
    waited = time.time() - (session.consented_at or session.created_at)
    if error.code not in NOT_BY_ITSELF and _may_pass(error) and waited < services.settings.signing.completion_retry:
        telemetry.logger().warning("session waits", session=session.id, number=one.number, code=error.code)
        return False
    making.fail(services, session, one, error)
    return True


def _may_pass(error: Any) -> bool:
    return problems.status_of(error.code, actor=error.actor) in (429, 503) or error.code in problems.RETRY_AFTER


def _may_pass_code(code: str) -> bool:
    return problems.STATUS.get(code) in (429, 503) or code in problems.RETRY_AFTER
