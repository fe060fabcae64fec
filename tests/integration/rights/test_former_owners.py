"""A key that changes hands: each organisation sees what was done with it in its own time, with either database."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.documents import pdf
from tests.integration.rights.conftest import World, open_world
from tests.integration.store.test_postgresql import server  # noqa: F401 - a fixture

pytestmark = pytest.mark.appliance


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    document = pdf(tmp_path / "a.pdf").read_bytes()
    if request.param == "sqlite":
        return open_world(tmp_path / "home", document)
    url = request.getfixturevalue("server")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE kyso_owners_of_keys")
    admin.dispose()
    return open_world(tmp_path / "home", document, database=url.replace("/postgres?", "/kyso_owners_of_keys?"))


def handed_over(world: World) -> None:
    """From the next second on the seal is another organisation's."""
    then = world.home.services.clock().replace(microsecond=0) + timedelta(seconds=1)
    world.tell(keys=[{"key": "seal", "organisation": "KHAC", "from": then.isoformat()}])
    while world.home.services.clock() < then:
        time.sleep(0.05)


def test_who_had_the_key_then_sees_what_was_done_with_it(world: World) -> None:
    """Neither the former owner what came later, nor the later one what was before: ledger lines, and the signatures
    themselves. Who audits the whole appliance sees both."""
    for name, organisation in (("xa", "XA"), ("khac", "KHAC")):
        world.caller(name, role="auditor", organisation=organisation)
    before = world.sign("administrator").json()["id"]
    handed_over(world)
    after = world.sign("administrator").json()["id"]
    seen = {}
    for name in ("xa", "khac", "auditor"):
        lines = world.ask("GET", "/v1/audit?limit=1000&kind=INTENT", name).json()["lines"]
        answers = [world.ask("GET", f"/v1/signatures/{one}", name).status_code for one in (before, after)]
        seen[name] = [line["facts"]["signature"] for line in lines], answers
    assert {
        "xa": ([before], [200, 404]),
        "khac": ([after], [404, 200]),
        "auditor": ([before, after], [200, 200]),
    } == seen
