"""Batches: one order over many documents, signed one by one in the background.

1. Everything is taken at once: documents as blobs, rows and the job in one transaction. Nothing is signed yet.
2. A job signs each document as `POST /v1/signatures` would (`api.workflows.signing`), several at a time. Each has an
   Idempotency-Key of its own that no caller can send, so that a job which is begun anew never signs twice.
3. What a document is refused for is its own matter; the others go on. What an operator can mend is tried again, for as
   long as completions are (`signing.completion_retry`).

The caller's rights are looked at for each document as it is signed: a caller that was revoked meanwhile signs no more. So
it has to be a registered one; whom a token or a session of an issuer stands for is not known any more by then.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import sqlalchemy as sa

from api import auth, links, problems, telemetry
from api.errors import ApiError, DatabaseUnavailable, NotFound, NotPermitted, RequestInvalid
from api.jobs import Handlers, Job, Later, enqueue_within
from api.schemas import OrderRequest, parse_order
from api.services import Services
from api.store import batches, callers
from api.store.batches import Batch, BatchDocument, Incoming
from api.store.blobs import BlobId
from api.store.callers import Caller
from api.uploads import Upload
from api.workflows import access, signing
from hsm.errors import HsmError, KeyNotFound
from signer.errors import SignerError
from verify.errors import VerifyError

JOB = "sign-batch"
MOST = 500
"""Documents of one batch."""
AT_ONCE = 4
"""Documents of a batch that one process works on at the same time: more would take the workers from everybody else."""
AGAIN = 15.0
"""Seconds until what could not be done is tried again."""
LONG_TRIES = 1_000_000
"""A batch is not given up for the number of its tries: each document has a time of its own."""
UNFIT = ("head", "password", "certificate", "fork", "images")
"""Values of an order that are about one document, or that would have to be kept."""
ENDED: Mapping[str, str] = {"signed": "signed", "refused": "failed", "in-doubt": "in-doubt"}

_KNOWN = (ApiError, HsmError, SignerError, VerifyError)


def create(
    services: Services, caller: Caller, raw: bytes, uploads: Sequence[Upload], *, idempotency_key: str | None
) -> tuple[dict[str, Any], bool]:
    """1. The batch as HTTP answers it, and whether it was made now. Raises NotPermitted, RequestInvalid, KeyNotFound,
    IdempotencyKeyReused; OSError (disk full), and keeps nothing then."""
    auth.require(caller, "sign")
    if services.database.read(callers.named, caller.id) is None:
        raise NotPermitted("a batch is signed later, when nobody vouches for a caller that is not registered")
    order = _order(services, caller, raw, uploads)
    mark = hashlib.sha256(order.canonical() + "".join(f"{one.name}\0{one.sha256}\0" for one in uploads).encode())
    kept: list[BlobId] = []
    made = False

    def insert(connection: sa.Connection) -> tuple[str, bool]:
        found, new = batches.create(
            connection,
            caller=caller.id,
            order=order.canonical().decode(),
            incoming=[Incoming(one.name, one.sha256, one.size, blob) for one, blob in zip(uploads, kept, strict=True)],
            idempotency_key=idempotency_key,
            fingerprint=mark.hexdigest(),
        )
        if new:
            enqueue_within(connection, JOB, {"batch": found}, unique=f"{JOB} {found}", max_tries=LONG_TRIES)
        return found, new

    try:
        for one in uploads:
            one.file.seek(0)
            kept.append(services.blobs.put(one.file))
        identity, made = services.database.write(insert)
    except DatabaseUnavailable:
        kept.clear()  # it may be stored after all; documents of no batch are swept (`api.workflows.sweeping`)
        raise
    finally:
        if not made:
            for blob in kept:
                services.blobs.delete(blob)
    services.jobs.wake()
    return show(services, caller, identity), made


def show(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """How far a batch is. Raises NotFound, also for another caller's."""
    found = _own(services, caller, identity)
    listed = services.database.read(batches.listed, identity)
    results = services.database.read(batches.results, listed)
    told = [_told(one, results.get(one.signature or "", {}), stopped=found.stopped) for one in listed]
    counts = {"total": len(told)}
    for one in told:
        counts[one["status"]] = counts.get(one["status"], 0) + 1
    return {"id": found.id, "status": _status(counts), "counts": counts, "documents": told}


