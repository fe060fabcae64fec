"""The form of an encrypted file: what it opens to, and what it does not open to."""

from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import pytest

from api.errors import BlobMissing, RequestInProgress
from api.store.blobs import Blobs
from api.store.encryption import container, keys
from api.store.encryption.blobs import EncryptedBlobs
from api.store.encryption.container import BODY, PIECE, TAG
from api.store.encryption.keys import KeyRing, StorageDamaged, StorageKeyUnknown
from api.store.work import Workplace

pytestmark = pytest.mark.appliance

SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 16 * PIECE, 16 * PIECE + 1, 2_500_000)


def ring() -> KeyRing:
    text = keys.line(os.urandom(32)).encode()
    return KeyRing(lambda: text)


@pytest.fixture
def blobs(tmp_path: Path) -> EncryptedBlobs:
    return EncryptedBlobs(tmp_path / "blobs", keys=ring(), work=Workplace(None, 1))


def whole(blobs: EncryptedBlobs, blob: str) -> bytes:
    with blobs.open(blob) as file:
        return file.read()


@pytest.mark.parametrize("size", SIZES)
def test_what_was_put_is_read_back_and_not_seen_on_the_disk(blobs: EncryptedBlobs, size: int) -> None:
    """As an open file and in pieces, whatever the size is to the pieces; the file holds none of it."""
    data = os.urandom(size)
    blob = blobs.put(io.BytesIO(data))
    assert data == whole(blobs, blob) == b"".join(blobs.pieces(blob))
    assert size == blobs.size(blob)
    stored = blobs.path(blob).read_bytes()
    assert len(stored) == BODY + size + max(1, -(-size // PIECE)) * TAG
    assert size < 16 or data[:16] not in stored


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("added", [0, 3, 2 * PIECE])
def test_a_draft_and_its_signed_form_are_one_file(blobs: EncryptedBlobs, size: int, added: int) -> None:
    """The signed form is what was written since, behind the draft, which stays what it was."""
    data, tail = os.urandom(size), os.urandom(added)
    with blobs.draft(size=size) as draft:
        draft.file.write(data)
        kept = blobs.keep(draft)
        draft.file.write(tail)
        draft.sync(unchanged=size)
    assert draft.id == f"{kept}-1"
    assert (data, data + tail) == (whole(blobs, kept), whole(blobs, draft.id))
    assert 1 == len(list(blobs.files()))


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("added", [0, -1, 3])
def test_the_place_of_the_signed_form_is_laid_out_with_the_draft(blobs: EncryptedBlobs, size: int, added: int) -> None:
    """Signing changes no more than bytes of the file, unless the size is another than was said; what was laid out and
    not written is no signed form."""
    data = os.urandom(size)
    with blobs.draft(size=size) as draft:
        draft.file.write(data)
        kept = blobs.keep(draft, unchanged=size // 2)
        before = blobs.path(kept).stat().st_size
        with pytest.raises(StorageDamaged):
            whole(blobs, f"{kept}-1")
        signed = data[: size // 2] + os.urandom(size - size // 2 + added)
        draft.file.seek(0)
        draft.file.truncate(len(signed))
        draft.file.write(signed)
        draft.sync(unchanged=size // 2)
    assert (data, signed) == (whole(blobs, kept), whole(blobs, draft.id))
    assert added or before == blobs.path(draft.id).stat().st_size


def test_a_draft_is_finished_again_after_a_crash(blobs: EncryptedBlobs) -> None:
    """Whatever was written behind it before; nobody else writes meanwhile, and a worker's descriptor is not the file."""
    with blobs.draft() as draft:
        draft.file.write(b"%PDF <000>")
        blob = blobs.keep(draft)
        with pytest.raises(RequestInProgress), blobs.reopen(blob):
            pass
        left = os.dup(draft.file.fileno())
    with blobs.path(blob).open("ab") as file:
        file.write(os.urandom(100))
    with blobs.reopen(blob) as draft:
        assert b"%PDF <000>" == draft.file.read()
        os.pwrite(left, b"%PDF <bad>", 0)
        draft.file.seek(6)
        draft.file.write(b"abc")
        draft.sync()
    assert b"%PDF <abc>" == whole(blobs, draft.id)
    os.close(left)


def test_any_changed_byte_is_found(blobs: EncryptedBlobs) -> None:
    """In the head, in any piece, in the signed form: nothing of such a file is handed out."""
    data = os.urandom(3 * PIECE)
    with blobs.draft() as draft:
        draft.file.write(data)
        blobs.keep(draft)
        draft.file.write(b"signature")
        draft.sync(unchanged=len(data))
    path = blobs.path(draft.id)
    good = path.read_bytes()
    unused = range(128, 256)  # the second slot and what is free behind it
    places = [0, 8, 20, 33, 60, 100, BODY, BODY + PIECE + 5, len(good) - 1, len(good) - 60]
    for place in places:
        assert place not in unused
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises((StorageDamaged, StorageKeyUnknown)):
            whole(blobs, draft.id)
        with pytest.raises((StorageDamaged, StorageKeyUnknown)):
            b"".join(blobs.pieces(draft.id))


def test_files_cut_moved_swapped_and_put_in_plain_are_found(blobs: EncryptedBlobs) -> None:
    """Pieces in another order, a file cut at a piece's end, another file's content, the draft for the signed form, a plain
    file for an encrypted one."""
    data = os.urandom(4 * PIECE)
    first, second = blobs.put(io.BytesIO(data)), blobs.put(io.BytesIO(os.urandom(4 * PIECE)))
    path = blobs.path(first)
    good, step = path.read_bytes(), PIECE + TAG
    turned = good[:BODY] + good[BODY + step : BODY + 2 * step] + good[BODY : BODY + step] + good[BODY + 2 * step :]
    attacks = [turned, good[:-step], good[: BODY + step], blobs.path(second).read_bytes(), data, b""]
    attacks.append(good[:BODY] + blobs.path(second).read_bytes()[BODY:])
    for attack in attacks:
        path.write_bytes(attack)
        with pytest.raises(StorageDamaged):
            whole(blobs, first)
    with blobs.draft() as draft:
        draft.file.write(data)
        kept = blobs.keep(draft)
        unsigned = blobs.path(kept).read_bytes()
        draft.file.write(b"signature")
        draft.sync(unchanged=len(data))
    blobs.path(kept).write_bytes(unsigned)
    with pytest.raises(StorageDamaged):
        whole(blobs, draft.id)
    path.unlink()
    (blobs.folder / first[1:3] / first[1:]).write_bytes(data)
    with pytest.raises(BlobMissing):
        whole(blobs, first)


def test_plain_blobs_from_before_stay_readable_and_can_be_encrypted(blobs: EncryptedBlobs) -> None:
    """Under the id that the records know; also one that begins like an encrypted file."""
    plain = Blobs(blobs.folder)
    found = {plain.put(io.BytesIO(data)): data for data in (b"%PDF-1.7", b"kysoblob" + bytes(300))}
    for is_encrypted in (False, True):
        for blob, data in found.items():
            assert data == whole(blobs, blob) == b"".join(blobs.pieces(blob))
            assert len(data) == blobs.size(blob)
        assert all(path.name.startswith("s") is is_encrypted for path in blobs.files())
        renewed = [blobs.renew(path) for path in list(blobs.files())]
        assert [not is_encrypted] * 2 == renewed


def test_a_new_storage_key_opens_what_a_former_one_closed(tmp_path: Path) -> None:
    """Rotation touches the heads alone, leaves both keys good until it is done, and can be interrupted."""
    file = tmp_path / "storage.key"
    keys.make(file)
    former = KeyRing(file.read_bytes)
    blobs = EncryptedBlobs(tmp_path / "blobs", keys=former, work=Workplace(None, 1))
    blob = blobs.put(io.BytesIO(b"document"))
    body = blobs.path(blob).read_bytes()[BODY:]
    keys.add(file)
    both = KeyRing(file.read_bytes)
    blobs = EncryptedBlobs(tmp_path / "blobs", keys=both, work=Workplace(None, 1))
    assert b"document" == whole(blobs, blob)
    path = blobs.path(blob)
    assert blobs.renew(path)
    assert not blobs.renew(path)
    assert path.read_bytes()[BODY:] == body
    # Interrupted while the second slot was written: the first is good.
    with path.open("r+b") as out:
        out.seek(32)
        out.write(b"half of a slot" * 3)
    assert b"document" == whole(blobs, blob)
    assert blobs.renew(path)
    assert 1 == keys.drop(file)
    alone = KeyRing(file.read_bytes)
    assert b"document" == whole(EncryptedBlobs(tmp_path / "blobs", keys=alone, work=Workplace(None, 1)), blob)
    with pytest.raises(StorageKeyUnknown):
        whole(EncryptedBlobs(tmp_path / "blobs", keys=former, work=Workplace(None, 1)), blob)


def test_an_erased_file_cannot_be_read_by_whoever_finds_its_blocks(blobs: EncryptedBlobs) -> None:
    """Its key was overwritten before it was removed: what is left under another name does not open."""
    blob = blobs.put(io.BytesIO(b"document" * 1000))
    path = blobs.path(blob)
    other = blobs.folder / "found"
    os.link(path, other)
    assert blobs.erase(blob)
    assert not path.exists()
    other.rename(path)
    with pytest.raises(StorageDamaged):
        whole(blobs, blob)


def test_a_full_disk_leaves_nothing(blobs: EncryptedBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it is full, there is no file and no half of one."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container.os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        blobs.put(io.BytesIO(b"x"))
    monkeypatch.undo()
    assert [] == [path for path in blobs.folder.rglob("*") if path.is_file()]


def test_a_large_document_is_read_and_written_in_constant_memory(blobs: EncryptedBlobs, tmp_path: Path) -> None:
    """Sixty-four megabytes never stand in the process's own memory."""
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    with source.open("rb") as file:
        blob = blobs.put(file)
    length = sum(len(piece) for piece in blobs.pieces(blob))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 64 << 20 == length
    assert peak < 8 << 20
