"""`kyso caller` and `kyso rights`, as an administrator types them on the machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api import cli
from api.store import callers
from api.store.database import open_database
from tests.cli_support import Ran
from tests.cli_support import kyso as kyso_beside

pytestmark = pytest.mark.appliance


@pytest.fixture
def kyso(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`kyso` in this process: twenty of them in others would take a minute."""
    monkeypatch.setenv("KYSO_LANG", "en")

    def run(*arguments: str | Path, home: Path) -> Ran:
        monkeypatch.setenv("KYSO_HOME", str(home))
        status = cli.run(tuple(map(str, arguments)))
        said = capsys.readouterr()
        return Ran(status, said.out, said.err.splitlines())

    return run


def test_the_commands_are_there(tmp_path: Path) -> None:
    """As a process of its own, as it is installed."""
    ran = kyso_beside("rights", "list", "--format", "json", home=tmp_path)
    assert (0, [], []) == (ran.status, json.loads(ran.out), ran.err)


def test_an_api_key_from_its_making_to_its_end(kyso: Callable[..., Ran], tmp_path: Path) -> None:
    """Made with an end, listed with days left, exchanged, revoked; who did it stands in the ledger."""
    made = kyso("caller", "create", "--name", "Văn thư", "--key", "seal-*", "--expires", "30", home=tmp_path)
    assert (0, 1) == (made.status, len(made.out.splitlines())), made.err
    first = made.out.strip()
    identity = first.split("_")[1]
    listed = json.loads(kyso("caller", "list", "--format", "json", home=tmp_path).out)
    assert [(identity, 30, "client", ["seal-*"])] == [
        (one["id"], one["days_left"], one["role"], one["keys"]) for one in listed
    ]
    rotated = kyso("caller", "rotate", identity, "--overlap", "1", "--format", "json", home=tmp_path)
    told = json.loads(rotated.out)
    assert timedelta(minutes=50) < datetime.fromisoformat(told["former_until"]) - datetime.now(UTC) < timedelta(hours=1)
    assert 365 == told["days_left"], "without --expires as callers.api_key_days says"
    database = open_database(f"sqlite:///{tmp_path / 'kyso.db'}")
    assert [identity] * 2 == [
        found.id for secret in (first, told["api_key"]) if (found := database.read(callers.find, secret))
    ]
    assert 0 == kyso("caller", "revoke", identity, home=tmp_path).status
    assert [None] * 2 == [database.read(callers.find, secret) for secret in (first, told["api_key"])]
    with database.engine.connect() as connection:
        lines = [json.loads(row[0])["facts"] for row in connection.exec_driver_sql("SELECT line FROM ledger")]
    assert ["caller-created", "caller-rotated", "caller-revoked"] == [facts["what"] for facts in lines]
    assert {identity} == {facts["subject"] for facts in lines}
    assert all(facts["caller"].startswith("cli:") for facts in lines)
    assert "Văn thư" not in str(lines)
    assert first.split("_")[2] not in str(lines)


def test_a_rule_from_its_trial_to_its_removal(kyso: Callable[..., Ran], tmp_path: Path) -> None:
    """Tried first, set, tried again, removed; a trial that would be refused ends with 77."""
    made = json.loads(kyso("caller", "create", "--name", "c", "--key", "*", "--format", "json", home=tmp_path).out)
    rule = tmp_path / "rule.json"
    rule.write_text(json.dumps({"callers": "role:client", "keys": "seal-*", "levels": ["B-T"]}))
    order = ("rights", "try", "--caller", made["id"], "--key", "seal-1", "--level", "B-B")
    before = kyso(*order, home=tmp_path)
    assert (0, "✓ would be signed: no rule") == (before.status, before.out.strip())
    tried = kyso(*order, "--rule", rule, home=tmp_path)
    assert 77 == tried.status
    assert "right-level" in tried.out
    assert 0 == kyso("rights", "set", "dau", rule, home=tmp_path).status
    assert 77 == kyso(*order, home=tmp_path).status
    (listed,) = json.loads(kyso("rights", "list", "--format", "json", home=tmp_path).out)
    assert ("dau", 1, ["B-T"]) == (listed["name"], listed["version"], listed["rule"]["levels"])
    assert 0 == kyso("rights", "remove", "dau", home=tmp_path).status
    shown = json.loads(kyso("rights", "show", "dau", "--format", "json", home=tmp_path).out)
    assert [True] == [one["ended_by"].startswith("cli:") for one in shown]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("caller", "create", "--name", "c", "--expires", "soon"), 64, "--expires"),
        (("caller", "create", "--name", "c", "--role", "official"), 65, "official"),
        (("caller", "rotate", "0123456789ab"), 65, "not-found"),
        (("rights", "set", "Bad Name", __file__), 65, "request-invalid"),
        (("rights", "show", "none"), 65, "not-found"),
        (("rights", "try", "--caller", "x"), 64, "--key"),
    ],
)
def test_slips_are_told(
    kyso: Callable[..., Ran], tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    """One line on standard error with a code or the option, and nothing done."""
    ran = kyso(*arguments, home=tmp_path)
    assert (status, "") == (ran.status, ran.out)
    assert says in ran.err[-1]


def test_where_two_decide_a_command_has_a_name_behind_it(kyso: Callable[..., Ran], tmp_path: Path) -> None:
    """A caller that may sign, and whose keys are whose: refused to whoever merely has the machine, proposed with an
    administrator's API key. That one is made on the machine."""
    (tmp_path / "kyso.toml").write_text('[changes]\ntwo_administrators = ["rights", "keys"]\n')
    made = kyso("caller", "create", "--name", "A", "--role", "administrator", home=tmp_path)
    key_file, records = tmp_path / "admin.key", tmp_path / "all.json"
    key_file.write_text(made.out)
    named = ("--api-key-file", key_file)
    records.write_text(
        json.dumps(
            {
                "organisations": [{"code": "A", "name": "Đảng ủy Mẫu", "kind": "dang-uy-co-so"}],
                "keys": [{"ref": "seal", "organisation": "A"}],
            }
        )
    )
    for command in (("caller", "create", "--name", "x", "--key", "*"), ("directory", "import", records)):
        refused = kyso(*command, home=tmp_path)
        assert (69, True) == (refused.status, "changes-by-two" in refused.err[-1]), refused
        assert "kyso change approve chg_" in "\n".join(kyso(*command, *named, home=tmp_path).err)
    assert 0 == kyso("caller", "create", "--name", "y", "--role", "auditor", home=tmp_path).status
    waiting = json.loads(kyso("change", "list", "--state", "proposed", "--format", "json", home=tmp_path).out)
    assert {"caller-create", "key-owners"} == {one["kind"] for one in waiting}
    assert [] == json.loads(kyso("directory", "list", "keys", "--format", "json", home=tmp_path).out)
