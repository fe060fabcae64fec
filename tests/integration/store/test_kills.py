"""kill -9: what was acknowledged is there, what was begun can be gone on with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from api.jobs import Jobs
from api.ledger import Ledger
from api.store import signatures
from api.store.blobs import Blobs
from api.store.database import open_database

pytestmark = pytest.mark.spine

KILLS = 20


def start(mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.store.writer", mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def lines_until(stop: str, stream: IO[str]) -> list[list[str]]:
    """The words of each line up to the first that begins with `stop`, that one included."""
    found: list[list[str]] = []
    while not found or found[-1][0] != stop:
        line = stream.readline()
        assert line, "the writer ended by itself"
        found.append(line.split())
    return found


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """Twenty kills at random moments: every line and record that a process had spoken of is there, the ledger is whole,
    and each record that was under way can be claimed and has what its next step needs."""
    url = f"sqlite:///{tmp_path / 'kyso.db'}"
    database = open_database(url)
    ledger, blobs = Ledger(database), Blobs(tmp_path / "blobs")
    dice = random.Random(7)
    acknowledged: list[list[str]] = []
    noted = [ledger.verify()]
    nursery = start("sign")
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    for _ in range(KILLS // 2):  # two processes at a time share the database
        print(url, tmp_path, file=nursery.stdin)
        spoken = lines_until("BORN", nursery.stdout)
        pids = [int(word) for word in spoken.pop()[1:]]
        spoken += lines_until("PREPARED", nursery.stdout)  # at work
        time.sleep(dice.uniform(0.0, 0.1))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        acknowledged += [*spoken, *lines_until("DEAD", nursery.stdout)[:-1]]
        noted.append(ledger.verify(known=tuple(noted)))
    nursery.stdin.close()
    assert nursery.wait(timeout=5) == 0
    assert len(acknowledged) >= KILLS // 2  # mostly hundreds

    lines = {line.number: line for line in ledger.read(limit=100_000)}
    values = {line.facts["intent"]: line for line in lines.values() if line.kind == "DONE"}
    for what, identity, number in acknowledged:
        assert lines[int(number)].facts["signature"] == identity
        record = database.read(signatures.get, identity)
        assert record is not None
        assert record.ledger_number == int(number)
        assert record.prepared == identity.encode()
        assert blobs.path(record.document_blob).read_bytes() == b"%PDF-1.7 document"
        if what == "VALUE":
            assert values[int(number)].facts["value"] == number
            assert (record.state, record.value) == ("completing", number.encode())

    # What the kills left behind: an open INTENT is a record in `signing`, and the other way round.
    time.sleep(0.25)
    waiting = database.read(signatures.unfinished, limit=100_000)
    records = {identity: database.read(signatures.get, identity) for identity in waiting}
    signing = {record.ledger_number for record in records.values() if record and record.state == "signing"}
    assert signing == {line.number for line in ledger.open_intents()}
    for identity in waiting:
        assert database.write(signatures.claim, identity) is not None


def test_a_killed_processs_job_is_taken_over(tmp_path: Path) -> None:
    """After the lease, not before, another process starts it again."""
    url = f"sqlite:///{tmp_path / 'kyso.db'}"
    jobs = Jobs(open_database(url))
    jobs.enqueue("a", {"n": 7})
    process = start("job")
    assert process.stdin is not None
    assert process.stdout is not None
    print(url, file=process.stdin)
    assert process.stdout.readline() == "STARTED 7\n"
    process.kill()
    process.communicate()
    tries: list[int] = []
    assert not jobs.run_one({"a": lambda job: tries.append(job.tries)})
    time.sleep(0.6)
    assert jobs.run_one({"a": lambda job: tries.append(job.tries)})
    assert tries == [2]
