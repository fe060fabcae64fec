"""Signing with a person's key: prepared here, agreed to by the person, and only then signed by the keeper.

A signature in two phases whose middle step is the person's assertion (W3C WebAuthn). The keeper believes nobody but the
person's authenticator (`hsm.activating`); this is the way to ask it.

1. The document is prepared and kept, as for a key that is elsewhere (`api.workflows.preparations`).
2. `challenge`: the keeper gives a challenge over what is to be signed, of one prepared signature or of many.
3. `complete`: the person's assertion makes an activation. It must be for exactly these signatures.
4. Of each: INTENT with the activation, and the record is `signing`, in one transaction; it takes the document's head.
5. The keeper signs; DONE; completed, like any other (`api.workflows.signing`, steps 7 to 12).

| The assertion | Then |
|---|---|
| is not believed | `activation-refused`, on record; another challenge may be asked for until the keeper locks |
| comes too late, comes again, or the keeper was started anew | `activation-unknown`: ask for a new challenge |
| is for other documents | `activation-mismatch`: no key is used |
| comes again for signatures that are made | their answers again |
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa

from api import auth
from api.errors import NotFound, RequestInvalid
from api.refusals import NotPrepared, PreparationExpired
from api.sandbox import wire
from api.schemas import OrderRequest
from api.services import Services
from api.store import activated, heads, signatures
from api.store.callers import Caller
from api.store.signatures import Hold, SignatureRecord
from api.uploads import Upload
from api.workflows import access, envelopes, formats, looks, persons, preparations, recovery, redemption, signing
from api.workflows.completion import Outcome
from api.workflows.holds import LEASE
from hsm.activation import Activation, Assertion, Challenge, Documents
from hsm.errors import ActivationMismatch, ActivationRefused
from hsm.keys import KeyInfo, Mechanism
from signer.model import Prepared


def prepare(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, idempotency_key: str | None = None
) -> Outcome:
    """Step 1. The record is `prepared`, or further where it was known."""
    return preparations.prepare(services, caller, order, document, idempotency_key=idempotency_key)


def challenge(services: Services, caller: Caller, identities: Sequence[str]) -> Challenge:
    """Step 2, for prepared signatures of one key. Raises NotFound, NotPrepared, PreparationExpired, RequestInvalid, and
    what the keeper does: NoCredential, ActivationLocked."""
    auth.require(caller, "sign")
    records = _waiting(services, caller, identities)
    key = _key(services, caller, records)
    documents = tuple(_document(_prepared(one)) for one in records)
    return services.keys.token(key).begin_activation(key.ref, documents, asker=caller.id)


def complete(
    services: Services, caller: Caller, identities: Sequence[str], assertion: Assertion
) -> tuple[Outcome, ...]:
    """Steps 3 to 5, in the order given. Where one signature fails, those before it are made; the error is raised.

    Raises the errors of activations, NotFound, NotPrepared, PreparationExpired, StaleDocument, and what a key's use and
    completion raise.
    """
    auth.require(caller, "sign")
    made = _made(services, caller, identities)
    if made is not None:
        return made
    activation = activate(services, caller, identities, assertion)
    records = _waiting(services, caller, identities)
    key = _key(services, caller, records)
    return tuple(_sign(services, caller, record, key, activation.id) for record in records)


def activate(services: Services, caller: Caller, identities: Sequence[str], assertion: Assertion) -> Activation:
    """Step 3 alone: the keeper believes the person, and it is about these signatures and no others. They are made one by
    one with `use`, within the activation's time. Raises as `complete`."""
    auth.require(caller, "sign")
    records = _waiting(services, caller, identities)
    key = _key(services, caller, records)
    try:
        activation = services.keys.token(key).activate(assertion)
    except ActivationRefused as error:
        for record in records:
            services.refusals.note(error, caller=caller.id, key=key.ref, document_sha256=record.document_sha256)
        raise
    _require_same(activation, key, records)
    return activation


def use(services: Services, caller: Caller, identity: str, activation: str) -> Outcome:
    """Steps 4 and 5 of one signature, under an activation by its id; one that was begun is gone on with. Raises as
    `complete`."""
    auth.require(caller, "sign")
    made = _made(services, caller, (identity,))
    if made is not None:
        return made[0]
    (record,) = _waiting(services, caller, (identity,))
    return _sign(services, caller, record, _key(services, caller, (record,)), activation)


def as_json(services: Services, caller: Caller, record: SignatureRecord) -> dict[str, Any]:
    """A signature that waits for a person, as HTTP answers it, with a fresh challenge."""
    prepared = _prepared(record)
    return {
        "id": record.id,
        "status": record.state,
        "activation": challenge_json(challenge(services, caller, (record.id,))),
        "expires_at": envelopes.expiry(record),
        "warnings": list(prepared.warnings),
    }


