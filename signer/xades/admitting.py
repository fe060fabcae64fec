"""Whether an order can be carried out as XAdES at all: before anything is parsed or written.

1. It asks for nothing that only a PDF has: what would mean nothing is refused, not passed over.
2. Time and authorities are there as the level needs them.
3. Every file that is to be signed is at hand, none is too large, and the packaging fits what the document is.

    admitted = admit(source, order, detached={})
    admitted.kind, admitted.size
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import BinaryIO, Final

from signer.errors import NoTimestampAuthority, OrderInvalid, SignerError
from signer.model import SignOrder
from signer.xades.contents import require_files
from signer.xades.plan import DEFAULT
from verify.document import Kind, Limits, size_of, sniff
from verify.errors import DocumentTooLarge, EmptyDocument, NotADocument

_NAMES = (
    "field", "place", "stamp", "name", "reason", "location", "contact", "anchor", "certify", "fields", "fill",
    "look", "password", "repair",
)  # fmt: skip
_OF_PDF = attrgetter(*_NAMES)
_NOTHING: Final = _OF_PDF(SignOrder(b"", (), "", datetime.min.replace(tzinfo=UTC)))
_LIMITS: Final = Limits()


class OrderNotForFormat(SignerError):
    """The order asks for something that this format of signature does not have."""

    code = "order-not-for-format"


@dataclass(frozen=True)
class Admitted:
    """The document: what it is by its content (None: any other file), and its size."""

    kind: Kind | None
    size: int


def admit(source: BinaryIO, order: SignOrder, *, detached: Mapping[str, BinaryIO]) -> Admitted:
    """The three steps. Raises OrderNotForFormat, OrderInvalid, NoTimestampAuthority, ContentMissing, VerifyError."""
    # 1
    if (given := _OF_PDF(order)) != _NOTHING:
        name = next(name for name, one, nothing in zip(_NAMES, given, _NOTHING, strict=True) if one != nothing)
        raise OrderNotForFormat(format="XAdES", value=name)
    # 2
    if order.signing_time.tzinfo is None:
        raise OrderInvalid("the signing time has no time zone", reason="signing-time")
    if order.level != "B-B" and not order.timestamp_authorities:
        raise NoTimestampAuthority
    # 3
    plan = order.xml or DEFAULT
    require_files(plan, detached)
    size = size_of(source)
    if not size:
        raise EmptyDocument
    try:
        kind: Kind | None = sniff(source)
    except NotADocument:
        kind = None
    is_read = plan.packaging == "enveloped" or bool(plan.elements)
    if is_read and kind != "XML":
        raise OrderInvalid("only an XML document takes a signature inside", reason="packaging-needs-xml")
    limit = _LIMITS.xml if is_read or plan.packaging == "enveloping" else _LIMITS.document
    if size > limit:
        raise DocumentTooLarge(size=size, limit=limit)
    return Admitted(kind, size)


def require_pdf(order: SignOrder, *, detached: Mapping[str, BinaryIO]) -> None:
    """The other way round: an order for a PDF says nothing of XML."""
    if order.xml is not None or detached:
        raise OrderNotForFormat(format="PAdES", value="xml" if order.xml is not None else "detached")
