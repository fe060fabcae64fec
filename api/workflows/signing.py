"""Signing with a key of the appliance: one document, one key, twelve steps that never use the key twice.

1. The caller may use the key: role and pattern; a key that is not the caller's does not exist.
2. The request is new: an Idempotency-Key that is known repeats the answer, or goes on where the request stopped.
3. The head: the document is the one that the order expects.
4. The certificate may be signed with: period, key, path, revocation.
5. A worker prepares: a draft, which is the document and a revision with a gap, and the bytes to sign.
6. The draft is durable; then INTENT is, and in the same transaction the record with all that completion needs.
7. A permit.
8. The keeper signs.
9. DONE is durable with the value, in the ledger and in the record.
10. A worker completes: timestamp, embedding, self-check.
11. The completed file is durable: the draft, with the signature in its gap.
12. COMPLETED, the record `signed`, and the answer under its Idempotency-Key, in one transaction.

| It fails at | Ledger | Record | Same Idempotency-Key again |
|---|---|---|---|
| 1–5 refused | REFUSED | none | starts anew |
| 1–6 service away | – | none | starts anew |
| 8 the key did not sign | FAILED | refused | starts anew |
| 8 not known | IN_DOUBT | in-doubt | asks the keeper's log; never signs |
| crash between 6 and 9 | INTENT, then as the keeper's log says | signing | by `recovery` |
| 10 no timestamp | DONE | completing; a job retries | completes, never signs |
| 10 refused | DONE, REFUSED | refused | starts anew |
| crash after 9 | DONE | completing | completes, never signs |
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from typing import cast

import sqlalchemy as sa

from api import auth
from api.errors import ClaimLost, DatabaseUnavailable, StaleDocument
from api.refusals import SignatureInDoubt
from api.sandbox import wire
from api.schemas import OrderRequest
from api.services import Services
from api.settings import Key as KeySettings
from api.store import idempotency, signatures
from api.store.blobs import Draft
from api.store.callers import Caller
from api.store.idempotency import Claim
from api.store.signatures import Hold, SignatureRecord
from api.uploads import Upload
from api.workflows import completion, recovery
from api.workflows.completion import Outcome
from api.workflows.holds import LEASE
from hsm.errors import HsmError, KeyNotFound, SigningInterrupted
from hsm.keys import KeyInfo, Mechanism
from signer.model import Prepared, SignOrder

BYTES_PER_SECOND = 5_000_000
"""How slow the preparation of a large document may be, for the length of the first claim."""


def sign(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, idempotency_key: str | None = None
) -> Outcome:
    """The twelve steps; the caller closes `document`. Raises the errors of all packages, known by their codes."""
    # 1. a key that is not the caller's does not exist
    auth.require(caller, "sign")
    try:
        _require_key(caller, order)
        # 2. new, or known
        claim = _claim(services, caller, order, document, key=idempotency_key)
        known = _known(services, claim)
        outcome = Outcome(known, repeated=True) if known else _sign(services, caller, order, document, claim)
    except Exception as error:
        services.refusals.note(error, caller=caller.id, key=order.key, document_sha256=document.sha256)
        services.metrics.signatures.labels(order.level, getattr(error, "code", "internal-error")).inc()
        raise
    services.metrics.signatures.labels(order.level, "repeated" if outcome.repeated else "signed").inc()
    return outcome


def _sign(services: Services, caller: Caller, order: OrderRequest, document: Upload, claim: Claim | None) -> Outcome:
    with services.documents.open(caller.id) as worker, services.blobs.draft() as draft:
        try:
            # 3. the head
            _require_head(order, document)
            # 4. the certificate
            key = _document_key(services, order)
            plan = _plan(services, order, key)
            services.certificates.check(key, at=plan.signing_time)
            # 5. prepare; the nonce is fixed here, so that a repeated completion asks the same question
            nonce = 1 << 63 | secrets.randbits(63)
            prepared = worker.prepare(document.file, draft.file, order=plan, sha256=document.sha256, nonce=nonce)
            # 6. draft, INTENT and record
            hold, record = _intend(services, caller, order, document, draft=draft, prepared=prepared, claim=claim)
        except Exception as error:
            _give_back(services, claim, error)
            raise
        with services.holds.kept(hold, claim):
            # 7, 8, 9. permit, signature, DONE
            record = _use_key(services, hold, record, key, prepared, claim=claim)
            # 10–12
            return completion.finish(services, hold, record, worker=worker, draft=draft, prepared=prepared, claim=claim)


# --- steps 1 to 3 -----------------------------------------------------------------------------------------------------


def _require_key(caller: Caller, order: OrderRequest) -> None:
    if not caller.may_use(order.key):
        raise KeyNotFound(key=order.key)


def _require_head(order: OrderRequest, document: Upload) -> None:
    if order.head is not None and order.head != document.sha256:
        raise StaleDocument(expected=order.head, found=document.sha256)


def _claim(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, key: str | None
) -> Claim | None:
    if key is None:
        return None
    mark = idempotency.fingerprint(order=order.canonical(), document_sha256=document.sha256)
    lease = LEASE + document.size / BYTES_PER_SECOND
    return services.database.write(idempotency.begin, caller=caller.id, key=key, fingerprint=mark, lease=lease)


def _known(services: Services, claim: Claim | None) -> SignatureRecord | None:
    """The signature that this request led to before; None when there is none yet, and all is to be done."""
    if claim is None or claim.signature is None:
        return None
    if claim.outcome == "done":
        return services.database.read(signatures.get, claim.signature)
    return recovery.resume(services, claim.signature, claim=claim)


def _give_back(services: Services, claim: Claim | None, error: Exception) -> None:
    """Free the Idempotency-Key of a request that ended before its key was used.

    Not after an error of the database: whether the INTENT is there is then not known, and the next equal call finds out
    when the claim has lapsed."""
    if claim is None or isinstance(error, DatabaseUnavailable | ClaimLost):
        return
    # Else it lapses by itself; what is raised is the error that ended the request.
    with contextlib.suppress(ClaimLost, DatabaseUnavailable):
        services.database.write(idempotency.abandon, claim)


# --- steps 4 and 5 ----------------------------------------------------------------------------------------------------


def _document_key(services: Services, order: OrderRequest) -> KeyInfo:
    """The key, if it signs documents at all: to those who sign them, an authority's key is none."""
    shapes = services.settings.keys.get(order.key, KeySettings()).shapes
    if "signed-attributes" not in shapes:
        raise KeyNotFound(key=order.key)
    return services.keys.find(order.key)


