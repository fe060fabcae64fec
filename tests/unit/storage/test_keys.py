"""Storage keys: what a file of them may be, and that they are told to nobody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from api.sealing import Seal, SealBroken
from api.settings import Settings
from api.settings.storage import Storage
from api.store.encryption import keys
from api.store.encryption.keys import KeyRing, StorageKeyMissing
from api.store.work import Growing, NoRoomToWork, Workplace, of

pytestmark = pytest.mark.appliance


def test_a_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    """A second `make` changes nothing; `add` puts another before it; 32 bytes alone are a key too."""
    file = tmp_path / "secrets" / "storage.key"
    keys.make(file)
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    first = KeyRing(file.read_bytes).current.id
    with pytest.raises(FileExistsError):
        keys.make(file)
    keys.add(file)
    both = KeyRing(file.read_bytes)
    assert first == both.all[1].id != both.current.id
    assert first == both.find(first).id
    file.write_bytes(bytes(range(32)))
    assert 1 == len(KeyRing(file.read_bytes).all)


@pytest.mark.parametrize("held", [b"", b"# nothing\n", b"kyso-storage-key:AAAA\n", b"\xff" * 31, b"something else"])
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, held: bytes) -> None:
    """Nothing of it stands in the error."""
    file = tmp_path / "storage.key"
    file.write_bytes(held)
    with pytest.raises(StorageKeyMissing) as caught:
        keys.of(Storage(key_file=file), home=tmp_path)
    assert "AAAA" not in str(caught.value) + str(caught.value.facts)


def test_a_missing_key_is_never_made_by_itself(tmp_path: Path) -> None:
    """Else a lost key would be noticed when the documents are gone; a credential outside its unit is missing as well."""
    with pytest.raises(StorageKeyMissing):
        keys.of(Storage(key_file=tmp_path / "lost"), home=tmp_path)
    with pytest.raises(StorageKeyMissing):
        keys.of(Storage(key_credential="storage"), home=tmp_path)


def test_a_credential_holds_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd puts it."""
    (tmp_path / "storage").write_text(keys.line(bytes(32)))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    found = keys.of(Storage(key_credential="storage"), home=tmp_path)
    assert found is not None
    assert 1 == len(found.all)


def test_a_rotation_reaches_processes_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next look; and at once where a file was encrypted with a key that is not known yet."""
    file = tmp_path / "storage.key"
    keys.make(file)
    ring = keys.of(Storage(key_file=file), home=tmp_path)
    assert ring is not None
    former = ring.current.id
    keys.add(file)
    newest = KeyRing(file.read_bytes).current.id
    assert former == ring.current.id
    assert newest == ring.find(newest).id
    keys.add(file)
    monkeypatch.setattr(keys, "LOOK", -1.0)
    assert ring.current.id not in (former, newest)


def test_keys_are_not_shown() -> None:
    """By nothing that prints them."""
    secret = os.urandom(32)
    ring = KeyRing(lambda: secret)
    assert secret.hex() not in repr(ring.current) + repr(ring)
    assert repr(secret) not in repr(ring.current)


def test_a_sealed_value_outlives_the_coming_of_a_storage_key_and_its_change(tmp_path: Path) -> None:
    """What was sealed with the file beside the database opens; what is sealed now needs a storage key."""
    file = tmp_path / "sealing.key"
    old = Seal(file).close("mật khẩu", bound_to="sig_1")
    first, second = keys.line(os.urandom(32)).encode(), keys.line(os.urandom(32)).encode()
    seal = Seal(file, keys=KeyRing(lambda: first))
    new = seal.close("mật khẩu", bound_to="sig_1")
    assert "mật khẩu" == seal.open(old, bound_to="sig_1") == seal.open(new, bound_to="sig_1")
    assert "mật khẩu" == Seal(file, keys=KeyRing(lambda: second + first)).open(new, bound_to="sig_1")
    for seal, record in ((Seal(file), "sig_1"), (Seal(file, keys=KeyRing(lambda: first)), "sig_2")):
        with pytest.raises(SealBroken):
            seal.open(new, bound_to=record)


def test_documents_are_worked_on_in_memory_where_they_are_encrypted(tmp_path: Path) -> None:
    """Small ones in a file that is memory, larger ones in the folder; without encryption on the disk, as ever."""
    place = Workplace(tmp_path, 100)
    with place.file(size=99) as small, place.file(size=100) as large:
        names = [str(Path(f"/proc/self/fd/{file.fileno()}").readlink()) for file in (small, large)]
    assert names[0].startswith("/memfd:")
    assert names[1].startswith(str(tmp_path))
    grown = Growing(place)
    for _ in range(30):
        grown.write(memoryview(b"0123456789"))
    grown.file.seek(0)
    assert b"0123456789" * 30 == grown.file.read()
    assert str(Path(f"/proc/self/fd/{grown.file.fileno()}").readlink()).startswith(str(tmp_path))
    grown.close()
    assert Workplace(tmp_path) == of(Storage(), tmp=tmp_path)
    assert tmp_path != of(Storage(key_file=Path("k")), tmp=tmp_path).folder
    with pytest.raises(NoRoomToWork):
        place.file(size=1 << 60)
    with pytest.raises(NoRoomToWork):
        Workplace(None, 100).file(size=1 << 60)


def test_two_places_for_keys_are_a_mistake(tmp_path: Path) -> None:
    """It would not be clear which counts."""
    with pytest.raises(ValueError, match="either"):
        Settings(home=tmp_path, storage={"key_file": "a", "key_credential": "b"})
