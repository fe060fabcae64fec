"""Blobs: documents as files in a folder, by id. Put there whole and durable, or not at all.

A file arrives under another name, is renamed, then it and its folder are fsynced: an id that was returned can be read
after a power cut. In this order a journal is committed once; a file that the cut left half-written has no owner. Ids are
random, not digests: the same document put twice is two blobs, so that deleting one never takes away another's. Whoever
stores an id owns the blob; what nobody owns is swept (`api.workflows.sweeping`). Here files are plain;
`encryption.blobs` is the same, encrypted.

A draft is a blob in the making: written, kept (durable, with its id), and written on where it lies by whoever has it
open, one at a time. Its owner says when it is a document, and shows it to nobody before that.

>>> import io, tempfile
>>> blobs = Blobs(Path(tempfile.mkdtemp()))
>>> blob = blobs.put(io.BytesIO(b"%PDF-1.7"))
>>> with blobs.open(blob) as file: file.read()
b'%PDF-1.7'
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NewType

from api.errors import BlobMissing, RequestInProgress

BlobId = NewType("BlobId", str)
_ID = re.compile(r"[0-9a-f]{32}")
CHUNK = 1 << 20


@dataclass
class Draft:
    """A blob in the making: its id, which counts once it was kept, and its open file, for whoever has it alone."""

    id: BlobId
    file: BinaryIO

    def sync(self, *, unchanged: int = 0) -> None:  # noqa: ARG002 - for stores that do not write in place
        """What was written to it is durable, under the id that it has then. The first `unchanged` bytes are those that
        were kept."""
        self.file.flush()
        os.fdatasync(self.file.fileno())


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

    @contextmanager
    def draft(self, *, size: int = 0) -> Iterator[Draft]:  # noqa: ARG002 - for stores that choose a place by it
        """A new, empty draft of about `size` bytes, which is gone after the block unless it was kept."""
        blob = BlobId(secrets.token_hex(16))
        path = self._incoming / blob
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w+b", buffering=1 << 16) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                yield Draft(blob, file)
            finally:
                with contextlib.suppress(FileNotFoundError):  # where it was kept, it has moved
                    os.unlink(path)  # noqa: PTH108

    def keep(self, draft: Draft, *, unchanged: int | None = None) -> BlobId:  # noqa: ARG002 - as with `Draft.sync`
        """The draft's id, once it is durable as it stands; it stays open. Raises OSError (disk full).

        `unchanged` is what `Draft.sync` will be told, where the draft is to be written on and keeps its size."""
        draft.file.flush()
        self._place(self._incoming / draft.id, draft.id)
        return draft.id

    @contextmanager
    def reopen(self, blob: str) -> Iterator[Draft]:
        """A draft that was kept, to write on. Raises BlobMissing; RequestInProgress while somebody else has it open."""
        try:
            file = self._path(blob).open("r+b")
        except FileNotFoundError:
            raise BlobMissing(f"no blob {blob}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # also a worker whose client died a moment ago
                raise RequestInProgress(blob=blob) from None
            yield Draft(BlobId(blob), file)

    def adopt(self, path: Path) -> BlobId:
        """Take over a file that nobody writes to any more: renamed, or copied and removed from another file system."""
        blob = BlobId(secrets.token_hex(16))
        try:
            path.chmod(0o600)
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

    def size(self, blob: str) -> int:
        """Bytes of the document. Raises BlobMissing."""
        return self.path(blob).stat().st_size

    def pieces(self, blob: str) -> Iterator[bytes]:
        """The document in pieces, in constant memory. Raises BlobMissing."""
        with self.open(blob) as file:
            while piece := file.read(CHUNK):
                yield piece

    def delete(self, blob: str) -> None:
        """Remove the file; nothing happens when it is gone already."""
        with contextlib.suppress(BlobMissing):
            self._path(blob).unlink(missing_ok=True)

    def erase(self, blob: str) -> bool:
        """Remove the file so that it stays gone after a power cut; whether it was there."""
        try:
            path = self.path(blob)
        except BlobMissing:
            return False
        path.unlink(missing_ok=True)
        sync(path.parent)
        return True

    def sweep(self, *, before: float) -> int:
        """Remove what interrupted `put`s left, if it was last written before the Unix time `before`."""
        left = [path for path in self._incoming.iterdir() if path.stat().st_mtime < before]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def files(self) -> Iterator[Path]:
        """Every file of a blob."""
        for folder in sorted(self.folder.iterdir()):
            if folder.is_dir() and folder != self._incoming:
                yield from sorted(folder.iterdir())

    def _path(self, blob: str) -> Path:
        if not _ID.fullmatch(blob):
            raise BlobMissing("not a blob's id")
        return self.folder / blob[:2] / blob

    def _place(self, path: Path, blob: BlobId) -> None:
        """Rename a file; it is there and durable when this returns, or gone."""
        self._move(str(path), str(self._path(blob)))

    def _move(self, path: str, target: str, *, number: int | None = None) -> None:
        """`number` is the file, where it is open."""
        folder = os.path.dirname(target)  # noqa: PTH120 - as text: this is done for each signature
        try:
            os.rename(path, target)  # noqa: PTH104
        except FileNotFoundError:
            Path(folder).mkdir(mode=0o700, exist_ok=True)
            sync(self.folder)
            os.rename(path, target)  # noqa: PTH104
        try:
            if number is None:
                sync(target)
            else:
                os.fsync(number)
            sync(folder)
        except BaseException:
            Path(target).unlink(missing_ok=True)
            raise


def sync(path: Path | str) -> None:
    """A file or folder, as it is, is durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
