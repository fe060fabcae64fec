"""`[checkpoints]` in kyso.toml: a key of its own, and an origin that can be signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import settings
from api.settings import SettingsUnusable

pytestmark = pytest.mark.appliance

GOOD = '[keys.ledger]\nshapes = ["checkpoint"]\n[checkpoints]\nkey = "ledger"\norigin = "ky.example.gov.vn/ledger"\n'


def load(folder: Path, text: str) -> settings.Settings:
    (folder / "kyso.toml").write_text(text)
    return settings.load(folder)


def test_checkpoints_are_off_unless_a_key_is_named(tmp_path: Path) -> None:
    """An old file starts as before; a new one names key and origin, the rest has defaults."""
    assert load(tmp_path, "").checkpoints is None
    found = load(tmp_path, GOOD)
    assert found.checkpoints is not None
    assert (tmp_path / "checkpoints", ()) == (found.checkpoint_folder, found.checkpoints.witnesses)
    elsewhere = load(tmp_path, GOOD + 'folder = "/mnt/other/kyso"\n')
    assert Path("/mnt/other/kyso") == elsewhere.checkpoint_folder


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ('["checkpoint"]', '["checkpoint", "signed-attributes"]', "nothing else"),
        ('["checkpoint"]', '["signed-attributes"]', "checkpoints: keys.ledger"),
        ('key = "ledger"', 'key = "other"', "checkpoints: keys.other"),
        ('origin = "ky.', 'origin = "Ky ', "origin"),
        ('origin = "ky.example.gov.vn/ledger"', "", "origin"),
    ],
)
def test_a_key_that_signs_other_things_signs_no_checkpoints(tmp_path: Path, before: str, after: str, what: str) -> None:
    """Nor does a checkpoint key sign anything else, or a ledger go without a name that can be signed."""
    with pytest.raises(SettingsUnusable, match=what):
        load(tmp_path, GOOD.replace(before, after))