def stop(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """Begin no further document; those that were begun come to their end. Raises NotFound."""
    auth.require(caller, "sign")
    _own(services, caller, identity)
    services.database.write(batches.stop, identity)
    return show(services, caller, identity)


def handlers(services: Services) -> Handlers:
    """2, as `api.jobs` calls it."""
    return {JOB: lambda job: _run(services, job)}


def _run(services: Services, job: Job) -> None:
    identity = str(job.payload["batch"])
    found = services.database.read(batches.get, identity)
    left = [one for one in services.database.read(batches.listed, identity) if one.blob is not None]
    caller = services.database.read(callers.named, found.caller)
    order = parse_order(found.order.encode())
    begun: list[bool] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="batch") as pool:
        for done in as_completed(
            [pool.submit(_sign, services, found, one, order=order, caller=caller) for one in left]
        ):
            begun.append(done.result())
            job.renew()
    if not all(begun):
        raise Later(AGAIN)


def _sign(services: Services, batch: Batch, one: BatchDocument, *, order: OrderRequest, caller: Caller | None) -> bool:
    """Whether this document needs nothing more."""
    assert one.blob is not None
    if services.database.read(batches.get, batch.id).stopped:
        return _settle(services, batch, one, error_code="batch-stopped")
    try:
        if caller is None:
            raise NotPermitted("the caller was revoked")
        with services.blobs.open(one.blob) as file:
            document = Upload(file, one.name, one.sha256, one.size)
            key = f"batch {batch.id} {one.number}"  # a header has no blank in it
            outcome = signing.sign(services, caller, order, document, idempotency_key=key)
    except _KNOWN as error:
        if "signature" in error.facts:  # it has a record, and a job that goes on with it
            return _settle(services, batch, one, signature=str(error.facts["signature"]))
        waited = time.time() - batch.created_at
        if _may_pass(error) and waited < services.settings.signing.completion_retry:
            telemetry.logger().warning("batch waits", batch=batch.id, number=one.number, code=error.code)
            return False
        return _settle(services, batch, one, error_code=error.code)
    return _settle(services, batch, one, signature=outcome.record.id)


def _may_pass(error: ApiError | HsmError | SignerError | VerifyError) -> bool:
    """Whether the same may succeed later, without another document or order."""
    return problems.status_of(error.code, actor=error.actor) in (429, 503) or error.code in problems.RETRY_AFTER


def _settle(
    services: Services, batch: Batch, one: BatchDocument, *, signature: str | None = None, error_code: str | None = None
) -> bool:
    services.database.write(batches.settle, batch.id, one.number, signature=signature, error_code=error_code)
    services.blobs.delete(one.blob or "")
    return True


def _order(services: Services, caller: Caller, raw: bytes, uploads: Sequence[Upload]) -> OrderRequest:
    """The order, if it can be about many documents."""
    order = parse_order(raw)
    for name in UNFIT:
        if getattr(order, name):
            raise RequestInvalid(f"a batch has no {name}", field=name)
    if uploads[0].detached:
        raise RequestInvalid("a batch has no detached contents", part="detached")
    if order.key is None:
        raise KeyNotFound(key="")
    access.key_to_use(services, caller, order.key)
    return order


def _own(services: Services, caller: Caller, identity: str) -> Batch:
    found = services.database.read(batches.get, identity) if identity.isascii() else None
    if found is None or (found.caller != caller.id and not access.sees_of(services, caller, found.caller)):
        raise NotFound
    return found


def _told(one: BatchDocument, result: Mapping[str, Any], *, stopped: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"number": one.number, "name": one.name, "sha256": one.sha256, "size": one.size}
    if one.signature is not None:
        told["status"] = ENDED.get(one.state or "", "signing")
        told["signature"] = one.signature
    elif one.error_code is not None:
        told["status"] = "stopped" if one.error_code == "batch-stopped" else "failed"
    else:
        told["status"] = "stopped" if stopped else "waiting"
    if told["status"] in ("failed", "in-doubt") and one.error_code is not None:
        told["code"] = one.error_code
    if told["status"] == "signed":
        told["document"] = links.to(f"/v1/signatures/{one.signature}/document")
        told |= {name: result[name] for name in ("level", "signed_at", "timestamp", "warnings") if name in result}
        told["signed_sha256"] = result.get("sha256")
    return told


def _status(counts: Mapping[str, int]) -> str:
    """working, done (all signed), failed (none), partly."""
    total, signed = counts["total"], counts.get("signed", 0)
    if counts.get("waiting", 0) or counts.get("signing", 0):
        return "working"
    return "done" if signed == total else "partly" if signed else "failed"
