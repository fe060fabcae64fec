"""Signed notes (C2SP signed-note) around a checkpoint's text (C2SP tlog-checkpoint): written, read and verified.

A note is the text, a blank line, and signature lines `— NAME BASE64(key id ‖ signature)`. A verifier key is one line of
text, `NAME+KEYID+BASE64(type ‖ public key)`, as Go's `note` and the tools of transparency logs take it. Two types:

- 0x01, Ed25519 over the text;
- 0x02, ECDSA with SHA-256 over the text, DER, for tokens without Ed25519. Its key id is of the public key alone.

Nothing here signs: a keeper does, with a key that signs checkpoints and nothing else (`hsm.checkpoint`).

    key = VerifierKey.of("kyso.example/ledger", spki)
    note = write(checkpoint, key=key, value=value)
    read(note).verified((key,)) == checkpoint
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from api.ledger.merkle import LedgerState
from hsm.checkpoint import Checkpoint, NotCheckpoint, check

ED25519: Final = 0x01
ECDSA: Final = 0x02
MOST_SIGNATURES: Final = 16
_NAME = re.compile(r"[^\s+]{1,255}")
_SIGNATURE = re.compile(r"— ([^\s+]{1,255}) ([A-Za-z0-9+/]+={0,2})")

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class NoteRefused(ValueError):
    """Not a note of a checkpoint, or none that one of the keys signed; `reason` is unreadable, unknown-key or
    signature."""

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class VerifierKey:
    """Who signs a log's checkpoints: the log's origin as a name, and the public key."""

    name: str
    key: PublicKey

    @classmethod
    def of(cls, name: str, spki: bytes) -> VerifierKey:
        """From a public key (DER SubjectPublicKeyInfo). Raises ValueError for one that signs no notes."""
        found = load_der_public_key(spki)
        if not isinstance(found, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
            raise ValueError("checkpoints are signed with Ed25519 or ECDSA")  # noqa: TRY004 - it is about the value
        if not _NAME.fullmatch(name):
            raise ValueError("a key's name has no blank and no plus")
        return cls(name, found)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """From its one line of text. Raises ValueError."""
        name, identity, rest = (*text.strip().split("+", 2), "", "")[:3]
        try:
            data = base64.b64decode(rest, validate=True)
        except binascii.Error:
            raise ValueError("not a verifier key") from None
        if data[:1] == bytes([ED25519]) and len(data) == 33:
            spki = ed25519.Ed25519PublicKey.from_public_bytes(data[1:]).public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        elif data[:1] == bytes([ECDSA]):
            spki = data[1:]
        else:
            raise ValueError("not a verifier key of type 1 (Ed25519) or 2 (ECDSA)")
        found = cls.of(name, spki)
        if found.identity.hex() != identity:
            raise ValueError("the verifier key's id does not fit the key")
        return found

    @property
    def text(self) -> str:
        return f"{self.name}+{self.identity.hex()}+{base64.b64encode(self._typed).decode()}"

    @property
    def identity(self) -> bytes:
        """Four bytes; of ECDSA keys they are the public key's hash, of the others also the name's."""
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:4]
        return hashlib.sha256(self._spki).digest()[:4]

    @property
    def mechanism(self) -> str:
        return "ed25519" if isinstance(self.key, ed25519.Ed25519PublicKey) else "ecdsa_sha256"

    def verify(self, value: bytes, text: bytes) -> None:
        """Raises InvalidSignature."""
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            self.key.verify(value, text)
        else:
            self.key.verify(value, text, ec.ECDSA(SHA256()))

    @property
    def _spki(self) -> bytes:
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def _typed(self) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            return bytes([ED25519]) + self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return bytes([ECDSA]) + self._spki


@dataclass(frozen=True)
class NoteSignature:
    name: str
    identity: bytes
    value: bytes


@dataclass(frozen=True)
class Note:
    """A checkpoint with its signatures, of which nothing is verified yet."""

    unverified: Checkpoint
    signatures: tuple[NoteSignature, ...]
    text: str

    def verified(self, keys: Iterable[VerifierKey]) -> Checkpoint:
        """The checkpoint, if one of the keys signed it and each that says so did. Raises NoteRefused."""
        known = {(key.name, key.identity): key for key in keys}
        good = False
        for one in self.signatures:
            key = known.get((one.name, one.identity))
            if key is None:
                continue
            try:
                key.verify(one.value, self.unverified.text)
            except InvalidSignature:
                raise NoteRefused("the signature does not fit the checkpoint", reason="signature") from None
            good = good or key.name == self.unverified.origin
        if not good:
            raise NoteRefused("signed by nobody who is known here", reason="unknown-key")
        return self.unverified


def state_of(checkpoint: Checkpoint) -> LedgerState:
    return LedgerState(checkpoint.size, checkpoint.root.hex())


def write(checkpoint: Checkpoint, *, key: VerifierKey, value: bytes) -> str:
    """The note with one signature, as it is kept and sent. Raises NoteRefused unless `value` is the key's."""
    line = f"— {key.name} {base64.b64encode(key.identity + value).decode()}\n"
    note = f"{checkpoint.text.decode()}\n{line}"
    read(note).verified((key,))
    return note


def with_cosignatures(note: str, answer: bytes) -> str:
    """The note with what a witness answered (C2SP tlog-witness): signature lines, of which none was verified here."""
    lines = answer.decode("utf-8", "replace").splitlines()[:MOST_SIGNATURES]
    added = "".join(f"{line}\n" for line in lines if _SIGNATURE.fullmatch(line))
    try:
        return read(note + added).text
    except NoteRefused:
        return note


def read(text: str) -> Note:
    """A note in its one form. Raises NoteRefused."""
    body, blank, rest = text.partition("\n\n")
    try:
        checkpoint = check(f"{body}\n".encode())
    except (NotCheckpoint, UnicodeEncodeError):
        raise NoteRefused("not the text of a checkpoint", reason="unreadable") from None
    lines = rest.split("\n")
    if not blank or lines[-1] or not 1 <= len(lines) - 1 <= MOST_SIGNATURES:
        raise NoteRefused("no signature lines behind a blank one", reason="unreadable")
    return Note(checkpoint, tuple(_signature(line) for line in lines[:-1]), text)


def _signature(line: str) -> NoteSignature:
    found = _SIGNATURE.fullmatch(line)
    try:
        data = base64.b64decode(found[2], validate=True) if found is not None else b""
    except binascii.Error:
        data = b""
    if found is None or len(data) <= 4:
        raise NoteRefused("a signature line that cannot be read", reason="unreadable")
    return NoteSignature(found[1], data[:4], data[4:])
