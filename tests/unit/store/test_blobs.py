"""Blobs: there whole, or not at all."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from api.errors import BlobMissing, RequestInProgress
from api.store.blobs import Blobs

pytestmark = pytest.mark.spine


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def files(blobs: Blobs) -> list[Path]:
    return [path for path in blobs.folder.rglob("*") if path.is_file()]


def test_what_was_put_is_read_back(blobs: Blobs) -> None:
    """From the source's present position; the same bytes twice are two blobs."""
    source = io.BytesIO(b"xx" + bytes(range(256)) * 9000)
    source.seek(2)
    first, second = blobs.put(source), blobs.put(io.BytesIO(b""))
    assert blobs.path(first).read_bytes() == bytes(range(256)) * 9000
    with blobs.open(second) as file:
        assert file.read() == b""
    assert blobs.put(io.BytesIO(b"")) != second


def test_a_finished_file_is_taken_over_without_a_copy(blobs: Blobs, tmp_path: Path) -> None:
    """Same file, new name, private to this user."""
    path = tmp_path / "upload"
    path.write_bytes(b"%PDF-1.7")
    number = path.stat().st_ino
    blob = blobs.adopt(path)
    assert not path.exists()
    assert blobs.path(blob).stat().st_ino == number
    assert stat.S_IMODE(blobs.path(blob).stat().st_mode) == 0o600


def test_a_file_of_another_file_system_is_copied(blobs: Blobs) -> None:
    """A rename across file systems is impossible: the bytes arrive all the same."""
    path = Path("/dev/shm") / f"kyso-test-{os.getpid()}"
    try:
        path.write_bytes(b"%PDF-1.7")
    except OSError:
        pytest.skip("no second file system at /dev/shm")
    if path.stat().st_dev == blobs.folder.stat().st_dev:
        path.unlink()
        pytest.skip("/dev/shm is the same file system")
    assert blobs.path(blobs.adopt(path)).read_bytes() == b"%PDF-1.7"
    assert not path.exists()


def test_an_interrupted_put_leaves_nothing(blobs: Blobs) -> None:
    """The source breaks off: no blob, no remains."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("broken pipe")
            return super().read(10)

    with pytest.raises(OSError, match="broken pipe"):
        blobs.put(Broken(bytes(100)))
    assert files(blobs) == []


def test_remains_of_a_killed_process_are_swept(blobs: Blobs) -> None:
    """Old ones go, those that may still be written to stay."""
    blob = blobs.put(io.BytesIO(b"kept"))
    for name, age in (("old", 1000.0), ("young", 3000.0)):
        path = blobs.folder / "incoming" / name
        path.write_bytes(b"half")
        os.utime(path, (age, age))
    assert blobs.sweep(before=2000.0) == 1
    assert sorted(path.name for path in files(blobs)) == sorted(["young", blob])


@pytest.mark.parametrize("name", ["", "../kyso.db", "/etc/passwd", "00" * 15, "0" * 33, "ZZ" * 16, "00" * 16 + "\n"])
def test_what_is_no_id_leads_nowhere(blobs: Blobs, name: str) -> None:
    """An id never leads out of the folder."""
    with pytest.raises(BlobMissing):
        blobs.path(name)
    with pytest.raises(BlobMissing):
        blobs.open(name)
    blobs.delete(name)


def test_a_deleted_blob_is_missing(blobs: Blobs) -> None:
    """Deleting twice is no error; reading is."""
    blob = blobs.put(io.BytesIO(b"x"))
    blobs.delete(blob)
    blobs.delete(blob)
    with pytest.raises(BlobMissing):
        blobs.path(blob)
    with pytest.raises(BlobMissing):
        blobs.open(blob)


def test_a_draft_is_kept_and_written_on_where_it_lies(blobs: Blobs) -> None:
    """Kept with what it holds so far, finished in the same file; readers of the id see what was written last."""
    with blobs.draft() as draft:
        draft.file.write(b"%PDF <000>")
        blob = blobs.keep(draft)
        assert blobs.path(blob).read_bytes() == b"%PDF <000>"
        draft.file.seek(6)
        draft.file.write(b"abc")
        draft.sync()
    assert blobs.path(blob).read_bytes() == b"%PDF <abc>"
    with blobs.reopen(blob) as draft:
        draft.file.write(b"%PDF <def>")
        draft.sync()
    assert (blobs.path(blob).read_bytes(), len(files(blobs))) == (b"%PDF <def>", 1)


def test_a_draft_that_was_not_kept_leaves_nothing(blobs: Blobs) -> None:
    """Whether its block ended well or not."""
    with blobs.draft() as draft:
        draft.file.write(b"x")
    with pytest.raises(LookupError), blobs.draft() as draft:
        raise LookupError
    assert files(blobs) == []


def test_one_at_a_time_writes_on_a_draft(blobs: Blobs) -> None:
    """Also while a worker that was handed its descriptor lives on; then the next one may."""
    with blobs.draft() as draft:
        blob = blobs.keep(draft)
        handed_over = os.dup(draft.file.fileno())
        with pytest.raises(RequestInProgress), blobs.reopen(blob):
            pass
    with pytest.raises(RequestInProgress), blobs.reopen(blob):
        pass
    os.close(handed_over)
    with blobs.reopen(blob) as draft:
        assert draft.id == blob
    with pytest.raises(BlobMissing), blobs.reopen("00" * 16):
        pass
