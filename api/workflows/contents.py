"""What an XML signature needs beside its draft, kept as blobs with its record.

Two things: the document as it came, from which the draft is laid out anew after a crash (in XML, what comes behind a
signature moves when the signature grows), and the detached contents, which archive timestamps are over (EN 319 132-1
§5.5.2) and without which the signature cannot be judged. The former is let go of when the document is signed, unless the
signature stands beside it: then it is a detached content itself. The others stay as long as the signed document does.

The record's order names them, under `kept`; a PDF has neither, since its draft begins with the document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from api.schemas import OrderRequest
from api.services import Services
from api.store.blobs import BlobId, Blobs
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from api.workflows.formats import is_beside
from signer.model import Prepared


@dataclass(frozen=True)
class Kept:
    """Blobs: of the document as it came, if it is needed, and of (name, blob) each detached content.

    `name` is the document's, where the signature refers to it by that."""

    original: str | None = None
    name: str | None = None
    detached: tuple[tuple[str, str], ...] = ()

    def blobs(self) -> tuple[str, ...]:
        further = tuple(blob for _, blob in self.detached)
        return further if self.original is None else (self.original, *further)


NOTHING = Kept()


def name_of(order: OrderRequest, document: Upload) -> str | None:
    """The name by which a signature beside the document knows it."""
    return document.name if is_beside(order) else None


def bound(order: OrderRequest, document: Upload) -> bytes:
    """What an Idempotency-Key is bound to beside the document's digest: the order, and all that the signature names."""
    named = [(one.name, one.mime, one.sha256) for one in document.detached]
    name = name_of(order, document)
    if not named and name is None:
        return order.canonical()
    return order.canonical() + json.dumps([name, named], ensure_ascii=False).encode()


def keep(services: Services, order: OrderRequest, document: Upload) -> Kept:
    """Put what will be needed where it lasts. Raises OSError (disk full), and leaves nothing then."""
    if order.format != "XAdES":
        return NOTHING
    made: list[BlobId] = []
    try:
        for file in (document.file, *(one.file for one in document.detached)):
            file.seek(0)
            made.append(services.blobs.put(file))
    except BaseException:
        _delete(services.blobs, made)
        raise
    original, *further = made
    names = (one.name for one in document.detached)
    return Kept(original, name_of(order, document), tuple(zip(names, further, strict=True)))


def told(order: OrderRequest, kept: Kept, **more: str) -> str:
    """The order as it is stored: with where to find what was kept."""
    if kept == NOTHING and not more:
        return order.canonical().decode()
    said: dict[str, Any] = {**json.loads(order.canonical()), **more}
    if kept != NOTHING:
        said["kept"] = {"original": kept.original, "name": kept.name, "detached": kept.detached}
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def of(record: SignatureRecord) -> Kept:
    """What was kept for a record."""
    if '"kept"' not in record.order:  # as of nearly all PDFs: nothing to take apart
        return NOTHING
    said: Mapping[str, Any] = json.loads(record.order).get("kept") or {}
    detached = tuple((str(name), str(blob)) for name, blob in said.get("detached", ()))
    return Kept(said.get("original"), said.get("name"), detached)


@contextmanager
def opened(services: Services, record: SignatureRecord) -> Iterator[Mapping[str, BinaryIO]]:
    """The contents that a record's signature refers to by name, its own document among them where it stands beside it.

    Raises BlobMissing."""
    kept = of(record)
    with ExitStack() as held:
        found = {name: held.enter_context(services.blobs.open(blob)) for name, blob in kept.detached}
        if kept.original is not None and kept.name is not None:
            found[kept.name] = held.enter_context(services.blobs.open(kept.original))
        yield found


def unchanged(prepared: Prepared) -> int:
    """Bytes at the beginning of a draft that completing it leaves as they are: a PDF's is the document and more."""
    return 0 if prepared.order.format == "XAdES" else prepared.original_size


def stays(prepared: Prepared) -> int | None:
    """The same where completing a draft leaves its size as it is, too; None where it does not."""
    return None if prepared.order.format == "XAdES" else unchanged(prepared)


def settle(services: Services, record: SignatureRecord) -> None:
    """The document is signed: let go of what only a repetition would need."""
    kept = of(record)
    if kept.original is not None and kept.name is None:
        _delete(services.blobs, (kept.original,))


def forget(services: Services, kept: Kept) -> None:
    """The document will not be signed."""
    _delete(services.blobs, kept.blobs())


def facts(document: Upload, *, format: str) -> dict[str, Any]:  # noqa: A002 - the ledger's word
    """What the ledger says of what is signed."""
    digests = sorted({one.sha256 for one in document.detached})
    return {"format": format, "document_sha256": document.sha256} | ({"detached_sha256": digests} if digests else {})


def _delete(blobs: Blobs, found: tuple[str, ...] | list[BlobId]) -> None:
    for blob in found:
        blobs.delete(blob)