def challenge_json(asked: Challenge) -> dict[str, Any]:
    """What a page needs for navigator.credentials.get(), and `text`, whose SHA-256 the challenge is."""
    return {
        "challenge": _base64url(asked.challenge),
        "credential_ids": [_base64url(one) for one in asked.credentials],
        "rp_id": asked.rp_id,
        "user_verification": "required",
        "expires_at": datetime.fromtimestamp(asked.expires_at, UTC).isoformat(timespec="seconds"),
        "text": asked.text.decode(),
    }


def _sign(services: Services, caller: Caller, record: SignatureRecord, key: KeyInfo, activation: str) -> Outcome:
    """Steps 4 and 5."""
    prepared = _prepared(record)
    hold, record = _intend(services, caller, record, key, prepared, activation=activation)
    with services.holds.kept(hold, None):
        record = signing.use_key(services, hold, record, key, prepared, claim=None, activation=activation)
        outcome = Outcome(recovery.complete(services, hold, record, claim=None))
    services.metrics.signatures.labels(prepared.order.level, "signed").inc()
    return outcome


def _intend(
    services: Services,
    caller: Caller,
    record: SignatureRecord,
    key: KeyInfo,
    prepared: Prepared,
    *,
    activation: str,
) -> tuple[Hold, SignatureRecord]:
    goes_on = formats.took_head(record)
    begun: list[tuple[Hold, int]] = []

    def also(connection: sa.Connection, number: int) -> None:
        begun[:] = [(activated.begin(connection, record.id, ledger_number=number, lease=LEASE), number)]
        if goes_on:
            heads.take(connection, record.document_sha256, successor=record.id)

    facts = {
        "signature": record.id,
        "caller": caller.id,
        "key": key.ref,
        "mechanism": prepared.order.mechanism,
        "level": prepared.order.level,
        **looks.facts(prepared.order.look),
        **dict(caller.told),
        **services.directory.facts(key=key.ref, person=caller.person),
        "document_sha256": record.document_sha256,
        "tbs_sha256": hashlib.sha256(prepared.tbs).hexdigest(),
        "activation": activation,
        "prepared_number": record.ledger_number,
    }
    services.key_user.intend(facts, also=also)
    hold, number = begun[0]
    return hold, replace(record, state="signing", ledger_number=number)


# --- which signatures -------------------------------------------------------------------------------------------------


def _made(services: Services, caller: Caller, identities: Sequence[str]) -> tuple[Outcome, ...] | None:
    """The signatures, gone on with where they stopped, if none of them waits for a person any more."""
    records = [_own(services, caller, one) for one in identities]
    if not records or any(record.state == "prepared" for record in records):
        return None
    outcomes = []
    for record in records:
        if record.error_code == PreparationExpired.code:
            raise PreparationExpired(expires_at=envelopes.expiry(record))
        finished = recovery.resume(services, record.id)
        if finished is None:
            raise NotPrepared(status="refused")
        outcomes.append(Outcome(finished, repeated=True))
    return tuple(outcomes)


def _waiting(services: Services, caller: Caller, identities: Sequence[str]) -> list[SignatureRecord]:
    if not identities or len(set(identities)) != len(identities):
        raise RequestInvalid("signatures: one or more, each once", field="signatures")
    records = [_own(services, caller, one) for one in identities]
    for record in records:
        if record.state != "prepared":
            raise NotPrepared(status=record.state)
        if redemption.is_over(record):
            redemption.expire(services, record)
            raise PreparationExpired(expires_at=envelopes.expiry(record))
    return records


def _own(services: Services, caller: Caller, identity: str) -> SignatureRecord:
    record = services.database.read(signatures.get, identity) if identity.isascii() else None
    if record is None or record.caller != caller.id:
        raise NotFound
    if not persons.is_persons(services.settings, persons.key_of(record)):
        raise NotPrepared(status=record.state)
    return record


def _key(services: Services, caller: Caller, records: Sequence[SignatureRecord]) -> KeyInfo:
    """The one key of all, if the caller may still use it."""
    refs = {persons.key_of(record) or "" for record in records}
    if len(refs) != 1:
        raise RequestInvalid("signatures: all with one key", field="signatures")
    return services.keys.find(access.key_to_use(services, caller, refs.pop()))


def _prepared(record: SignatureRecord) -> Prepared:
    assert record.prepared is not None
    found: Prepared = wire.unpack(record.prepared, Prepared)
    return found


def _document(prepared: Prepared) -> tuple[Mechanism, bytes]:
    return cast(Mechanism, prepared.order.mechanism), hashlib.sha256(prepared.tbs).digest()


def _require_same(activation: Activation, key: KeyInfo, records: Sequence[SignatureRecord]) -> None:
    """The person agreed to these signatures and no others: else nothing is signed, not even what is among them."""
    documents: Documents = tuple(_document(_prepared(record)) for record in records)
    wanted = [[mechanism, digest.hex()] for mechanism, digest in documents]
    if activation.key != key.ref or json.loads(activation.text)["documents"] != wanted:
        raise ActivationMismatch(key=key.ref)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
