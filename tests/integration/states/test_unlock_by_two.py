"""`kyso unlock` where two administrators are needed: one proposes, another completes it in time, one alone opens nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import cli
from api.cli import unlock
from api.store.change_tables import change as change_table
from api.store.database import open_database
from hsm.lifecycle import PinSource
from tests.cli_support import Ran
from tests.hsm_support import PIN, WRONG_PIN, Box, a_box

pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with a_box(pin=PinSource(credential="none-here")) as made:
        made.make_token()
        made.start()
        yield made


@pytest.fixture
def home(tmp_path: Path, box: Box) -> Path:
    library = f'[modules.box]\nlibrary = "{box.library}"\ntoken = "{box.label}"\n'
    (tmp_path / "kyso.toml").write_text(library + '[changes]\ntwo_administrators = ["unlock"]\n')
    with box.admin as admin:
        admin.lock()
    return tmp_path


@pytest.fixture
def kyso(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path, box: Box
) -> Callable[..., Ran]:
    """`kyso` in this process, whose service's keeper is the box's."""
    monkeypatch.setenv("KYSO_LANG", "en")
    monkeypatch.setenv("KYSO_HOME", str(home))
    monkeypatch.setattr(unlock, "_admin", lambda _settings, _module: box.admin)

    def run(*arguments: str | Path, pin: str = "") -> Ran:
        reading, writing = os.pipe()
        os.write(writing, f"{pin}\n".encode())
        os.close(writing)
        more = ("--pin-fd", str(reading)) if pin else ()
        status = cli.run((*map(str, arguments), *more))
        os.close(reading)
        said = capsys.readouterr()
        return Ran(status, said.out, said.err.splitlines())

    return run


@pytest.fixture
def keys(kyso: Callable[..., Ran], home: Path) -> dict[str, tuple[str, Path]]:
    """Two administrators and an operator, by the option that names each."""
    made = {}
    for name, role in (("one", "administrator"), ("two", "administrator"), ("operator", "operator")):
        file = home / f"{name}.key"
        file.write_text(kyso("caller", "create", "--name", name, "--role", role).out)
        made[name] = ("--api-key-file", file)
    return made


def state(box: Box) -> str:
    with box.admin as admin:
        return admin.status().state


def older(home: Path, **columns: str) -> None:
    """All changes were made an hour ago."""
    database = open_database(f"sqlite:///{home}/kyso.db")
    values = {name: change_table.c[name] - 3600 for name in columns.values()}
    database.write(lambda connection: connection.execute(sa.update(change_table).values(values)))
    database.close()


def test_one_proposes_and_another_completes(kyso: Callable[..., Ran], box: Box, keys: dict) -> None:
    """One alone opens nothing, however often it is asked; the second one types the PIN. A mistyped one costs no third
    person. Both stand in the ledger, and the PIN nowhere."""
    for _ in range(2):
        first = kyso("unlock", "box", *keys["one"], pin=PIN)
        assert (69, "locked") == (first.status, state(box)), first
        assert "another administrator completes it" in first.err[-1]
    wrong = kyso("unlock", "box", *keys["two"], pin=WRONG_PIN)
    assert (69, "locked") == (wrong.status, state(box)), wrong
    right = kyso("unlock", "box", *keys["two"], pin=PIN)
    assert (0, "operational") == (right.status, state(box)), right
    told = kyso("change", "list", "--format", "json").out
    assert (1, 1) == (told.count("chg_"), told.count('"applied"'))
    assert PIN not in told


def test_an_approval_is_used_up(kyso: Callable[..., Ran], box: Box, keys: dict) -> None:
    """By the opening, and by whoever locks: after either, two are needed again."""
    kyso("unlock", "box", *keys["one"], pin=PIN)
    assert 0 == kyso("unlock", "box", *keys["two"], pin=PIN).status
    with box.admin as admin:
        admin.lock()  # as by a restart: nobody noted it
    assert (69, "locked") == (kyso("unlock", "box", *keys["two"], pin=PIN).status, state(box))
    (waiting,) = [one for one in _changes(kyso) if one["state"] == "proposed"]
    assert 0 == kyso("change", "approve", waiting["id"], "--yes", *keys["one"]).status
    assert 0 == kyso("lock", "box").status
    assert (69, "locked") == (kyso("unlock", "box", *keys["one"], pin=PIN).status, state(box))


def test_who_comes_too_late_begins_anew(kyso: Callable[..., Ran], box: Box, keys: dict, home: Path) -> None:
    """Neither a proposal nor an approval of an hour ago opens anything."""
    kyso("unlock", "box", *keys["one"], pin=PIN)
    older(home, proposed="proposed_at")
    (old,) = _changes(kyso)
    assert 0 != kyso("change", "approve", old["id"], "--yes", *keys["two"]).status
    assert 69 == kyso("unlock", "box", *keys["two"], pin=PIN).status
    assert {"rejected", "proposed"} == {one["state"] for one in _changes(kyso)}
    (waiting,) = [one for one in _changes(kyso) if one["state"] == "proposed"]
    assert 0 == kyso("change", "approve", waiting["id"], "--yes", *keys["one"]).status
    older(home, decided="decided_at")
    assert (69, "locked") == (kyso("unlock", "box", *keys["one"], pin=PIN).status, state(box))


def test_nobody_and_an_operator_propose_nothing(kyso: Callable[..., Ran], box: Box, keys: dict) -> None:
    """Who has the machine and no administrator's API key is told what is missing."""
    nobody, operator = kyso("unlock", "box", pin=PIN), kyso("unlock", "box", *keys["operator"], pin=PIN)
    assert "changes-by-two" in nobody.err[-1]
    assert (77, True) == (operator.status, "not-permitted" in operator.err[-1])
    assert ([], "locked") == (_changes(kyso), state(box))


def _changes(kyso: Callable[..., Ran]) -> list[dict]:
    import json

    return json.loads(kyso("change", "list", "--format", "json").out)
