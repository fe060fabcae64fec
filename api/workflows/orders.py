"""What every order goes through before it is signed, whoever holds the key: claimed, compared, put in the signer's words.

Used by `signing` (a key of the appliance) and `preparations` (a key on a token elsewhere), whose steps it is part of.
"""

from __future__ import annotations

import contextlib

from api.errors import ClaimLost, DatabaseUnavailable, StaleDocument
from api.schemas import OrderRequest
from api.services import Services
from api.store import idempotency, signatures
from api.store.callers import Caller
from api.store.idempotency import Claim
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows import contents, looks, recovery
from api.workflows.holds import LEASE
from hsm.keys import KeyInfo, Mechanism
from signer.model import SignOrder

BYTES_PER_SECOND = 5_000_000
"""How slow the preparation of a large document may be, for the length of the first claim."""


def require_head(order: OrderRequest, document: Upload) -> None:
    if order.head is not None and order.head != document.sha256:
        raise StaleDocument(expected=order.head, found=document.sha256)


def claim(
    services: Services, caller: Caller, order: OrderRequest, document: Upload, *, key: str | None
) -> Claim | None:
    if key is None:
        return None
    mark = idempotency.fingerprint(order=contents.bound(order, document), document_sha256=document.sha256)
    lease = LEASE + (document.size + sum(one.size for one in document.detached)) / BYTES_PER_SECOND
    return services.database.write(idempotency.begin, caller=caller.id, key=key, fingerprint=mark, lease=lease)


def known(services: Services, claim: Claim | None) -> SignatureRecord | None:
    """The signature that this request led to before; None when there is none yet, and all is to be done."""
    if claim is None or claim.signature is None:
        return None
    if claim.outcome == "done":
        return services.database.read(signatures.get, claim.signature)
    return recovery.resume(services, claim.signature, claim=claim)


def give_back(services: Services, claim: Claim | None, error: Exception) -> None:
    """Free the Idempotency-Key of a request that ended before its key was used.

    Not after an error of the database: whether the INTENT is there is then not known, and the next equal call finds out
    when the claim has lapsed."""
    if claim is None or isinstance(error, DatabaseUnavailable | ClaimLost):
        return
    # Else it lapses by itself; what is raised is the error that ended the request.
    with contextlib.suppress(ClaimLost, DatabaseUnavailable):
        services.database.write(idempotency.abandon, claim)


def plan(services: Services, order: OrderRequest, document: Upload, key: KeyInfo, *, mechanism: Mechanism) -> SignOrder:
    """The order as the signer takes it; its format is decided (`formats.fitting`)."""
    assert order.format is not None
    xml = order.xml
    return SignOrder(
        certificate=key.certificate or b"",
        chain=key.chain,
        mechanism=mechanism,
        signing_time=services.clock().replace(microsecond=0),
        format=order.format,
        level=order.level,
        field=order.field,
        place=order.signer_place(),
        anchor=order.signer_anchor(),
        certify=order.certify,
        fields=order.signer_fields(),
        fill=order.signer_fill(),
        stamp=order.signer_stamp(),
        look=looks.look_of(services.settings.home, order),
        name=order.name,
        reason=order.reason,
        location=order.location,
        contact=order.contact,
        password=order.password,
        repair=order.repair,
        timestamp_authorities=services.settings.authorities_for(order.key or key.ref),
        timestamp_policy=services.settings.timestamping.policy,
        allow_degraded=order.allow_degraded,
        xml=None
        if xml is None or xml.packaging is None
        else xml.plan(packaging=xml.packaging, name=contents.name_of(order, document), detached=document.detached),
    )
