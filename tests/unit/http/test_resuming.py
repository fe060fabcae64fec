"""Uploads in pieces (tus 1.0): gone on with where they broke off, by their owner alone, within bounds, and used as documents."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from api import resuming
from api.composition import compose
from api.protocol import Bounded
from api.store import owners, resumable
from api.store.encryption import keys as storage_keys
from tests.documents import pdf
from tests.http_support import SECRET, House, house

pytestmark = pytest.mark.appliance

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
SIZE = 3 * resuming.PIECE + 12_345


@pytest.fixture
def home(tmp_path: Path) -> House:
    """Documents lie encrypted here, as they do wherever a storage key is configured."""
    (tmp_path / "home" / "secrets").mkdir(parents=True)
    storage_keys.make(tmp_path / "home" / "secrets" / "storage.key")
    return house(tmp_path / "home", storage={"key_file": "secrets/storage.key"})


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(SIZE)


def begin(home: House, size: int, *, called: str = "tờ trình.pdf", name: str = "client") -> httpx.Response:
    metadata = f"filename {base64.b64encode(called.encode()).decode()},filetype YQ=="
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
    return home.ask("POST", "/v1/uploads", headers=headers, name=name)


def send(home: House, where: str, data: bytes, *, offset: int, name: str = "client", **headers: str) -> httpx.Response:
    return home.ask("PATCH", where, content=data, headers={**PIECE, "Upload-Offset": str(offset), **headers}, name=name)


def offset_of(home: House, where: str) -> int:
    return int(home.ask("HEAD", where, headers=TUS).headers["upload-offset"])


def sent(home: House, data: bytes, *, called: str = "tờ trình.pdf") -> str:
    """A finished upload, as a document is named by it."""
    where = begin(home, len(data), called=called).headers["location"]
    assert 204 == send(home, where, data, offset=0).status_code
    return f"upload:{where.rpartition('/')[2]}"


@dataclass
class Served:
    """The service behind a socket, with a connection of its own for each request."""

    home: House
    port: int

    def send(self, where: str, data: bytes, *, offset: int, announced: int) -> None:
        """A piece that is announced with more bytes than come: then the line is cut."""
        head = [f"PATCH {where} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.home.secrets['client']}"]
        head += [f"{name}: {value}" for name, value in PIECE.items()]
        head += [f"Upload-Offset: {offset}", f"Content-Length: {announced}", "", ""]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as line:
            line.sendall("\r\n".join(head).encode() + data)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)
            line.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                line.recv(1)


@contextlib.contextmanager
def served(home: House) -> Iterator[Served]:
    config = uvicorn.Config(home.app, http=Bounded, ws="none", log_config=None, lifespan="off", port=0)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(home, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def test_what_came_before_the_line_broke_counts(home: House, data: bytes) -> None:
    """The connection ends in the middle of a piece: HEAD tells how far it came, another process takes the rest, and the
    document is what was sent, though nothing of it lies on the disk in plain."""
    where = begin(home, SIZE).headers["location"]
    half = 2 * resuming.PIECE + 777
    with served(home) as line:
        line.send(where, data[:half], offset=0, announced=SIZE)
        deadline = time.monotonic() + 60
        while offset_of(home, where) < half and time.monotonic() < deadline:
            time.sleep(0.05)
    assert half == offset_of(home, where)
    home.services.database.close()
    parts = {"permit_secret": SECRET, "tokens": {"soft": home.token}, "fetcher": home.outside}
    again = replace(home, services=replace(compose(home.services.settings, **parts), documents=home.documents))
    assert half == offset_of(again, where)
    assert str(SIZE) == send(again, where, data[half:], offset=half).headers["upload-offset"]
    with resuming.opened(again.services, again.callers["client"].id, where.rpartition("/")[2]) as upload:
        assert ("tờ trình.pdf", SIZE, hashlib.sha256(data).hexdigest()) == (upload.name, upload.size, upload.sha256)
        assert data == upload.file.read()
    stored = [path.read_bytes() for path in again.services.blobs.files()]
    assert SIZE < sum(map(len, stored))
    assert not any(data[at : at + 64] in one for one in stored for at in range(0, SIZE, 300_000))


def test_a_piece_fits_or_is_refused(home: House, data: bytes) -> None:
    """Not where the upload ends; more than was announced; no number; not as tus has it; another version."""
    where = begin(home, 1000).headers["location"]
    assert 204 == send(home, where, data[:400], offset=0).status_code
    wrong = send(home, where, data[:400], offset=0)
    assert (409, "upload-offset-wrong") == (wrong.status_code, wrong.json()["code"])
    assert (413, "upload-too-large") == _told(send(home, where, data[:700], offset=400))
    assert (400, "request-invalid") == _told(send(home, where, b"", offset=-1))
    assert 415 == send(home, where, b"a", offset=400, **{"Content-Type": "text/plain"}).status_code
    assert (412, "upload-protocol-unknown") == _told(send(home, where, b"a", offset=400, **{"Tus-Resumable": "2.0.0"}))
    assert 400 == offset_of(home, where)


def test_many_small_pieces_come_to_an_end(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece costs a row and a file, however small it is."""
    monkeypatch.setattr(resumable, "MOST_PIECES", 3)
    where = begin(home, 1000).headers["location"]
    statuses = [send(home, where, b"a", offset=offset).status_code for offset in range(4)]
    assert [204, 204, 204, 409] == statuses
    assert 3 == len(list(home.services.blobs.files()))


