"""What must outlive a request and be read by nobody else: sealed with a key that stands beside the database, not in it.

AES-256-GCM (NIST SP 800-38D). Where storage keys are configured (`api.store.encryption.keys`) the key is derived from the
newest of them, and the value says which. Otherwise it is made when it is first needed, in a file of this user alone; nodes
that share a database share that file. A sealed value opens only for the record it was sealed for. It hides a value from
whoever has the database, a backup or a replica of it, not from whoever may read KYSO_HOME with its keys.

>>> import tempfile
>>> seal = Seal(Path(tempfile.mkdtemp()) / "sealing.key")
>>> sealed = seal.close("mật khẩu", bound_to="sig_1")
>>> seal.open(sealed, bound_to="sig_1")
'mật khẩu'
>>> seal.open(sealed, bound_to="sig_2")
Traceback (most recent call last):
    ...
api.sealing.SealBroken: the value was sealed with another key, or for another record
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.errors import ApiError
from api.store.encryption.keys import ID_BYTES, KeyRing, StorageKey, StorageKeyUnknown

KEY_BYTES = 32
NONCE_BYTES = 12
"""Drawn at random: the key is good for four thousand million values (SP 800-38D §8.3)."""


_STORAGE = b"kyso1"
"""How a value begins that was sealed with a storage key. A nonce that happens to begin so does no harm: both are tried."""


class SealBroken(ApiError):
    """A sealed value cannot be opened: its key is not this one, or it belongs to another record."""

    code = "seal-broken"


class Seal:
    """Seals with a storage key, or with the key in `file`, which is read, or made, at the first use."""

    def __init__(self, file: Path, *, keys: KeyRing | None = None) -> None:
        self._file, self._keys = file, keys

    def close(self, text: str, *, bound_to: str) -> bytes:
        """`text` sealed for the record `bound_to`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        if self._keys is None:
            cipher, head = AESGCM(self._key()), b""
        else:
            key = self._keys.current  # once: another may be the current one a moment later
            cipher, head = self._derived(key), _STORAGE + key.id
        return head + nonce + cipher.encrypt(nonce, text.encode(), bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> str:
        """What was sealed. Raises SealBroken."""
        if self._keys is not None and sealed.startswith(_STORAGE):
            identity, rest = sealed[len(_STORAGE) :][:ID_BYTES], sealed[len(_STORAGE) + ID_BYTES :]
            with contextlib.suppress(SealBroken, StorageKeyUnknown):
                return _opened(self._derived(self._keys.find(identity)), rest, bound_to)
        return _opened(AESGCM(self._key()), sealed, bound_to)

    def _derived(self, key: StorageKey) -> AESGCM:
        return AESGCM(key.derive(b"kyso sealed values " + self._file.name.encode()))

    def _key(self) -> bytes:
        """Read anew each time: so rare is the need that no process keeps the key in its memory."""
        try:
            if not self._file.exists():
                self._make()
            key = self._file.read_bytes()
        except OSError as error:
            raise SealBroken("the key cannot be read or made", reason=error.strerror or "") from None
        if len(key) != KEY_BYTES:
            raise SealBroken("the key's file does not hold a key", reason="length")
        return key

    def _make(self) -> None:
        """Whole or not at all; of processes that do it at once, the first one's key counts."""
        draft = self._file.with_name(f".{self._file.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, self._file)
            folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            draft.unlink(missing_ok=True)


def _opened(cipher: AESGCM, sealed: bytes, bound_to: str) -> str:
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return cipher.decrypt(nonce, body, bound_to.encode()).decode()
    except (InvalidTag, ValueError):
        raise SealBroken("the value was sealed with another key, or for another record") from None
