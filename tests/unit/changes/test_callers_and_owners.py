"""Two administrators for who may sign: callers and their API keys, and whose keys are whose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.changes import ChangeNeedsAnother, ChangeNotAsProposed, Changes
from api.store import callers
from api.store.callers import Caller
from api.workflows import admin_changes
from tests.documents import pdf
from tests.http_support import House
from tests.integration.rights.conftest import World, open_world
from tests.integration.store.test_postgresql import server  # noqa: F401 - a fixture

pytestmark = pytest.mark.appliance

TWO = {"two_administrators": ("rights", "keys")}


BOTH = pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Two organisations whose keys are theirs from before two administrators were needed, and a second one of these."""
    more = {}
    if getattr(request, "param", "sqlite") == "postgresql":
        url, name = request.getfixturevalue("server"), f"kyso_{tmp_path.name}"
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        admin.dispose()
        more = {"database": url.replace("/postgres?", f"/{name}?")}
    world = open_world(tmp_path / "home", pdf(tmp_path / "a.pdf").read_bytes(), **more)
    settings = world.home.services.settings.changes.model_copy(update=TWO)
    object.__setattr__(world.home.services.settings, "changes", settings)
    world.caller("second", role="administrator", keys=())
    return world


def approved(world: World, change: str, *, by: str = "second") -> int:
    sha256 = world.ask("GET", f"/v1/changes/{change}", "administrator").json()["sha256"]
    return world.ask("POST", f"/v1/changes/{change}/approval", by, json={"sha256": sha256}).status_code


def opens(world: World, api_key: str) -> int:
    world.home.secrets["new"] = api_key
    world.home.services.gate._known.clear()  # callers are remembered for two seconds
    return world.ask("GET", "/v1/keys", "new").status_code


def imported(world: World, name: str = "administrator", **sections: object) -> dict:
    answer = world.ask("POST", "/v1/directory/imports", name, json=sections)
    assert 201 == answer.status_code, answer.text
    return answer.json()


def owner(home: House, ref: str = "seal") -> str:
    home.services.directory.forget()
    found = home.services.directory.owner_of_key(ref)
    assert found is not None
    return found.organisation


def whats(world: World) -> list[str]:
    return [line.facts["what"] for line in world.home.services.ledger.read(kind="CHANGED", limit=1000)]


@BOTH
def test_a_client_is_made_by_two(world: World) -> None:
    """The API key is told at once, and opens nothing until another administrator has approved it; then it is as asked for.
    Undone, it opens nothing again."""
    wanted = {"name": "Hệ thống (mẫu)", "keys": ["seal*"], "organisation": "XA"}
    answer = world.ask("POST", "/v1/callers", "administrator", json=wanted)
    told = answer.json()
    assert (202, "proposed") == (answer.status_code, told["state"])
    assert 401 == opens(world, told["api_key"])
    assert approved(world, told["change"], by="administrator") in (403, 409)
    assert 401 == opens(world, told["api_key"])
    assert 200 == approved(world, told["change"])
    assert 200 == opens(world, told["api_key"])
    assert 201 == world.sign("new").status_code
    entry = next(one for one in world.ask("GET", "/v1/callers", "auditor").json() if one["id"] == told["id"])
    assert ("client", ["seal*"], world.ids["XA"]) == (entry["role"], entry["keys"], entry["organisation"])
    assert ["change-approved", "change-applied", "caller-created"] == whats(world)[-3:]
    back = world.ask("POST", f"/v1/changes/{told['change']}/undoing", "administrator", json={"reason": "nhầm"}).json()
    assert 200 == opens(world, told["api_key"])
    assert 200 == approved(world, back["id"])
    assert 401 == opens(world, told["api_key"])


def test_the_proposer_does_not_approve(world: World) -> None:
    """Nor with another API key of the same person; and what is shown holds no secret."""
    told = world.ask("POST", "/v1/callers", "administrator", json={"name": "x", "keys": ["*"]}).json()
    changes, first = Changes(world.home.services), world.home.callers["administrator"]
    change = changes.get(told["change"])
    with pytest.raises(ChangeNeedsAnother):
        changes.approve(first, change.id, sha256=change.sha256)
    card = admin_changes.card(world.home.services, first, change.id)
    shown = "\n".join(line.text for part in card.parts for line in part.lines)
    assert '"*"' in shown
    assert told["api_key"].split("_")[2] not in shown + change.payload
    assert change.payload.count("secret_sha256") == 1


@BOTH
def test_another_api_key_of_a_client_takes_two(world: World) -> None:
    """Whoever exchanges a client's API key signs in its name: the former one works on until another has approved."""
    client = world.home.callers["client"]
    answer = world.ask("POST", f"/v1/callers/{client.id}/rotation", "administrator", json={"overlap_hours": 0})
    told = answer.json()
    assert (202, client.id) == (answer.status_code, told["id"])
    assert (401, 201) == (opens(world, told["api_key"]), world.sign("client").status_code)
    assert 200 == approved(world, told["change"])
    assert 200 == opens(world, told["api_key"])
    assert 401 == world.sign("client").status_code


