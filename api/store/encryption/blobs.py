"""Blobs that are encrypted on the disk: the same store as `api.store.blobs`, whose plain files stay readable.

A blob's id says what it must be: one that begins with `s` is an encrypted file and nothing else, so that a plain file in
its place is not believed; one that ends in `-1` is the signed form of its draft (generation 1 of `container`), so that
neither is a file that was cut back to the draft. An id without either is a blob from before; once it was encrypted
(`kyso storage rotate`), its file has an `s` before its name.

What is opened is plain bytes in a work file (`api.store.work`), decrypted as a whole and checked before anybody reads it;
`pieces` gives them without that, in constant memory.

    blobs = EncryptedBlobs(folder, keys=ring, work=workplace)
    with blobs.draft(size=100_000) as draft: ...
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from api.errors import BlobMissing, RequestInProgress
from api.store import blobs as plain
from api.store.blobs import BlobId, Blobs, Draft
from api.store.encryption import container
from api.store.encryption.container import Container
from api.store.encryption.keys import KeyRing, StorageDamaged
from api.store.work import Workplace

_ID = re.compile(r"(s?)([0-9a-f]{32})(-1)?")
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
SIGNED = "-1"


class EncryptedDraft(Draft):
    """A draft whose plain bytes are a work file. Its lock is on the encrypted one, which no worker has."""

    def __init__(self, id: BlobId, file: BinaryIO) -> None:  # noqa: A002 - the base's word
        super().__init__(id, file)
        self.stored: tuple[int, Container] | None = None

    def sync(self, *, unchanged: int = 0) -> None:
        """The signed form is durable; the id is that of it from now on."""
        assert self.stored is not None, "a draft is kept before it is synced"
        self.file.flush()
        number, held = self.stored
        held.renew(self.file.fileno(), first=unchanged // container.PIECE)
        os.fdatasync(number)
        self.id = BlobId(self.id.removesuffix(SIGNED) + SIGNED)

    def close(self) -> None:
        self.file.close()
        if self.stored is not None:
            os.close(self.stored[0])
            self.stored = None


class EncryptedBlobs(Blobs):
    """A store in `folder` whose new files are encrypted."""

    def __init__(self, folder: Path, *, keys: KeyRing, work: Workplace) -> None:
        super().__init__(folder)
        self.keys = keys
        self.work = work

    def put(self, source: BinaryIO) -> BlobId:
        blob = _new_id()
        number, _ = self._make(blob, read=_reads(source))
        os.close(number)
        return blob

    @contextmanager
    def draft(self, *, size: int = 0) -> Iterator[Draft]:
        with contextlib.closing(EncryptedDraft(_new_id(), self.work.file(size=size))) as draft:
            yield draft

    def keep(self, draft: Draft, *, unchanged: int | None = None) -> BlobId:
        assert isinstance(draft, EncryptedDraft)
        draft.file.flush()
        draft.stored = self._make(draft.id, read=container.reader(draft.file.fileno()), rewritten=unchanged)
        return draft.id

    @contextmanager
    def reopen(self, blob: str) -> Iterator[Draft]:
        sealed = self._sealed(blob)
        if sealed is None:
            with super().reopen(blob) as draft:
                yield draft
            return
        number = os.open(sealed, os.O_RDWR | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RequestInProgress(blob=blob) from None
            name = _name(blob)
            held = Container.open(number, blob=name, generation=0, keys=self.keys)
            draft = EncryptedDraft(BlobId(blob.removesuffix(SIGNED)), self._decrypted(held))
        except BaseException:
            os.close(number)
            raise
        draft.stored = number, held
        with contextlib.closing(draft):
            yield draft

    def adopt(self, path: Path) -> BlobId:
        with path.open("rb") as source:
            blob = self.put(source)
        path.unlink()
        return blob

    def path(self, blob: str) -> Path:
        return self._sealed(blob) or super().path(blob)

    def open(self, blob: str) -> BinaryIO:
        with self._reading(blob) as held:
            return super().open(blob) if held is None else self._decrypted(held)

    def size(self, blob: str) -> int:
        with self._reading(blob) as held:
            return super().size(blob) if held is None else held.size

    def pieces(self, blob: str) -> Iterator[bytes]:
        with self._reading(blob) as held:
            yield from super().pieces(blob) if held is None else held.pieces()

    def delete(self, blob: str) -> None:
        with contextlib.suppress(BlobMissing):
            sealed = self._sealed(blob)
            if sealed is None:
                super().delete(blob)
            else:
                sealed.unlink(missing_ok=True)

    def erase(self, blob: str) -> bool:
        try:
            sealed = self._sealed(blob)
            if sealed is None:
                return super().erase(blob)
            number = os.open(sealed, os.O_RDWR | os.O_CLOEXEC)
        except (BlobMissing, FileNotFoundError):
            return False
        try:
            container.erase(number)
        finally:
            os.close(number)
        sealed.unlink(missing_ok=True)
        plain.sync(sealed.parent)
        return True

    # --- where it is, and what is in it ---------------------------------------------------------------------------------

    def sealed_path(self, blob: str) -> Path:
        """Where the encrypted file of a blob is, or would be."""
        return Path(self._place_of(_name(blob)))

    def _place_of(self, name: str) -> str:
        """The same as text: this is done for each signature."""
        return f"{self.folder}/{name[:2]}/s{name}"

    def _sealed(self, blob: str) -> Path | None:
        """The encrypted file; None where the blob is a plain one. Raises BlobMissing."""
        found = _ID.fullmatch(blob)
        if found is None:
            raise BlobMissing("not a blob's id")
        path = self.sealed_path(blob)
        if found[1] or found[3] or path.exists():
            if not path.is_file():
                raise BlobMissing(f"no blob {blob}")
            return path
        return None

    @contextmanager
    def _reading(self, blob: str) -> Iterator[Container | None]:
        sealed = self._sealed(blob)
        if sealed is None:
            yield None
            return
        try:
            number = os.open(sealed, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(f"no blob {blob}") from None
        try:
            yield Container.open(number, blob=_name(blob), generation=int(blob.endswith(SIGNED)), keys=self.keys)
        finally:
            os.close(number)

    def _decrypted(self, held: Container) -> BinaryIO:
        """All of it in a work file, which stands at its beginning."""
        file = self.work.file(size=held.size)
        try:
            for piece in held.pieces():
                file.write(piece)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _make(self, blob: BlobId, *, read: container.Read, rewritten: int | None = None) -> tuple[int, Container]:
        """A new file, durable and locked by us; nothing is left when that fails."""
        path, name = f"{self._incoming}/{blob}", _name(blob)
        number = os.open(path, _NEW, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = Container.create(number, blob=name, key=self.keys.current, read=read, rewritten=rewritten)
            self._move(path, self._place_of(name), number=number)
        except BaseException:
            os.close(number)
            with contextlib.suppress(FileNotFoundError):  # where it was moved
                os.unlink(path)  # noqa: PTH108
            raise
        return number, held

    # --- from plain to encrypted, and from one key to the next ------------------------------------------------------------

    def renew(self, path: Path) -> bool:
        """Encrypt a plain file, or wrap a file's key with the current storage key; whether there was anything to do.

        Raises RequestInProgress while somebody works on it."""
        try:
            number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RequestInProgress(blob=path.name) from None
            if path.name.startswith("s"):
                return container.rewrap(number, blob=path.name[1:], keys=self.keys)
            with contextlib.suppress(FileExistsError):  # encrypted before, and not removed
                made, _ = self._make(BlobId(path.name), read=container.reader(number))
                os.close(made)
            path.unlink(missing_ok=True)
            plain.sync(path.parent)
            return True
        finally:
            os.close(number)

    def lay_plain_beside(self, path: Path) -> None:
        """The newest form of an encrypted file, in plain and durable, beside it under the name without `s`."""
        with path.open("rb") as file:
            number, name = file.fileno(), path.name[1:]
            try:
                held = Container.open(number, blob=name, generation=1, keys=self.keys)
            except StorageDamaged:  # there is none, or it is not whole: the draft is
                held = Container.open(number, blob=name, generation=0, keys=self.keys)
            draft = self._incoming / name
            with draft.open("wb") as out:
                draft.chmod(0o600)
                for piece in held.pieces():
                    out.write(piece)
        self._move(str(draft), str(path.with_name(name)))


def _new_id() -> BlobId:
    return BlobId("s" + secrets.token_hex(16))


def _name(blob: str) -> str:
    """What all ids of a blob have in common."""
    found = _ID.fullmatch(blob)
    if found is None:
        raise BlobMissing("not a blob's id")
    return found[2]


def _reads(source: BinaryIO) -> container.Read:
    """From a file object, whose `read` may give less than was asked for."""

    def read(most: int) -> bytes:
        parts, missing = [], most
        while missing and (part := source.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    return read
