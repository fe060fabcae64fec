"""Changes by one administrator or two: who may decide, what is done, what a crash leaves, and what takes it back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from api import cli
from api.changes import (
    ChangeDecided,
    ChangeNeedsAnother,
    ChangeNotAsProposed,
    Changes,
    ChangeSuperseded,
    deciding,
    kinds,
)
from api.changes.disabled import KeyDisabled
from api.cli import console
from api.errors import NotPermitted, RequestInvalid
from api.rights import store as rights
from api.store import callers
from api.store.callers import Caller
from tests.documents import pdf
from tests.http_support import House, house
from tests.pki import Authority

pytestmark = pytest.mark.appliance

TWO = {"two_administrators": ("trust", "policy", "rights", "keys")}
POLICY = 'extends = "default"\n'


def home(tmp_path: Path, **changes: object) -> House:
    return house(tmp_path / "home", changes=changes)


def administrator(found: House, name: str = "other", *, person: str | None = None) -> Caller:
    secret = found.services.database.write(callers.create, name=name, role="administrator", keys=(), person=person)
    caller = found.services.database.read(callers.find, secret)
    assert caller is not None
    return caller


def root_of(name: str) -> tuple[Authority, dict[str, object]]:
    made = Authority.root(name)
    return made, {"name": name, "certificate": made.pem.decode(), "sha256": hashlib.sha256(made.der).hexdigest()}


def whats(found: House) -> list[str]:
    return [line.facts["what"] for line in found.services.ledger.read(limit=1000) if line.kind == "CHANGED"]


def test_one_administrator_is_enough_where_nothing_else_is_set(tmp_path: Path):
    """Proposed and applied in one step, with three lines in the ledger; the service believes the anchor at once."""
    found = home(tmp_path)
    made, payload = root_of("goc-moi")
    change = Changes(found.services).propose(found.callers["administrator"], "trust-add", payload, reason="G2")
    assert "applied" == change.state
    assert made.der in {anchor.certificate for anchor in _trust(found).named}
    assert ["change-proposed", "change-approved", "change-applied"] == whats(found)


def test_where_two_are_needed_the_proposer_cannot_approve(tmp_path: Path):
    """Nothing is done until another administrator approves what was shown."""
    found = home(tmp_path, **TWO)
    changes, first = Changes(found.services), found.callers["administrator"]
    made, payload = root_of("goc-moi")
    change = changes.propose(first, "trust-add", payload, reason="G2")
    assert "proposed" == change.state
    assert not _trust(found).named
    with pytest.raises(ChangeNeedsAnother):
        changes.approve(first, change.id, sha256=change.sha256)
    second = administrator(found)
    with pytest.raises(ChangeNotAsProposed):
        changes.approve(second, change.id, sha256="0" * 64)
    assert "applied" == changes.approve(second, change.id, sha256=change.sha256).state
    assert [made.der] == [anchor.certificate for anchor in _trust(found).named]
    with pytest.raises(ChangeDecided):
        changes.approve(second, change.id, sha256=change.sha256)


def test_two_api_keys_of_one_person_are_one_administrator(tmp_path: Path):
    """Whoever holds two keys is still alone."""
    found = home(tmp_path, **TWO)
    changes = Changes(found.services)
    one, other = (administrator(found, name, person="p-1") for name in ("a", "b"))
    change = changes.propose(one, "key-disable", {"key": "seal"}, reason="lost")
    with pytest.raises(ChangeNeedsAnother):
        changes.approve(other, change.id, sha256=change.sha256)


@pytest.mark.parametrize("role", ["client", "operator", "auditor"])
def test_only_administrators_change_anything(tmp_path: Path, role: str):
    """Neither proposing nor deciding is another role's."""
    found = home(tmp_path)
    changes, caller = Changes(found.services), found.callers[role]
    change = changes.propose(found.callers["administrator"], "key-disable", {"key": "seal"}, reason="lost", hold=True)
    with pytest.raises(NotPermitted):
        changes.propose(caller, "key-disable", {"key": "seal"}, reason="x")
    with pytest.raises(NotPermitted):
        changes.approve(caller, change.id, sha256=change.sha256)
    with pytest.raises(NotPermitted):
        changes.reject(caller, change.id)
    with pytest.raises(NotPermitted):
        changes.undo(caller, change.id, reason="x")


