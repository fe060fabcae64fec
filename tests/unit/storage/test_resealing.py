"""What is sealed with a storage key opens after that key is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.sessions import callbacks, store
from api.store.encryption import keys
from api.workflows import storage
from tests.http_support import house

pytestmark = pytest.mark.appliance


def test_secrets_of_callbacks_outlive_the_storage_key_they_were_sealed_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotated, and the former key dropped: the system that asked is still told, by the secret that it knows."""
    monkeypatch.setattr(keys, "LOOK", 0.0)
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    found = house(tmp_path / "home", storage={"key_file": "secrets/storage.key"})
    services, caller = found.services, found.callers["client"].id
    secret = callbacks.new_secret(services, caller)
    storage.begin(services)
    assert 1 == storage.renew(services, by="cli:test").values
    assert 1 == storage.drop(services)
    sealed = services.database.read(store.secret_of, caller)
    again = house_keys(tmp_path)
    assert secret == callbacks.Seal(services.settings.secrets / "sealing.key", keys=again).open(
        sealed, bound_to=f"callback {caller}"
    )


def house_keys(tmp_path: Path) -> keys.KeyRing:
    """As a process that starts now reads them."""
    return keys.KeyRing((tmp_path / "home" / "secrets" / "storage.key").read_bytes)
