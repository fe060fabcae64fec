"""Blobs: documents as files in a folder, by id. Put there whole and durable, or not at all.

A file arrives under another name, is fsynced, then renamed, then the folder is fsynced: an id that was returned can be
read after a power cut. Ids are random, not digests: the same document put twice is two blobs, so that deleting one
never takes away another's. There is no change and no listing; whoever stores an id owns the blob.

>>> import io, tempfile
>>> blobs = Blobs(Path(tempfile.mkdtemp()))
>>> blob = blobs.put(io.BytesIO(b"%PDF-1.7"))
>>> with blobs.open(blob) as file: file.read()
b'%PDF-1.7'
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO, NewType

from api.errors import BlobMissing

BlobId = NewType("BlobId", str)
_ID = re.compile(r"[0-9a-f]{32}")
CHUNK = 1 << 20


class Blobs:
    """A store in `folder`, made when missing, readable by this user alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, source: BinaryIO) -> BlobId:
        """Copy `source` from its present position to its end. Raises OSError (disk full), and leaves nothing then."""
        blob = BlobId(secrets.token_hex(16))
        path = self._incoming / blob
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
            self._place(path, blob)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return blob

    def adopt(self, path: Path) -> BlobId:
        """Take over a file that nobody writes to any more: renamed, or copied and removed from another file system."""
        blob = BlobId(secrets.token_hex(16))
        try:
            self._place(path, blob)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with path.open("rb") as source:
                blob = self.put(source)
            path.unlink()
        return blob

    def path(self, blob: str) -> Path:
        """Where the file is. Raises BlobMissing, also for what is no id at all."""
        path = self._path(blob)
        if not path.is_file():
            raise BlobMissing(f"no blob {blob}")
        return path

    def open(self, blob: str) -> BinaryIO:
        """The file, to read. Raises BlobMissing."""
        try:
            return self._path(blob).open("rb")
        except FileNotFoundError:
            raise BlobMissing(f"no blob {blob}") from None

    def delete(self, blob: str) -> None:
        """Remove the file; nothing happens when it is gone already."""
        with contextlib.suppress(BlobMissing):
            self._path(blob).unlink(missing_ok=True)

    def sweep(self, *, before: float) -> int:
        """Remove what interrupted `put`s left, if it was last written before the Unix time `before`."""
        left = [path for path in self._incoming.iterdir() if path.stat().st_mtime < before]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _path(self, blob: str) -> Path:
        if not _ID.fullmatch(blob):
            raise BlobMissing("not a blob's id")
        return self.folder / blob[:2] / blob

    def _place(self, path: Path, blob: BlobId) -> None:
        target = self._path(blob)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _sync(self.folder)
        _sync(path)
        path.chmod(0o600)
        path.rename(target)
        _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
