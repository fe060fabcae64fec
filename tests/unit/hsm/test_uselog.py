"""The keeper's record of uses: durable, single-use, chained, and mended after a crash."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from hsm.errors import PermitRefused, TokenNotAvailable, UseLogBroken
from hsm.uselog import UseLog

pytestmark = pytest.mark.spine


def use(log: UseLog, number: int, tbs: bytes = b"tbs", *, expires_in: float = 60.0) -> int:
    """One started use."""
    return log.started(
        ledger_number=number, key="seal", mechanism="ed25519", tbs=tbs, expires_at=time.time() + expires_in
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "box.uses"


def test_a_use_is_found_in_each_of_its_states(path: Path) -> None:
    """Started, done with its value, failed; also by the next process."""
    with UseLog.open(path) as log:
        log.done(use(log, 1), value=b"value")
        log.failed(use(log, 2), code="token-not-available")
        use(log, 3)
        assert log.find(4) is None
    with UseLog.open(path) as log:
        states = [log.find(n) for n in (1, 2, 3)]
        assert ["done", "failed", "started"] == [s.state for s in states if s]
        assert [b"value", None, None] == [s.value for s in states if s]


def test_the_line_is_in_the_file_before_the_key_is_used(path: Path) -> None:
    """A killed process leaves `started`."""
    with UseLog.open(path) as log:
        use(log, 1)
        assert b'"started"' in path.read_bytes()


def test_a_permit_is_used_once_also_across_restarts(path: Path) -> None:
    """The same ledger number is refused, whatever became of its first use."""
    with UseLog.open(path) as log:
        log.failed(use(log, 1), code="x")
        with pytest.raises(PermitRefused):
            use(log, 1)
    with UseLog.open(path) as log, pytest.raises(PermitRefused):
        use(log, 1)


def test_a_number_may_come_again_with_other_bytes_once_the_first_permit_expired(path: Path) -> None:
    """A ledger that was restored from a backup counts again; the same bytes stay refused for ever."""
    with UseLog.open(path) as log:
        log.done(use(log, 1, b"old", expires_in=-1.0), value=b"v")
        with pytest.raises(PermitRefused):
            use(log, 1, b"old")
        use(log, 1, b"new")
        found = log.find(1)
        assert found is not None
        assert found.state == "started"


def test_an_error_during_the_use_is_its_recorded_end(path: Path) -> None:
    """The error goes on, and the log names its code."""
    with UseLog.open(path) as log:
        number = use(log, 1)
        with pytest.raises(TokenNotAvailable), log.ending(number):
            raise TokenNotAvailable
    assert "token-not-available" in path.read_text()


@pytest.mark.parametrize("torn", [b"{", b'{"sequence":3,"at":1.0,"kind":"sta', bytes(400), b"\xff\xfe\n"])
def test_a_torn_last_line_is_mended_and_the_mending_recorded(path: Path, torn: bytes) -> None:
    """What a crash left unfinished goes; everything before stays."""
    with UseLog.open(path) as log:
        log.done(use(log, 1), value=b"value")
    with path.open("ab") as file:
        file.write(torn)
    with UseLog.open(path) as log:
        assert log.find(1) is not None
        use(log, 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert ["started", "done", "healed", "started"] == [line["kind"] for line in lines]


@pytest.mark.parametrize("line", [0, 1, 2, 5])
def test_a_changed_line_is_noticed(path: Path, line: int) -> None:
    """One changed character in any complete line, the last included, and no key is used."""
    with UseLog.open(path) as log:
        for number in (1, 2, 3):
            log.done(use(log, number), value=b"value")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"at":1', b'"at":2', 1)
    path.write_bytes(b"".join(lines))
    with pytest.raises(UseLogBroken):
        UseLog.open(path)


def test_a_removed_or_moved_line_is_noticed(path: Path) -> None:
    """The chain holds order and completeness, up to the tail."""
    with UseLog.open(path) as log:
        for number in (1, 2, 3):
            log.done(use(log, number), value=b"value")
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[1:], lines[:2] + lines[3:], [lines[1], lines[0], *lines[2:]]):
        path.write_bytes(b"".join(changed))
        with pytest.raises(UseLogBroken):
            UseLog.open(path)


def test_a_log_that_cannot_be_written_stops_the_use(path: Path) -> None:
    """A full disk raises before any key is touched, and leaves a log that goes on when there is room."""
    import resource
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with UseLog.open(path) as log:
        log.done(use(log, 1), value=b"value")
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
            with pytest.raises(UseLogBroken):
                use(log, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, former)
        assert log.find(2) is None
        use(log, 2)
    with UseLog.open(path) as log:
        assert log.find(2) is not None


def test_threads_write_one_chain(path: Path) -> None:
    """Eight threads, one chain that verifies, every use done."""
    with UseLog.open(path) as log:

        def work(start: int) -> None:
            for number in range(start, start + 25):
                log.done(use(log, number, str(number).encode()), value=b"v")

        threads = [threading.Thread(target=work, args=(n * 100 + 1,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with UseLog.open(path) as log:
        found = [log.find(n * 100 + 1 + i) for n in range(8) for i in range(25)]
    assert {"done"} == {f.state for f in found if f}
    assert None not in found


def test_a_second_writer_is_kept_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keepers never share a log."""
    monkeypatch.setattr("hsm.chained._PATIENCE", 0.1)
    with UseLog.open(path), pytest.raises(UseLogBroken, match="another keeper"):
        UseLog.open(path)
