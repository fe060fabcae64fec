"""Processes that sign in a loop, as far as the store can tell, until they are killed. Not a test.

    python -m tests.integration.store.writer sign    for each line `URL FOLDER` on standard input starts PAIR processes
                                                     and prints `BORN pid pid`; they print `PREPARED id n` and
                                                     `VALUE id n` once each is durable; `DEAD` when both are gone
    python -m tests.integration.store.writer job     runs a job of the database `URL`: prints `STARTED n`, and hangs

The parent forks before it opens anything, so that a killed process costs no new start of Python.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from api.jobs import Job, Jobs
from api.ledger import Ledger
from api.store import signatures
from api.store.blobs import Blobs
from api.store.database import Database, open_database

THREADS = 3
PAIR = 2


def tell(*words: object) -> None:
    """One write call, so that lines of several threads do not mix."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def sign(database: Database, folder: Path) -> None:
    ledger, blobs = Ledger(database), Blobs(folder / "blobs")

    def one() -> None:
        source = folder / f"{os.getpid()}-{threading.get_ident()}.upload"
        source.write_bytes(b"%PDF-1.7 document")
        blob = blobs.adopt(source)
        identity, holds = signatures.new_id(), []

        def also(connection: sa.Connection, number: int) -> None:
            hold = signatures.create(
                connection,
                id=identity,
                caller="c",
                order="{}",
                document_sha256="ab" * 32,
                document_blob=blob,
                prepared=identity.encode(),
                ledger_number=number,
                lease=0.2,
            )
            holds.append(hold)

        number = ledger.append("INTENT", {"signature": identity, "key": "seal"}, also=also)
        hold = holds[-1]
        tell("PREPARED", hold.id, number)
        ledger.append(
            "DONE",
            {"intent": number, "signature": hold.id, "value": str(number)},
            also=lambda connection, _: signatures.to_completing(connection, hold, value=str(number).encode()),
        )
        tell("VALUE", hold.id, number)

    def loop() -> None:
        try:
            while True:
                one()
        finally:
            os._exit(1)  # a failure must not look like quiet work

    for _ in range(THREADS):
        threading.Thread(target=loop, daemon=True).start()
    threading.Event().wait()


def job(database: Database) -> None:
    def handler(job: Job) -> None:
        tell("STARTED", job.payload["n"])
        time.sleep(60)

    Jobs(database, lease=0.5).run_one({"a": handler})


def born(url: str, folder: Path) -> int:
    pid = os.fork()
    if pid == 0:
        sign(open_database(url), folder)
    return pid


def nursery() -> None:
    for order in sys.stdin:
        url, folder = order.split()
        tell("BORN", *(born(url, Path(folder)) for _ in range(PAIR)))
        for _ in range(PAIR):
            os.wait()
        tell("DEAD")


if __name__ == "__main__":
    if sys.argv[1] == "sign":
        nursery()
    else:
        job(open_database(sys.stdin.readline().strip()))
