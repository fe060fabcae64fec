"""A system asks an official to sign: what it is told, who may look, and how a session ends without a signature."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from api.sessions import ending, store
from tests.session_support import Desk, desk

pytestmark = pytest.mark.web


@pytest.fixture
def one(tmp_path: Path) -> Desk:
    return desk(tmp_path)


def test_a_session_is_made_opened_and_told(one: Desk):
    """201 with a link whose fragment is the token; the official's first look is on record, and shows everything."""
    session = one.asked(one.papers(2), role="official")
    told = one.made[session]
    assert told["url"].endswith(f"/sign/{session}#token={told['token']}")
    assert "waiting" == told["state"] == one.house.ask("GET", f"/v1/sessions/{session}").json()["state"]
    shown = one.show(session)
    assert ("opened", "Nguyễn Văn Mẫu") == (shown["state"], shown["person"]["name"])
    assert ["đơn-1.pdf", "đơn-2.pdf"] == [each["name"] for each in shown["documents"]]
    assert [{"width": 595.0, "height": 842.0}] == shown["documents"][0]["pages"]
    assert ["seal"] == [each["ref"] for each in shown["certificates"] if each["usable"]]
    assert {"done": 0, "total": 2} == shown["progress"]
    assert ["signing-waiting", "signing-opened"] == one.lines(session)


def test_the_token_opens_its_session_and_nothing_else(one: Desk):
    """Altered, of another session, or used for another address: 401 with a sentence in Vietnamese."""
    session, other = one.asked(), one.asked()
    token = one.made[session]["token"]
    altered = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in (altered, token + "A", one.made[other]["token"], "kst_x"):
        answer = one.page("GET", session, token=wrong, headers={"Accept-Language": "vi"})
        assert (401, "session-token-invalid") == (answer.status_code, answer.json()["code"])
        assert "liên kết" in answer.json()["detail"].lower()
    for path in ("/v1/signatures/sig_1", "/v1/keys", "/v1/inbox"):
        answer = one.house.ask("GET", path, name=None, headers={"Authorization": f"Bearer {token}"})
        assert 401 == answer.status_code
    with one.house.services.database.engine.connect() as connection:
        assert token not in str(connection.exec_driver_sql("SELECT * FROM signing_session").all())


def test_only_its_system_finds_and_withdraws_it(one: Desk):
    """Another system finds nothing; what is withdrawn is refused to the official, and stays withdrawn."""
    session = one.asked()
    for method in ("GET", "DELETE"):
        assert "session-not-found" == one.house.ask(method, f"/v1/sessions/{session}", name="stranger").json()["code"]
    assert 403 == one.page("DELETE", session).status_code
    for _ in range(2):
        assert "withdrawn" == one.house.ask("DELETE", f"/v1/sessions/{session}").json()["state"]
    answer = one.page("GET", session)
    assert (410, "session-withdrawn") == (answer.status_code, answer.json()["code"])
    assert ["signing-waiting", "signing-withdrawn"] == one.lines(session)


def test_one_that_replaces_another_withdraws_it(one: Desk):
    """`supersedes` names a session of the same system; the ledger names both."""
    former = one.asked()
    session = one.asked(supersedes=former)
    assert session == one.house.ask("GET", f"/v1/sessions/{former}").json()["superseded_by"]
    assert "session-withdrawn" == one.page("GET", former).json()["code"]
    assert "session-not-found" == one.post(supersedes="ses_nothing").json()["code"]
    assert 201 == one.post(supersedes=former).status_code  # again: it is over already


def test_time_ends_it(one: Desk):
    """After `expires_at` nothing is shown; the background says so, once, on record."""
    session = one.asked()
    one.house.services.database.write(store.note, session, expires_at=time.time() - 1)
    answer = one.page("GET", session)
    assert (410, "session-expired") == (answer.status_code, answer.json()["code"])
    assert (1, 0) == (ending.expire_all(one.house.services), ending.expire_all(one.house.services))
    assert "expired" == one.house.ask("GET", f"/v1/sessions/{session}").json()["state"]
    assert ["signing-waiting", "signing-expired"] == one.lines(session)