def test_one_is_enough_for_what_signs_nothing_and_for_taking_away(world: World) -> None:
    """An auditor and an operator; and revoking a client never waits."""
    for role in ("auditor", "operator", "backup"):
        answer = world.ask("POST", "/v1/callers", "administrator", json={"name": role, "role": role})
        assert (201, 200) == (answer.status_code, 200), answer.text
    client = world.home.callers["client"].id
    assert 204 == world.ask("DELETE", f"/v1/callers/{client}", "administrator").status_code


@pytest.mark.parametrize("role", ["client", "official", "clerk", "administrator"])
def test_nobody_who_may_sign_is_made_by_one(world: World, role: str) -> None:
    """Whatever the patterns: with none, too, sessions may be asked for and certificates brought; nor an administrator of
    one organisation, who signs with its keys and approves nothing."""
    person = world.ask("GET", "/v1/people", "administrator").json()["people"][0]["id"]
    wanted = {"name": "x", "role": role, "person": person, "organisation": "XA"}
    answer = world.ask("POST", "/v1/callers", "administrator", json=wanted)
    assert 202 == answer.status_code, answer.text
    assert 200 == approved(world, answer.json()["change"])


def test_no_administrator_is_made_by_a_proposal(world: World) -> None:
    """Its proposer would hold both votes from then on."""
    payload = {"id": "0" * 12, "secret_sha256": "0" * 64, "name": "x", "role": "administrator"}
    body = {"kind": "caller-create", "payload": payload, "reason": "x"}
    assert "change-not-possible" == world.ask("POST", "/v1/changes", "administrator", json=body).json()["code"]
    second = world.home.secrets["second"].split("_")[1]
    payload = {"id": second, "secret_sha256": "0" * 64, "overlap": 0}
    body = {"kind": "caller-rotate", "payload": payload, "reason": "x"}
    assert "change-not-possible" == world.ask("POST", "/v1/changes", "administrator", json=body).json()["code"]


@BOTH
def test_whose_key_it_is_is_decided_by_two(world: World) -> None:
    """An import writes everything else at once; the lines about keys wait, with nobody's name in them, and are written when
    another administrator has approved them."""
    new = {"code": "MOI", "name": "Đảng ủy xã Mới (mẫu)", "kind": "dang-uy-co-so", "from": "2020-01-01"}
    keys = [{"ref": "seal", "organisation": "MOI"}, {"ref": "other", "organisation": "KHAC"}]
    done = imported(world, organisations=[new], people=[{"code": "P9", "name": "Lê Thị Chín (mẫu)"}], keys=keys)
    assert (1, 1) == (done["held"], done["counts"]["people"]["new"])
    moved_to = world.home.services.directory.organisation("MOI")
    assert moved_to is not None
    assert world.ids["XA"] == owner(world.home)
    change = Changes(world.home.services).get(done["proposal"])
    assert [{"ref": "seal", "organisation": moved_to.id}] == json.loads(change.payload)["lines"]
    assert approved(world, change.id, by="administrator") in (403, 409)
    assert world.ids["XA"] == owner(world.home)
    card = admin_changes.card(world.home.services, world.home.callers["administrator"], change.id)
    (part,) = card.parts
    assert "seal" == part.title
    assert any(line.sign == "+" and moved_to.id in line.text for line in part.lines)
    assert 200 == approved(world, change.id)
    assert moved_to.id == owner(world.home)
    assert "directory-import" == whats(world)[-1]


def test_the_same_import_again_proposes_nothing_twice(world: World) -> None:
    """A system that sends the whole directory every night: one proposal as long as it waits, none once it is decided."""
    sections = {"people": [{"code": "P1", "name": "Nguyễn Văn Mẫu"}], "keys": [{"ref": "seal", "organisation": "KHAC"}]}
    first, again = imported(world, **sections), imported(world, **sections)
    assert first["proposal"] == again["proposal"]
    assert 200 == approved(world, first["proposal"])
    assert "proposal" not in imported(world, **sections)
    assert 1 == len(Changes(world.home.services).listed())


def test_an_import_with_a_fault_in_a_key_is_refused_whole(world: World) -> None:
    """As ever: nothing is written, nothing proposed."""
    sections = {"people": [{"code": "P9", "name": "Chín"}], "keys": [{"ref": "seal", "organisation": "KHONG-CO"}]}
    answer = world.ask("POST", "/v1/directory/imports", "administrator", json=sections)
    assert 422 == answer.status_code, answer.text
    assert () == Changes(world.home.services).listed()
    assert "P9" not in world.ask("GET", "/v1/people", "administrator").text


def test_a_proposal_that_nothing_is_left_of_is_told_so(world: World) -> None:
    """Two proposals of the same move: the second one finds it done."""
    done = imported(world, keys=[{"ref": "seal", "organisation": "KHAC"}])
    lines = json.loads(Changes(world.home.services).get(done["proposal"]).payload)
    body = {"kind": "key-owners", "payload": lines, "reason": "lại"}
    other = world.ask("POST", "/v1/changes", "administrator", json=body).json()
    assert 200 == approved(world, done["proposal"])
    changes = Changes(world.home.services)
    with pytest.raises(ChangeNotAsProposed):
        changes.approve(_caller(world, "second"), other["id"], sha256=other["sha256"])
    with pytest.raises(ChangeNotAsProposed):
        changes.undo(world.home.callers["administrator"], done["proposal"], reason="lại")


def _caller(world: World, name: str) -> Caller:
    found = world.home.services.database.read(callers.find, world.home.secrets[name])
    assert found is not None
    return found
