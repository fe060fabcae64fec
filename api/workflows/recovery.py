"""Goes on where a signature stopped: after a crash, by a job, or because the same Idempotency-Key came again.

The key is never used here. What is open is settled from what is on record, in this order:

R1. The record is finished: nothing to do. It was refused: nothing to go on from.
R2. `signing` or `in-doubt` (an INTENT without its DONE): the keeper's log knows whether the key was used.
    Done: DONE is written from it. Never begun, or failed: FAILED, the record is refused. Begun and no more: IN_DOUBT.
R3. `completing` (the value is there): the draft is laid out again and completed.

INTENT lines without a record are timestamps of the authority; nobody waits for those, so that only the line is closed.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace

import sqlalchemy as sa

from api import telemetry
from api.errors import ClaimLost, DatabaseUnavailable, RequestInProgress
from api.jobs import GiveUp, Handlers, Job, Later
from api.ledger import Line
from api.ledger.log import Also
from api.refusals import SignatureInDoubt
from api.sandbox import wire
from api.services import Services
from api.store import idempotency, sealed, signatures
from api.store.blobs import Draft
from api.store.idempotency import Claim
from api.store.signatures import UNFINISHED, Hold, SignatureRecord
from api.workflows import completion, contents, passwords
from api.workflows.holds import LEASE
from api.workflows.keyuse import PERMIT_SECONDS
from hsm.errors import HsmError, KeyNotFound, SigningInterrupted
from signer.model import Prepared

RECONCILE_JOB = "reconcile-use"
LONGEST_PAUSE = 900.0
"""Seconds between two tries of a job at most."""


# --- what the key's use led to, on record -----------------------------------------------------------------------------


def store_value(services: Services, hold: Hold, record: SignatureRecord, *, value: bytes) -> SignatureRecord:
    """9. DONE is durable, and the record holds the value."""
    assert record.ledger_number is not None
    also = _value_too(hold, value)
    services.key_user.done(record.ledger_number, value=value, facts=_facts(record), also=also)
    return replace(record, state="completing", value=value)


def store_value_soon(services: Services, hold: Hold, record: SignatureRecord, *, value: bytes) -> SignatureRecord:
    """9, where the next step takes milliseconds: DONE goes with the next transaction, at the latest with the one that
    ends the next step, which is refused without it. A crash before that is R2: the keeper's log has the value."""
    assert record.ledger_number is not None
    also = _value_too(hold, value)
    services.key_user.done_soon(record.ledger_number, value=value, facts=_facts(record), also=also)
    return replace(record, state="completing", value=value)


def _value_too(hold: Hold, value: bytes) -> Also:
    return lambda connection, _number: signatures.to_completing(connection, hold, value=value)


def mark_failed(services: Services, hold: Hold, record: SignatureRecord, *, code: str, claim: Claim | None) -> None:
    """The key did not sign: the request is over, and its Idempotency-Key free."""
    assert record.ledger_number is not None

    def also(connection: sa.Connection, _number: int) -> None:
        signatures.to_refused(connection, hold, error_code=code)
        sealed.forget(connection, record.id)
        if claim is not None:
            idempotency.abandon(connection, claim)

    services.key_user.failed(record.ledger_number, code=code, facts=_facts(record), also=also)
    services.blobs.delete(record.document_blob)
    contents.forget(services, contents.of(record))


def mark_in_doubt(services: Services, hold: Hold, record: SignatureRecord, *, claim: Claim | None) -> None:
    """Whether the key signed is not known: for people to look at. The document is kept."""
    assert record.ledger_number is not None

    def also(connection: sa.Connection, _number: int) -> None:
        signatures.to_in_doubt(connection, hold, error_code=SignatureInDoubt.code)
        if claim is not None:
            idempotency.pause(connection, claim)

    services.key_user.in_doubt(record.ledger_number, facts=_facts(record), also=also)


def _facts(record: SignatureRecord) -> dict[str, str]:
    return {"signature": record.id, "caller": record.caller}


# --- going on ---------------------------------------------------------------------------------------------------------


def resume(services: Services, identity: str, *, claim: Claim | None = None) -> SignatureRecord | None:
    """The finished record; None when it was refused and there is nothing to go on from.

    Raises RequestInProgress while somebody else works on it, SignatureInDoubt, and what completion raises.
    """
    try:
        return _resume(services, identity, claim=claim)
    except Exception:
        if claim is not None:  # so that the next equal call need not wait for the claim to lapse
            with contextlib.suppress(ClaimLost, DatabaseUnavailable):
                services.database.write(idempotency.pause, claim)
        raise


def _resume(services: Services, identity: str, *, claim: Claim | None) -> SignatureRecord | None:
    # R1
    record = services.database.read(signatures.get, identity)
    if record is None or record.state in ("signed", "refused"):
        return _ended(services, record, claim=claim)
    states = (*UNFINISHED, "in-doubt")
    hold = services.database.write(signatures.claim, record.id, states=states, lease=LEASE)
    record = services.database.read(signatures.get, identity)
    if hold is None or record is None:
        if record is not None and record.state == "signed":
            return _ended(services, record, claim=claim)
        raise RequestInProgress(signature=identity)
    with services.holds.kept(hold, claim):
        try:
            # R2
            if record.state in ("signing", "in-doubt"):
                settled = _settle(services, hold, record)
                if settled is None:
                    return None
                record = settled
        except Exception:
            with contextlib.suppress(ClaimLost, DatabaseUnavailable):
                services.database.write(signatures.release, hold)
            raise
        # R3
        return complete(services, hold, record, claim=claim)


def _ended(services: Services, record: SignatureRecord | None, *, claim: Claim | None) -> SignatureRecord | None:
    if record is None or record.state != "signed":
        return None
    if claim is not None:
        services.database.write(idempotency.finish, claim, answer=completion.answer_json(record.id))
    return record


