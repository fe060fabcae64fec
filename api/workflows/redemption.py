"""Signing with a key that is elsewhere, second half: the value of a preparation is accepted once, and completes it.

5. The preparation is the caller's own, and its time is not over.
6. The value is one by the certificate's key over the bytes prepared. A wrong one is refused and uses nothing up.
7. DONE with the value: one of those who bring it at once gets through, and takes the document's head.
8. Completed, like any signature whose value is on record (`recovery.complete`).

| The value | Then |
|---|---|
| comes again | the same answer; where completion waits for a timestamp, it goes on |
| is another than the one accepted | `another-value-given` |
| is not the certificate's | `value-refused`; the right one may follow |
| comes too late | `preparation-expired`; the draft is removed, REFUSED is on record |
"""

from __future__ import annotations

import base64
import time

import sqlalchemy as sa
from cryptography import x509

from api import auth
from api.errors import ClaimLost, NotFound, RequestInProgress
from api.refusals import AnotherValueGiven, NotPrepared, PreparationExpired
from api.sandbox import wire
from api.services import Services
from api.store import heads, sealed, signatures
from api.store.callers import Caller
from api.store.signatures import Hold, SignatureRecord
from api.workflows import contents, envelopes, formats, persons, recovery
from api.workflows.completion import Outcome
from api.workflows.holds import LEASE
from signer.cms import verify_value
from signer.errors import ValueRefused
from signer.model import Prepared

WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)
"""Seconds between looks at a signature that another request is just completing with the same value."""


def redeem(services: Services, caller: Caller, identity: str, value: bytes, *, mechanism: str) -> Outcome:
    """Steps 5 to 8.

    Raises NotFound, NotPrepared, PreparationExpired, ValueRefused, AnotherValueGiven, StaleDocument, what completion
    raises, and RequestInProgress while another request works on the same value for long.
    """
    auth.require(caller, "sign")
    for wait in (*WAITS, None):
        # 5. the caller's own
        record = _own(services, caller, identity)
        if persons.is_persons(services.settings, persons.key_of(record)):
            raise NotPrepared(status=record.state)  # it waits for a person, not for a value
        try:
            if record.state != "prepared":
                return Outcome(_given(services, record, value), repeated=True)
            return _redeem(services, record, value, mechanism=mechanism)
        except (ClaimLost, RequestInProgress):  # another request brought a value a moment ago
            if wait is None:
                raise
            time.sleep(wait)
    raise AssertionError("the last look returns or raises")


def _own(services: Services, caller: Caller, identity: str) -> SignatureRecord:
    record = services.database.read(signatures.get, identity) if identity.isascii() else None
    if record is None or record.caller != caller.id:
        raise NotFound
    return record


def _given(services: Services, record: SignatureRecord, value: bytes) -> SignatureRecord:
    """The signature of a value that was brought before, gone on with where it stopped."""
    if record.error_code == PreparationExpired.code:
        raise PreparationExpired(expires_at=envelopes.expiry(record))
    if record.expires_at is None or record.value is None:
        raise NotPrepared(status=record.state)
    if record.value != value:
        raise AnotherValueGiven(signature=record.id)
    finished = recovery.resume(services, record.id)
    if finished is None:
        raise NotPrepared(status="refused")
    return finished


def _redeem(services: Services, record: SignatureRecord, value: bytes, *, mechanism: str) -> Outcome:
    assert record.prepared is not None
    if is_over(record):
        expire(services, record)
        raise PreparationExpired(expires_at=envelopes.expiry(record))
    # 6. the right value
    prepared = wire.unpack(record.prepared, Prepared)
    try:
        _require_right(value, prepared, mechanism=mechanism)
    except ValueRefused as error:
        services.refusals.note(error, caller=record.caller, key="", document_sha256=record.document_sha256)
        raise
    # 7. DONE
    hold = _accept(services, record, value)
    record = services.database.read(signatures.get, record.id) or record
    # 8. completed
    with services.holds.kept(hold, None):
        outcome = Outcome(recovery.complete(services, hold, record, claim=None))
    services.metrics.signatures.labels(prepared.order.level, "signed").inc()
    return outcome


def _require_right(value: bytes, prepared: Prepared, *, mechanism: str) -> None:
    if mechanism != prepared.order.mechanism:
        raise ValueRefused("the value was made by another mechanism", mechanism=mechanism)
    certificate = x509.load_der_x509_certificate(prepared.order.certificate)
    verify_value(certificate.public_key(), value, tbs=prepared.tbs, mechanism=mechanism)


def _accept(services: Services, record: SignatureRecord, value: bytes) -> Hold:
    """The value is on record, and the document's head is this signature's. Raises ClaimLost, StaleDocument."""
    goes_on = formats.took_head(record)
    holds: list[Hold] = []

    def also(connection: sa.Connection, _number: int) -> None:
        holds[:] = [signatures.redeem(connection, record.id, value=value, lease=LEASE)]
        if goes_on:
            heads.take(connection, record.document_sha256, successor=record.id)

    facts = {
        "signature": record.id,
        "caller": record.caller,
        "prepared_number": record.ledger_number,
        "value": base64.b64encode(value).decode(),
    }
    services.ledger.append("DONE", facts, also=also)
    return holds[0]


# --- expiry -----------------------------------------------------------------------------------------------------------


def expire_all(services: Services) -> int:
    """Remove what waited too long for its value; returns how many. Run every few seconds, by any process."""
    over = services.database.read(signatures.expired, now=time.time())
    for identity in over:
        record = services.database.read(signatures.get, identity)
        if record is not None:
            expire(services, record)
    return len(over)


def expire(services: Services, record: SignatureRecord) -> None:
    """REFUSED is on record, the draft is gone; nothing happens where the value came after all."""
    facts = {
        "signature": record.id,
        "caller": record.caller,
        "document_sha256": record.document_sha256,
        "code": PreparationExpired.code,
    }

    def also(connection: sa.Connection, _number: int) -> None:
        signatures.expire(connection, record.id, error_code=PreparationExpired.code)
        sealed.forget(connection, record.id)

    try:
        services.ledger.append("REFUSED", facts, also=also)
    except ClaimLost:
        return
    services.blobs.delete(record.document_blob)
    contents.forget(services, contents.of(record))


def is_over(record: SignatureRecord) -> bool:
    return record.expires_at is not None and record.expires_at <= time.time()
