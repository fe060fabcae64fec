"""Which endpoint works in which state, and how the state is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.appliance_state import WORKS_FROM, ApplianceState, needed
from api.store import callers
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance


@pytest.fixture
def home(tmp_path: Path) -> House:
    return house(tmp_path)


def addresses(found: House) -> set[str]:
    """The path of every route of the application, however deep its router was included."""
    waiting, all_ = list(found.app.routes), set()
    while waiting:
        route = waiting.pop()
        router = getattr(route, "original_router", None)
        waiting.extend(router.routes if router is not None else ())
        if (path := getattr(route, "path", None)) is not None:
            all_.add(path)
    return all_


def document(found: House) -> bytes:
    return pdf(found.services.settings.tmp / "a.pdf").read_bytes()


def sign(found: House) -> tuple[int, str]:
    answer = found.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.pdf", document(found))},
        data={"order": '{"key": "seal", "level": "B-B"}'},
    )
    return answer.status_code, answer.json().get("code", "")


def test_every_endpoint_stands_in_the_table(home: House):
    """An endpoint that nobody thought of works only while everything does; so that this is meant, each is named."""
    found = addresses(home)
    assert "/v1/signatures/{identity}/document" in found
    forgotten = set()
    for path in found:
        first, _, rest = path.strip("/").partition("/")
        if (f"{first}/{rest.partition('/')[0]}" if first == "v1" else first) not in WORKS_FROM:
            forgotten.add(path)
    assert not forgotten


@pytest.mark.parametrize(
    ("method", "path", "state"),
    [
        ("POST", "/v1/signatures", "operational"),
        ("PUT", "/v1/signatures/1/value", "operational"),
        ("GET", "/v1/signatures/1/document", "locked"),
        ("POST", "/v1/verifications", "locked"),
        ("POST", "/tsa", "operational"),
        ("GET", "/metrics", "unprovisioned"),
        ("GET", "/", "unprovisioned"),
        ("POST", "/", "locked"),
        ("GET", "//v1/../health", "operational"),
        ("POST", "/v1/unheard-of", "operational"),
        ("DELETE", "/v1", "operational"),
    ],
)
def test_the_least_state_of_a_call(method: str, path: str, state: str):
    """Reading goes on while locked, using a key does not; what nobody named needs everything."""
    assert state == needed(method, path)


def test_locked_refuses_to_sign_and_goes_on_verifying(home: House):
    """While no token is open, an order is refused before it is read, with the one to call; a document is judged."""
    home.token.state = "locked"
    assert (503, "appliance-locked") == sign(home)
    assert 0 == home.token.signed
    assert 200 == home.ask("POST", "/v1/verifications", files={"document": ("a.pdf", document(home))}).status_code
    assert 200 == home.ask("GET", "/v1/keys").status_code
    answer = home.ask("POST", "/tsa", content=b"x", headers={"Accept-Language": "vi"})
    assert 503 == answer.status_code
    assert "kyso unlock" in answer.text


def test_signing_works_again_as_soon_as_it_is_unlocked(home: House):
    """The state is not remembered for longer than a moment while it refuses."""
    home.token.state = "locked"
    assert 503 == sign(home)[0]
    home.token.state = "operational"
    home.app.state.appliance._until = 0
    assert (201, "") == sign(home)


def test_a_keeper_that_is_away_is_no_lock(home: House):
    """The key's own error says more than a state would."""
    home.token.away = True
    assert "keeper-not-available" == sign(home)[1]


def test_unprovisioned_answers_health_alone(tmp_path: Path):
    """A set-up that was begun and not finished: nothing works but what tells so."""
    (tmp_path / "setup.json").write_text(json.dumps({"finished": False}))
    found = house(tmp_path)
    assert (503, "appliance-unprovisioned") == sign(found)
    answer = found.ask("POST", "/v1/verifications", files={"document": ("a.pdf", document(found))})
    assert "appliance-unprovisioned" == answer.json()["code"]
    assert 200 == found.ask("GET", "/health/alive", name=None).status_code
    assert 200 == found.ask("GET", "/metrics", name=None).status_code
    assert 0 == found.token.signed
    (tmp_path / "setup.json").write_text(json.dumps({"finished": True}))
    found.app.state.appliance._until = 0
    assert (201, "") == sign(found)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"finished": "yes"}'])
def test_a_record_that_cannot_be_read_is_no_set_up(tmp_path: Path, text: str):
    """In doubt nobody set it up: a record is removed by whoever knows better, not guessed."""
    (tmp_path / "setup.json").write_text(text)
    assert (503, "appliance-unprovisioned") == sign(house(tmp_path))


def state_of(found: House, **tokens: object) -> str:
    object.__setattr__(found.services, "keys", type("Keys", (), {"tokens": tokens})())
    return ApplianceState(found.services).look()


def test_nothing_at_all_is_unprovisioned_and_a_caller_or_a_file_makes_a_verifier(tmp_path: Path):
    """Without any module: an empty home is nobody's, a caller or a kyso.toml is somebody's who wants to verify."""
    found = house(tmp_path)
    assert "operational" == state_of(found)  # it has callers
    for one in found.services.database.read(callers.listed):
        found.services.database.write(lambda c: c.exec_driver_sql("DELETE FROM caller"))
        assert one
    found.services.settings.model_fields_set.clear()
    assert "unprovisioned" == state_of(found)
    (tmp_path / "kyso.toml").write_text("")
    assert "operational" == state_of(found)


def test_tokens_that_nobody_made_are_no_set_up_until_the_ledger_says_otherwise(home: House):
    """A token that is not plugged in on a machine that has signed before is an absence, not a beginning."""
    home.token.state = "unprovisioned"
    assert "unprovisioned" == state_of(home, soft=home.token)
    home.services.ledger.append("CHANGED", {"what": "test", "caller": "test"})
    assert "operational" == state_of(home, soft=home.token)


def test_one_open_token_is_enough(home: House):
    """The demo has a locked token beside its own."""
    other = type(home.token)({}, state="locked")
    assert "operational" == state_of(home, locked=other, soft=home.token)
    assert "locked" == state_of(home, locked=other)