def _plan(services: Services, order: OrderRequest, key: KeyInfo) -> SignOrder:
    """The order as the signer takes it."""
    return SignOrder(
        certificate=key.certificate or b"",
        chain=key.chain,
        mechanism=services.keys.mechanism(key, wanted=order.mechanism),
        signing_time=services.clock().replace(microsecond=0),
        format=order.format,
        level=order.level,
        field=order.field,
        place=order.signer_place(),
        stamp=order.signer_stamp(),
        name=order.name,
        reason=order.reason,
        location=order.location,
        contact=order.contact,
        timestamp_authorities=services.settings.authorities_for(key.ref),
        timestamp_policy=services.settings.timestamping.policy,
        allow_degraded=order.allow_degraded,
    )


# --- step 6 -----------------------------------------------------------------------------------------------------------


def _intend(
    services: Services,
    caller: Caller,
    order: OrderRequest,
    document: Upload,
    *,
    draft: Draft,
    prepared: Prepared,
    claim: Claim | None,
) -> tuple[Hold, SignatureRecord]:
    """The draft, the INTENT line and the record, all durable."""
    identity = signatures.new_id()
    packed, order_json = wire.pack(prepared), order.canonical().decode()
    blob = services.blobs.keep(draft)
    made: list[tuple[Hold, int]] = []

    def also(connection: sa.Connection, number: int) -> None:
        hold = signatures.create(
            connection,
            caller=caller.id,
            order=order_json,
            document_sha256=document.sha256,
            document_blob=blob,
            prepared=packed,
            ledger_number=number,
            id=identity,
            lease=LEASE,
        )
        if claim is not None:
            idempotency.attach(connection, claim, signature=identity, lease=LEASE)
        made[:] = [(hold, number)]  # the transaction may run more than once; the last one counts

    facts = {
        "signature": identity,
        "caller": caller.id,
        "key": order.key,
        "mechanism": prepared.order.mechanism,
        "level": prepared.order.level,
        "document_sha256": document.sha256,
        "tbs_sha256": hashlib.sha256(prepared.tbs).hexdigest(),
    }
    try:
        services.key_user.intend(facts, also=also)
    except DatabaseUnavailable:
        raise  # it may be stored after all: recovery needs the draft then
    except BaseException:
        services.blobs.delete(blob)
        raise
    hold, number = made[0]
    now = time.time()
    # What was just written, without reading it again.
    return hold, SignatureRecord(
        id=identity,
        caller=caller.id,
        state="signing",
        order=order_json,
        document_sha256=document.sha256,
        document_blob=blob,
        prepared=packed,
        value=None,
        ledger_number=number,
        result=None,
        signed_blob=None,
        error_code=None,
        created_at=now,
        updated_at=now,
    )


# --- steps 7 to 9 -----------------------------------------------------------------------------------------------------


def _use_key(
    services: Services, hold: Hold, record: SignatureRecord, key: KeyInfo, prepared: Prepared, *, claim: Claim | None
) -> SignatureRecord:
    """The record with the value; raises what kept the key from signing, once that is on record."""
    assert record.ledger_number is not None
    number, mechanism = record.ledger_number, cast(Mechanism, prepared.order.mechanism)
    try:
        value = services.key_user.sign(key, mechanism=mechanism, tbs=prepared.tbs, number=number)
    except SignatureInDoubt as error:
        recovery.mark_in_doubt(services, hold, record, claim=claim)
        error.facts = {**error.facts, "signature": record.id}
        raise
    except SigningInterrupted as error:
        completion.put_off(services, hold, record, claim=claim)
        error.facts = {**error.facts, "signature": record.id}
        raise
    except HsmError as error:
        recovery.mark_failed(services, hold, record, code=error.code, claim=claim)
        raise
    return recovery.store_value(services, hold, record, value=value)
