"""Attempts of a client system, an official, and a neighbour organisation to reach in signing sessions what is not theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.store import callers
from api.store.tables import caller as caller_table
from tests.session_support import Desk, desk

pytestmark = pytest.mark.appliance

NEIGHBOUR = [
    {"code": "B", "name": "Đảng ủy xã Bên cạnh (mẫu)", "kind": "dang-uy-co-so", "from": "2020-01-01"},
]


@pytest.fixture
def one(tmp_path: Path) -> Desk:
    """An office A with a clerk `p3` for its seal, an official `p2` with a post there and one next door in B, and `p9` who
    works in B alone."""
    made = desk(tmp_path, directory=True)
    told = {
        "organisations": NEIGHBOUR,
        "people": [{"code": "p9", "name": "Đỗ Thị Chín (mẫu)"}],
        "posts": [
            {"person": who, "organisation": "B", "title": "Ủy viên", "rank": "member", "from": "2021-01-01"}
            for who in ("p2", "p9")
        ],
    }
    assert 201 == made.house.ask("POST", "/v1/directory/imports", name="administrator", json=told).status_code
    made.house.services.directory.forget()
    return made


def ids(one: Desk, *, kind: str, code: str) -> str:
    found = one.house.ask("GET", f"/v1/{kind}?limit=100", name="administrator").json()[kind]
    return next(each["id"] for each in found if each["code"] == code)


def caller(one: Desk, name: str, **about: object) -> None:
    one.house.secrets[name] = one.house.services.database.write(callers.create, name=name, **{"keys": (), **about})


def allow(one: Desk, *patterns: str) -> None:
    """The client's patterns."""
    change = sa.update(caller_table).where(caller_table.c.id == one.house.callers["client"].id)
    values = {"keys_json": json.dumps(patterns)}
    one.house.services.database.write(lambda connection: connection.execute(change.values(values)))


@pytest.mark.parametrize(("person", "role", "key"), [("p3", "clerk", "seal"), ("p2", None, "other")])
def test_a_session_gives_a_system_no_key_that_it_may_not_use(
    one: Desk, person: str, role: str | None, key: str
) -> None:
    """A system that may use no key asks a clerk to seal, or an official whose key wants no passkey, and consents itself,
    with the token that it was told: no such key is offered, and none signs. With a pattern that names it, it is."""
    allow(one)
    session = one.asked(person=person, organisation="A", **({"role": role} if role else {}))
    shown = one.show(session)["certificates"]
    assert key not in [each["ref"] for each in shown if each["usable"]]
    assert "key-not-found" == one.consent(session, key).json()["code"]
    assert not one.house.services.ledger.read(kind="INTENT", limit=9)
    allow(one, key)
    session = one.asked(person=person, organisation="A", **({"role": role} if role else {}))
    assert 202 == one.consent(session, key).status_code


def test_an_official_of_one_organisation_acts_for_that_one_alone(one: Desk) -> None:
    """An administrator of B makes an API key for somebody who also works in A: with it nothing of A is seen or done."""
    session = one.asked(person="p2", organisation="A")
    person = ids(one, kind="people", code="p2")
    for code in ("A", "B"):
        organisation = ids(one, kind="organisations", code=code)
        caller(one, f"official-{code}", role="official", person=person, organisation=organisation)
    seen = {}
    for code in ("A", "B"):
        name = f"official-{code}"
        waiting = one.house.ask("GET", "/v1/inbox", name=name).json()["sessions"]
        answers = [
            one.house.ask(
                "GET", f"/v1/sessions/{session}{rest}", name=name, headers={"Accept": "*/*;q=0.5, application/json"}
            ).status_code
            for rest in ("", "/documents/d1", "/events?after=0")
        ]
        stopped = one.house.ask("POST", f"/v1/sessions/{session}/stop", name=name).json().get("code")
        seen[code] = [each["id"] for each in waiting], answers, stopped == "session-not-found"
    assert {"A": ([session], [200] * 3, False), "B": ([], [404] * 3, True)} == seen


def test_a_session_tells_no_name_of_a_neighbours_people(one: Desk) -> None:
    """A system of A asks for somebody by a code of B's: who that is it does not learn, nor that there is somebody."""
    caller(one, "system-a", role="client", keys=("seal",), organisation=ids(one, kind="organisations", code="A"))
    told = {}
    for person in ("p9", "p0"):
        answer = one.post(person=person, organisation="A", name="system-a")
        assert 201 == answer.status_code, answer.text
        shown = one.house.ask("GET", f"/v1/sessions/{answer.json()['id']}", name="system-a").json()
        told[person] = shown["person"]["name"]
    assert {"p9": "p9", "p0": "p0"} == told
    own = one.post(person="p1", organisation="A", name="system-a").json()["id"]
    assert "Nguyễn Văn Mẫu" == one.house.ask("GET", f"/v1/sessions/{own}", name="system-a").json()["person"]["name"]


def test_a_system_of_an_organisation_signs_for_no_person_who_is_not_asked(one: Desk) -> None:
    """A key that the directory gives to a person and the keeper asks nobody about: a system of the organisation that merely
    names it gets nothing; one that the keeper asks the person about it may prepare."""
    caller(one, "system-a", role="client", keys=("*",), organisation=ids(one, kind="organisations", code="A"))
    (name, document), *_ = one.papers(1)
    sent = {"files": {"document": (name, document)}, "data": {"order": '{"key": "other", "level": "B-B"}'}}
    answer = one.house.ask("POST", "/v1/signatures", name="system-a", **sent)
    assert (404, "key-not-found") == (answer.status_code, answer.json()["code"])
    assert 0 == one.house.token.signed
