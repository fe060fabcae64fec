"""The form of an encrypted file: AES-256-GCM in pieces of 64 KiB, so that it is written and read in constant memory.

    0    prelude (32 bytes): "kysoblob", version 1, pieces of 2^16, 6 zero bytes, size in plain (8, big endian), 8 zero
    32   slot A (96 bytes): id of the storage key (8), salt (32), the wrapped key of the file (48), 8 zero bytes
    128  slot B, the same: used while the storage key is changed; zero otherwise
    224  32 zero bytes
    256  generation 0: pieces of 65,536 bytes and 16 of tag; the last one is shorter
    …    generation 1, where there is one: a head of 48 bytes (first piece, size in plain, salt), then pieces from there on

A piece's nonce is its number (11 bytes) and whether it is the last (1 byte): the STREAM construction (Hoang, Reyhanitabar,
Rogaway, Vizár 2015), as age uses it. The key of a generation is HKDF-SHA256 of the file's key over file id, generation,
first piece, size and salt. So a piece that was moved, swapped with another file's, cut off or repeated does not open, and
no pair of key and nonce serves twice: what is written again gets a new salt.

A signed document is generation 1 of its draft: what the signature changed, from the first piece that it touched. It is
written behind generation 0, which stays whole until then. Whoever wants generation 1 says so: cutting it off is noticed.
Where its size is known beforehand, its place is laid out with the draft, as zeros: to make it durable is then to write
its bytes, and nothing else about the file.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from api.store.encryption.keys import KEY_BYTES, SALT_BYTES, KeyRing, StorageDamaged, StorageKey, StorageKeyUnknown

PIECE, TAG = 1 << 16, 16
AT_ONCE = 16
"""Pieces that are written together: a megabyte."""
BODY = 256
_PRELUDE = struct.Struct(">8sBB6xQ8x")
_SLOT = struct.Struct(">8s32s48s8x")
_SLOTS: Final = (32, 128)
_HEAD = struct.Struct(">QQ32s")
_MAGIC = b"kysoblob"
Read = Callable[[int], bytes]
"""The next bytes of a source: as many as asked for, fewer only at its end."""


@dataclass(frozen=True)
class _Generation:
    """Pieces `first` to the end of `size` plain bytes, from `start` in the file on."""

    first: int
    size: int
    start: int
    cipher: AESGCM

    @property
    def last(self) -> int:
        """Number of the last piece; an empty file has one."""
        return max(0, (self.size - 1) // PIECE)

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.start + self.size - self.first * PIECE + (self.last - self.first + 1) * TAG

    def place(self, number: int) -> tuple[int, int]:
        """Where a piece stands in the file, and how long it is there."""
        plain = PIECE if number < self.last else self.size - self.last * PIECE
        return self.start + (number - self.first) * (PIECE + TAG), plain + TAG

    def nonce(self, number: int) -> bytes:
        return number.to_bytes(11, "big") + (b"\x01" if number == self.last else b"\x00")


class Container:
    """An encrypted file that is open: `generations`, of which the last counts."""

    def __init__(self, file: int, *, blob: str, key: bytes, generations: tuple[_Generation, ...]) -> None:
        self._file, self._blob, self._key = file, blob, key
        self._generations = generations

    def __repr__(self) -> str:
        return f"Container({self._blob})"

    @property
    def size(self) -> int:
        """Bytes in plain."""
        return self._generations[-1].size

    @classmethod
    def create(cls, file: int, *, blob: str, key: StorageKey, read: Read, rewritten: int | None = None) -> Container:
        """Encrypt what `read` gives into an empty file. Raises OSError (disk full).

        `rewritten`: the byte from which on a generation 1 of the same size will differ; its place is laid out."""
        data_key = secrets.token_bytes(KEY_BYTES)
        cipher = _cipher(data_key, blob, b"\x00")

        def head(size: int) -> bytes:
            prelude = _PRELUDE.pack(_MAGIC, 1, 16, size)
            return prelude + _slot(key, data_key, bound_to=_bound(prelude, blob))

        def room(size: int) -> int:
            if rewritten is None:
                return 0
            before = _Generation(0, size, BODY, cipher)
            first = min(rewritten // PIECE, before.last)
            return _Generation(first, size, before.end + _HEAD.size, cipher).end - before.end

        size = _write(file, _Pieces(cipher), start=0, body=BODY, read=read, head=head, room=room)
        return cls(file, blob=blob, key=data_key, generations=(_Generation(0, size, BODY, cipher),))

    @classmethod
    def open(cls, file: int, *, blob: str, generation: int, keys: KeyRing) -> Container:
        """Raises StorageDamaged, StorageKeyUnknown."""
        size, data_key = _unwrapped(file, blob, keys)
        generations = [_first(data_key, blob, size)]
        if generation:
            generations.append(_second(file, data_key, blob, after=generations[0]))
        length = os.fstat(file).st_size
        # What stands behind generation 0 may be the beginning of a generation 1.
        if length < generations[-1].end or (generation and length > generations[-1].end):
            raise StorageDamaged("a stored file was cut short or added to", blob=blob)
        return cls(file, blob=blob, key=data_key, generations=tuple(generations))

    def renew(self, source: int, *, first: int) -> None:
        """Write generation 1: the open file `source` from piece `first` on, as the pieces before are in it unchanged.

        Raises OSError; generation 0 is whole, whatever happens."""
        before, size = self._generations[0], os.fstat(source).st_size
        first = min(first, before.last, max(0, (size - 1) // PIECE))
        head = _HEAD.pack(first, size, secrets.token_bytes(SALT_BYTES))
        renewed = _Generation(first, size, before.end + _HEAD.size, _cipher(self._key, self._blob, b"\x01", head))
        read = reader(source, first * PIECE)
        written = _write(
            self._file,
            _Pieces(renewed.cipher, first),
            start=before.end,
            body=renewed.start,
            read=read,
            head=lambda _: head,
        )
        if written != size - first * PIECE:
            raise StorageDamaged("a file changed while it was stored", blob=self._blob)
        if os.fstat(self._file).st_size != renewed.end:  # more was laid out, or an earlier try was longer
            os.ftruncate(self._file, renewed.end)
        self._generations = (before, renewed)

    def pieces(self) -> Iterator[bytes]:
        """All of it in plain, a piece at a time. Raises StorageDamaged."""
        for number in range(self._generations[-1].last + 1):
            yield self.piece(number)

    def piece(self, number: int) -> bytes:
        """One piece in plain. Raises StorageDamaged."""
        generation = next(one for one in reversed(self._generations) if number >= one.first)
        place, length = generation.place(number)
        held = os.pread(self._file, length, place)
        try:
            if len(held) == length:
                return generation.cipher.decrypt(generation.nonce(number), held, None)
        except InvalidTag:
            pass
        raise StorageDamaged("a stored file was changed", blob=self._blob, piece=number)


def reader(file: int, start: int = 0) -> Read:
    """Reads an open file, as long as it is now, from `start` on, wherever it stands."""
    end = os.fstat(file).st_size

    def read(most: int) -> bytes:
        nonlocal start
        # Asked for no more than there is: a buffer of a megabyte for each small document costs more than its encryption.
        data = os.pread(file, min(most, max(0, end - start)), start)
        start += len(data)
        return data

    return read


def rewrap(file: int, *, blob: str, keys: KeyRing) -> bool:
    """Wrap the file's key with the current storage key; whether it was another. The file is never without a good slot."""
    prelude, slots = _head_of(file, blob)
    held = [slot for slot in slots if slot[0] != bytes(8)]
    if len(held) == 1 and held[0][0] == keys.current.id:
        return False
    _, data_key = _unwrapped(file, blob, keys)
    empty = 0 if slots[0][0] == bytes(8) else 1
    if len(held) == 2:  # an earlier run was interrupted: one of them is good, and the other may not be
        empty = 1 if _opens(slots[0], prelude, blob, keys) else 0
    _write_all(file, _slot(keys.current, data_key, bound_to=_bound(prelude, blob)), _SLOTS[empty])
    os.fdatasync(file)
    _write_all(file, bytes(_SLOT.size), _SLOTS[1 - empty])
    os.fdatasync(file)
    return True


