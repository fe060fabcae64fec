"""Batches: many documents under one order, each signed once, whatever breaks in between."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from api.errors import NotPermitted
from api.store import batches as store
from api.store import callers
from api.store.callers import Caller, CallerId
from api.uploads import of_file
from api.workflows import batches, keyuse
from hsm.errors import TokenNotAvailable
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    monkeypatch.setattr(keyuse, "PAUSE", 0.01)
    return house(tmp_path / "home")


def papers(tmp_path: Path, count: int) -> list[tuple[str, bytes]]:
    return [(f"đơn-{n}.pdf", pdf(tmp_path / f"{n}.pdf", ballast=n).read_bytes()) for n in range(1, count + 1)]


def post(home: House, documents: list[tuple[str, bytes]], *, repeat: str | None = None, name: str = "client", **order):
    files = [("document", (called, data, "application/pdf")) for called, data in documents]
    files.append(("order", (None, json.dumps({"key": "seal"} | order).encode(), "application/json")))
    headers = {"Idempotency-Key": repeat} if repeat else {}
    return home.ask("POST", "/v1/batches", files=files, headers=headers, name=name)


def work(home: House) -> bool:
    return home.services.jobs.run_one(batches.handlers(home.services))


def show(home: House, identity: str) -> dict:
    return home.ask("GET", f"/v1/batches/{identity}").json()


def test_every_document_is_signed_and_can_be_fetched(home: House, tmp_path: Path):
    """202 at once with nothing signed; after the job each document has a signature of its own, and its bytes."""
    documents = papers(tmp_path, 3)
    answer = post(home, documents)
    assert (202, "working") == (answer.status_code, answer.json()["status"])
    assert {"total": 3, "waiting": 3} == answer.json()["counts"]
    assert 0 == home.token.signed
    assert work(home)
    found = home.ask("GET", answer.headers["location"]).json()
    assert "done" == found["status"]
    assert [name for name, _ in documents] == [one["name"] for one in found["documents"]]
    assert 3 == len({one["signature"] for one in found["documents"]}) == home.token.signed
    for one, (_, data) in zip(found["documents"], documents, strict=True):
        signed = home.ask("GET", one["document"]).content
        assert signed.startswith(data)
        assert len(signed) > len(data)


def test_one_bad_document_does_not_stop_the_others(home: House, tmp_path: Path):
    """What one is refused for stands beside it, with its code; the batch is `partly`."""
    (good,) = papers(tmp_path, 1)
    identity = post(home, [("hỏng.pdf", b"%PDF-1.7 nothing"), good, ("ảnh.png", b"\x89PNG")]).json()["id"]
    work(home)
    found = show(home, identity)
    assert "partly" == found["status"]
    assert ["failed", "signed", "failed"] == [one["status"] for one in found["documents"]]
    assert ["document-broken", None, "document-not-recognised"] == [one.get("code") for one in found["documents"]]


def test_what_an_operator_can_mend_is_tried_again(home: House, tmp_path: Path):
    """While the token is away the documents wait; then they are signed, each once."""
    identity = post(home, papers(tmp_path, 2)).json()["id"]
    home.token.state = "unavailable"
    home.token.away = True
    work(home)
    assert {"waiting": 2} == {k: v for k, v in show(home, identity)["counts"].items() if k != "total"}
    home.token.away, home.token.state = False, "operational"
    home.services.database.write(lambda c: c.exec_driver_sql("UPDATE job SET due = 0").rowcount)
    work(home)
    assert ("done", 2) == (show(home, identity)["status"], home.token.signed)


def test_a_job_that_is_begun_anew_signs_nothing_twice(home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed behind each signature and before its row: the second run finds what the first did."""
    identity = post(home, papers(tmp_path, 2)).json()["id"]
    with monkeypatch.context() as broken:
        broken.setattr(store, "settle", lambda *_, **__: (_ for _ in ()).throw(TokenNotAvailable()))
        work(home)
    assert 2 == home.token.signed
    home.services.database.write(lambda c: c.exec_driver_sql("UPDATE job SET due = 0").rowcount)
    work(home)
    assert ("done", 2) == (show(home, identity)["status"], home.token.signed)


