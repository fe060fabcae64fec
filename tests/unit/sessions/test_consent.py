"""One consent signs what was shown, once, whatever breaks in between."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from api.sessions import store, working
from api.workflows import keyuse
from hsm.errors import TokenNotAvailable
from tests import readers
from tests.session_support import Desk, desk

pytestmark = pytest.mark.web


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    monkeypatch.setattr(keyuse, "PAUSE", 0.01)
    return desk(tmp_path)


def test_a_consent_signs_every_document(one: Desk, tmp_path: Path):
    """202 at once; then each is signed, fetched, and on record with session and outcome; events tell it in order."""
    session = one.asked(one.papers(2))
    answer = one.consent(session)
    assert (202, {"state": "signing"}) == (answer.status_code, answer.json())
    assert one.work()
    shown = one.show(session)
    assert ("done", {"done": 2, "total": 2}) == (shown["state"], shown["progress"])
    for each in shown["documents"]:
        data = one.page("GET", session, f"/documents/{each['id']}?signed=1").content
        (tmp_path / "signed.pdf").write_bytes(data)
        assert [(True, True)] == readers.pyhanko(tmp_path / "signed.pdf")
        assert each["outcome"]["signature"].startswith("sig_")
    states = ["waiting", "opened", "consented", "signing", "done"]
    assert states == [line.removeprefix("signing-") for line in one.lines(session)]
    intents = [line for line in one.house.services.ledger.read(limit=100) if line.kind == "INTENT"]
    assert {session} == {line.facts["session"] for line in intents}
    told = one.page("GET", session, "/events", headers={"Accept": "application/json"}).json()
    assert ["state", "state", "state", "state", "document", "document", "state"] == [e["type"] for e in told["events"]]
    rest = one.page("GET", session, f"/events?after={told['last'] - 1}").json()["events"]
    assert [("state", "done")] == [(event["type"], event["state"]) for event in rest]
    own = one.house.ask("GET", f"/v1/signatures/{shown['documents'][0]['outcome']['signature']}")
    assert 200 == own.status_code


def test_of_two_browsers_one_gets_through(one: Desk):
    """Two consents at once: one is accepted, the other 409; each document is signed once."""
    session = one.asked(one.papers(2))
    documents = [{"id": each["id"], "sha256": each["sha256"]} for each in one.show(session)["documents"]]
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(one.consent(session, documents=documents).status_code))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [202, 409] == sorted(answers)
    while one.work():
        pass
    assert 2 == one.house.token.signed
    assert "session-consented" == one.consent(session, documents=documents).json()["code"]


def test_a_lost_answer_can_be_asked_for_again(one: Desk):
    """The same consent under its Idempotency-Key answers how far it is; it signs nothing twice."""
    session = one.asked()
    documents = [{"id": "d1", "sha256": one.show(session)["documents"][0]["sha256"]}]
    for _ in range(2):
        assert 202 == one.consent(session, documents=documents, headers={"Idempotency-Key": "c1"}).status_code
    one.work()
    again = one.consent(session, documents=documents, headers={"Idempotency-Key": "c1"})
    assert {"state": "done"} == again.json()
    assert 1 == one.house.token.signed


def test_what_was_not_shown_is_not_signed(one: Desk):
    """Another digest, a document that is none of the session's, a blob that was swapped: nothing is signed."""
    session = one.asked(one.papers(2))
    first, second = one.show(session)["documents"]
    wrong = [{"id": first["id"], "sha256": second["sha256"]}]
    assert (409, "document-changed") == (
        (answer := one.consent(session, documents=wrong)).status_code,
        answer.json()["code"],
    )
    assert 400 == one.consent(session, documents=[{"id": "d9", "sha256": first["sha256"]}]).status_code
    services = one.house.services
    rows = services.database.read(store.listed, session)
    services.blobs.path(rows[0].blob).write_bytes(services.blobs.path(rows[1].blob).read_bytes())
    one.consent(session)
    one.work()
    outcomes = [each["outcome"] for each in one.show(session)["documents"]]
    assert [("failed", "document-changed"), ("signed", None)] == [
        (each["state"], each.get("code")) for each in outcomes
    ]
    assert 1 == one.house.token.signed
    assert outcomes[0]["support_code"].endswith("-1")
    assert "Tài liệu không phải bản đã hiển thị" == outcomes[0]["title"]["vi"]


def test_a_withdrawn_session_is_not_consented_to(one: Desk):
    """410 with its code; and what was agreed to before it was withdrawn begins nothing further."""
    session, other = one.asked(), one.asked(one.papers(2))
    documents = [{"id": "d1", "sha256": one.show(session)["documents"][0]["sha256"]}]
    one.house.ask("DELETE", f"/v1/sessions/{session}")
    assert "session-withdrawn" == one.consent(session, documents=documents).json()["code"]
    one.consent(other)
    one.house.ask("DELETE", f"/v1/sessions/{other}")
    one.work()
    assert 0 == one.house.token.signed


