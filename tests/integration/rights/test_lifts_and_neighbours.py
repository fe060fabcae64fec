"""A signed document that a neighbour signs a copy of: the neighbour does not end the care for its archived form."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from api.store import signatures
from api.workflows import extending
from signer.model import Extended
from tests.http_support import LocalDocuments
from tests.integration.rights.conftest import World

pytestmark = pytest.mark.appliance


@pytest.fixture(autouse=True)
def lifting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that lifts anything."""

    def extend(_self: LocalDocuments, source, out, *, order, **_: object) -> Extended:
        out.write(source.read())
        return Extended(level=order.level, sha256="11" * 32, size=1, timestamp=None, archive_until=None)

    monkeypatch.setattr(LocalDocuments, "extend", extend, raising=False)


@pytest.mark.parametrize(("who", "level"), [("khac", "B-LT"), ("xa-too", "B-B")])
def test_a_lift_goes_on_whatever_another_organisation_signs(world: World, who: str, level: str) -> None:
    """Signed by one organisation; then somebody signs a copy. One of another organisation does not keep the job from
    lifting what is archived here; one of the same is the successor, whose completion brings the evidence."""
    world.caller("xa", organisation="XA")
    world.caller("xa-too", organisation="XA")
    world.caller("khac", organisation="KHAC")
    identity = world.sign("xa").json()["id"]
    copy = world.ask("GET", f"/v1/signatures/{identity}/document", "xa").content
    key = "other" if who == "khac" else "seal"
    assert 201 == world.sign(who, document=copy, key=key).status_code
    job = SimpleNamespace(payload={"signature": identity, "level": "B-LT"}, renew=lambda: None)
    extending.handlers(world.home.services)[extending.JOB](job)
    record = world.home.services.database.read(signatures.get, identity)
    assert record is not None
    assert level == json.loads(record.result or "")["level"]