def test_what_cannot_be_is_not_even_proposed(tmp_path: Path):
    """A digest that is not the certificate's, a policy that cannot be read, a key that is not there, an odd payload."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    _, payload = root_of("goc")
    for kind, wrong in (
        ("trust-add", payload | {"sha256": "0" * 64}),
        ("trust-remove", {"name": "nobody"}),
        ("policy-set", {"name": "ours", "text": "digests = 7"}),
        ("policy-set", {"name": "default", "text": POLICY}),
        ("policy-remove", {"name": "ours"}),
        ("key-disable", {"key": "nothing"}),
        ("key-enable", {"key": "seal"}),
        ("rights-remove", {"name": "nothing"}),
    ):
        with pytest.raises(ChangeNotAsProposed):
            changes.propose(by, kind, wrong, reason="x")
    for kind, wrong in (("trust-add", {}), ("no-kind", {}), ("key-disable", {"key": "seal", "more": 1})):
        with pytest.raises(RequestInvalid):
            changes.propose(by, kind, wrong, reason="x")
    assert not changes.listed()
    assert not whats(found)


def test_a_disabled_key_signs_nothing_until_it_is_enabled(tmp_path: Path):
    """Over HTTP: 503 with its code; and after the change was undone it signs again."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    document = pdf(tmp_path / "a.pdf").read_bytes()

    def sign():
        files = {"document": ("a.pdf", document), "order": (None, json.dumps({"key": "seal"}))}
        return found.ask("POST", "/v1/signatures", files=files)

    assert 201 == sign().status_code
    change = changes.propose(by, "key-disable", {"key": "seal"}, reason="lost")
    _forget(found)
    answer = sign()
    assert (503, KeyDisabled.code) == (answer.status_code, answer.json()["code"])
    assert 1 == found.token.signed
    changes.undo(by, change.id, reason="found")
    _forget(found)
    assert 201 == sign().status_code


def test_undoing_brings_back_what_was_and_nothing_else(tmp_path: Path):
    """An anchor that was removed comes back with its narrowing; a rule with its former text; a new policy goes."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    _, payload = root_of("goc")
    changes.propose(by, "trust-add", payload | {"purposes": ["timestamping"]}, reason="1")
    before = _files(found.services.settings.trust)
    removed = changes.propose(by, "trust-remove", {"name": "goc"}, reason="2")
    assert not _trust(found).named
    assert "applied" == changes.undo(by, removed.id, reason="3").state
    assert before == _files(found.services.settings.trust)
    assert "undone" == changes.get(removed.id).state

    rule = {"callers": "*", "keys": "seal", "per_day": 5}
    changes.propose(by, "rights-set", {"name": "dau", "rule": rule}, reason="4")
    stricter = changes.propose(by, "rights-set", {"name": "dau", "rule": rule | {"per_day": 1}}, reason="5")
    changes.undo(by, stricter.id, reason="6")
    assert [5] == [kept.text.per_day for kept in found.services.database.read(rights.in_force)]

    policy = changes.propose(by, "policy-set", {"name": "ours", "text": POLICY}, reason="7")
    assert "ours" in found.services.policies.names()
    changes.undo(by, policy.id, reason="8")
    assert "ours" not in found.services.policies.names()


def test_what_was_changed_again_since_is_not_undone(tmp_path: Path):
    """The later change comes first, or what it did would be lost without a word."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    first = changes.propose(by, "policy-set", {"name": "ours", "text": POLICY}, reason="1")
    changes.propose(by, "policy-set", {"name": "ours", "text": POLICY + "# later\n"}, reason="2")
    with pytest.raises(ChangeSuperseded):
        changes.undo(by, first.id, reason="3")


