"""Signing with a key that is elsewhere, first half: the document is prepared here, the value will come from outside.
Or with a person's key here, which waits for that person (`api.workflows.activations`).

A token on an official's desk, a remote signing service: whoever holds the key gets what is to be signed
(`api.workflows.envelopes`), and brings the value within `signing.preparation` seconds (`api.workflows.redemption`, steps
5 to 8), to any process of the service.

1. The caller may sign; the request is new, or known (as with a key of the appliance).
2. The certificate that the order brings is of somebody whom the caller may ask, within the rules (`api.rights`), and may
   be signed with: period, path, revocation; it names the mechanism.
3. A worker prepares a draft.
4. The draft is durable; then PREPARED is, with the record, and the answer under its Idempotency-Key.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import Literal

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import auth
from api.errors import DatabaseUnavailable, RequestInvalid
from api.rights import Grant
from api.sandbox import wire
from api.schemas import OrderRequest
from api.services import Services
from api.store import heads, idempotency, sealed, signatures
from api.store.blobs import Draft
from api.store.callers import Caller
from api.store.idempotency import Claim
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
    redemption,
    secrecy,
    signing,
)
from api.workflows.completion import Outcome
from api.workflows.holds import LEASE
from hsm.errors import MechanismNotSupported
from hsm.keys import KeyInfo, Mechanism
from signer.model import Prepared

BY_CURVE: dict[str, Mechanism] = {"secp256r1": "ecdsa_sha256", "secp384r1": "ecdsa_sha384"}
RSA_MECHANISMS: tuple[Mechanism, ...] = (
    "rsassa_pkcs1v15_sha256",
    "rsassa_pkcs1v15_sha384",
    "rsassa_pkcs1v15_sha512",
    "rsassa_pss_sha256",
    "rsassa_pss_sha384",
    "rsassa_pss_sha512",
)
"""The first is the default: many readers in the field lack PSS."""


def prepare(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, idempotency_key: str | None = None
) -> Outcome:
    """The four steps; the caller closes `document`. The record is `prepared`, or further where it was known."""
    # 1. new, or known
    auth.require(caller, "sign")
    try:
        if order.key is not None:
            access.key_to_use(services, caller, order.key)
        order = formats.fitting(order, document)
        claim = orders.claim(services, caller, order, document, key=idempotency_key)
        known = orders.known(services, claim)
        if known is not None and known.state == "prepared" and redemption.is_over(known):
            redemption.expire(services, known)
            known = services.database.read(signatures.get, known.id)
        if claim is not None and known is not None and known.state == "refused":
            claim, known = services.database.write(idempotency.again, claim, lease=LEASE), None
        outcome = Outcome(known, repeated=True) if known else _prepare(services, caller, order, document, claim)
    except Exception as error:
        services.refusals.note(error, caller=caller.id, key=order.key or "", document_sha256=document.sha256)
        services.metrics.signatures.labels(order.level, getattr(error, "code", "internal-error")).inc()
        raise
    services.metrics.signatures.labels(order.level, "repeated" if outcome.repeated else "prepared").inc()
    return outcome


def _prepare(services: Services, caller: Caller, order: OrderRequest, document: Upload, claim: Claim | None) -> Outcome:
    with services.documents.open(caller.id) as worker, services.blobs.draft(size=document.size) as draft:
        try:
            orders.require_head(order, document)
            # 2. the certificate
            if order.key is None:
                key = key_of(order)
                usable = mechanisms.believed(services, key, wanted=order.mechanism)
                mechanism, brought = _mechanism(usable, wanted=order.mechanism), key.certificate
            else:
                key = signing.document_key(services, order.key, format=order.format)
                usable = mechanisms.believed(services, key, wanted=order.mechanism)
                mechanism, brought = services.keys.mechanism(usable, wanted=order.mechanism), None
            grant = access.grant(services, caller, order, document, mechanism=mechanism, certificate=brought)
            plan = orders.plan(services, order, document, key, mechanism=mechanism)
            services.certificates.check(key, at=plan.signing_time)
            # 3. the draft
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
            # 4. durable
            identity = _keep(
                services, caller, order, document, draft=draft, prepared=prepared, claim=claim, grant=grant
            )
        except Exception as error:
            orders.give_back(services, claim, error)
            raise
    record = services.database.read(signatures.get, identity)
    assert record is not None
    return Outcome(record)


def key_of(order: OrderRequest) -> KeyInfo:
    """What the order says of a key that is elsewhere. Raises RequestInvalid, MechanismNotSupported."""
    first, *more = _certificates(order.certificate or "", where="certificate")
    more += [one for text in order.chain for one in _certificates(text, where="chain")]
    label = first.subject.rfc4514_string()
    mechanisms: tuple[Mechanism, ...]
    public_key = first.public_key()
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    match public_key:
        case rsa.RSAPublicKey():
            mechanisms, size = RSA_MECHANISMS, public_key.key_size
        case ec.EllipticCurvePublicKey() if public_key.curve.name in BY_CURVE:
            mechanisms, size = (BY_CURVE[public_key.curve.name],), public_key.key_size
        case ed25519.Ed25519PublicKey():
            mechanisms, size = ("ed25519",), 256
        case _:
            raise MechanismNotSupported(key=label, mechanism=order.mechanism or "any", offered="")
    algorithm: Literal["rsa", "ec", "ed25519"] = (
        "rsa" if mechanisms[0].startswith("rsa") else "ec" if mechanisms[0].startswith("ec") else "ed25519"
    )
    certificate, *chain = (one.public_bytes(Encoding.DER) for one in (first, *more))
    return KeyInfo(label, "", label, algorithm, size, mechanisms, spki, certificate, tuple(chain))


def _certificates(text: str, *, where: str) -> list[x509.Certificate]:
    """Certificates in PEM, or one as DER in base64."""
    try:
        if "-----BEGIN" in text:
            return x509.load_pem_x509_certificates(text.encode())
        return [x509.load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))]
    except ValueError:
        raise RequestInvalid(f"{where}: neither PEM nor DER in base64", field=where) from None


def _mechanism(key: KeyInfo, *, wanted: Mechanism | None) -> Mechanism:
    for mechanism in key.mechanisms:
        if wanted in (None, mechanism):
            return mechanism
    raise MechanismNotSupported(key=key.ref, mechanism=wanted or "any", offered=", ".join(key.mechanisms))


def _keep(
    services: Services,
    caller: Caller,
    order: OrderRequest,
    document: Upload,
    *,
    draft: Draft,
    prepared: Prepared,
    claim: Claim | None,
    grant: Grant,
) -> str:
    """The draft, the PREPARED line and the record, all durable."""
    identity = signatures.new_id()
    packed = wire.pack(passwords.without(prepared))
    password = passwords.seal(services, prepared, signature=identity)
    expires_at = time.time() + services.settings.signing.preparation
    kept = contents.keep(services, order, document)
    order_json = contents.told(order, kept, document_name=document.name)
    blob = services.blobs.keep(draft)

    def also(connection: sa.Connection, number: int) -> None:
        grant.count(connection)
        if formats.goes_on(order):
            heads.require(connection, document.sha256)
        signatures.create(
            connection,
            caller=caller.id,
            order=order_json,
            document_sha256=document.sha256,
            document_blob=blob,
            prepared=packed,
            ledger_number=number,
            id=identity,
            expires_at=expires_at,
        )
        if password is not None:
            sealed.keep(connection, identity, value=password)
        if claim is not None:
            idempotency.attach(connection, claim, signature=identity, lease=LEASE)
            idempotency.finish(connection, claim, answer=completion.answer_json(identity))

    facts = {
        "signature": identity,
        "caller": caller.id,
        **({"key": order.key} if order.key is not None else {}),
        "certificate_sha256": hashlib.sha256(prepared.order.certificate).hexdigest(),
        "mechanism": prepared.order.mechanism,
        "level": prepared.order.level,
        **contents.facts(document, format=prepared.order.format),
        **looks.facts(prepared.order.look),
        **grant.facts,
        **dict(caller.told),
        **services.directory.facts(key=order.key, certificate=prepared.order.certificate, person=caller.person),
        "tbs_sha256": hashlib.sha256(prepared.tbs).hexdigest(),
    }
    try:
        services.ledger.append("PREPARED", facts, also=also)
    except DatabaseUnavailable:
        raise  # it may be stored after all; then it expires
    except BaseException:
        services.blobs.delete(blob)
        contents.forget(services, kept)
        raise
    return identity
