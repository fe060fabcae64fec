"""What a caller may see: own signatures and keys; with some roles, everybody's. What is not seen does not exist."""

from __future__ import annotations

import json
from typing import Any

from api import auth
from api.errors import NotFound
from api.refusals import DocumentNotReady
from api.services import Services
from api.store import signatures
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.workflows import envelopes
from hsm.keys import KeyInfo


def signature(services: Services, caller: Caller, identity: str) -> SignatureRecord:
    """A record that the caller may see; raises NotFound for the others as for none."""
    record = services.database.read(signatures.get, identity) if identity.isascii() else None
    if record is None or (record.caller != caller.id and not auth.may(caller, "see-all-signatures")):
        raise NotFound
    return record


def signed_blob(record: SignatureRecord) -> str:
    """The blob of the signed document; raises DocumentNotReady while there is none."""
    if record.state != "signed" or record.signed_blob is None:
        raise DocumentNotReady(status=record.state)
    return record.signed_blob


def signature_json(record: SignatureRecord) -> dict[str, Any]:
    """A signature and how far it is, as HTTP answers it."""
    answer: dict[str, Any] = {"id": record.id, "status": record.state}
    if record.state == "signed" and record.result is not None:
        answer |= json.loads(record.result)
        answer["document"] = f"/v1/signatures/{record.id}/document"
    if record.state == "prepared":
        answer["expires_at"] = envelopes.expiry(record)
    if record.error_code is not None:
        answer["code"] = record.error_code
    return answer


def keys(services: Services, caller: Caller) -> tuple[KeyInfo, ...]:
    """The keys that the caller may use, or with a fitting role all of them."""
    everything = auth.may(caller, "see-all-keys")
    return tuple(key for key in services.keys.all() if everything or caller.may_use(key.ref))