def test_of_two_connections_one_gets_through(home: House, data: bytes) -> None:
    """Both read the same offset; the second to store its piece is refused, and leaves no file behind."""
    where = begin(home, 1000).headers["location"]
    found = resuming.find(home.services, home.callers["client"].id, where.rpartition("/")[2])
    one, other = resuming.Taking(home.services, found), resuming.Taking(home.services, found)
    one.feed(data[:500])
    other.feed(data[:300])
    one.store()
    with pytest.raises(resuming.UploadOffsetWrong):
        other.store()
    assert 500 == offset_of(home, where)
    assert 1 == len(list(home.services.blobs.files()))


def test_a_checked_piece_counts_as_a_whole_or_not_at_all(home: House, data: bytes) -> None:
    """460 for a digest that does not match, and nothing is kept of it; the right one is taken, by sha256 and by sha1."""
    where = begin(home, 1000).headers["location"]

    def checksum(name: str, part: bytes) -> dict[str, str]:
        digest = hashlib.new(name, part, usedforsecurity=False).digest()
        return {"Upload-Checksum": f"{name} {base64.b64encode(digest).decode()}"}

    refused = send(home, where, data[:600], offset=0, **checksum("sha256", b"another"))
    assert (460, "upload-checksum-wrong") == _told(refused)
    assert 0 == offset_of(home, where)
    assert 204 == send(home, where, data[:600], offset=0, **checksum("sha256", data[:600])).status_code
    assert 204 == send(home, where, data[600:1000], offset=600, **checksum("sha1", data[600:1000])).status_code
    assert 400 == send(home, where, b"", offset=1000, **{"Upload-Checksum": "md5 YQ=="}).status_code
    assert 1000 == offset_of(home, where)


def test_nobody_else_finds_it(home: House, data: bytes) -> None:
    """For another caller there is no such upload, whatever is asked of it, nor a document of that name."""
    reference = sent(home, data[:1000])
    where = f"/v1/uploads/{reference.removeprefix('upload:')}"
    for answer in (
        home.ask("HEAD", where, headers=TUS, name="stranger"),
        home.ask("DELETE", where, headers=TUS, name="stranger"),
        send(home, where, b"", offset=1000, name="stranger"),
        home.ask("POST", "/v1/verifications", files={"upload": (None, reference)}, name="stranger"),
        home.ask("GET", "/v1/uploads/upl_x"),
    ):
        assert 404 == answer.status_code
    assert 401 == home.ask("HEAD", where, headers=TUS, name=None).status_code
    assert 200 == home.ask("GET", where).status_code


