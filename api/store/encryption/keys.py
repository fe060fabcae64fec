"""Storage keys: 32 bytes each, the first encrypts, all of them decrypt. They wrap the key of each file, nothing else.

They stand in a file of this user alone, or in a systemd credential: one line a key, newest first, or just 32 bytes. A
process looks whether the file was changed at most every `LOOK` seconds, so that a rotation reaches those that run.

The key of a file is wrapped with AES-256-GCM (NIST SP 800-38D) under a key of its own, HKDF-SHA256 (RFC 5869) of the
storage key with 32 random bytes: each is used once, so that the number of files is not bounded by the nonce.

>>> ring = KeyRing(lambda: line(bytes(range(32))).encode())
>>> salt, wrapped = ring.current.wrap(bytes(32), bound_to=b"a")
>>> ring.find(ring.current.id).unwrap(wrapped, salt=salt, bound_to=b"a") == bytes(32)
True
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.errors import ApiError
from api.settings.storage import Storage

KEY_BYTES, ID_BYTES, SALT_BYTES, WRAPPED_BYTES = 32, 8, 32, 48
LOOK = 2.0
"""Seconds for which a file of keys is believed to be as it was."""
PREFIX = "kyso-storage-key:"
HEAD = (
    "# Kyso storage keys. The first one encrypts, all of them decrypt. Without them documents are lost: keep a copy.\n"
)
_ONCE = bytes(12)
"""The nonce of a key that is used once."""


class StorageKeyMissing(ApiError):
    """The storage keys cannot be read, or are not such keys; without them no document can be read or kept."""

    code = "storage-key-missing"


class StorageKeyUnknown(ApiError):
    """A file was encrypted with a storage key that is not among those configured."""

    code = "storage-key-unknown"


class StorageDamaged(ApiError):
    """A stored file is not what was stored: changed, cut short, or put in another's place."""

    code = "storage-damaged"


class StorageKey:
    """One key. Its id is told in each file; its bytes are nowhere but here."""

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = self.derive(b"kyso storage key id", length=ID_BYTES)

    def __repr__(self) -> str:
        return f"StorageKey({self.id.hex()})"

    def derive(self, purpose: bytes, *, salt: bytes | None = None, length: int = KEY_BYTES) -> bytes:
        """A key for one purpose (HKDF-SHA256)."""
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=purpose).derive(self._secret)

    def wrap(self, key: bytes, *, bound_to: bytes) -> tuple[bytes, bytes]:
        """Salt and wrapped bytes of a key, which open only with the same `bound_to`."""
        salt = secrets.token_bytes(SALT_BYTES)
        return salt, self._wrapping(salt).encrypt(_ONCE, key, bound_to)

    def unwrap(self, wrapped: bytes, *, salt: bytes, bound_to: bytes) -> bytes:
        """Raises StorageDamaged."""
        try:
            return self._wrapping(salt).decrypt(_ONCE, wrapped, bound_to)
        except InvalidTag:
            raise StorageDamaged("the key of a stored file does not open") from None

    def _wrapping(self, salt: bytes) -> AESGCM:
        return AESGCM(self.derive(b"kyso storage wrapping", salt=salt))


class KeyRing:
    """The keys that are configured: `read` gives the bytes that hold them, `stamp` something that changes with them."""

    def __init__(self, read: Callable[[], bytes], *, stamp: Callable[[], object] = lambda: None) -> None:
        self._read, self._stamp = read, stamp
        self._looked = time.monotonic()
        self._seen = stamp()
        self._keys = _parsed(read())

    @property
    def current(self) -> StorageKey:
        """The key that encrypts."""
        if time.monotonic() - self._looked > LOOK:
            self._look()
        return self._keys[0]

    @property
    def all(self) -> tuple[StorageKey, ...]:
        return self._keys

    def find(self, identity: bytes) -> StorageKey:
        """Raises StorageKeyUnknown."""
        for _ in range(2):
            for key in self._keys:
                if key.id == identity:
                    return key
            self._look()  # it may be newer than this process
        raise StorageKeyUnknown(key=identity.hex())

    def _look(self) -> None:
        """Take up what changed. Keys that cannot be read just now stay as they were."""
        self._looked = time.monotonic()
        try:
            seen = self._stamp()
            if seen != self._seen:
                self._keys, self._seen = _parsed(self._read()), seen
        except (OSError, StorageKeyMissing):
            return


def of(chosen: Storage, *, home: Path) -> KeyRing | None:
    """The configured keys; None where none are. Raises StorageKeyMissing."""
    file = file_of(chosen, home=home)
    if file is None:
        return None

    def stamp() -> object:
        facts = file.stat()
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    try:
        return KeyRing(file.read_bytes, stamp=stamp)
    except OSError as error:
        raise StorageKeyMissing("the storage keys cannot be read", reason=error.strerror or "") from None


def file_of(chosen: Storage, *, home: Path) -> Path | None:
    """Where the keys stand. Raises StorageKeyMissing for a credential outside a unit that has it."""
    if chosen.key_credential is not None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise StorageKeyMissing("there is no systemd credential", reason=chosen.key_credential)
        return Path(folder) / chosen.key_credential
    return None if chosen.key_file is None else home / chosen.key_file


def line(secret: bytes) -> str:
    """A key as it is written down."""
    return f"{PREFIX}{base64.b64encode(secret).decode()}\n"


def make(file: Path) -> None:
    """A new file with a new key; raises FileExistsError."""
    _write(file, [HEAD, line(secrets.token_bytes(KEY_BYTES))], over=False)


def add(file: Path) -> None:
    """Put a new key before the others. Raises StorageKeyMissing."""
    try:
        held = file.read_bytes()
    except OSError as error:
        raise StorageKeyMissing("the storage keys cannot be read", reason=error.strerror or "") from None
    _write(file, [HEAD, line(secrets.token_bytes(KEY_BYTES)), *(line(one) for one in _secrets(held))], over=True)


def drop(file: Path) -> int:
    """Keep the first key alone; returns how many are gone. For when nothing is encrypted with the others any more."""
    first, *others = _secrets(file.read_bytes())
    _write(file, [HEAD, line(first)], over=True)
    return len(others)


def _write(file: Path, lines: Sequence[str], *, over: bool) -> None:
    """Whole or not at all, durable, for this user alone."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.writelines(lines)
            out.flush()
            os.fsync(out.fileno())
        if over:
            draft.replace(file)
        else:
            os.link(draft, file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink(missing_ok=True)


def _parsed(held: bytes) -> tuple[StorageKey, ...]:
    return tuple(StorageKey(secret) for secret in _secrets(held))


def _secrets(held: bytes) -> list[bytes]:
    """The keys' bytes, newest first. Raises StorageKeyMissing, which tells nothing of what was there."""
    if len(held) == KEY_BYTES:
        return [held]
    found = []
    for text in held.decode("ascii", "replace").splitlines():
        if not text or text.startswith("#"):
            continue
        try:
            secret = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
        except binascii.Error:
            secret = b""
        if len(secret) != KEY_BYTES:
            raise StorageKeyMissing("the file of storage keys holds something else", reason="form")
        found.append(secret)
    if not found:
        raise StorageKeyMissing("the file of storage keys holds no key", reason="empty")
    return found
