"""Signing with a key of the appliance: one document, one key, twelve steps that never use the key twice.

1. The caller may use the key: role, pattern, organisation; a key that is not the caller's does not exist.
2. The request is new: an Idempotency-Key that is known repeats the answer, or goes on where the request stopped.
3. The head: the document is the one that the order expects; and, within step 6, no later signature was built on it.
4. The order is within the rules on the key (`api.rights`); the certificate may be signed with: period, key, path,
   revocation.
5. A worker prepares: a draft, which is the document and a revision with a gap, and the bytes to sign.
6. The draft is durable; then INTENT is, and in the same transaction the record with all that completion needs; limits
   are counted in it.
7. A permit.
8. The keeper signs.
9. DONE is durable with the value, in the ledger and in the record. At B-B, where the next two steps take milliseconds,
   it goes with the next transaction of this process, before step 12 at the latest; until then the keeper's log has it.
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

import hashlib
import secrets
import time
from typing import cast

import sqlalchemy as sa

from api import auth
from api.errors import DatabaseUnavailable
from api.refusals import SignatureInDoubt
from api.rights import Grant
from api.sandbox import wire
from api.schemas import OrderRequest
from api.services import Services
from api.settings import Key as KeySettings
from api.store import heads, idempotency, sealed, signatures
from api.store.blobs import Draft
from api.store.callers import Caller
from api.store.idempotency import Claim
from api.store.signatures import Hold, SignatureRecord
from api.uploads import Upload
from api.workflows import (
    access,
    completion,
    contents,
    formats,
    looks,
    mechanisms,
    orders,
    passwords,
    persons,
    recovery,
    secrecy,
)
from api.workflows.completion import Outcome
from api.workflows.holds import LEASE
from hsm.errors import HsmError, KeyNotFound, SigningInterrupted
from hsm.keys import KeyInfo, Mechanism
from hsm.shape import Shape
from signer.model import Prepared


def sign(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, idempotency_key: str | None = None
) -> Outcome:
    """The twelve steps; the caller closes `document`. Raises the errors of all packages, known by their codes."""
    # 1. a key that is not the caller's does not exist
    auth.require(caller, "sign")
    try:
        assert order.key is not None
        ref = access.key_to_use(services, caller, order.key)
        order = formats.fitting(order, document)
        # 2. new, or known
        claim = orders.claim(services, caller, order, document, key=idempotency_key)
        known = orders.known(services, claim)
        outcome = (
            Outcome(known, repeated=True) if known else _sign(services, caller, order, document, ref=ref, claim=claim)
        )
    except Exception as error:
        services.refusals.note(error, caller=caller.id, key=order.key or "", document_sha256=document.sha256)
        services.metrics.signatures.labels(order.level, getattr(error, "code", "internal-error")).inc()
        raise
    services.metrics.signatures.labels(order.level, "repeated" if outcome.repeated else "signed").inc()
    return outcome


def _sign(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, ref: str, claim: Claim | None
) -> Outcome:
    with services.documents.open(caller.id) as worker, services.blobs.draft(size=document.size) as draft:
        try:
            # 3. the head
            orders.require_head(order, document)
            # 4. the certificate
            persons.refuse(services.settings, ref)
            key = document_key(services, ref, format=order.format)
            usable = mechanisms.believed(services, key, wanted=order.mechanism)
            mechanism = services.keys.mechanism(usable, wanted=order.mechanism)
            grant = access.grant(services, caller, order, document, mechanism=mechanism)
            plan = orders.plan(services, order, document, key, mechanism=mechanism)
            services.certificates.check(key, at=plan.signing_time)
            # 5. prepare; the nonce is fixed here, so that a repeated completion asks the same question
            nonce = 1 << 63 | secrets.randbits(63)
            secrecy.require_unmarked(
                services, worker, document.file, detached=document.contents, password=order.password
            )
            prepared = worker.prepare(
                document.file,
                draft.file,
                order=plan,
                sha256=document.sha256,
                nonce=nonce,
                detached=document.contents,
            )
            # 6. draft, INTENT and record
            hold, record = _intend(
                services, caller, order, document, draft=draft, prepared=prepared, claim=claim, grant=grant
            )
        except Exception as error:
            orders.give_back(services, claim, error)
            raise
        with services.holds.kept(hold, claim):
            # 7, 8, 9. permit, signature, DONE
            record = use_key(services, hold, record, key, prepared, claim=claim)
            # 10–12
            return completion.finish(services, hold, record, worker=worker, draft=draft, prepared=prepared, claim=claim)


# --- step 4 ------------------------------------------------------------------------------------------------------------


def document_key(services: Services, ref: str, *, format: str | None) -> KeyInfo:  # noqa: A002 - the order's word
    """The key, if it signs documents of this kind at all: to those who sign them, an authority's key is none."""
    shape: Shape = "signed-info" if format == "XAdES" else "signed-attributes"
    if shape not in services.settings.keys.get(ref, KeySettings()).shapes:
        raise KeyNotFound(key=ref)
    return services.keys.find(ref)


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
    grant: Grant,
) -> tuple[Hold, SignatureRecord]:
    """The draft, the INTENT line and the record, all durable."""
    identity = signatures.new_id()
    packed = wire.pack(passwords.without(prepared))
    password = passwords.seal(services, prepared, signature=identity)
    kept = contents.keep(services, order, document)
    order_json = contents.told(order, kept)
    blob = services.blobs.keep(draft, unchanged=contents.stays(prepared))
    made: list[tuple[Hold, int]] = []

    def also(connection: sa.Connection, number: int) -> None:
        grant.count(connection)
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
        if password is not None:
            sealed.keep(connection, identity, value=password)
        if formats.goes_on(order):
            heads.take(connection, document.sha256, successor=identity)
        if claim is not None:
            idempotency.attach(connection, claim, signature=identity, lease=LEASE)
        made[:] = [(hold, number)]  # the transaction may run more than once; the last one counts

    facts = {
        "signature": identity,
        "caller": caller.id,
        "key": order.key,
        "mechanism": prepared.order.mechanism,
        "level": prepared.order.level,
        **contents.facts(document, format=prepared.order.format),
        **looks.facts(prepared.order.look),
        **grant.facts,
        **dict(caller.told),
        **services.directory.facts(key=order.key, person=caller.person),
        "tbs_sha256": hashlib.sha256(prepared.tbs).hexdigest(),
    }
    try:
        services.key_user.intend(facts, also=also)
    except DatabaseUnavailable:
        raise  # it may be stored after all: recovery needs the draft then
    except BaseException:
        services.blobs.delete(blob)
        contents.forget(services, kept)
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


def use_key(
    services: Services,
    hold: Hold,
    record: SignatureRecord,
    key: KeyInfo,
    prepared: Prepared,
    *,
    claim: Claim | None,
    activation: str = "",
) -> SignatureRecord:
    """The record with the value; raises what kept the key from signing, once that is on record."""
    assert record.ledger_number is not None
    number, mechanism = record.ledger_number, cast(Mechanism, prepared.order.mechanism)
    try:
        value = services.key_user.sign(key, mechanism=mechanism, tbs=prepared.tbs, number=number, activation=activation)
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
    store = recovery.store_value_soon if prepared.order.level == "B-B" else recovery.store_value
    return store(services, hold, record, value=value)
