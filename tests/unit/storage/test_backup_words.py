"""What `kyso backup` says about the storage keys that are not in the backup."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli import backup, console
from api.settings import Settings
from api.settings.storage import Storage

pytestmark = pytest.mark.appliance


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        (
            {"key_file": "secrets/storage.key", "kept_by": "Chánh Văn phòng"},
            ("/secrets/storage.key", "Chánh Văn phòng"),
        ),
        ({"key_credential": "storage-key"}, ("systemd: storage-key", "not on record ([storage] kept_by)")),
    ],
)
def test_it_names_the_keys_their_place_and_who_keeps_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], storage: dict, told: tuple
) -> None:
    """By id, so that whoever restores it knows which are wanted."""
    monkeypatch.setattr(console, "language", "en")
    backup._say_who_keeps(Settings(home=tmp_path, storage=Storage(**storage)), ("9f86d081884c7d65",))
    said = " ".join(capsys.readouterr().err.split())
    for part in ("9f86d081884c7d65", *told):
        assert part in said