def test_undoing_needs_two_as_well(tmp_path: Path):
    """And a change cannot be undone twice, nor before it was done."""
    found = home(tmp_path, **TWO)
    changes, first, second = Changes(found.services), found.callers["administrator"], administrator(found)
    change = changes.propose(first, "key-disable", {"key": "seal"}, reason="lost")
    with pytest.raises(ChangeDecided):
        changes.undo(first, change.id, reason="early")
    changes.approve(second, change.id, sha256=change.sha256)
    back = changes.undo(second, change.id, reason="found")
    assert "proposed" == back.state
    assert "applied" == changes.approve(first, back.id, sha256=back.sha256).state
    with pytest.raises(ChangeDecided):
        changes.undo(first, change.id, reason="again")


def test_a_rejected_change_is_never_done(tmp_path: Path):
    """Also by whoever proposed it; approving it afterwards is refused."""
    found = home(tmp_path, **TWO)
    changes, first = Changes(found.services), found.callers["administrator"]
    change = changes.propose(first, "key-disable", {"key": "seal"}, reason="lost")
    assert "rejected" == changes.reject(first, change.id).state
    with pytest.raises(ChangeDecided):
        changes.approve(administrator(found), change.id, sha256=change.sha256)
    assert ["change-proposed", "change-rejected"] == whats(found)


def test_a_change_that_was_cut_off_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed between its approval and its end, with or without the files: the next look finishes it, once."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    made, payload = root_of("goc")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(kinds, "write", cut)
        with pytest.raises(KeyboardInterrupt):
            changes.propose(by, "trust-add", payload, reason="1")
    (left,) = changes.listed()
    assert "applying" == left.state
    assert 0 == changes.resume()  # somebody may still be at it
    monkeypatch.setattr(deciding, "CUT_OFF", -1.0)
    assert 1 == changes.resume()
    assert [made.der] == [anchor.certificate for anchor in _trust(found).named]
    assert "applied" == changes.get(left.id).state
    assert 0 == changes.resume()


def test_a_change_is_tried_on_a_sample_before_anybody_approves_it(tmp_path: Path):
    """The sample is judged as things are and as they would be; nothing is changed by that."""
    found = home(tmp_path)
    changes, by = Changes(found.services), found.callers["administrator"]
    _, payload = root_of("goc")
    change = changes.propose(by, "trust-add", payload, reason="1", hold=True)
    asked: list[int] = []
    found.documents.verify = lambda *_, trust, **__: asked.append(len(trust.anchors)) or trust  # type: ignore[attr-defined]
    with pdf(tmp_path / "a.pdf").open("rb") as sample:
        changes.try_(by, change.id, sample, name="a.pdf")
    assert [0, 1] == asked
    assert "proposed" == changes.get(change.id).state
    assert not _trust(found).named


def test_over_http_a_change_is_proposed_shown_approved_and_undone(tmp_path: Path):
    """The same by administrators with API keys; the list shows the newest first."""
    found = home(tmp_path, **TWO)
    second = found.services.database.write(callers.create, name="b", role="administrator", keys=())
    found.secrets["second"] = second
    body = {"kind": "key-disable", "payload": {"key": "seal"}, "reason": "mất thiết bị"}
    made = found.ask("POST", "/v1/changes", name="administrator", json=body)
    assert (201, "proposed", True) == (made.status_code, made.json()["state"], made.json()["needs_two"])
    path, shown = f"/v1/changes/{made.json()['id']}", {"sha256": made.json()["sha256"]}
    own = found.ask("POST", f"{path}/approval", name="administrator", json=shown)
    assert (409, "change-needs-another") == (own.status_code, own.json()["code"])
    assert "applied" == found.ask("POST", f"{path}/approval", name="second", json=shown).json()["state"]
    undone = found.ask("POST", f"{path}/undoing", name="second", json={"reason": "thấy lại"})
    assert (201, made.json()["id"]) == (undone.status_code, undone.json()["undoes"])
    listed = found.ask("GET", "/v1/changes?state=proposed", name="administrator").json()
    assert [undone.json()["id"]] == [one["id"] for one in listed]
    assert 403 == found.ask("GET", "/v1/changes").status_code
    assert 404 == found.ask("GET", "/v1/changes/chg_0", name="second").status_code
    assert 400 == found.ask("POST", "/v1/changes", name="second", json={"kind": "key-disable"}).status_code


