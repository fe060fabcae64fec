"""Sessions whose rows are in a PostgreSQL: any node of the service goes on with what another began."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.composition import compose
from tests import readers
from tests.http_support import SECRET, house
from tests.integration.store.test_postgresql import database_of, server  # noqa: F401 - a fixture
from tests.session_support import Desk

pytestmark = pytest.mark.web


def test_one_node_asks_another_is_agreed_with_and_a_third_signs(tmp_path: Path, server: str) -> None:  # noqa: F811
    """Each with a composition of its own, on one database and one store: every document is signed, and signed once."""
    first = Desk(house(tmp_path / "home", database=database_of(server, "kyso_sessions")), tmp_path)

    def node() -> Desk:
        home = first.house
        parts = {"permit_secret": SECRET, "tokens": {"soft": home.token}, "fetcher": home.outside}
        services = replace(compose(home.services.settings, **parts), documents=home.documents)
        services.certificates._judge = home.services.certificates._judge
        return Desk(replace(home, services=services), tmp_path, first.made)

    session = first.asked(first.papers(3))
    second, third = node(), node()
    waiting = second.show(session)["documents"]
    assert ["waiting"] * 3 == [one["state"] for one in waiting]
    agreed = [{"id": one["id"], "sha256": one["sha256"]} for one in waiting]
    assert 202 == second.consent(session, documents=agreed).status_code
    assert "session-consented" == first.consent(session, documents=agreed).json()["code"]
    while third.work():
        pass
    shown = first.show(session)
    assert ("done", 3) == (shown["state"], shown["progress"]["done"])
    assert 3 == len({one["outcome"]["signature"] for one in shown["documents"]}) == first.house.token.signed
    (tmp_path / "signed.pdf").write_bytes(second.page("GET", session, "/documents/d2?signed=1").content)
    assert [(True, True)] == readers.pyhanko(tmp_path / "signed.pdf")
    for one in (first, second, third):
        one.house.services.database.close()
