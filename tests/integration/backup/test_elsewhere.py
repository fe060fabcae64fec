"""A restore touches the new folder, and no database that something else names."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.ledger import Ledger
from api.store.database import open_database
from api.workflows.restoring import HomeNotEmpty, restore
from tests.http_support import House
from tests.integration.backup.test_backup import WITH, document, home, made

__all__ = ["document", "home"]
pytestmark = pytest.mark.appliance


def size(file: Path) -> int:
    database = open_database(f"sqlite:///{file}", migrate=False)
    try:
        return Ledger(database).state().size
    finally:
        database.close()


def test_a_database_that_the_environment_names_is_left_alone(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell of the service that runs: its variable would have the drill write into the living ledger."""
    file = made(home, tmp_path)
    living = home.services.settings.home / "kyso.db"
    before = size(living)
    monkeypatch.setenv("KYSO_DATABASE", f"sqlite:///{living}")
    restore(file, tmp_path / "drill", key=WITH)
    assert before == size(living)
    assert "restored" == _last(tmp_path / "drill" / "kyso.db")


def test_settings_that_name_a_database_elsewhere_are_refused(home: House, tmp_path: Path) -> None:
    """kyso.toml of the backup may name the database of the appliance that still runs, by its whole path."""
    living = home.services.settings.home / "kyso.db"
    (home.services.settings.home / "kyso.toml").write_text(f'database = "sqlite:///{living}"\n')
    file = made(home, tmp_path)
    before = size(living)
    with pytest.raises(HomeNotEmpty):
        restore(file, tmp_path / "drill", key=WITH)
    assert before == size(living)
    assert not (tmp_path / "drill").exists()


def test_storage_keys_are_put_nowhere_but_into_the_folder(home: House, tmp_path: Path) -> None:
    """A path out of it in kyso.toml is where the appliance had them, not where they are copied to."""
    outside = tmp_path / "outside.key"
    (home.services.settings.home / "kyso.toml").write_text(f'[storage]\nkey_file = "{outside}"\n')
    file = made(home, tmp_path, with_keys=False)
    key = home.services.settings.home / "secrets" / "storage.key"
    restore(file, tmp_path / "drill", key=WITH, storage_key=key)
    assert not outside.exists()


def _last(file: Path) -> object:
    database = open_database(f"sqlite:///{file}", migrate=False)
    try:
        return Ledger(database).read(limit=1000)[-1].facts.get("what")
    finally:
        database.close()
