"""What a document timestamp of a PDF covers: every object that stands, as it is now, in the revisions before it.

For EN 319 102-1 §5.6.2.3. Only octets count: an object that a later revision replaced is not the one that was covered.

    items = pdf_proofs.items(reader, layout=layout, signatures=signatures, timestamps=timestamps)
    pdf_proofs.covered(items, by=timestamp)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verify import timestamp as tokens
from verify.found import Evidence, FoundSignature, FoundTimestamp, identify
from verify.pdf import UNEXPECTED, get
from verify.pdf_store import MAX_ITEMS
from verify.revisions import Layout
from verify.timestamp_certificates import TimestampUnreadable


@dataclass(frozen=True)
class Item:
    """An object by its id, and the end of what must be covered for the object to be."""

    identity: str
    end: int


def items(
    reader: PdfFileReader,
    *,
    layout: Layout,
    signatures: Iterable[FoundSignature],
    timestamps: Iterable[FoundTimestamp],
) -> tuple[Item, ...]:
    """Signature values, timestamps, and the certificates and revocation data that came with them or in /DSS."""
    found = [Item(identify(der), end) for der, end in _stored(reader, layout=layout)]
    for signature in signatures:
        own = (signature.value, *_all(signature.carried))
        found.extend(Item(identify(octets), signature.covers) for octets in own)
        found.extend(item for stamp in signature.timestamps for item in _token(stamp))
    for stamp in timestamps:
        found.extend(_token(stamp))
    return tuple(found)


def covered(items: Iterable[Item], *, by: FoundTimestamp) -> frozenset[str]:
    """Ids of what this timestamp covers; its own token is in no case among them."""
    own = identify(by.der)
    return frozenset(item.identity for item in items if item.end <= by.covers and item.identity != own)


def _token(stamp: FoundTimestamp) -> Iterator[Item]:
    yield Item(identify(stamp.der), stamp.covers)
    try:
        carried = tokens.read(stamp.der).certificates
    except TimestampUnreadable:
        return
    yield from (Item(identify(der), stamp.covers) for der in carried)


def _all(evidence: Evidence) -> Iterator[bytes]:
    yield from evidence.certificates
    yield from evidence.crls
    yield from evidence.ocsps


def _stored(reader: PdfFileReader, *, layout: Layout) -> Iterator[tuple[bytes, int]]:
    """(DER, what must be covered) of the streams of /DSS: the revision that wrote it last, and the octets themselves,
    since a cross-reference section may point behind its revision at what was written later."""
    shift = getattr(reader.stream, "offset", 0)
    store = get(reader.root, "/DSS")
    for key in ("/Certs", "/OCSPs", "/CRLs"):
        streams = get(store, key)
        for index in range(min(len(streams), MAX_ITEMS) if isinstance(streams, generic.ArrayObject) else 0):
            try:
                item = streams.raw_get(index)
                revision = reader.xrefs.get_last_change(item.reference)
                place = reader.xrefs.get_historical_ref(item.reference, revision)
                stream = item.get_object()
                if isinstance(place, int):
                    end = place + shift + len(stream.encoded_data)
                    yield bytes(stream.data), max(layout.revisions[revision].marker_end, end)
            except UNEXPECTED:
                continue
