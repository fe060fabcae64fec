"""Blobs: there whole, or not at all."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from api.errors import BlobMissing
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
