"""Proofs that a line stands in the ledger, without the other lines (RFC 6962 §2.1.1).

A proof is the hashes of the subtrees beside the line's, from the smallest to the largest. Subtrees of 1,024 lines and
more never change once they are full; they are hashed once a process, so that proofs stay quick as the ledger grows.

    tree = Tree(leaves)                         # leaves(first, end): the leaf hashes of lines first+1 … end
    path = tree.path(line.number - 1, size)
    root_from(path, leaf_hash(line.text.encode()), index=line.number - 1, size=size) == tree.root(0, size)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from api.ledger.merkle import Frontier, node_hash
from api.store.database import Database
from api.store.tables import ledger as table

BLOCK = 1024
LONGEST = 64
"""Hashes of a proof: more lines than 2^64 there are not."""

Leaves = Callable[[int, int], Sequence[bytes]]


class Tree:
    """The Merkle tree over a growing log, as far as it was asked for."""

    def __init__(self, leaves: Leaves) -> None:
        self.leaves = leaves
        self._full: dict[tuple[int, int], bytes] = {}

    def path(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of the RFC; `index` counts from 0. Raises ValueError beyond the log."""
        if not 0 <= index < size:
            raise ValueError("no such line")
        found: list[bytes] = []
        first, end = 0, size
        while end - first > 1:
            middle = first + _split(end - first)
            if index < middle:
                found.append(self.root(middle, end))
                end = middle
            else:
                found.append(self.root(first, middle))
                first = middle
        return found[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[new]) of RFC 6962 §2.1.2: that the log of `old` lines is how the one of `new` begins."""
        if not 0 <= old <= new:
            raise ValueError("a log does not get shorter")
        return self._consistency(old, 0, new, is_whole=True) if old else []

    def _consistency(self, count: int, first: int, end: int, *, is_whole: bool) -> list[bytes]:
        """SUBPROOF of the RFC."""
        if count == end - first:
            return [] if is_whole else [self.root(first, end)]
        split = _split(end - first)
        if count <= split:
            return [
                *self._consistency(count, first, first + split, is_whole=is_whole),
                self.root(first + split, end),
            ]
        return [
            *self._consistency(count - split, first + split, end, is_whole=False),
            self.root(first, first + split),
        ]

    def root(self, first: int, end: int) -> bytes:
        """MTH of the lines first+1 … end."""
        if end - first <= BLOCK:
            frontier = Frontier()
            for leaf in self.leaves(first, end):
                frontier = frontier.add(leaf)
            if frontier.size != end - first:
                raise ValueError("lines are missing")
            found = frontier.root()
            if end - first == BLOCK:
                self._full[first, end] = found
            return found
        if (first, end) in self._full:
            return self._full[first, end]
        middle = first + _split(end - first)
        found = node_hash(self._known(first, middle), self._known(middle, end))
        if (end - first).bit_count() == 1:
            self._full[first, end] = found
        return found

    def _known(self, first: int, end: int) -> bytes:
        return self._full.get((first, end)) or self.root(first, end)


def root_from(path: Sequence[bytes], leaf: bytes, *, index: int, size: int) -> bytes:
    """The root that a proof leads to. Raises ValueError for a proof of another length than `size` asks for."""
    if not 0 <= index < size or len(path) > LONGEST:
        raise ValueError("no such line")
    turns: list[bool] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        turns.append(index >= middle)
        first, end = (middle, end) if index >= middle else (first, middle)
    if len(turns) != len(path):
        raise ValueError("the proof is of another length")
    for beside, is_right in zip(path, reversed(turns), strict=True):
        leaf = node_hash(beside, leaf) if is_right else node_hash(leaf, beside)
    return leaf


def leaves_of(database: Database) -> Leaves:
    """The leaf hashes of the ledger in a database."""

    def leaves(first: int, end: int) -> list[bytes]:
        chosen = sa.select(table.c.leaf_hash).where(table.c.number > first, table.c.number <= end)
        return database.read(lambda connection: list(connection.scalars(chosen.order_by(table.c.number))))

    return leaves


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
