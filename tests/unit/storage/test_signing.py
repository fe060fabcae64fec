"""A service whose documents are encrypted on the disk: the same answers, and nothing in plain where it lasts."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.schemas import OrderRequest
from api.store import signatures
from api.store.blobs import Blobs
from api.store.encryption import keys
from api.uploads import of_file
from api.workflows import keyuse, recovery, signing
from hsm.errors import HsmError
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    monkeypatch.setattr(keyuse, "PAUSE", 0.01)
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    return house(tmp_path / "home", storage={"key_file": "secrets/storage.key"})


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


def sign(home: House, document: bytes, *, key: str | None = None, **order: object):
    with of_file(io.BytesIO(document), name="a.pdf", folder=home.services.work, limit=1 << 30) as upload:
        wanted = OrderRequest(key="seal", **order)
        return signing.sign(home.services, home.callers["client"], wanted, upload, idempotency_key=key).record


def test_a_signed_document_is_one_encrypted_file(home: House, document: bytes) -> None:
    """Three ledger lines, one file, nothing in `tmp`; what is handed out begins with what came in."""
    record = sign(home, document)
    answer = home.ask("GET", f"/v1/signatures/{record.id}/document")
    assert (200, document) == (answer.status_code, answer.content[: len(document)])
    assert ["INTENT", "DONE", "COMPLETED"] == home.kinds()[-3:]
    (stored,) = (path for path in home.services.settings.blobs.rglob("*") if path.is_file())
    assert stored.read_bytes().startswith(b"kysoblob")
    assert [] == list(home.services.settings.tmp.iterdir())


def test_no_words_of_a_document_lie_on_the_disk(home: House, tmp_path: Path) -> None:
    """XML with its detached content, uploaded over HTTP, signed and fetched again: no file holds its words."""
    words = "Nguyễn Thị Mẫu 0123456789"
    body = f"<đơn><tên>{words}</tên></đơn>".encode()
    answer = home.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.xml", body, "application/xml")},
        data={"order": json.dumps({"key": "seal", "format": "XAdES"})},
    )
    assert 201 == answer.status_code, answer.text
    signed = home.ask("GET", answer.json()["document"])
    assert words in signed.content.decode()
    found = [path for path in (tmp_path / "home").rglob("*") if path.is_file() and words.encode() in path.read_bytes()]
    assert [] == found


@pytest.mark.parametrize("point", ["after the draft", "after the value", "while completing", "before COMPLETED"])
def test_a_crash_anywhere_is_completed_without_a_second_use(
    home: House, document: bytes, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what is on the disk: the encrypted draft, and whatever was written behind it."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    append: Callable[..., object] = home.services.ledger.append
    if point == "after the draft":
        home.token.before = die
    elif point == "after the value":
        home.token.after = die
    elif point == "while completing":
        home.documents.before = lambda op: die() if op == "complete" else None
    else:
        monkeypatch.setattr(
            home.services.ledger,
            "append",
            lambda kind, *a, **k: die() if kind == "COMPLETED" else append(kind, *a, **k),
        )
    with pytest.raises(Killed):
        sign(home, document, key="k")
    monkeypatch.undo()
    home.token.before = home.token.after = lambda: None
    home.documents.before = lambda _op: None
    table = signatures.table
    home.services.database.write(lambda c: c.execute(table.update().values(held_until=0.0, updated_at=0.0)).rowcount)
    with contextlib.suppress(HsmError):
        assert 1 == recovery.scan(home.services)
        assert home.services.jobs.run_one(recovery.handlers(home.services))
    states = home.services.database.read(lambda c: [row.state for row in c.execute(table.select())])
    assert (["refused"] if point == "after the draft" else ["signed"]) == states
    assert (0 if point == "after the draft" else 1) == home.token.signed
    assert () == home.services.ledger.open_intents()


def test_documents_from_before_the_key_are_handed_out_and_signed_on(tmp_path: Path, document: bytes) -> None:
    """A home that was plain: its documents, and the drafts that were under way."""
    plain = house(tmp_path / "home")
    with of_file(io.BytesIO(document), name="a.pdf", folder=plain.services.work, limit=1 << 30) as upload:
        record = signing.sign(plain.services, plain.callers["client"], OrderRequest(key="seal"), upload).record
    assert type(plain.services.blobs) is Blobs
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    home = house(tmp_path / "home", storage={"key_file": "secrets/storage.key"})
    with home.services.blobs.open(record.signed_blob or "") as file:
        first = file.read()
    assert first.startswith(document)
    again = sign(home, first)
    with home.services.blobs.open(again.signed_blob or "") as file:
        assert file.read().startswith(first)