def test_the_same_request_makes_it_once(one: Desk):
    """An Idempotency-Key finds the session again, with a token that opens it; another request under it is refused."""
    papers = one.papers(1)
    first = one.post(papers, headers={"Idempotency-Key": "k1"})
    again = one.post(papers, headers={"Idempotency-Key": "k1"})
    assert (first.json()["id"], "true") == (again.json()["id"], again.headers["idempotency-replayed"])
    assert 200 == one.page("GET", first.json()["id"], token=again.json()["token"]).status_code
    assert 401 == one.page("GET", first.json()["id"], token=first.json()["token"]).status_code
    other = one.post(papers, person="Khác", headers={"Idempotency-Key": "k1"})
    assert "idempotency-key-reused" == other.json()["code"]


def test_what_cannot_be_signed_is_refused_before_anybody_is_asked(one: Desk):
    """A broken document, one that was not sent, one too many, an order that does not fit: refused whole, nothing kept."""
    (good,) = one.papers(1)
    bad = one.post([good, ("hỏng.pdf", b"%PDF-1.7 nothing")])
    assert ("document-broken", "hỏng.pdf") == (bad.json()["code"], bad.json()["facts"]["document"])
    for more in (
        {"each": {"document": "khác.pdf"}},
        {"each": {"order": {"key": "seal"}}},
        {"each": {"order": {"format": "XAdES", "field": "x"}}},
        {"each": {"order": {"lev": "B-B"}}},
        {"each": {"procedure": "không-có"}},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2090-01-01T00:00:00Z"},
        {"organisation": "không có"},
        {"callback": "https://somewhere.example/x"},
        {"return_url": "javascript:alert(1)"},
        {"on_behalf": "KT"},
        {"unknown": 1},
    ):
        answer = one.post([good], **more)
        assert 400 <= answer.status_code < 500, (more, answer.text)
        assert answer.json()["code"] != "internal-error"
    assert 403 == one.post([good], name="auditor").status_code
    blobs = one.house.services.settings.blobs
    assert [] == [path for path in blobs.rglob("*") if path.is_file()]
    assert [] == [line.kind for line in one.house.services.ledger.read(limit=10) if line.kind == "SESSION"]


def test_what_waits_for_a_person_is_in_their_inbox(tmp_path: Path):
    """Signed in as that person, an official finds and opens what waits; another one does not."""
    made = desk(tmp_path, directory=True)
    services = made.house.services
    from api.sessions import people
    from api.store import callers

    person = people.person_id(services, "p1")
    for name, who in (("p1", person), ("p2", people.person_id(services, "p2"))):
        made.house.secrets[name] = services.database.write(
            callers.create, name=name, role="official", keys=(), person=who
        )
    session = made.asked(person="p1")
    found = made.house.ask("GET", "/v1/inbox", name="p1").json()["sessions"]
    assert [(session, "Nguyễn Văn Mẫu", "Đảng ủy xã Mẫu A")] == [
        (one["id"], one["person"]["name"], one["organisation"]["name"]) for one in found
    ]
    assert "opened" == made.house.ask("GET", f"/v1/sessions/{session}", name="p1").json()["state"]
    assert [] == made.house.ask("GET", "/v1/inbox", name="p2").json()["sessions"]
    assert 404 == made.house.ask("GET", f"/v1/sessions/{session}", name="p2").status_code


def test_documents_are_forgotten_after_their_time(one: Desk):
    """What came with a session that ended long ago is deleted; the session and its outcome stay."""
    session = one.asked()
    one.house.ask("DELETE", f"/v1/sessions/{session}")
    assert 0 == ending.forget(one.house.services)
    one.house.services.database.write(store.note, session, ended_at=time.time() - 8 * 86_400)
    assert 1 == ending.forget(one.house.services)
    answer = one.house.ask("GET", f"/v1/sessions/{session}/documents/d1")
    assert (410, "document-erased") == (answer.status_code, answer.json()["code"])
