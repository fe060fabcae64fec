"""What belongs to another organisation does not exist: keys, signatures, documents, ledger lines, callers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.rights.conftest import ORGANISATIONS, World

pytestmark = pytest.mark.appliance


def refs(world: World, name: str) -> list[str]:
    return [key["ref"] for key in world.ask("GET", "/v1/keys", name).json()]


def problem(answer) -> tuple[int, dict]:
    """Status and body, without what differs with each request."""
    body = answer.json()
    return answer.status_code, {name: value for name, value in body.items() if name != "instance"}


def test_a_caller_uses_the_keys_of_its_organisation(world: World) -> None:
    """Patterns alone do not reach beyond; a key that nobody owns is the appliance's."""
    world.caller("xa", organisation="XA")
    world.caller("khac", organisation="KHAC")
    world.caller("tinh", organisation="TINH")
    world.caller("tinh-all", organisation="TINH", reach="subtree")
    world.caller("anywhere")
    found = {name: refs(world, name) for name in ("xa", "khac", "tinh", "tinh-all", "anywhere")}
    assert {
        "xa": ["seal"],
        "khac": ["other"],
        "tinh": [],
        "tinh-all": ["seal"],
        "anywhere": ["other", "seal"],
    } == found
    signed = {name: world.sign(name).status_code for name in found}
    assert {"xa": 201, "khac": 404, "tinh": 404, "tinh-all": 201, "anywhere": 201} == signed


def test_anothers_key_looks_like_none(world: World) -> None:
    """One and the same answer, but for the name that was asked for."""
    world.caller("khac", organisation="KHAC")
    anothers, none = (problem(world.sign("khac", key=key)) for key in ("seal", "none"))
    assert 404 == anothers[0]
    assert str(anothers).replace("`seal`", "`none`").replace("'seal'", "'none'") == str(none)


def test_anothers_signature_looks_like_none(world: World) -> None:
    """Its state, document, report and evidence: each the same 404 as for an id that does not exist."""
    world.caller("xa", organisation="XA")
    world.caller("auditor-khac", role="auditor", organisation="KHAC")
    world.caller("auditor-xa", role="auditor", organisation="XA")
    identity = world.sign("xa").json()["id"]
    unknown = identity[:-4] + "0000"
    for rest in ("", "/document", "/report", "/evidence"):
        answers = [
            problem(world.ask("GET", f"/v1/signatures/{one}{rest}", "auditor-khac")) for one in (identity, unknown)
        ]
        assert answers[0] == answers[1]
        assert (404, "not-found") == (answers[0][0], answers[0][1]["code"])
    assert 200 == world.ask("GET", f"/v1/signatures/{identity}/document", "auditor-xa").status_code


def test_an_auditor_sees_what_was_done_with_the_organisations_key(world: World) -> None:
    """Also when a system of the whole appliance asked for it; and nothing else."""
    world.caller("auditor-xa", role="auditor", organisation="XA")
    by_all = [world.sign("administrator", key=key).json()["id"] for key in ("seal", "other")]
    assert [200, 404] == [world.ask("GET", f"/v1/signatures/{one}", "auditor-xa").status_code for one in by_all]


def test_an_auditor_sees_the_lines_of_the_organisation(world: World) -> None:
    """Lines of its callers and keys, a refused order included; of others not even the filter finds one."""
    xa, khac = world.caller("xa", organisation="XA"), world.caller("khac", organisation="KHAC")
    world.caller("auditor-xa", role="auditor", organisation="XA")
    world.sign("xa"), world.sign("khac", key="other"), world.sign("xa", key="none"), world.sign("administrator")
    lines = world.ask("GET", "/v1/audit?limit=1000", "auditor-xa").json()["lines"]
    administrator = world.home.callers["administrator"].id
    assert {xa, administrator} == {line["facts"]["caller"] for line in lines}
    assert {"seal"} == {line["facts"]["key"] for line in lines if line["kind"] == "INTENT"}
    assert 1 == sum(line["kind"] == "REFUSED" for line in lines)
    assert [] == world.ask("GET", f"/v1/audit?caller={khac}", "auditor-xa").json()["lines"]
    whole = world.ask("GET", "/v1/audit?limit=1000", "auditor").json()
    assert len(whole["lines"]) == whole["size"] > len(lines)


def test_the_auditors_page_keeps_to_the_organisation(world: World) -> None:
    """Neither the list nor a proof by its number shows a line of another."""
    world.caller("auditor-khac", role="auditor", organisation="KHAC")
    world.caller("auditor-xa", role="auditor", organisation="XA")
    identity = world.sign("administrator").json()["id"]
    number = next(line.number for line in world.home.services.ledger.read(kind="INTENT"))
    seen = {}
    for name in ("auditor-xa", "auditor-khac"):
        opened = world.home.ask("POST", "/audit/session", name=None, data={"api_key": world.home.secrets[name]})
        cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
        page, proof = (
            world.home.ask("GET", path, name=None, headers=cookie).text for path in ("/audit", f"/audit?proof={number}")
        )
        seen[name] = identity in page, f"Proof of line {number}" in proof
    assert {"auditor-xa": (True, True), "auditor-khac": (False, False)} == seen


