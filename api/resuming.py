"""Files that are sent in pieces: begun, gone on with after a broken line, used as a document, removed.

    made = begin(services, owner, name="a.pdf", size=90_000_000)
    taking = Taking(services, made); taking.feed(data); taking.store()      # a piece is durable, and counts
    with opened(services, owner, made.id) as upload: ...                    # the whole, as if it had come at once

What was received is put into the blob store, encrypted as documents are, in pieces of a megabyte, or of less where the line
is thin: so a broken line, or a process that is ended, costs seconds of sending and no more. A piece counts if it begins
where the last one ended, decided in one UPDATE: of two connections that send the same part one gets through. Uploads are
their owner's alone, bounded in number and bytes, and swept once their time is over.

No library: those for ASGI keep plain files in a folder of one machine; here pieces lie in the store that documents lie in,
encrypted, and any node takes the next one. `api.routes.uploads` speaks the protocol.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import ExitStack
from io import BytesIO
from typing import BinaryIO

import sqlalchemy as sa

from api.errors import ApiError, StorageFull, UploadTooLarge
from api.incoming import Budget, Sink
from api.services import Services
from api.settings.section import KIB, MIB
from api.store import resumable
from api.store.resumable import Uploading
from api.uploads import Upload

PREFIX = "upl_"
REFERENCE = "upload:"
"""What an upload is preceded by where a document is named."""
VISITORS = "visitors"
"""Who owns what is sent without an API key; whoever has the id may go on with it."""
PIECE = MIB
SMALL, SOON = 64 * KIB, 5.0
"""A piece is stored once it has so many bytes and so many seconds have passed since the last one."""
SPARE = 256 * MIB
"""Bytes that stay free on the disk."""
DIGESTS = ("sha1", "sha256")
"""What a piece may bring along; the protocol asks for the first."""


class UploadNotFound(ApiError):
    """There is no such upload, it is somebody else's, or its time is over."""

    code = "upload-not-found"
    actor = "caller"


class UploadOffsetWrong(ApiError):
    """The piece does not begin where the upload ends."""

    code = "upload-offset-wrong"
    actor = "caller"


class UploadUnfinished(ApiError):
    """The upload is not whole yet."""

    code = "upload-unfinished"
    actor = "caller"


class UploadChecksumWrong(ApiError):
    """The piece is not what its digest says; nothing of it was kept."""

    code = "upload-checksum-wrong"
    actor = "caller"


class UploadProtocolUnknown(ApiError):
    """The request is not of the version of tus that is spoken here."""

    code = "upload-protocol-unknown"
    actor = "caller"


class UploadsTooMany(ApiError):
    """The caller has as many uploads, or as large ones, as it may."""

    code = "uploads-too-many"
    actor = "caller"


def begin(services: Services, owner: str, *, name: str, size: int, limit: int) -> Uploading:
    """A new upload, empty. Raises UploadTooLarge, UploadsTooMany, StorageFull."""
    if size > limit:
        raise UploadTooLarge(limit=limit)
    disk = os.statvfs(services.settings.blobs)
    if disk.f_bavail * disk.f_frsize < size + SPARE:
        raise StorageFull
    chosen = services.settings.uploads
    made = Uploading(PREFIX + secrets.token_hex(16), owner, name, size, 0, time.time() + chosen.hours * 3600)

    def add(connection: sa.Connection) -> bool:
        count, held = resumable.held(connection, owner)
        if count >= chosen.at_a_time or held + size > chosen.bytes_:
            return False
        resumable.add(connection, made)
        return True

    if not services.database.write(add):
        raise UploadsTooMany(count=chosen.at_a_time, bytes=chosen.bytes_)
    return made


def find(services: Services, owner: str, identity: str) -> Uploading:
    """Raises UploadNotFound."""
    found = services.database.read(resumable.get, identity, owner=owner, now=time.time())
    if found is None:
        raise UploadNotFound
    return found


def end(services: Services, owner: str, identity: str) -> None:
    """Remove an upload. Raises UploadNotFound."""
    _remove(services, find(services, owner, identity).id)


def sweep(services: Services, *, now: float) -> int:
    """Remove what has expired; how many."""
    gone = services.database.read(resumable.expired, now=now)
    for one in gone:
        _remove(services, one)
    return len(gone)


def _remove(services: Services, identity: str) -> None:
    for blob in services.database.write(resumable.remove, identity):
        services.blobs.delete(blob)


def opened(services: Services, owner: str, reference: str) -> Upload:
    """The file, for whoever closes it; it stays where it is. Raises UploadNotFound, UploadUnfinished, NoRoomToWork."""
    found = find(services, owner, reference.removeprefix(REFERENCE))
    if not found.is_whole:
        raise UploadUnfinished(size=found.size, offset=found.offset)
    with ExitStack() as until:
        file = services.work.file(size=found.size)
        until.callback(file.close)
        digest = _join(services, found, file)
        until.pop_all()
    return Upload(file, found.name, digest, found.size)


def _join(services: Services, found: Uploading, file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for blob in services.database.read(resumable.blobs, found.id):
        for part in services.blobs.pieces(blob):
            digest.update(part)
            file.write(part)
    file.flush()
    file.seek(0)
    return digest.hexdigest()


class Taking:
    """One connection that sends a part of an upload."""

    def __init__(self, services: Services, upload: Uploading) -> None:
        self._services, self._upload = services, upload
        self._held = bytearray()
        self._stored_at = time.monotonic()
        self.offset = upload.offset

    def feed(self, data: bytes) -> bool:
        """Take what came; whether it is time to `store`. Raises UploadTooLarge for more than was announced."""
        if self.offset + len(self._held) + len(data) > self._upload.size:
            self._held.clear()
            raise UploadTooLarge(limit=self._upload.size)
        self._held += data
        waited = time.monotonic() - self._stored_at
        return len(self._held) >= PIECE or (len(self._held) >= SMALL and waited >= SOON)

    def store(self) -> None:
        """What came is durable, and counts. Raises UploadOffsetWrong where another connection was first."""
        data, self._held = bytes(self._held), bytearray()
        self._stored_at = time.monotonic()
        if data:
            self.offset = _append(self._services, self._upload, data, start=self.offset)


class Checked:
    """The same for a part that brings its digest: all of it counts, or nothing does."""

    def __init__(self, services: Services, upload: Uploading, *, name: str, digest: bytes) -> None:
        self._services, self._upload = services, upload
        self._ends = ExitStack()
        self._sink = Sink("", folder=services.work, opened=self._ends, budget=Budget(upload.size - upload.offset))
        self._digest, self._expected = hashlib.new(name, usedforsecurity=False), digest
        self.offset = upload.offset

    def feed(self, data: bytes) -> bool:
        self._digest.update(data)
        self._sink.write(data)
        return False

    def store(self) -> None:
        """Raises UploadChecksumWrong, UploadOffsetWrong."""
        if not secrets.compare_digest(self._digest.digest(), self._expected):
            raise UploadChecksumWrong
        self._sink.file.seek(0)
        while data := self._sink.file.read(PIECE):
            self.offset = _append(self._services, self._upload, data, start=self.offset)

    def close(self) -> None:
        self._ends.close()


def _append(services: Services, upload: Uploading, data: bytes, *, start: int) -> int:
    """Where the upload ends now."""
    blob = services.blobs.put(BytesIO(data))
    until = time.time() + services.settings.uploads.hours * 3600
    size = len(data)
    if not services.database.write(resumable.append, upload.id, start=start, size=size, blob=blob, expires_at=until):
        services.blobs.delete(blob)
        raise UploadOffsetWrong(offset=start)
    return start + len(data)
