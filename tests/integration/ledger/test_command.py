"""`kyso audit checkpoint` without a service: a keeper of its own, one checkpoint, and what an operator notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.ledger import Ledger
from api.ledger.note import VerifierKey, read
from api.store.database import open_database
from tests.cli_support import kyso
from tests.integration.ledger.conftest import TOML, World

pytestmark = pytest.mark.appliance


def test_an_operator_signs_a_checkpoint_and_notes_it(fresh: World, tmp_path: Path) -> None:
    """The note is printed and kept, its key is told, and the ledger is whole by both; a second call prints the same."""
    box, home = fresh.box, tmp_path / "home"
    box.stop()
    home.mkdir()
    module = f'pin_file = "{box.path}/pin"\nenvironment = {{ SOFTHSM2_CONF = "{box.path}/softhsm2.conf" }}\n'
    (home / "kyso.toml").write_text(TOML.format(library=box.library).replace("[keys.seal]", f"{module}\n[keys.seal]"))
    ran = kyso("audit", "checkpoint", home=home)
    assert (64, True) == (ran.status, "no line yet" in ran.err[0]), ran
    Ledger(open_database(f"sqlite:///{home / 'kyso.db'}")).append("REFUSED", {"code": "x"})
    first = kyso("audit", "checkpoint", home=home)
    assert 0 == first.status, first
    told = kyso("audit", "checkpoint", "--vkey", home=home)
    key = VerifierKey.parse(told.out)
    assert 1 == read(first.out).verified((key,)).size
    assert first.out == kyso("audit", "checkpoint", home=home).out
    ran = kyso("audit", "verify", "--key", told.out.strip(), home=home)
    assert (0, True) == (ran.status, "checkpoints met: 1, the newest over 1 lines" in ran.out), ran
    assert "uses of keys compared: 1" in ran.out
