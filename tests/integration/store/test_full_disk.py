"""A full disk: refusal with a code, nothing lost, recovery by itself."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.errors import LedgerUnavailable
from api.ledger import Ledger
from api.store import signatures
from api.store.blobs import Blobs
from api.store.database import open_database

pytestmark = pytest.mark.spine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "kyso-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here (needs root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(os.urandom(4096)):
            pass


def test_a_full_disk_refuses_and_recovers(small_disk: Path) -> None:
    """INTENT is refused with LedgerUnavailable and there is no record; with room again the same call works."""
    database = open_database(f"sqlite:///{small_disk / 'kyso.db'}")
    ledger, blobs = Ledger(database), Blobs(small_disk / "blobs")
    ballast = small_disk / "ballast"
    identity = signatures.new_id()
    ledger.append("INTENT", {"n": 1})
    fill(ballast)

    def allow(connection: object, number: int) -> None:
        signatures.create(
            connection,  # type: ignore[arg-type]
            id=identity,
            caller="c",
            order="{}",
            document_sha256="ab" * 32,
            document_blob="00" * 16,
            prepared=bytes(200_000),
            ledger_number=number,
        )

    with pytest.raises(LedgerUnavailable) as caught:
        ledger.append("INTENT", {"n": 2}, also=allow)
    assert caught.value.code == "ledger-unavailable"
    with pytest.raises(OSError, match="No space left"):
        blobs.put(io.BytesIO(bytes(8192)))
    assert [path for path in (small_disk / "blobs").rglob("*") if path.is_file()] == []
    assert database.read(signatures.get, identity) is None
    assert ledger.verify().size == 1

    ballast.unlink()
    assert ledger.append("INTENT", {"n": 2}, also=allow) == 2
    assert ledger.verify().size == 2