def test_the_same_request_again_finds_its_batch(home: House, tmp_path: Path):
    """With an Idempotency-Key: the same answer and no second batch; another request under it is refused."""
    documents = papers(tmp_path, 2)
    first = post(home, documents, repeat="so-1")
    again = post(home, documents, repeat="so-1")
    assert first.json()["id"] == again.json()["id"]
    assert "true" == again.headers["idempotency-replayed"]
    other = post(home, documents[:1], repeat="so-1")
    assert (409, "idempotency-key-reused") == (other.status_code, other.json()["code"])
    work(home)
    assert 2 == home.token.signed


def test_a_stopped_batch_begins_nothing_more(home: House, tmp_path: Path):
    """DELETE before the job: no document is signed, and each says that it was stopped."""
    identity = post(home, papers(tmp_path, 2)).json()["id"]
    assert 200 == home.ask("DELETE", f"/v1/batches/{identity}").status_code
    work(home)
    found = show(home, identity)
    assert ("failed", 0) == (found["status"], home.token.signed)
    assert {"stopped"} == {one["status"] for one in found["documents"]}


def test_a_caller_that_was_revoked_signs_no_more(home: House, tmp_path: Path):
    """Rights are looked at when each document is signed, not when the batch came."""
    identity = post(home, papers(tmp_path, 1)).json()["id"]
    home.services.database.write(callers.revoke, home.callers["client"].id)
    work(home)
    assert "not-permitted" == home.services.database.read(store.listed, identity)[0].error_code
    assert 0 == home.token.signed


def test_a_batch_is_its_callers_alone(home: House, tmp_path: Path):
    """For others it does not exist."""
    identity = post(home, papers(tmp_path, 1)).json()["id"]
    assert 404 == home.ask("GET", f"/v1/batches/{identity}", name="stranger").status_code
    assert 404 == home.ask("DELETE", f"/v1/batches/{identity}", name="stranger").status_code
    assert 404 == home.ask("GET", "/v1/batches/bat_0").status_code


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"key": "another"}, 404, "key-not-found"),
        ({"head": "0" * 64}, 400, "request-invalid"),
        ({"password": "x"}, 400, "request-invalid"),
        ({"key": None, "certificate": "x"}, 400, "request-invalid"),
        ({"level": "B-X"}, 400, "request-invalid"),
    ],
)
def test_an_order_that_fits_no_batch_is_refused_at_once(home: House, tmp_path: Path, order, status: int, code: str):
    """And nothing of the upload is kept."""
    answer = post(home, papers(tmp_path, 2), **order)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert not [file for file in home.services.settings.blobs.rglob("*") if file.is_file()]


def test_nothing_is_left_of_the_uploads_once_all_is_done(home: House, tmp_path: Path):
    """One blob a signed document, none of what was sent in."""
    identity = post(home, [*papers(tmp_path, 2), ("x", b"no document")]).json()["id"]
    work(home)
    assert 2 == show(home, identity)["counts"]["signed"]
    assert 2 == len([file for file in home.services.settings.blobs.rglob("*") if file.is_file()])


def test_too_many_documents_are_refused(home: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The number is bounded while the upload comes in."""
    monkeypatch.setattr(batches, "MOST", 2)
    answer = post(home, papers(tmp_path, 3))
    assert (400, "request-invalid") == (answer.status_code, answer.json()["code"])


def test_a_batch_of_nobody_who_can_be_looked_up_later_is_not_taken(home: House, tmp_path: Path):
    """Callers that an issuer vouches for stand in no table: hours later nobody could say whether they still may."""
    signed_in = Caller(CallerId("tinh-0011"), "An", "client", ("seal*",))
    (_, data) = papers(tmp_path, 1)[0]
    with (
        of_file(io.BytesIO(data), name="a.pdf", folder=home.services.work, limit=1 << 30) as one,
        pytest.raises(NotPermitted),
    ):
        batches.create(home.services, signed_in, b'{"key": "seal"}', [one], idempotency_key=None)
    assert not work(home)
