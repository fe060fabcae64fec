"""Copies between open files, also of different file systems."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from signer.copying import copy
from signer.errors import PreparedMismatch

pytestmark = pytest.mark.spine

CONTENT = bytes(range(256)) * 5000


@pytest.mark.parametrize("folder", [None, "/dev/shm"], ids=["same", "other"])
def test_a_part_arrives_where_the_other_file_stands(folder: str | None, tmp_path: Path) -> None:
    """Wherever the two files lie; what stands before it stays."""
    with (tmp_path / "source").open("w+b") as source, tempfile.TemporaryFile("w+b", dir=folder) as out:
        source.write(CONTENT)
        source.flush()
        out.write(b"head ")
        copy(source, out, start=10, length=1_000_000)
        out.write(b" tail")
        out.seek(0)
        assert out.read() == b"head " + CONTENT[10:1_000_010] + b" tail"


@pytest.mark.parametrize("folder", [None, "/dev/shm"], ids=["same", "other"])
def test_a_source_that_became_shorter_is_told(folder: str | None, tmp_path: Path) -> None:
    """Nothing is taken for a document that is half of one."""
    with (tmp_path / "source").open("w+b") as source, tempfile.TemporaryFile("w+b", dir=folder) as out:
        source.write(CONTENT)
        source.flush()
        with pytest.raises(PreparedMismatch):
            copy(source, out, start=10, length=len(CONTENT))