def _settle(services: Services, hold: Hold, record: SignatureRecord) -> SignatureRecord | None:
    """R2. The record with its value, or None when there is none; raises while that is not known."""
    assert record.ledger_number is not None
    outcome, value = services.key_user.outcome(_key_of(record), record.ledger_number)
    if outcome == "done" and value is not None:
        return store_value(services, hold, record, value=value)
    if outcome == "doubt":
        if record.state == "in-doubt":
            services.database.write(signatures.release, hold)
        else:
            mark_in_doubt(services, hold, record, claim=None)
        raise SignatureInDoubt(signature=record.id)
    if outcome == "never" and time.time() < record.updated_at + PERMIT_SECONDS + 1:
        # Its permit could still be on its way to a slow keeper; in a moment it cannot.
        raise SigningInterrupted(signature=record.id)
    if record.state == "in-doubt":  # it was begun when the doubt was written: a log that now knows less is no answer
        services.database.write(signatures.release, hold)
        raise SignatureInDoubt(signature=record.id)
    mark_failed(services, hold, record, code="interrupted", claim=None)
    return None


def complete(services: Services, hold: Hold, record: SignatureRecord, *, claim: Claim | None) -> SignatureRecord:
    """R3. Lay out the draft again where it lies, and complete it."""
    assert record.prepared is not None
    stored = wire.unpack(record.prepared, Prepared)
    with contextlib.ExitStack() as open_:
        try:
            prepared = passwords.back(services, stored, signature=record.id)
            worker = open_.enter_context(services.documents.open(record.caller))
            draft = open_.enter_context(services.blobs.reopen(record.document_blob))
            if (original := contents.of(record).original) is None:
                _lay_out(draft, prepared)
            else:
                source = open_.enter_context(services.blobs.open(original))
                worker.restore(source, draft.file, prepared=prepared)
        except Exception:
            completion.put_off(services, hold, record, claim=claim)
            raise
        return completion.finish(
            services, hold, record, worker=worker, draft=draft, prepared=prepared, claim=claim
        ).record


def _lay_out(draft: Draft, prepared: Prepared) -> None:
    """A PDF's draft as it was prepared, whatever a completion that was interrupted wrote to it: the original is never
    written to, all that comes behind it is."""
    draft.file.seek(prepared.original_size)
    draft.file.write(prepared.appended)
    draft.file.truncate()


def _key_of(record: SignatureRecord) -> str:
    return str(json.loads(record.order)["key"])


# --- jobs -------------------------------------------------------------------------------------------------------------


def handlers(services: Services) -> Handlers:
    """What the job engine calls, by kind."""

    def finish(job: Job) -> None:
        _finish_job(services, str(job.payload["signature"]))

    def reconcile(job: Job) -> None:
        _reconcile(services, key=str(job.payload["key"]), number=int(job.payload["number"]))

    return {completion.JOB: finish, RECONCILE_JOB: reconcile}


def scan(services: Services) -> int:
    """Make a job of everything that was left open and that nobody works on; returns how many are new. Cheap when all
    is well, so that it runs at start and every few seconds."""
    new = 0
    for identity in services.database.read(signatures.unfinished):
        unique = f"{completion.JOB} {identity}"
        new += services.jobs.enqueue(completion.JOB, {"signature": identity}, unique=unique) is not None
    for line in services.ledger.open_intents():
        if _is_left(line, now=services.clock().timestamp()):
            payload = {"key": line.facts["key"], "number": line.number}
            unique = f"{RECONCILE_JOB} {line.number}"
            new += services.jobs.enqueue(RECONCILE_JOB, payload, unique=unique) is not None
    return new


def _is_left(line: Line, *, now: float) -> bool:
    """An INTENT that belongs to no record, and is too old for its permit to be used."""
    return "signature" not in line.facts and line.at.timestamp() < now - PERMIT_SECONDS - 10


def _finish_job(services: Services, identity: str) -> None:
    record = services.database.read(signatures.get, identity)
    if record is None:
        raise GiveUp
    age = time.time() - record.created_at
    try:
        resume(services, identity)
    except (SignatureInDoubt, KeyNotFound) as error:
        telemetry.logger().error("a signature needs a person", signature=identity, code=error.code)
        raise GiveUp from None
    except RequestInProgress:
        raise Later(LEASE / 2) from None
    except Exception as error:
        code = getattr(error, "code", "")
        if record.state == "completing" and age > services.settings.signing.completion_retry:
            _end_of_patience(services, identity, code=code or "internal-error")
            raise GiveUp from None
        if getattr(error, "actor", "") == "operator":
            raise Later(min(LONGEST_PAUSE, max(completion.FIRST_RETRY, age / 2))) from error
        raise


def _end_of_patience(services: Services, identity: str, *, code: str) -> None:
    hold = services.database.write(signatures.claim, identity, lease=LEASE)
    record = services.database.read(signatures.get, identity)
    if hold is not None and record is not None:
        completion.refuse(services, hold, record, code=code, claim=None)


def _reconcile(services: Services, *, key: str, number: int) -> None:
    """Close the INTENT of a timestamp that was never sent."""
    try:
        outcome, value = services.key_user.outcome(key, number)
    except KeyNotFound:
        outcome, value = "doubt", None
    except HsmError:
        raise Later(completion.FIRST_RETRY) from None
    if outcome == "done" and value is not None:
        services.key_user.done(number, value=value, facts={"key": key})
    elif outcome == "doubt":
        services.key_user.in_doubt(number, facts={"key": key})
    else:
        services.key_user.failed(number, code="interrupted", facts={"key": key})