def test_a_stop_begins_nothing_further_and_a_go_goes_on(one: Desk):
    """After `stop` the rest waits, `partly`; after `continue` it is signed."""
    session = one.asked(one.papers(3))
    one.consent(session)
    assert 200 == one.page("POST", session, "/stop").status_code
    one.work()
    shown = one.show(session)
    assert ("partly", ["waiting"] * 3) == (shown["state"], [each["state"] for each in shown["documents"]])
    assert {"state": "signing"} == one.page("POST", session, "/continue").json()
    one.work()
    assert ("done", 3) == (one.show(session)["state"], one.house.token.signed)
    assert "session-state" == one.page("POST", session, "/continue").json()["code"]


def test_one_is_sent_back_one_passed_on_the_rest_signed(one: Desk):
    """Outcomes with reasons; the session is `partly`; when all are sent back it is `returned`."""
    session = one.asked(one.papers(3))
    back = one.page("POST", session, "/documents/d1/return", json={"reason": "Thiếu ngày sinh"})
    assert ("returned", "Thiếu ngày sinh") == (back.json()["outcome"]["state"], back.json()["outcome"]["reason"])
    on = one.page("POST", session, "/documents/d2/reassign", json={"person": "p2", "reason": "Đi công tác"})
    assert "p2" == on.json()["outcome"]["reassigned_to"]
    assert "session-state" == one.page("POST", session, "/documents/d1/return", json={"reason": "x"}).json()["code"]
    one.consent(session)
    assert "session-consented" == one.page("POST", session, "/documents/d3/return", json={"reason": "x"}).json()["code"]
    one.work()
    shown = one.show(session)
    assert ("partly", ["returned", "reassigned", "signed"]) == (
        shown["state"],
        [e["state"] for e in shown["documents"]],
    )
    lines = one.house.services.ledger.read(limit=1000, kind="SESSION")
    assert "ngày sinh" not in "".join(line.text for line in lines)
    other = one.asked()
    one.page("POST", other, "/documents/d1/return", json={"reason": "x"})
    assert "returned" == one.show(other)["state"]


def test_a_killed_process_is_followed_by_another(one: Desk, monkeypatch: pytest.MonkeyPatch):
    """Killed in the middle of twenty: whoever takes the job over signs the rest, and nothing twice."""
    session = one.asked(one.papers(20))
    one.consent(session)
    sign, count = working.making.sign, []

    def dying(*given):
        count.append(1)
        if len(count) > 8:
            raise KeyboardInterrupt
        return sign(*given)

    monkeypatch.setattr(working.making, "sign", dying)
    with pytest.raises(KeyboardInterrupt):
        one.work()
    monkeypatch.undo()
    before = one.show(session)["progress"]["done"]
    assert 0 < before < 20
    services = one.house.services
    services.database.write(lambda c: c.exec_driver_sql("UPDATE job SET due = 0, holder = NULL"))
    while one.work():
        pass
    assert ("done", 20) == (one.show(session)["state"], one.house.token.signed)


def test_what_an_operator_can_mend_is_tried_again(one: Desk):
    """While the token is away the documents wait, and nothing has failed; then they are signed."""
    session = one.asked()
    one.consent(session)

    def away() -> None:
        raise TokenNotAvailable(token="soft")

    one.house.token.before = away
    one.work()
    assert "signing" == one.show(session)["state"] or "partly" == one.show(session)["state"]
    one.house.token.before = lambda: None
    services = one.house.services
    services.database.write(lambda c: c.exec_driver_sql("UPDATE job SET due = 0"))
    if "partly" == one.show(session)["state"]:
        assert 202 == one.page("POST", session, "/continue").status_code
    while one.work():
        pass
    assert "done" == one.show(session)["state"]


def test_whose_certificate_it_is_counts(tmp_path: Path):
    """By the directory: another person's key is refused, a seal is for the clerk, and the form must be theirs."""
    made = desk(tmp_path, directory=True)
    first = made.asked(person="p1", keys=["seal", "other"])
    shown = {each["ref"]: each for each in made.show(first)["certificates"]}
    assert (False, "wrong-role", "seal") == (shown["seal"]["usable"], shown["seal"]["code"], shown["seal"]["holder"])
    assert (False, "certificate-of-another-person") == (shown["other"]["usable"], shown["other"]["code"])
    for key, code in (("other", "certificate-of-another-person"), ("seal", "wrong-role"), ("no", "key-not-found")):
        answer = made.consent(first, key)
        assert code == answer.json()["code"], answer.text
    second = made.asked(person="p2")
    assert ["other"] == [each["ref"] for each in made.show(second)["certificates"]]
    assert 202 == made.consent(second, "other").status_code
    third = made.asked(person="p3", organisation="A", role="clerk")
    assert 202 == made.consent(third, "seal").status_code
    while made.work():
        pass
    assert ["done", "done"] == [made.show(one)["state"] for one in (second, third)]
    assert "wrong-role" == made.post(person="p1", on_behalf="KT").json()["code"]
    assert 201 == made.post(person="p2", on_behalf="KT").status_code
    assert "opened" == made.show(first)["state"]