def key_ids(file: int, *, blob: str) -> frozenset[bytes]:
    """Ids of the storage keys with which the file opens. Raises StorageDamaged."""
    return frozenset(identity for identity, _, _ in _head_of(file, blob)[1]) - {bytes(8)}


def erase(file: int) -> None:
    """Forget the file's key, durably: what is left of the file on the disk cannot be read by anybody any more."""
    _write_all(file, bytes(BODY), 0)
    os.fsync(file)


# --- reading the head ---------------------------------------------------------------------------------------------------


def _head_of(file: int, blob: str) -> tuple[bytes, list[tuple[bytes, bytes, bytes]]]:
    head = os.pread(file, BODY, 0)
    prelude = head[: _PRELUDE.size]
    if len(head) < BODY or prelude != _PRELUDE.pack(_MAGIC, 1, 16, int.from_bytes(prelude[16:24], "big")):
        raise StorageDamaged("a stored file is not an encrypted one", blob=blob)
    return prelude, [_SLOT.unpack_from(head, place) for place in _SLOTS]


def _unwrapped(file: int, blob: str, keys: KeyRing) -> tuple[int, bytes]:
    """Size of generation 0, and the file's key."""
    prelude, slots = _head_of(file, blob)
    failure: StorageDamaged | StorageKeyUnknown | None = None
    for identity, salt, wrapped in slots:
        if identity == bytes(8):
            continue
        try:
            key = keys.find(identity).unwrap(wrapped, salt=salt, bound_to=_bound(prelude, blob))
        except (
            StorageDamaged,
            StorageKeyUnknown,
        ) as error:  # of a slot that was being written when the power went away
            failure = error
        else:
            return int.from_bytes(prelude[16:24], "big"), key
    raise failure or StorageDamaged("a stored file has no key any more", blob=blob)


