"""Nobody comes by more than they were given, and learns nothing about what is not theirs on the way."""

from __future__ import annotations

import pytest

from tests.integration.rights.conftest import World
from tests.integration.rights.test_organisations import problem

pytestmark = pytest.mark.appliance


def test_an_api_key_that_reaches_further_is_not_exchanged_by_who_does_not(world: World) -> None:
    """Else the answer would hand a wider reach to whoever may not give it away."""
    world.caller("admin-tinh", role="administrator", organisation="TINH")
    world.caller("admin-all", role="administrator", organisation="TINH", reach="subtree")
    wide = world.caller("auditor-tinh", role="auditor", organisation="TINH", reach="subtree")
    path = f"/v1/callers/{wide}/rotation"
    refused = world.ask("POST", path, "admin-tinh", json={})
    assert (403, "not-permitted") == (refused.status_code, refused.json()["code"])
    assert 200 == world.ask("POST", path, "admin-all", json={}).status_code


def test_an_organisation_out_of_reach_looks_like_none(world: World) -> None:
    """Which codes the directory knows is not told to whoever sees one organisation."""
    world.caller("admin-xa", role="administrator", organisation="XA")
    another, none = (
        problem(world.ask("POST", "/v1/callers", "admin-xa", json={"name": "n", "organisation": code}))
        for code in ("KHAC", "KHONG-CO")
    )
    assert another == none


def test_an_exchange_ends_the_sessions_that_the_former_api_key_began(world: World) -> None:
    """Whoever had a key that leaked is out, in the browser too."""
    identity = world.caller("auditor-tinh", role="auditor", organisation="TINH")
    opened = world.home.ask("POST", "/audit/session", name=None, data={"api_key": world.home.secrets["auditor-tinh"]})
    cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
    assert "auditor-tinh" in world.home.ask("GET", "/audit", name=None, headers=cookie).text
    answer = world.ask("POST", f"/v1/callers/{identity}/rotation", "administrator", json={"overlap_hours": 0})
    assert 200 == answer.status_code
    world.home.services.entrance.sessions._known.clear()
    assert "auditor-tinh" not in world.home.ask("GET", "/audit", name=None, headers=cookie).text
