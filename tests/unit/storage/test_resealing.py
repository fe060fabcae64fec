"""What is sealed with a storage key opens after that key is gone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.sessions import callbacks, store
from api.store.blobs import Blobs
from api.store.encryption import keys
from api.store.signing_tables import signing_document
from api.store.upload_tables import upload_piece
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


def test_documents_that_wait_for_an_official_are_decrypted_with_the_others(tmp_path: Path) -> None:
    """Their rows name the plain files, as those of signatures and batches do: nobody loses what is being signed."""
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    services = house(tmp_path / "home", storage={"key_file": "secrets/storage.key"}).services
    blob = services.blobs.put(io.BytesIO(b"%PDF-1.7"))
    texts = {"session": "ses_1", "name": "a", "sha256": "0", "format": "PDF", "request_json": "{}", "survey_json": "{}"}
    row = {**texts, "number": 1, "size": 8, "blob": blob, "state": "waiting", "round": 0}
    services.database.write(lambda connection: connection.execute(signing_document.insert().values(row)))
    storage.decrypt(services, by="cli:test")
    now = services.database.read(lambda connection: connection.execute(sa.select(signing_document.c.blob)).scalar())
    with Blobs(services.settings.blobs).open(now) as plain:
        assert b"%PDF-1.7" == plain.read()


def test_pieces_of_uploads_are_decrypted_with_the_others(tmp_path: Path) -> None:
    """Whatever row names a file that waits: an upload goes on where it was."""
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    services = house(tmp_path / "home", storage={"key_file": "secrets/storage.key"}).services
    blob = services.blobs.put(io.BytesIO(b"%PDF-1.7"))
    row = {"upload": "u", "start": 0, "size": 8, "blob": blob}
    services.database.write(lambda connection: connection.execute(upload_piece.insert().values(row)))
    storage.decrypt(services, by="cli:test")
    now = services.database.read(lambda connection: connection.execute(sa.select(upload_piece.c.blob)).scalar())
    with Blobs(services.settings.blobs).open(now) as plain:
        assert b"%PDF-1.7" == plain.read()


def house_keys(tmp_path: Path) -> keys.KeyRing:
    """As a process that starts now reads them."""
    return keys.KeyRing((tmp_path / "home" / "secrets" / "storage.key").read_bytes)