def test_where_two_are_needed_there_is_no_way_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither the calls that set a rule at once nor `kyso trust` change what two have to decide."""
    found = home(tmp_path, **TWO)
    answer = found.ask("PUT", "/v1/rights/dau", name="administrator", json={"callers": "*", "keys": "seal"})
    assert (503, "changes-by-two") == (answer.status_code, answer.json()["code"])
    assert "changes-by-two" == found.ask("DELETE", "/v1/rights/dau", name="administrator").json()["code"]
    (found.services.settings.home / "kyso.toml").write_text('[changes]\ntwo_administrators = ["trust"]\n')
    monkeypatch.setenv("KYSO_HOME", str(found.services.settings.home))
    made, _ = root_of("goc")
    (tmp_path / "root.pem").write_bytes(made.pem)
    sha256 = hashlib.sha256(made.der).hexdigest()
    assert console.NOT_AVAILABLE == cli.run(["trust", "add", str(tmp_path / "root.pem"), "--sha256", sha256])
    assert console.NOT_AVAILABLE == cli.run(["trust", "distrust", sha256, "--why", "x"])
    assert not _trust(found).named


def test_the_command_line_proposes_tries_and_undoes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """With an administrator's API key in a file: whoever sits at the machine has a name, too."""
    found = home(tmp_path)
    monkeypatch.setenv("KYSO_HOME", str(found.services.settings.home))
    (tmp_path / "admin.key").write_text(found.secrets["administrator"])
    (tmp_path / "client.key").write_text(found.secrets["client"])
    (tmp_path / "ours.toml").write_text(POLICY)
    propose = ["change", "propose", "policy-set", "--set", "name=ours", "--set", f"text=@{tmp_path / 'ours.toml'}"]
    assert console.USAGE == cli.run([*propose, "--reason", "thử"])
    assert console.NOT_PERMITTED == cli.run(
        [*propose, "--reason", "thử", "--api-key-file", str(tmp_path / "client.key")]
    )
    monkeypatch.setenv("KYSO_API_KEY_FILE", str(tmp_path / "admin.key"))
    assert 0 == cli.run([*propose, "--reason", "thử"])
    assert "ours" in found.services.policies.names()
    capsys.readouterr()
    assert 0 == cli.run(["change", "list", "--format", "json"])
    (one,) = json.loads(capsys.readouterr().out)
    assert 0 == cli.run(["change", "undo", one["id"], "--reason", "thôi"])
    assert "ours" not in found.services.policies.names()


def _trust(found: House):
    """As the service sees it, without waiting for its next look."""
    found.services.trust._until = 0.0
    return found.services.trust.current()


def _forget(found: House) -> None:
    """As if the two seconds were over for which a disabled key is remembered."""
    disabled = found.services.keys._require[0].__self__
    disabled._until = 0.0


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_where_two_are_needed_nobody_makes_the_second_one(tmp_path: Path):
    """An administrator neither makes nor takes over an administrator's API key over HTTP; the own one is exchanged."""
    found = home(tmp_path, **TWO)
    other, self = administrator(found), found.callers["administrator"]
    wanted = {"name": "n", "role": "administrator"}
    for path, body in (("/v1/callers", wanted), (f"/v1/callers/{other.id}/rotation", {})):
        answer = found.ask("POST", path, name="administrator", json=body)
        assert (403, "not-permitted") == (answer.status_code, answer.json()["code"]), path
    auditor = {"name": "n", "role": "auditor"}
    assert 201 == found.ask("POST", "/v1/callers", name="administrator", json=auditor).status_code
    assert 200 == found.ask("POST", f"/v1/callers/{self.id}/rotation", name="administrator", json={}).status_code


def test_where_one_is_enough_an_administrator_makes_another(tmp_path: Path):
    """As long as no change takes two, there is nothing to get around."""
    answer = home(tmp_path).ask(
        "POST", "/v1/callers", name="administrator", json={"name": "n", "role": "administrator"}
    )
    assert 201 == answer.status_code
