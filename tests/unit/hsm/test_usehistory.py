"""Reading the log of uses in order: page by page from a keeper, and whole from a copy of the file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hsm.errors import UseLogBroken
from hsm.uselog import UseLog, history

pytestmark = pytest.mark.appliance


def use(log: UseLog, number: int) -> int:
    return log.started(
        ledger_number=number, key="seal", mechanism="ed25519", tbs=b"%d" % number, expires_at=time.time() + 60
    )


def written(path: Path, *, uses: int) -> None:
    with UseLog.open(path) as log:
        for number in range(1, uses + 1):
            log.done(use(log, number), value=b"v%d" % number)


def test_pages_go_through_the_whole_log_in_order(tmp_path: Path) -> None:
    """Each use comes once, also after a restart; the log's name stays the same and another's differs."""
    path = tmp_path / "box.uses"
    written(path, uses=7)
    with UseLog.open(path) as log:
        log.failed(use(log, 8), code="x")
        use(log, 9)
        whole = log.page(0)
        assert list(range(1, 10)) == [one.ledger_number for one in whole.uses]
        assert ["done"] * 7 + ["failed", "started"] == [one.state for one in whole.uses]
        assert whole.uses[5:] == log.page(5).uses
        assert ((), 9) == (log.page(9).uses, log.page(9).total)
        name = whole.log
    with UseLog.open(path) as log:
        assert (name, whole.uses) == (log.page(0).log, log.page(0).uses)
    written(tmp_path / "other.uses", uses=1)
    with UseLog.open(tmp_path / "other.uses") as log:
        assert name != log.page(0).log


def test_a_copy_of_the_file_says_the_same_as_the_keeper(tmp_path: Path) -> None:
    """Without a lock, beside a keeper that writes, up to the last whole line."""
    path = tmp_path / "box.uses"
    with UseLog.open(path) as log:
        log.done(use(log, 1), value=b"v")
        use(log, 2)
        assert log.page(0).uses == history(path)
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes() + b'{"sequence":4,"at')
    assert ["done", "started"] == [one.state for one in history(copy)]


@pytest.mark.parametrize("change", ["edited", "left out", "swapped"])
def test_a_changed_copy_is_refused(tmp_path: Path, change: str) -> None:
    """The chain shows a change in the middle."""
    path = tmp_path / "box.uses"
    written(path, uses=3)
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "edited":
        lines[2] = lines[2].replace(b"seal", b"sea1")
    elif change == "left out":
        del lines[2]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    path.write_bytes(b"".join(lines))
    with pytest.raises(UseLogBroken):
        history(path)
