"""Two-phase signing in an outage: a lower level where the order takes it, else the same value again."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.extending import DEGRADED
from tests.documents import pdf
from tests.longterm_support import OCSP_URL, TSA_URL, World
from tests.unit.longterm.test_jobs import Place, place
from tests.unit.longterm.test_passwords import prepared, put, redeemed

pytestmark = [pytest.mark.spine, pytest.mark.pades]


@pytest.fixture
def here(tmp_path: Path, world: World) -> Place:
    return place(tmp_path / "home", world)


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


@pytest.mark.parametrize(("away", "reached"), [(TSA_URL, "B-B"), (OCSP_URL, "B-T")])
@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
def test_a_lower_level_is_taken_and_lifted(here: Place, document: bytes, away: str, reached: str, level: str) -> None:
    """The authority or the responder is away when the value comes: signed at once at what is left, and by the job at
    what was ordered; the value is used up all the same."""
    preparation = prepared(here, document, level=level, allow_degraded=True, password=None)
    here.net.answers[away] = None
    answer = redeemed(here, preparation)
    assert (reached, [DEGRADED]) == (answer["level"], answer["warnings"])
    here.net.answers.clear()
    assert ("done" if level == "B-LT" else "open") == here.run().state
    again = redeemed(here, preparation)
    assert (level, [], answer["id"]) == (again["level"], again["warnings"], again["id"])
    assert 0 == here.home.token.signed


@pytest.mark.parametrize("away", [TSA_URL, OCSP_URL])
@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
def test_else_the_same_value_goes_on_later(here: Place, document: bytes, away: str, level: str) -> None:
    """503 with where to look; afterwards the same value completes what was prepared."""
    preparation = prepared(here, document, level=level, password=None)
    here.net.answers[away] = None
    answer = put(here, preparation)
    assert (503, preparation["id"]) == (answer.status_code, answer.json()["signature"])
    assert answer.json()["code"] in ("timestamp-unavailable", "evidence-unavailable")
    here.net.answers.clear()
    assert level == redeemed(here, preparation)["level"]
