"""One document of a session becomes a signature: its order as it was agreed to, signed or prepared, once.

Each try of a consent has an Idempotency-Key of its own that no caller can send, so that whoever goes on after a crash
finds what was begun.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from api.errors import ApiError
from api.refusals import DocumentErased
from api.schemas import OrderRequest, parse_order
from api.services import Services
from api.sessions import creating, moves, people, steps
from api.sessions.errors import DocumentChanged
from api.sessions.model import Session, SessionDocument
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows import activations, signing
from hsm.errors import HsmError
from signer.errors import SignerError
from verify.errors import VerifyError


def signer(services: Services, session: Session) -> Caller:
    """In whose name the signatures are made: see `people.signer`."""
    return people.signer(services, session, on_behalf=(session.consent or {}).get("on_behalf"))


def sign(services: Services, session: Session, one: SessionDocument) -> SignatureRecord:
    """With a key of the appliance or a seal. Raises DocumentChanged, and what `signing.sign` does."""
    with stored(services, one) as upload:
        key = _once(session, one)
        return signing.sign(
            services, _asking(services, session, one), order_of(services, session, one), upload, idempotency_key=key
        ).record


def prepare(services: Services, session: Session, one: SessionDocument) -> SignatureRecord:
    """With a person's key. Raises DocumentChanged, and what `activations.prepare` does."""
    with stored(services, one) as upload:
        key = _once(session, one)
        return activations.prepare(
            services, _asking(services, session, one), order_of(services, session, one), upload, idempotency_key=key
        ).record


def _asking(services: Services, session: Session, one: SessionDocument) -> Caller:
    """The signer; of a document in a procedure, the ledger tells which, and rules on the use of keys may name it."""
    procedure = one.request["procedure"]
    caller = signer(services, session)
    if procedure is None:
        return caller
    said = (("procedure", procedure), ("procedure_sha256", steps.digest_of(procedure)))
    return replace(caller, told=(*caller.told, *said))


def fail(
    services: Services, session: Session, one: SessionDocument, error: ApiError | HsmError | SignerError | VerifyError
) -> None:
    """The document is not signed: with its code, and what to tell the hotline."""
    moves.settle(services, session, one, "failed", what=None, code=error.code, support_code=support_code(session, one))


def support_code(session: Session, one: SessionDocument) -> str:
    """Short enough to be read out, and found in the log and the ledger by whoever helps."""
    return f"{session.id.removeprefix('ses_')[:8].upper()}-{one.number}"


@contextmanager
def stored(services: Services, one: SessionDocument) -> Iterator[Upload]:
    """The stored document, if it still is the one that was agreed to."""
    if one.blob is None:
        raise DocumentErased(signature="")
    with services.blobs.open(one.blob) as file:
        sha256, size = creating.digest_of(file)
        if sha256 != one.sha256:
            raise DocumentChanged(document=one.id, expected=one.sha256, found=sha256)
        yield Upload(file, one.name, sha256, size)


def order_of(services: Services, session: Session, one: SessionDocument) -> OrderRequest:
    """As it came, with what the official decided."""
    assert session.consent is not None
    key = session.consent["key"]
    order: dict[str, Any] = {**one.request["order"], "key": key, "head": one.sha256}
    if one.request["procedure"] is not None:
        order |= steps.order_of(services, one, values_of(one), key=key)
        return parse_order(json.dumps(order, ensure_ascii=False).encode())
    if one.place is not None and not order.get("place"):
        order["place"] = {"page": one.place["page"], "box": one.place["own"]}
    if one.fill:
        order["fill"] = {**order.get("fill", {}), **one.fill}
    return parse_order(json.dumps(order, ensure_ascii=False).encode())


def values_of(one: SessionDocument) -> dict[str, Any]:
    """What is filled in: as it was asked for, and as the official changed it."""
    asked = {value["name"]: value["value"] for value in one.request["fill"]}
    return {**asked, **(one.fill or {})}


def _once(session: Session, one: SessionDocument) -> str:
    return f"session {session.id} {one.number} {session.round}"  # a header has no blank in it
