"""A backup's envelope: it opens with its keys alone, and whole or not at all."""

from __future__ import annotations

import io
import os

import pyrage
import pytest

from api.backup.envelope import BackupUnusable, Key, RecipientUnusable, opened, seal

pytestmark = pytest.mark.appliance

CONTENT = os.urandom(300_000)


def sealed(key: Key) -> bytes:
    out = io.BytesIO()
    seal(lambda pipe: pipe.write(CONTENT), out, key=key)
    return out.getvalue()


def read(data: bytes, key: Key) -> bytes:
    return opened(io.BytesIO(data), lambda source: source.read(), key=key)


def test_it_opens_with_each_recipients_key_and_is_plain_age() -> None:
    """Also with the reference's own reader, without Kyso."""
    one, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    data = sealed(Key(recipients=(str(one.to_public()), str(other.to_public()))))
    for identity in (one, other):
        assert CONTENT == read(data, Key(identities=(str(identity),))) == pyrage.decrypt(data, [identity])
    with pytest.raises(BackupUnusable):
        read(data, Key(identities=(str(pyrage.x25519.Identity.generate()),)))


def test_it_opens_with_its_passphrase() -> None:
    """And with no other; a missing one is said."""
    data = sealed(Key(passphrase="mật khẩu"))
    assert CONTENT == read(data, Key(passphrase="mật khẩu"))
    with pytest.raises(BackupUnusable):
        read(data, Key(passphrase="mat khau"))
    with pytest.raises(RecipientUnusable):
        read(data, Key())


def test_a_cut_or_changed_file_does_not_open() -> None:
    """Wherever it was cut or changed, whatever is behind it."""
    identity = pyrage.x25519.Identity.generate()
    data, key = sealed(Key(recipients=(str(identity.to_public()),))), Key(identities=(str(identity),))
    cut = [data[:length] for length in (0, 10, 200, 65_800, len(data) - 16, len(data) - 1)]
    changed = [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in (60, 5_000, len(data) - 1)]
    for bad in [*cut, *changed, data + b"x"]:
        with pytest.raises(BackupUnusable):
            read(bad, key)


def test_nothing_is_written_in_plain_and_failures_are_told() -> None:
    """Without a recipient, with something that is none, and when what is to be backed up cannot be read."""
    for key in (Key(), Key(recipients=("age1no",)), Key(recipients=("ssh-ed25519 no",))):
        with pytest.raises(RecipientUnusable):
            sealed(key)

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    identity = pyrage.x25519.Identity.generate()
    with pytest.raises(OSError, match="No space"):
        seal(fail, io.BytesIO(), key=Key(recipients=(str(identity.to_public()),)))
    assert "AGE-SECRET" not in repr(Key(identities=(str(identity),), passphrase="p"))
