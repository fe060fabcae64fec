"""RFC 6962 hashing, kept up line by line.

The frontier (compact range) holds the roots of the full subtrees that the log is made of, largest first: as many
hashes as its size has one-bits. From it the root of the whole follows, and the frontier of the next line, so that an
append costs the same at ten lines and at ten million.

>>> tree = Frontier()
>>> for leaf in (b"a", b"b", b"c"): tree = tree.add(leaf_hash(leaf))
>>> tree.size, len(tree.hashes)
(3, 2)
>>> tree.root() == node_hash(node_hash(leaf_hash(b"a"), leaf_hash(b"b")), leaf_hash(b"c"))
True
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

SIZE = 32


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 §2.1: SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 §2.1: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class LedgerState:
    """How many lines, and the Merkle root over them (hex). Worth noting elsewhere: nobody can shorten what it covers."""

    size: int
    root: str


@dataclass(frozen=True)
class Frontier:
    """A log of `size` lines, as the roots of its full subtrees."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """What `to_bytes` gave. Raises ValueError when the number of hashes does not fit the size."""
        if len(data) != SIZE * size.bit_count():
            raise ValueError("the frontier does not fit the size")
        return cls(size, tuple(data[i : i + SIZE] for i in range(0, len(data), SIZE)))

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    def add(self, leaf: bytes) -> Frontier:
        """The frontier with one more line: each full pair of subtrees becomes one."""
        hashes, rest = list(self.hashes), self.size
        while rest & 1:
            leaf = node_hash(hashes.pop(), leaf)
            rest >>= 1
        return Frontier(self.size + 1, (*hashes, leaf))

    def root(self) -> bytes:
        """RFC 6962 §2.1, the Merkle tree hash; of no lines, SHA-256 of nothing."""
        if not self.hashes:
            return hashlib.sha256(b"").digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def state(self) -> LedgerState:
        return LedgerState(self.size, self.root().hex())
