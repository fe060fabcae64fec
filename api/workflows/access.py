"""What a caller may see and do: own signatures and keys; with some roles, all that the caller's organisation reaches; and
within the rules on the use of keys. What is not seen does not exist."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from api import auth, links
from api.errors import NotFound
from api.refusals import DocumentErased, DocumentNotReady
from api.rights import Grant, Use
from api.rights.errors import RightRefused
from api.rights.rule import JUDGING, LIFTING
from api.schemas import OrderRequest
from api.services import Services
from api.store import signatures
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows import envelopes
from hsm.errors import KeyNotFound
from hsm.keys import KeyInfo, Mechanism
from signer.model import Format, Level


def signature(services: Services, caller: Caller, identity: str) -> SignatureRecord:
    """A record that the caller may see; raises NotFound for the others as for none."""
    record = services.database.read(signatures.get, identity) if identity.isascii() else None
    if record is None or (record.caller != caller.id and not _sees_others(services, caller, record)):
        raise NotFound
    return record


def _sees_others(services: Services, caller: Caller, record: SignatureRecord) -> bool:
    return auth.may(caller, "see-all-signatures") and services.scopes.sees_signature(caller, record)


def sees_of(services: Services, caller: Caller, other: str) -> bool:
    """Whether the caller may see what another one, by its id, asked for."""
    return auth.may(caller, "see-all-signatures") and services.scopes.sees_caller(caller, other)


def key_to_use(services: Services, caller: Caller, ref: str) -> str:
    """The key, if the caller may sign with it; raises KeyNotFound for the others as for none."""
    if not services.scopes.may_use_key(caller, ref):
        raise KeyNotFound(key=ref)
    return ref


def grant(
    services: Services,
    caller: Caller,
    order: OrderRequest,
    document: Upload,
    *,
    mechanism: Mechanism,
    certificate: bytes | None = None,
) -> Grant:
    """The order is within the rules. `certificate` (DER) is that of a key which is elsewhere: then it must be one that the
    caller may ask. Raises RightRefused."""
    if certificate is not None:
        services.scopes.require_certificate(caller, certificate)
    key = order.key or f"certificate:{hashlib.sha256(certificate or b'').hexdigest()}"
    packaging = None if order.xml is None else order.xml.packaging
    use = Use(
        key=key,
        level=order.level,
        format=order.format,
        packaging=packaging,
        mechanism=mechanism,
        procedure=dict(caller.told).get("procedure"),
        size=_size(document),
    )
    return services.rights.grant(caller, use)


def require_lifting(services: Services, caller: Caller, document: Upload, *, level: Level, format: Format) -> None:  # noqa: A002 - the order's word
    """The caller may have this document lifted, now, and that is counted. Raises RightRefused."""
    _count(services, caller, Use(key=LIFTING, level=level, format=format, size=_size(document)), document.sha256)


def require_judging(services: Services, caller: Caller, *, size: int, sha256: str) -> None:
    """The caller may have this document judged, now, and that is counted. Raises RightRefused."""
    _count(services, caller, Use(key=JUDGING, size=size), sha256)


def require_judging_signed(services: Services, caller: Caller, record: SignatureRecord) -> None:
    """The same for a document that was signed here. Raises RightRefused."""
    made = json.loads(record.result or "{}")
    require_judging(services, caller, size=made.get("size", 0), sha256=made.get("sha256", ""))


def _count(services: Services, caller: Caller, use: Use, sha256: str) -> None:
    """No key is used, so that there is no line with which it could be counted: it is, by itself, before it begins."""
    try:
        grant = services.rights.grant(caller, use)
        if grant.is_counted:
            services.database.write(grant.count)
    except RightRefused as error:
        services.refusals.note(error, caller=caller.id, key="", document_sha256=sha256)
        raise


def _size(document: Upload) -> int:
    return document.size + sum(one.size for one in document.detached)


def signed_blob(record: SignatureRecord) -> str:
    """The blob of the signed document; raises DocumentNotReady while there is none, DocumentErased when it was kept
    for as long as it should be."""
    if record.state != "signed":
        raise DocumentNotReady(status=record.state)
    if record.signed_blob is None:
        raise DocumentErased(signature=record.id)
    return record.signed_blob


def signature_json(record: SignatureRecord) -> dict[str, Any]:
    """A signature and how far it is, as HTTP answers it."""
    answer: dict[str, Any] = {"id": record.id, "status": record.state}
    if record.state == "signed" and record.result is not None:
        answer |= json.loads(record.result)
        answer["document"] = links.to(f"/v1/signatures/{record.id}/document")
    if record.state == "prepared":
        answer["expires_at"] = envelopes.expiry(record)
    if record.error_code is not None:
        answer["code"] = record.error_code
    return answer


def keys(services: Services, caller: Caller) -> tuple[KeyInfo, ...]:
    """The keys that the caller may use, or with a fitting role all that its organisation reaches."""
    sees = services.scopes.sees_key if auth.may(caller, "see-all-keys") else services.scopes.may_use_key
    return tuple(key for key in services.keys.all() if sees(caller, key.ref))
