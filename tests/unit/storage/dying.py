"""Processes that die between a blob's two steps, for `test_sweeping`: run as a program, once for all places.

For each place a child of its own makes a service in FOLDER/PLACE, says in FOLDER/PLACE.json which of its files are
needed, and is killed at the one call that would remove a file, or name it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from api.schemas import OrderRequest
from api.sessions import ending
from api.store import batches, signatures
from api.store.signing_tables import signing_document, signing_session
from api.store.tables import signature
from api.uploads import of_file
from api.workflows import batches as batch_workflow
from api.workflows import extending, redemption, signing
from signer.model import Extended
from tests.documents import pdf
from tests.http_support import House, house


def dies(part: object, call: str) -> None:
    """The process is killed where it would make this call."""
    setattr(type(part), call, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))


def main(folder: Path) -> None:
    for place, crash in PLACES.items():
        child = os.fork()
        if child == 0:
            try:
                live(folder / place, crash)
            except BaseException:  # noqa: BLE001 - told, and the child ends here whatever it was
                traceback.print_exc()
            os._exit(1)  # it should not have come here
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, place


def live(folder: Path, place: Callable[[House, Path], None]) -> None:
    folder.mkdir(parents=True)
    home = house(folder / "home")
    document = pdf(folder / "a.pdf")
    sign(home, document)  # one that stays
    needed = [file.name for file in home.services.blobs.files()]
    (folder / "needed.json").write_text(json.dumps(needed))
    place(home, document)


def sign(home: House, document: Path) -> str:
    with document.open("rb") as file, of_file(file, name="a.pdf", folder=document.parent, limit=1 << 30) as upload:
        return signing.sign(home.services, home.callers["client"], OrderRequest(key="seal"), upload).record.id


def before_intent(home: House, document: Path) -> None:
    """The draft is durable; the line and the record are not."""
    dies(home.services.key_user, "intend")
    sign(home, document)


def settled(home: House, document: Path) -> None:
    """A batch's document is done with; its upload is still there."""
    blob = home.services.blobs.put(document.open("rb"))
    incoming = [batches.Incoming("a.pdf", "00", 1, blob)]
    asked = {"caller": "c", "order": "{}", "incoming": incoming, "idempotency_key": None, "fingerprint": ""}
    identity, _ = home.services.database.write(batches.create, **asked)
    dies(home.services.blobs, "delete")
    found = home.services.database.read(batches.get, identity)
    (one,) = home.services.database.read(batches.listed, identity)
    batch_workflow._settle(home.services, found, one, error_code="document-broken")


def expired(home: House, document: Path) -> None:
    """A preparation is refused; its draft is still there."""
    blob = home.services.blobs.put(document.open("rb"))
    values = {"caller": "c", "order": "{}", "document_sha256": "00", "document_blob": blob, "prepared": b""}
    made = home.services.database.write(signatures.create, **values, expires_at=time.time() - 1)
    record = home.services.database.read(signatures.get, made.id)
    assert record is not None
    dies(home.services.blobs, "delete")
    redemption.expire(home.services, record)


def lifted(home: House, document: Path) -> None:
    """The record names the lifted file; the former is still there."""
    newest = sa.select(signature.c.id)
    record = home.services.database.read(lambda c: signatures.get(c, str(c.execute(newest).scalar())))
    assert record is not None
    assert record.result is not None
    blob = home.services.blobs.put(document.open("rb"))
    done = Extended(level="B-T", sha256="11" * 32, size=1, timestamp=None, archive_until=None)
    (document.parent / "needed.json").write_text(json.dumps([blob]))
    dies(home.services.blobs, "delete")
    extending._replace(home.services, record, json.loads(record.result), done, blob=blob)


def forgotten(home: House, document: Path) -> None:
    """A session's document is no longer kept; its file is still there."""
    blob = home.services.blobs.put(document.open("rb"))
    texts = dict.fromkeys(("request_json", "survey_json"), "{}") | {"name": "a", "sha256": "0", "format": "PDF"}
    row = {**texts, "session": "ses_1", "number": 1, "size": 8, "blob": blob, "state": "signed", "round": 0}
    ended = {"id": "ses_1", "caller": "c", "token_sha256": b"", "state": "done", "person": "p", "request_json": "{}"}
    ended |= {"fingerprint": "", "created_at": 0.0, "expires_at": 0.0, "round": 0, "stopped": False, "ended_at": 1.0}
    home.services.database.write(lambda c: c.execute(signing_session.insert().values(ended)))
    home.services.database.write(lambda c: c.execute(signing_document.insert().values(row)))
    dies(home.services.blobs, "erase")
    ending.forget(home.services)


PLACES: dict[str, Callable[[House, Path], None]] = {
    place.__name__: place for place in (before_intent, settled, expired, lifted, forgotten)
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
