"""A key with a twin on a second module: two real keepers, and the choice between them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api.ledger import Ledger
from api.settings import SettingsUnusable, load
from api.store.database import open_database
from api.workflows import keys as key_lists
from api.workflows import keyuse
from api.workflows.keys import Keys
from api.workflows.keyuse import KeyUser
from hsm.errors import HsmError, SigningInterrupted
from hsm.keys import KeyInfo
from hsm.mechanisms import check_value
from hsm.token import Token
from tests.hsm_support import WRONG_PIN, Box, a_box, a_faulty_box, build_shim, eventually, signed_attributes

pytestmark = pytest.mark.pades

SECRET = bytes(range(32))
MECHANISM = "ecdsa_sha256"


@dataclass
class Pair:
    """Two keepers, and what the api makes of them."""

    first: Box
    second: Box
    user: KeyUser

    @property
    def keys(self) -> Keys:
        return self.user.keys

    def sign(self, seed: bytes) -> KeyInfo:
        """One signature under the name `seal`; the key that made it."""
        key = self.keys.find("seal")
        tbs = signed_attributes(seed)
        number = self.user.intend({"key": "seal"})
        value = self.user.sign(key, mechanism=MECHANISM, tbs=tbs, number=number)
        public = load_der_public_key(key.public_key)
        check_value(value, public_key=public, mechanism=MECHANISM, tbs=tbs)  # type: ignore[arg-type]
        assert self.user.outcome("seal", number) == ("done", value)
        return key


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The first behind the shim, so that it can be made to die; each with a key of its own."""
    monkeypatch.setattr(key_lists, "RESTING", 0.3)
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    shim = build_shim(tmp_path)
    with a_faulty_box(shim, secret=SECRET, name="one") as (first, _), a_box(secret=SECRET, name="two") as second:
        for box, ref in ((first, "seal"), (second, "seal-2")):
            box.make_token()
            box.start()
            box.create(ref, "p256")
        tokens = {"one": Token(first.path / "s", patience=0.2), "two": Token(second.path / "s", patience=0.2)}
        keys = Keys(tokens, twins={"seal": "two/seal-2"})
        ledger = Ledger(open_database(f"sqlite:///{tmp_path / 'kyso.db'}"))
        yield Pair(first, second, KeyUser(ledger, keys, lambda: SECRET))
        for token in tokens.values():
            token.close()


def test_the_first_key_signs_while_its_module_is_at_work(pair: Pair) -> None:
    """The twin is for bad days."""
    assert pair.sign(b"1").ref == "seal"
    assert [key.ref for key in pair.keys.all()] == ["seal", "seal-2"]


def test_the_twin_signs_while_the_first_is_locked_or_gone(pair: Pair) -> None:
    """With its own public key, at once, and until the first is back; what it signed is found again."""
    assert pair.sign(b"1").ref == "seal"
    pair.first.kill()
    assert pair.sign(b"2").ref == "seal-2"
    pair.first.write_pin(WRONG_PIN)
    pair.first.start()
    eventually(lambda: pair.first.token.status().state == "locked")
    assert pair.sign(b"3").ref == "seal-2"
    pair.first.write_pin("492716")
    eventually(lambda: pair.first.token.status().state == "operational")
    eventually(lambda: pair.sign(b"4").ref == "seal", within=8)


def test_a_use_in_doubt_is_never_signed_by_the_twin(pair: Pair) -> None:
    """The first died while signing: the request ends in doubt; the twin has no use of that number."""
    key = pair.keys.find("seal")
    number = pair.user.intend({"key": "seal"})
    (pair.first.path / "plan").write_text("C_Sign kill-after 0 1\n")
    with pytest.raises(SigningInterrupted):
        pair.user.sign(key, mechanism=MECHANISM, tbs=signed_attributes(b"doubt"), number=number)
    assert pair.second.token.use(number) is None
    with pytest.raises(HsmError):  # the first cannot be asked, and the twin's silence is no answer
        pair.user.outcome("seal", number)
    (pair.first.path / "plan").write_text("")
    assert pair.first.process is not None
    assert pair.first.process.wait(5) == -signal.SIGKILL
    pair.first.start()
    eventually(lambda: pair.first.token.status().state == "operational")
    assert pair.user.outcome("seal", number) == ("doubt", None)


def test_with_neither_at_work_the_error_is_the_first_ones(pair: Pair) -> None:
    """And a name that no module knows has no twin to hide behind."""
    pair.sign(b"1")
    pair.first.kill()
    pair.second.kill()
    with pytest.raises(HsmError) as caught:
        pair.sign(b"2")
    assert caught.value.code in ("keeper-not-available", "token-not-available")
    with pytest.raises(HsmError):
        pair.keys.find("nobody")


def test_the_setting_names_module_and_key(tmp_path: Path) -> None:
    """`[keys.REF] twin = "MODULE/REF"`; a module that is not configured is refused at the start."""
    file = tmp_path / "kyso.toml"
    file.write_text('[keys.seal]\ntwin = "backup/seal-2"\n[modules.backup]\nlibrary = "/m.so"\ntoken = "t"\n')
    assert load(tmp_path).keys["seal"].twin == "backup/seal-2"
    file.write_text('[keys.seal]\ntwin = "backup/seal-2"\n')
    with pytest.raises(SettingsUnusable, match="no module is called backup"):
        load(tmp_path)