def _opens(slot: tuple[bytes, bytes, bytes], prelude: bytes, blob: str, keys: KeyRing) -> bool:
    identity, salt, wrapped = slot
    try:
        keys.find(identity).unwrap(wrapped, salt=salt, bound_to=_bound(prelude, blob))
    except (StorageDamaged, StorageKeyUnknown):  # it is the one to be written over
        return False
    return True


def _first(key: bytes, blob: str, size: int) -> _Generation:
    return _Generation(0, size, BODY, _cipher(key, blob, b"\x00"))


def _second(file: int, key: bytes, blob: str, *, after: _Generation) -> _Generation:
    head = os.pread(file, _HEAD.size, after.end)
    if len(head) < _HEAD.size:
        raise StorageDamaged("the signed form of a stored file was cut off", blob=blob)
    first, size, _ = _HEAD.unpack(head)
    if first > after.last or size > 1 << 62 or first * PIECE > size:
        raise StorageDamaged("a stored file was changed", blob=blob)
    return _Generation(first, size, after.end + _HEAD.size, _cipher(key, blob, b"\x01", head))


def _bound(prelude: bytes, blob: str) -> bytes:
    return prelude + blob.encode()


def _slot(key: StorageKey, data_key: bytes, *, bound_to: bytes) -> bytes:
    salt, wrapped = key.wrap(data_key, bound_to=bound_to)
    return _SLOT.pack(key.id, salt, wrapped)


def _cipher(key: bytes, blob: str, generation: bytes, head: bytes = b"") -> AESGCM:
    """The key of a generation: HKDF-Expand, as the file's key is uniformly random (RFC 5869 §3.3)."""
    purpose = b"kyso storage generation" + generation + blob.encode() + b"\x00" + head
    return AESGCM(HKDFExpand(algorithm=hashes.SHA256(), length=KEY_BYTES, info=purpose).derive(key))


# --- writing the body ---------------------------------------------------------------------------------------------------


class _Pieces:
    """Encrypts one piece after the other."""

    def __init__(self, cipher: AESGCM, number: int = 0) -> None:
        self._cipher, self._number = cipher, number

    def encrypt_all(self, block: bytes, out: memoryview, *, is_end: bool) -> int:
        """All pieces of a block to the beginning of `out`; returns how long they are there."""
        plain, filled = memoryview(block), 0
        for start in range(0, max(1, len(plain)), PIECE):
            is_last = is_end and start + PIECE >= len(plain)
            filled += self._encrypt(plain[start : start + PIECE], out[filled:], is_last=is_last)
        return filled

    def _encrypt(self, plain: memoryview, out: memoryview, *, is_last: bool) -> int:
        nonce = self._number.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")
        self._number += 1
        return self._cipher.encrypt_into(nonce, plain, None, out[: len(plain) + TAG])


def _write(
    file: int,
    pieces: _Pieces,
    *,
    start: int,
    body: int,
    read: Read,
    head: Callable[[int], bytes],
    room: Callable[[int], int] = lambda _: 0,
) -> int:
    """Encrypt what `read` gives to `body`; returns its size, of which the `head` is made that stands at `start`, and the
    `room` behind: so many zeros. What is small is written at once; otherwise the head comes last."""
    block = read(AT_ONCE * PIECE)
    if len(block) < AT_ONCE * PIECE:
        size, lead = len(block), body - start
        out = bytearray(lead + size + AT_ONCE * TAG + room(size))
        made = head(size)
        out[: len(made)] = made
        filled = lead + pieces.encrypt_all(block, memoryview(out)[lead:], is_end=True)
        _write_all(file, memoryview(out)[: filled + room(size)], start)
        return size
    size, at = 0, body
    buffer = memoryview(bytearray(len(block) + AT_ONCE * TAG))  # no later block is longer
    while block:
        following = read(AT_ONCE * PIECE) if len(block) == AT_ONCE * PIECE else b""
        filled = pieces.encrypt_all(block, buffer, is_end=not following)
        _write_all(file, buffer[:filled], at)
        at, size, block = at + filled, size + len(block), following
    _write_all(file, bytes(room(size)), at)
    _write_all(file, head(size), start)
    return size


def _write_all(file: int, data: bytes | memoryview, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done