def test_a_client_does_not_see_what_another_of_its_organisation_asked_for(world: World) -> None:
    """One's own, unless the role says all."""
    world.caller("one", organisation="XA")
    world.caller("two", organisation="XA")
    identity = world.sign("one").json()["id"]
    assert [200, 404] == [world.ask("GET", f"/v1/signatures/{identity}", name).status_code for name in ("one", "two")]


def test_callers_are_administered_within_the_organisation(world: World) -> None:
    """An organisation's administrator makes, exchanges and revokes callers there; of others there are none."""
    world.caller("admin-xa", role="administrator", organisation="XA")
    khac = world.caller("khac", organisation="KHAC")
    made = world.ask("POST", "/v1/callers", "admin-xa", json={"name": "n", "organisation": "XA", "keys": ["seal"]})
    assert 201 == made.status_code
    assert {"admin-xa", "n"} == {one["name"] for one in world.ask("GET", "/v1/callers", "admin-xa").json()}
    path = f"/v1/callers/{made.json()['id']}"
    assert 200 == world.ask("POST", f"{path}/rotation", "admin-xa").status_code
    assert 204 == world.ask("DELETE", path, "admin-xa").status_code
    anothers, none = (problem(world.ask("DELETE", f"/v1/callers/{one}", "admin-xa")) for one in (khac, "0" * 12))
    assert anothers[0] == 404
    assert str(anothers).replace(khac, "0" * 12) == str(none)
    for wanted in ({}, {"organisation": "KHAC"}, {"organisation": "XA", "reach": "subtree"}):
        refused = world.ask("POST", "/v1/callers", "admin-xa", json={"name": "n", **wanted})
        assert (403, "not-permitted") == (refused.status_code, refused.json()["code"])


def test_a_persons_key_signs_in_that_persons_name_alone(world: World) -> None:
    """An official uses the own key; a clerk the organisation's, and no person's."""
    directory = world.home.services.directory
    world.tell(keys=[{"ref": "seal", "organisation": "XA", "person": "P1"}])
    owner = directory.owner_of_key("seal")
    assert owner is not None
    assert owner.person is not None
    world.caller("official", role="official", organisation="XA", person=owner.person)
    world.caller("someone", role="official", organisation="XA", person="per_other")
    world.caller("clerk", role="clerk", organisation="XA")
    assert [201, 404, 404] == [world.sign(name).status_code for name in ("official", "someone", "clerk")]


def test_an_official_does_not_use_the_seal(world: World) -> None:
    """`sign-for-organisation` is the clerk's and the systems'."""
    world.caller("official", role="official", organisation="XA", person="per_1")
    world.caller("clerk", role="clerk", organisation="XA")
    assert [404, 201] == [world.sign(name).status_code for name in ("official", "clerk")]
    assert [[], ["seal"]] == [refs(world, name) for name in ("official", "clerk")]


def test_what_was_merged_into_an_organisation_is_its_own(world: World) -> None:
    """After a merger the successor uses the key and sees what the former organisation had signed; before, neither."""
    world.caller("xa", organisation="XA")
    world.caller("khac", organisation="KHAC")
    world.caller("auditor-khac", role="auditor", organisation="KHAC")
    identity = world.sign("xa").json()["id"]
    path = f"/v1/signatures/{identity}"
    assert [404, 404] == [world.sign("khac").status_code, world.ask("GET", path, "auditor-khac").status_code]
    yesterday = (world.home.services.clock() - timedelta(days=1)).date().isoformat()
    world.tell(organisations=[{**ORGANISATIONS[1], "to": yesterday, "merged_into": "KHAC"}])
    world.home.services.scopes._known.clear()
    assert [201, 200] == [world.sign("khac").status_code, world.ask("GET", path, "auditor-khac").status_code]
    assert 404 == world.sign("xa").status_code


def test_an_organisations_administrator_names_its_own_people(world: World) -> None:
    """A caller in the name of somebody who holds nothing there looks like one in the name of nobody."""
    world.tell(
        people=[{"code": "P1", "name": "Nguyễn Văn Mẫu"}, {"code": "P2", "name": "Trần Thị Mẫu"}],
        posts=[
            {"person": "P1", "organisation": "XA", "title": "Bí thư", "rank": "chief", "from": "2020-01-01"},
            {"person": "P2", "organisation": "KHAC", "title": "Bí thư", "rank": "chief", "from": "2020-01-01"},
        ],
    )
    world.caller("admin-xa", role="administrator", organisation="XA")
    people = {one["code"]: one["id"] for one in world.ask("GET", "/v1/people", "administrator").json()["people"]}

    def make(person: str) -> int:
        wanted = {"name": "n", "role": "official", "organisation": "XA", "person": person}
        return world.ask("POST", "/v1/callers", "admin-xa", json=wanted).status_code

    assert [201, 400, 400] == [make(people["P1"]), make(people["P2"]), make("per_none")]
