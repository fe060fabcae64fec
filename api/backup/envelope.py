"""A backup's envelope: the age format (https://age-encryption.org/v1), written and read as a stream by `pyrage`.

To recipients (`age1…`, or SSH public keys) it is an age file and nothing else: `age -d -i KEY FILE | tar x` opens it. With
a passphrase it begins with one line, `kyso-backup passphrase N`, and N bytes: an age identity, itself an age file for the
passphrase; what follows is an age file for that identity. age authenticates every 64 KiB and the end, so that a file that
was changed or cut does not open.

>>> import io
>>> sealed, identity = io.BytesIO(), pyrage.x25519.Identity.generate()
>>> seal(lambda out: out.write(b"backup"), sealed, key=Key(recipients=(str(identity.to_public()),)))
>>> _ = sealed.seek(0)
>>> opened(sealed, lambda source: source.read(), key=Key(identities=(str(identity),)))
b'backup'
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar

import pyrage  # type: ignore[import-untyped]  # Rust, without stubs

from api.errors import ApiError

T = TypeVar("T")
HEAD = b"kyso-backup passphrase "
LONGEST = 64 * 1024
"""Bytes of an identity that is wrapped in a passphrase, at most."""


class BackupUnusable(ApiError):
    """The file is no backup, was cut or changed, or is for another key."""

    code = "backup-unusable"


class RecipientUnusable(ApiError):
    """What a backup should be encrypted to, or opened with, is no age key."""

    code = "recipient-unusable"


@dataclass(frozen=True)
class Key:
    """To whom a backup is encrypted, or with what it is opened: lines of age or SSH keys, or a passphrase."""

    recipients: tuple[str, ...] = ()
    identities: tuple[str, ...] = field(default=(), repr=False)
    passphrase: str | None = field(default=None, repr=False)


def seal(write: Callable[[BinaryIO], object], out: BinaryIO, *, key: Key) -> None:
    """Encrypt what `write` writes. Raises RecipientUnusable, OSError, and what `write` raises."""
    recipients = [_recipient(line) for line in key.recipients]
    if key.passphrase is not None:
        identity = pyrage.x25519.Identity.generate()
        wrapped = pyrage.passphrase.encrypt(str(identity).encode(), key.passphrase)
        out.write(HEAD + f"{len(wrapped)}\n".encode() + wrapped)
        recipients.append(identity.to_public())
    if not recipients:
        raise RecipientUnusable("a backup is never written in plain", reason="none")
    into, from_ = os.pipe()
    failure: list[BaseException] = []

    def produce() -> None:
        try:
            with os.fdopen(from_, "wb", buffering=1 << 16) as pipe:
                write(pipe)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            failure.append(error)

    thread = threading.Thread(target=produce, name="backup")
    thread.start()
    try:
        with os.fdopen(into, "rb", buffering=1 << 16) as pipe:
            pyrage.encrypt_io(pipe, out, recipients)
    except pyrage.EncryptError as error:
        raise OSError(f"the backup could not be written: {error}") from error
    finally:
        thread.join()
    if failure:
        raise failure[0]


def opened(source: BinaryIO, read: Callable[[BinaryIO], T], *, key: Key) -> T:
    """What `read` makes of the content, once all of it has proved to be whole.

    Raises BackupUnusable, RecipientUnusable, and what `read` raises."""
    identities = [_identity(line) for line in key.identities]
    if source.read(len(HEAD)) == HEAD:
        identities = [_wrapped(source, key.passphrase)]
    else:
        source.seek(0)
    if not identities:
        raise RecipientUnusable("nothing was given to open the backup with", reason="none")
    into, from_ = os.pipe()
    failure: list[BaseException] = []

    def produce() -> None:
        try:
            with os.fdopen(from_, "wb", buffering=1 << 16) as pipe:
                pyrage.decrypt_io(source, pipe, identities)
        except (pyrage.DecryptError, OSError) as error:
            failure.append(error)

    thread = threading.Thread(target=produce, name="restore")
    thread.start()
    try:
        with os.fdopen(into, "rb", buffering=1 << 16) as pipe:
            found = read(pipe)
            while pipe.read(1 << 20):  # to its end, which is proved last
                pass
    except BackupUnusable:
        thread.join()
        if failure:
            raise _unusable(failure[0]) from None
        raise
    finally:
        thread.join()
    if failure:
        raise _unusable(failure[0])
    return found


def _unusable(error: BaseException) -> BackupUnusable:
    return BackupUnusable(f"the backup does not open: {error}", reason="key" if "matching" in str(error) else "broken")


def _wrapped(source: BinaryIO, passphrase: str | None) -> Any:
    length = source.readline(16).strip()
    if not length.isdigit() or int(length) > LONGEST:
        raise BackupUnusable("the backup's first line is broken", reason="broken")
    if passphrase is None:
        raise RecipientUnusable("the backup wants a passphrase", reason="passphrase")
    try:
        return pyrage.x25519.Identity.from_str(pyrage.passphrase.decrypt(source.read(int(length)), passphrase).decode())
    except (pyrage.DecryptError, pyrage.IdentityError, ValueError):
        raise BackupUnusable("the passphrase is another one", reason="key") from None


def _recipient(line: str) -> Any:
    try:
        return (
            pyrage.ssh.Recipient.from_str(line) if line.startswith("ssh-") else pyrage.x25519.Recipient.from_str(line)
        )
    except pyrage.RecipientError:
        raise RecipientUnusable("not a recipient of the age format", reason=line[:80]) from None


def _identity(text: str) -> Any:
    try:
        if text.startswith("-----BEGIN"):
            return pyrage.ssh.Identity.from_buffer(text.encode())
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise RecipientUnusable("not an identity of the age format", reason="identity") from None
