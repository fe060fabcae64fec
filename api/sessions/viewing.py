"""What the official sees of a document: its bytes, its pages as pictures, an XML document as a tree to be read, and
what the signatures are worth that it has.

Pictures and trees are made in the sandbox; those of the last minutes are kept in memory, within a bound.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import msgspec

from api import locale, render
from api.errors import NotFound
from api.locale import Language
from api.refusals import DocumentErased, DocumentNotReady
from api.sandbox.calls import Look
from api.services import Services
from api.sessions import ending, store
from api.sessions.errors import DocumentChanged
from api.sessions.model import Session, SessionDocument
from api.store import signatures
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.workflows import access, verifying
from verify.report import SignatureReport

WIDTHS = (64, 2400)
"""Pixels that a picture may be wide."""
REMEMBERED_BYTES = 16 * 1024 * 1024


class _Remembered:
    """Pictures by what they are of; those longest unseen go first."""

    def __init__(self, limit: int) -> None:
        self._lock, self._limit, self._size = threading.Lock(), limit, 0
        self._found: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    def get(self, key: tuple[str, int, int]) -> bytes | None:
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: tuple[str, int, int], picture: bytes) -> None:
        with self._lock:
            self._size += len(picture) - len(self._found.pop(key, b""))
            self._found[key] = picture
            while self._size > self._limit:
                self._size -= len(self._found.popitem(last=False)[1])


_pictures = _Remembered(REMEMBERED_BYTES)


def find(services: Services, session: Session, document: str) -> SessionDocument:
    """Raises NotFound."""
    for one in services.database.read(store.listed, session.id):
        if one.id == document:
            return one
    raise NotFound


def stored(services: Services, caller: Caller, identity: str, document: str, *, signed: bool) -> tuple[str, str, str]:
    """(blob, media type, file name) of a document as it came, or as it was signed. Raises SessionNotFound, NotFound,
    DocumentNotReady, DocumentErased."""
    session = ending.seen(services, caller, identity)
    one = find(services, session, document)
    kind = "application/pdf" if one.format == "PDF" else "application/xml"
    if not signed:
        return _blob(one), kind, one.name
    return access.signed_blob(_signed(services, one)), kind, one.name


def picture(
    services: Services, caller: Caller, identity: str, document: str, *, page: int, width: int, signed: bool
) -> bytes:
    """A page (from 1) as WebP, as the document came or as it was signed. Raises SessionNotFound, NotFound,
    DocumentNotReady, and what is wrong with the page."""
    session = ending.seen(services, caller, identity)
    one = find(services, session, document)
    if one.format != "PDF" or not 1 <= page <= len(one.survey["pages"]):
        raise NotFound
    asked = Look(page, bounded(width))
    sha256, blob = one.sha256, one.blob
    if signed:
        record = _signed(services, one)
        sha256, blob = one.signed_sha256 or record.id, access.signed_blob(record)
    key = (sha256, asked.page, asked.width)
    found = _pictures.get(key)
    if found is None:
        with services.documents.open(session.caller) as worker, services.blobs.open(blob or _blob(one)) as file:
            found = worker.draw(file, order=asked).picture.webp
        _pictures.put(key, found)
    return found


def pages(services: Services, caller: Caller, identity: str, document: str) -> list[dict[str, float]]:
    """The sizes of the pages as they are shown, in points."""
    one = find(services, ending.seen(services, caller, identity), document)
    return [{"width": page["width"], "height": page["height"]} for page in one.survey["pages"]]


def text(services: Services, caller: Caller, identity: str, document: str) -> dict[str, Any]:
    """An XML document as elements in order, each with its depth. Raises NotFound for another format."""
    session = ending.seen(services, caller, identity)
    one = find(services, session, document)
    if one.format != "XML":
        raise NotFound
    with services.documents.open(session.caller) as worker, services.blobs.open(_blob(one)) as file:
        told = worker.outline(file)
    found: dict[str, Any] = msgspec.to_builtins(told)
    return found


def signatures_in(services: Services, caller: Caller, identity: str, document: str, *, signed: bool) -> dict[str, Any]:
    """What the signatures are worth that a document has, as it came or as it was signed: the verdict on all of them, the
    plain sentence, and each with its signer. Raises SessionNotFound, NotFound, DocumentNotReady, DocumentErased,
    RightRefused, and what keeps a document from being judged."""
    session = ending.seen(services, caller, identity)
    one = find(services, session, document)
    blob = access.signed_blob(_signed(services, one)) if signed else _blob(one)
    access.require_judging(services, caller, size=one.size, sha256=one.sha256)
    with services.blobs.open(blob) as file:
        report = verifying.verify(services, session.caller, file, name=one.name)
    return {
        "verdict": report.verdict,
        "summary": _in_each(lambda language: render.summary(report, language=language)),
        "signatures": [_signature(found, zone=services.settings.zone) for found in report.signatures],
    }


def _signature(found: SignatureReport, *, zone: tzinfo) -> dict[str, Any]:
    time, is_valid = found.best_signature_time, found.indication == "TOTAL_PASSED"
    return {
        "name": render.signer(found),
        "time": None if time is None else time.astimezone(zone).isoformat(timespec="seconds"),
        "indication": found.indication,
        "reason": None if is_valid else _in_each(lambda language: render.reason(found, language=language)),
    }


def _in_each(said: Callable[[Language], str]) -> dict[str, str]:
    return {language: said(language) for language in locale.LANGUAGES}


def bounded(width: int) -> int:
    """The width of a picture that is made when this one is asked for."""
    return max(WIDTHS[0], min(width, WIDTHS[1]))


def require_shown(one: SessionDocument, sha256: str) -> None:
    """Raises DocumentChanged unless this is the document that was shown."""
    if one.sha256 != sha256:
        raise DocumentChanged(document=one.id, expected=sha256, found=one.sha256)


def _signed(services: Services, one: SessionDocument) -> SignatureRecord:
    record = None if one.signature is None else services.database.read(signatures.get, one.signature)
    if one.state != "signed" or record is None:
        raise DocumentNotReady(status=one.state)
    return record


def _blob(one: SessionDocument) -> str:
    if one.blob is None:
        raise DocumentErased(signature=one.signature or "")
    return one.blob
