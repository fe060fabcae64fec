"""Values that are sealed while the storage key changes."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from api.sealing import Seal
from api.store.encryption import keys
from api.store.encryption.keys import KeyRing

pytestmark = pytest.mark.appliance


def test_a_value_sealed_while_the_key_changes_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to be of the key that it is of, whenever the ring is looked at."""
    monkeypatch.setattr(keys, "LOOK", -1.0)
    lines = [keys.line(secrets.token_bytes(32))]
    ring = KeyRing(lambda: "".join(lines).encode(), stamp=object)
    seal = Seal(tmp_path / "sealing.key", keys=ring)
    derived = Seal._derived

    def then_another(self: Seal, key: keys.StorageKey) -> object:
        lines.insert(0, keys.line(secrets.token_bytes(32)))
        return derived(self, key)

    with monkeypatch.context() as changing:
        changing.setattr(Seal, "_derived", then_another)
        sealed = seal.close("mật khẩu", bound_to="sig_1")
    assert "mật khẩu" == seal.open(sealed, bound_to="sig_1")
