"""The document security store of a PDF (/DSS, EN 319 142-1 §5.4.2): certificates, CRLs, OCSP responses.

Only read here; what the evidence is worth is found out by `verify.evidence`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verify import kept
from verify.found import Evidence
from verify.pdf import UNEXPECTED, get
from verify.revisions import Layout

MAX_ITEMS = 1_000


@dataclass(frozen=True)
class Store:
    """The evidence of the newest store."""

    evidence: Evidence
    items: tuple[kept.Item, ...] = ()
    written: tuple[int, ...] = ()
    """Ends of the revisions that wrote the store's dictionary, oldest first."""

    def kept_at(self, certificate: bytes | None, *, behind: int) -> int | None:
        """From which end of a revision on a store that was written behind the signature (`behind`: what it covers) speaks
        of the signer's own revocation; None when none does.

        Of issuers nothing is asked: which of them somebody trusts directly, a level cannot know (EN 319 142-1 §6).
        """
        later = min((end for end in self.written if end > behind), default=None)
        since = kept.since(self.items, certificate)
        return max(since, later) if since is not None and later is not None else None

    def archived_at(self, certificate: bytes | None, *, known: tuple[bytes, ...] = ()) -> int | None:
        """From which end of a revision on the store speaks of the revocation of the certificate and of every issuer
        of it that is known, up to one that issued itself; None when it does not. Whether it is right is judged
        elsewhere."""
        return kept.complete_since(self.items, certificate, known=(*self.evidence.certificates, *known))


def read(reader: PdfFileReader, *, layout: Layout) -> Store:
    """The store of the newest revision; an empty one when there is none."""
    items = [*_items(reader, "/CRLs", layout=layout), *_items(reader, "/OCSPs", layout=layout)]
    return Store(evidence(reader), tuple(items), tuple(_written(reader, layout=layout)))


def evidence(reader: PdfFileReader) -> Evidence:
    """What the newest store holds, whatever it is about."""
    store = get(reader.root, "/DSS")
    if not isinstance(store, generic.DictionaryObject):
        return Evidence()
    certificates, crls, ocsps = (tuple(_streams(store, key)) for key in ("/Certs", "/CRLs", "/OCSPs"))
    return Evidence(certificates, crls, ocsps)


def _written(reader: PdfFileReader, *, layout: Layout) -> Iterator[int]:
    """A revision wrote the store when it names another object as the store, or writes that object anew."""
    if "/DSS" not in reader.root:
        return
    before: object = None
    for number, revision in enumerate(layout.revisions):
        try:
            root = reader.get_historical_root(number)
            stored = root.raw_get("/DSS") if "/DSS" in root else None
            holder = stored.reference if isinstance(stored, generic.IndirectObject) else root.container_ref
            known = (holder.idnum, holder.generation) if stored is not None else None
            if known is not None and (known != before or holder in reader.xrefs.explicit_refs_in_revision(number)):
                yield revision.marker_end
            before = known
        except UNEXPECTED:
            continue


def _items(reader: PdfFileReader, key: str, *, layout: Layout) -> Iterator[kept.Item]:
    """The lists or responses of the store that can be read, each with the revision in which it came."""
    stored = get(get(reader.root, "/DSS"), key)
    read_item = kept.of_crl if key == "/CRLs" else kept.of_ocsp
    for index in range(min(len(stored), MAX_ITEMS) if isinstance(stored, generic.ArrayObject) else 0):
        try:
            item = stored.raw_get(index)
            der = bytes(item.get_object().data)
            revision = reader.xrefs.get_introducing_revision(item.reference)
            found = read_item(der, at=layout.revisions[revision].marker_end)
        except UNEXPECTED:
            continue
        if found is not None:
            yield found


def _streams(store: generic.DictionaryObject, key: str) -> Iterator[bytes]:
    items = get(store, key)
    if not isinstance(items, generic.ArrayObject):
        return
    for item in list(items)[:MAX_ITEMS]:
        try:
            stream = item.get_object()
            if isinstance(stream, generic.StreamObject):
                yield bytes(stream.data)
        except UNEXPECTED:
            continue
