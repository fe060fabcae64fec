"""Steps 10 to 12 of a signature (`api.workflows.signing`): from the value to the signed file. The key is not needed.

Used by the request itself, by the job that retries, and by recovery; each may find the other's work done.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

import sqlalchemy as sa

from api.errors import ApiError, ClaimLost
from api.jobs import enqueue_within
from api.services import Services
from api.store import idempotency, sealed, signatures
from api.store.blobs import Draft
from api.store.idempotency import Claim
from api.store.signatures import Hold, SignatureRecord
from api.workflows import contents, extending
from api.workflows.documents import DocumentWorker
from hsm.errors import HsmError
from signer.errors import SignerError
from signer.model import Prepared, SignatureValue, Signed
from verify.errors import VerifyError

JOB = "finish-signature"
FIRST_RETRY = 15.0
"""Seconds until the job looks again after a timestamp authority did not answer."""


@dataclass(frozen=True)
class Outcome:
    """A signature that is done. `repeated`: it was done before, under the same Idempotency-Key."""

    record: SignatureRecord
    repeated: bool = False


def finish(
    services: Services,
    hold: Hold,
    record: SignatureRecord,
    *,
    worker: DocumentWorker,
    draft: Draft,
    prepared: Prepared,
    claim: Claim | None,
) -> Outcome:
    """Complete the draft where it lies, close the record. On failure the record is put off or refused, and it is
    raised; the draft of one that is put off is laid out anew by whoever goes on."""
    assert record.value is not None
    try:
        # 10. timestamp, embedding, self-check
        value = SignatureValue(record.value, prepared.order.mechanism)
        with_evidence = prepared.order.level in ("B-LT", "B-LTA")
        with contents.opened(services, record) as detached:
            signed = worker.complete(
                draft.file,
                prepared=prepared,
                value=value,
                fetcher=services.fetcher,
                trust=services.trust.current() if with_evidence else None,
                policy=services.policies.shipped(services.settings.signing.evidence_policy),
                at=services.clock(),
                detached=detached,
            )
        # 11. the file is durable
        draft.sync(unchanged=contents.unchanged(prepared))
    except Exception as error:
        if _is_final(error):
            refuse(services, hold, record, code=getattr(error, "code", "internal-error"), claim=claim)
        else:
            put_off(services, hold, record, claim=claim)
            if isinstance(error, ApiError | SignerError | VerifyError | HsmError):
                error.facts = {**error.facts, "signature": record.id}  # where to look for it later
        raise
    # 12. everything says so at once
    result = result_json(signed)
    facts = {
        "signature": record.id,
        "caller": record.caller,
        "intent_number": record.ledger_number,
        "sha256": signed.sha256,
        "level": signed.level,
    }

    def also(connection: sa.Connection, _number: int) -> None:
        signatures.to_signed(connection, hold, result=result, signed_blob=draft.id, signed_sha256=signed.sha256)
        if not extending.schedule(
            connection, record.id, signed, ordered=prepared.order.level, settings=services.settings
        ):
            sealed.forget(connection, record.id)
        if claim is not None:
            idempotency.finish(connection, claim, answer=answer_json(record.id))

    services.ledger.append("COMPLETED", facts, also=also)
    contents.settle(services, record)
    return Outcome(replace(record, state="signed", result=result, signed_blob=draft.id))


def put_off(services: Services, hold: Hold, record: SignatureRecord, *, claim: Claim | None) -> None:
    """Let go of the record where it stands; a job, or the same Idempotency-Key, goes on from there."""

    def work(connection: sa.Connection) -> None:
        signatures.release(connection, hold)
        if claim is not None:
            idempotency.pause(connection, claim)
        enqueue_within(
            connection, JOB, {"signature": record.id}, due=time.time() + FIRST_RETRY, unique=f"{JOB} {record.id}"
        )

    services.database.write(work)


def refuse(services: Services, hold: Hold, record: SignatureRecord, *, code: str, claim: Claim | None) -> None:
    """Close the record without a document: what is wrong with it does not change by trying again."""
    facts = {"signature": record.id, "caller": record.caller, "intent_number": record.ledger_number, "code": code}

    def also(connection: sa.Connection, _number: int) -> None:
        signatures.to_refused(connection, hold, error_code=code)
        sealed.forget(connection, record.id)
        if claim is not None:
            idempotency.abandon(connection, claim)

    services.ledger.append("REFUSED", facts, also=also)
    services.blobs.delete(record.document_blob)
    contents.forget(services, contents.of(record))


def answer_json(identity: str) -> str:
    """What an Idempotency-Key remembers: the record says the rest."""
    return json.dumps({"signature": identity})


def result_json(signed: Signed) -> str:
    """What the record keeps of a finished signature, and its answer is made of."""
    return json.dumps(
        {
            "sha256": signed.sha256,
            "size": signed.size,
            "level": signed.level,
            "field": signed.field,
            "signed_at": signed.signing_time.isoformat(),
            "timestamp": None if signed.timestamp is None else signed.timestamp.isoformat(),
            "warnings": list(signed.warnings),
        },
        ensure_ascii=False,
    )


def _is_final(error: Exception) -> bool:
    """Whether trying again cannot help. What an operator can mend, and what nobody foresaw, is tried again."""
    return getattr(error, "actor", "operator") in ("caller", "developer") and not isinstance(error, ClaimLost)
