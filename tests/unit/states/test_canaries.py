"""Canary signatures in a service in one process: who signs one, how often, and what a bad one does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.routes import health
from api.workflows import canaries
from hsm import canary
from hsm.errors import KeeperNotAvailable, TokenNotAvailable
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance


@pytest.fixture
def home(tmp_path: Path) -> House:
    found = house(tmp_path, keys={"other": {"shapes": ["tst-attributes"]}})
    found.services.settings.permit_secret_file.write_bytes(b"x" * 32)
    return found


def lines(found: House) -> list[tuple[str, str, str]]:
    return [
        (line.kind, line.facts["key"], line.facts.get("purpose", "")) for line in found.services.ledger.read(limit=100)
    ]


def document(found: House) -> bytes:
    return pdf(found.services.settings.tmp / "a.pdf").read_bytes()


def sign(found: House) -> str:
    answer = found.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.pdf", document(found))},
        data={"order": '{"key": "seal", "level": "B-B"}'},
    )
    return answer.json().get("code", "signed")


def another_start(found: House, *, after: float) -> None:
    """The supervisor writes a new secret; the note's canaries are `after` seconds older."""
    secret = found.services.settings.permit_secret_file
    secret.unlink()
    secret.write_bytes(b"y" * 32)
    note = found.services.settings.log / canaries.NOTE
    known = json.loads(note.read_text())
    for one in known.values():
        one["at"] -= after
        one["start"] = "earlier"
    note.write_text(json.dumps(known))
    found.services.canaries._until = 0


def test_a_documents_key_signs_once_a_start_and_it_is_on_record(home: House):
    """INTENT and DONE with purpose canary; no timestamp authority's key; a second look finds nothing to do."""
    assert () == canaries.sign_due(home.services)
    assert [("INTENT", "seal", "canary"), ("DONE", "seal", "")] == lines(home)
    (use,) = home.token.logged.values()
    assert ("seal", "done") == (use.key, use.state)
    canaries.sign_due(home.services)
    assert 1 == home.token.signed
    assert "signed" == sign(home)


def test_starts_in_a_row_do_not_use_the_key_up(home: House):
    """A service that restarts all the time signs no second canary within the interval, and one after it."""
    canaries.sign_due(home.services)
    another_start(home, after=canaries.INTERVAL - 60)
    canaries.sign_due(home.services)
    assert 1 == home.token.signed
    another_start(home, after=61)
    canaries.sign_due(home.services)
    assert 2 == home.token.signed


def test_a_value_that_does_not_verify_refuses_the_key_until_one_does(home: House, monkeypatch):
    """A certificate of another key beside a token that signs well: the order is refused with a code, before any INTENT."""
    keys = home.token.keys()
    wrong = [replace(key, certificate=keys[1].certificate) if key.ref == "seal" else key for key in keys]
    monkeypatch.setattr(home.token, "keys", lambda: tuple(wrong))
    assert ("seal",) == canaries.sign_due(home.services)
    before = len(lines(home))
    assert "key-canary-failed" == sign(home)
    assert before == len(lines(home))  # nothing was begun
    assert {"state": "refused", "keys": 1} == health._canaries(home.services)
    monkeypatch.undo()
    home.services.keys._lists.clear()
    canaries.sign_due(home.services)
    assert "key-canary-failed" == sign(home)  # not asked again at once
    another_start(home, after=canaries.INTERVAL + 1)
    assert () == canaries.sign_due(home.services)
    assert "signed" == sign(home)


def test_a_keeper_that_goes_away_says_nothing_about_the_key(home: House):
    """An error that passes is no verdict; three of them are."""

    def away() -> None:
        raise TokenNotAvailable("C_Sign failed", function="C_Sign")

    home.token.before = away
    for attempt in range(1, 4):
        failed = canaries.sign_due(home.services)
        assert (("seal",) if attempt == 3 else ()) == failed
        another_start(home, after=canaries.AGAIN + 1)
    assert "key-canary-failed" == sign(home)


def test_a_token_that_is_away_is_not_asked(home: House):
    """No INTENT for a keeper that does not answer."""
    home.services.keys.all()
    home.token.away = True
    assert () == canaries.sign_due(home.services)
    assert [] == lines(home)


@pytest.mark.parametrize(("chosen", "pin_each_use", "signs"), [("auto", True, 0), ("on", True, 1), ("off", False, 0)])
def test_a_key_that_costs_a_person_something_is_left_out(tmp_path: Path, monkeypatch, chosen, pin_each_use, signs):
    """A PIN at each use is somebody's touch; who wants it all the same says so."""
    found = house(tmp_path, keys={"seal": {"canary": chosen}, "other": {"canary": "off"}})
    keys = tuple(replace(key, pin_each_use=pin_each_use) for key in type(found.token).keys(found.token))
    monkeypatch.setattr(found.token, "keys", lambda: keys)
    canaries.sign_due(found.services)
    assert signs == found.token.signed


def test_a_key_whose_uses_are_counted_is_left_out(tmp_path: Path):
    """One of a limited number of uses is not spent on a trial, nor is a person's key asked without the person."""
    person = {
        "holder": "person",
        "activation": {"rp_id": "kyso.test", "origins": ["https://kyso.test"]},
        "canary": "on",
    }
    found = house(tmp_path, keys={"seal": {"total": 10}, "other": person})
    canaries.sign_due(found.services)
    assert 0 == found.token.signed


def test_two_processes_share_one_canary(home: House):
    """While one holds the note, the other does nothing."""
    with canaries._note(home.services.settings.log / canaries.NOTE) as file:
        assert file is not None
        assert () == canaries.sign_due(home.services)
    assert 0 == home.token.signed


def test_what_is_signed_is_the_canary(home: House, monkeypatch):
    """Nothing else ever reaches the key in this way."""
    seen = []
    monkeypatch.setattr(type(home.services.key_user), "once", lambda *_, tbs, **__: seen.append(tbs) or _raise())
    canaries.sign_due(home.services)
    assert [canary.TBS] == seen


def _raise() -> bytes:
    raise KeeperNotAvailable


def test_looking_costs_next_to_nothing(home: House):
    """The path of every signature asks a dictionary, and the file once in two seconds."""
    import timeit

    assert timeit.timeit(lambda: home.services.canaries.require("seal"), number=1000) < 0.05
