"""A log of uses that goes on in parts: nothing is forgotten, little is read at a start, and no part can go unnoticed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from hsm import uselog
from hsm.counting import Limits
from hsm.errors import KeyLimitReached, PermitRefused, UseLogBroken
from hsm.uselog import UseLog, history

pytestmark = pytest.mark.appliance

PART = 4000


def use(log: UseLog, number: int, *, tbs: bytes | None = None, expires_in: float = 60.0) -> None:
    began = log.started(
        ledger_number=number,
        key="seal",
        mechanism="ed25519",
        tbs=tbs or b"%d" % number,
        expires_at=time.time() + expires_in,
    )
    log.done(began, value=b"v%d" % number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of a hundred uses in some ten parts."""
    path = tmp_path / "box.uses"
    with UseLog.open(path, part_size=PART) as log:
        for number in range(1, 101):
            use(log, number)
    assert len(list(tmp_path.glob("box.uses.*[0-9]"))) >= 5
    return path


def reopened(path: Path, **more: object) -> UseLog:
    return UseLog.open(path, part_size=PART, **more)


def test_all_uses_are_told_in_their_order(path: Path) -> None:
    """By the keeper page by page, from the files by an auditor; the log keeps its name over all its parts."""
    numbers = list(range(1, 101))
    assert numbers == [one.ledger_number for one in history(path)]
    with reopened(path) as log:
        page = log.page(0)
        assert (100, numbers) == (page.total, [one.ledger_number for one in page.uses])
        assert page.uses[37:41] == log.page(37).uses[:4]
        assert history(path) == page.uses
        assert (b"v7", b"v100") == (log.find(7).value, log.find(100).value)
        assert log.find(101) is None
        use(log, 101)
        assert (page.log, 101) == (log.page(0).log, log.page(99).uses[-1].ledger_number)


def test_a_start_reads_the_newest_part_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered in memory is the newest part's."""
    with reopened(path) as log:
        assert len(log._order) < 20
        assert 100 == log.page(0).total


def test_a_permit_from_a_former_part_stays_spent(path: Path) -> None:
    """The same bytes for ever, other bytes while the first permit is valid; afterwards a restored ledger's number is
    taken with other bytes."""
    with reopened(path) as log:
        for tbs in (None, b"other"):
            with pytest.raises(PermitRefused):
                use(log, 5, tbs=tbs)
        use(log, 200, expires_in=-1)
        for number in range(300, 340):
            use(log, number)
        use(log, 200, tbs=b"other")
        with pytest.raises(PermitRefused):
            use(log, 200)


def test_counters_are_carried(path: Path) -> None:
    """A limit that was reached in former parts holds, also for the day."""
    for limits in (Limits(total=100), Limits(per_day=100), Limits(per_minute=100)):
        with reopened(path, limits={"seal": limits}) as log, pytest.raises(KeyLimitReached):
            use(log, 101)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.with_name("box.uses.2").unlink(),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.with_name("box.uses.3").rename(path),
        lambda path: path.with_name("box.uses.2").write_bytes(path.with_name("box.uses.1").read_bytes()),
    ],
    ids=["part-gone", "newest-gone", "newest-emptied", "newest-replaced", "part-replaced"],
)
def test_a_missing_or_replaced_part_is_found(path: Path, harm) -> None:
    """By whoever reads the files; the keeper itself notices what its start rests on."""
    harm(path)
    with pytest.raises((UseLogBroken, FileNotFoundError)):
        history(path)


def test_a_keeper_does_not_begin_anew_beside_former_parts(path: Path) -> None:
    """A newest part that is gone or empty stops it."""
    for content in (None, b""):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UseLogBroken):
            reopened(path)


def test_a_line_changed_in_a_former_part_is_found_by_an_audit(path: Path) -> None:
    """Every part is in one chain."""
    part = path.with_name("box.uses.2")
    part.write_bytes(part.read_bytes().replace(b'"seal"', b'"soul"', 1))
    with pytest.raises(UseLogBroken):
        history(path)


def test_an_index_that_is_missing_or_broken_is_made_anew(path: Path) -> None:
    """It is a help and no record."""
    path.with_name("box.uses.1.index").unlink()
    path.with_name("box.uses.2.index").write_bytes(b"broken")
    with reopened(path) as log:
        assert list(range(1, 101)) == [one.ledger_number for one in log.page(0).uses]


@pytest.mark.parametrize("cut", ["before-names", "between-names"])
def test_a_crash_while_a_part_is_begun_loses_nothing(path: Path, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the old file has its new name or not."""
    before = history(path)
    rename = Path.rename
    calls = 0

    def crash(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls >= (1 if cut == "before-names" else 2):
            raise KeyboardInterrupt
        return rename(self, target)

    log = reopened(path)
    monkeypatch.setattr(Path, "rename", crash)

    def go_on() -> None:
        for number in range(1000, 1100):
            use(log, number)

    with pytest.raises(KeyboardInterrupt):
        go_on()
    monkeypatch.undo()
    os.close(log._file._descriptor)
    with reopened(path) as again:
        after = [one.ledger_number for one in again.page(0).uses]
        assert after[:100] == [one.ledger_number for one in before]
        assert after == sorted(after)
        use(again, 2000)
    assert len(after) + 1 == len(history(path))


def test_a_full_disk_leaves_the_old_part_going_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new part cannot be begun: uses go on in the old one."""

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(uselog.parts, "write_index", full)
    with reopened(path) as log:
        for number in range(500, 560):
            use(log, number)
        assert 160 == log.page(0).total


def test_parts_are_begun_under_load(tmp_path: Path) -> None:
    """Eight threads, small parts: every use has its start and its end in one part, none is lost or doubled."""
    path = tmp_path / "box.uses"
    with UseLog.open(path, part_size=3000) as log:

        def work(worker: int) -> None:
            for step in range(60):
                use(log, 1 + worker * 60 + step)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    uses = history(path)
    assert sorted(one.ledger_number for one in uses) == list(range(1, 481))
    assert {"done"} == {one.state for one in uses}
