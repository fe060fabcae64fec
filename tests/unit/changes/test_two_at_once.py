"""Changes that meet: none takes back what another did, and one person is never two administrators."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.changes import ChangeNeedsAnother, ChangeNotAsProposed, Changes, deciding, kinds
from api.changes.errors import ChangeUnderWay
from api.store import callers
from api.store.callers import Caller, CallerId
from tests.http_support import House
from tests.unit.changes.test_deciding import TWO, administrator, home

pytestmark = pytest.mark.appliance

FIRST, SECOND = "1" * 64, "2" * 64


def distrust(sha256: str) -> dict[str, str]:
    return {"sha256": sha256, "why": "lộ khóa"}


def distrusted(found: House) -> str:
    return "".join(file.read_text() for file in found.services.settings.trust.rglob("*.toml"))


def test_what_was_cut_off_takes_back_nothing_that_came_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both change the same file: the later one waits until the first is finished, and both hold."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(kinds, "write", cut)
        with pytest.raises(KeyboardInterrupt):
            changes.propose(by, "trust-distrust", distrust(FIRST), reason="1")
    with pytest.raises(ChangeUnderWay):
        changes.propose(by, "trust-distrust", distrust(SECOND), reason="2")
    assert "applied" == changes.propose(by, "key-disable", {"key": "seal"}, reason="another subject").state
    monkeypatch.setattr(deciding, "CUT_OFF", -1.0)
    assert 1 == changes.resume()
    (waiting,) = changes.listed(state="proposed")
    changes.approve(by, waiting.id, sha256=waiting.sha256)
    assert all(sha256 in distrusted(found) for sha256 in (FIRST, SECOND))


def test_a_change_that_was_worked_out_before_another_was_done_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two approvals at once: the second would write the file as it was before the first."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    late = changes.propose(by, "trust-distrust", distrust(SECOND), reason="2", hold=True)
    worked_out = Changes._effect

    def meanwhile(self: Changes, change: deciding.Change) -> kinds.Effect:
        effect = worked_out(self, change)
        monkeypatch.setattr(Changes, "_effect", worked_out)
        self.propose(by, "trust-distrust", distrust(FIRST), reason="1")
        return effect

    monkeypatch.setattr(Changes, "_effect", meanwhile)
    with pytest.raises(ChangeNotAsProposed):
        changes.approve(by, late.id, sha256=late.sha256)
    changes.approve(by, late.id, sha256=late.sha256)
    assert all(sha256 in distrusted(found) for sha256 in (FIRST, SECOND))


def test_who_revokes_the_own_api_key_after_proposing_is_still_the_same_person(tmp_path: Path):
    """What a caller was is known after its end, too."""
    found = home(tmp_path, **TWO)
    changes = Changes(found.services)
    one, other = (administrator(found, name, person="p-1") for name in ("a", "b"))
    change = changes.propose(one, "key-disable", {"key": "seal"}, reason="lost")
    found.services.database.write(callers.revoke, one.id)
    with pytest.raises(ChangeNeedsAnother):
        changes.approve(other, change.id, sha256=change.sha256)


def test_one_person_who_comes_by_an_issuer_and_by_an_api_key_is_one(tmp_path: Path):
    """Callers that an issuer vouches for stand in no table; the ledger says who they were."""
    found = home(tmp_path, **TWO)
    changes = Changes(found.services)
    signed_in = Caller(CallerId("tinh-0011"), "An", "administrator", (), None, "p-1")
    change = changes.propose(signed_in, "key-disable", {"key": "seal"}, reason="lost")
    with pytest.raises(ChangeNeedsAnother):
        changes.approve(administrator(found, person="p-1"), change.id, sha256=change.sha256)
    assert "applied" == changes.approve(administrator(found, person="p-2"), change.id, sha256=change.sha256).state
