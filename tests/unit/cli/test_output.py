"""Files are written whole or not at all."""

from __future__ import annotations

import stat

import pytest

from api.cli import console
from api.cli.output import atomic

pytestmark = pytest.mark.spine


def test_the_file_appears_when_the_block_ends_well(tmp_path):
    """What was written stands under the name, with the mode of the user's umask, and nothing else is left."""
    with atomic(tmp_path / "out.pdf") as file:
        file.write(b"content")
        assert not (tmp_path / "out.pdf").exists()
    assert (tmp_path / "out.pdf").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pdf"]
    assert stat.S_IMODE((tmp_path / "out.pdf").stat().st_mode) & 0o600 == 0o600


def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path):
    """Whatever is raised in between, the target is as it was."""
    (tmp_path / "out.pdf").write_bytes(b"former")
    with pytest.raises(TypeError), atomic(tmp_path / "out.pdf") as file:
        file.writelines([b"half", None])
    assert (tmp_path / "out.pdf").read_bytes() == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pdf"]


def test_a_folder_that_is_not_there_is_told_before_any_work(tmp_path):
    """No work is done for a file that cannot be written."""
    with pytest.raises(console.CommandFailed) as failure, atomic(tmp_path / "missing" / "out.pdf"):
        pytest.fail("the block must not run")
    assert failure.value.status == console.NOT_AVAILABLE