def test_uploads_have_bounds_and_an_end(tmp_path: Path) -> None:
    """Too large, too many, too large together; removed by their owner, or swept once their time is over, files and all."""
    chosen = {"uploads": {"at_a_time": 2, "bytes": 5000}, "limits": {"upload_bytes": 4000}}
    home = house(tmp_path / "home", **chosen)
    assert (413, "upload-too-large") == _told(begin(home, 4001))
    reference = sent(home, b"a" * 3000)
    assert (429, "uploads-too-many") == _told(begin(home, 2001))
    second = begin(home, 100).headers["location"]
    send(home, second, b"b" * 50, offset=0)
    assert (429, "uploads-too-many") == _told(begin(home, 1))
    assert 204 == home.ask("DELETE", second, headers=TUS).status_code
    assert 404 == home.ask("HEAD", second, headers=TUS).status_code
    named = {owners.named(path.name) for path in home.services.blobs.files()}
    assert named == set(owners.all_of_them(home.services.database))
    assert 1 == len(named)
    later = time.time() + 25 * 3600
    assert 0 == resuming.sweep(home.services, now=time.time())
    assert 1 == resuming.sweep(home.services, now=later)
    assert [] == list(home.services.blobs.files())
    assert (404, "upload-not-found") == _told(
        home.ask("POST", "/v1/verifications", files={"upload": (None, reference)})
    )


def test_a_finished_upload_is_a_document(home: House, tmp_path: Path) -> None:
    """It is signed, judged and asked to be signed by its name, and what comes of it is as if it had come at once."""
    document = pdf(tmp_path / "a.pdf").read_bytes()
    reference = sent(home, document, called="đơn.pdf")
    order = (None, json.dumps({"key": "seal", "level": "B-B", "format": "PAdES"}))
    signed = home.ask("POST", "/v1/signatures", files={"upload": (None, reference), "order": order})
    assert 201 == signed.status_code, signed.text
    assert home.ask("GET", signed.json()["document"]).content.startswith(document)
    report = home.ask("POST", "/v1/verifications", files={"upload": (None, reference)})
    assert ("đơn.pdf", len(document)) == (report.json()["document"]["name"], report.json()["document"]["size"])
    asked = {"person": "Nguyễn Văn Mẫu", "documents": [{"document": reference, "title": "Đơn"}]}
    session = home.ask("POST", "/v1/sessions", json=asked)
    assert 201 == session.status_code, session.text
    shown = home.ask("GET", f"/v1/sessions/{session.json()['id']}").json()["documents"][0]
    assert ("đơn.pdf", hashlib.sha256(document).hexdigest()) == (shown["name"], shown["sha256"])


def test_half_an_upload_is_no_document(home: House, data: bytes) -> None:
    """It is said how much is missing; nothing is signed."""
    where = begin(home, 1000).headers["location"]
    send(home, where, data[:10], offset=0)
    files = {"upload": (None, f"upload:{where.rpartition('/')[2]}"), "order": (None, '{"key": "seal"}')}
    answer = home.ask("POST", "/v1/signatures", files=files)
    assert (409, "upload-unfinished") == _told(answer)
    assert {"size": 1000, "offset": 10} == answer.json()["facts"]
    assert 0 == home.token.signed


def test_what_is_understood_is_told(home: House) -> None:
    """OPTIONS, for clients that ask first."""
    told = home.ask("OPTIONS", "/v1/uploads", name=None)
    assert ("1.0.0", "creation,expiration,termination,checksum") == (
        told.headers["tus-version"],
        told.headers["tus-extension"],
    )
    assert "sha1" in told.headers["tus-checksum-algorithm"]


def _told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
