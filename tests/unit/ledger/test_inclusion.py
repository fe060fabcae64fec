"""Proofs that a line stands in the ledger."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.ledger import inclusion
from api.ledger.inclusion import Tree, root_from
from api.ledger.merkle import Frontier, leaf_hash, node_hash

pytestmark = pytest.mark.spine

LEAVES = [leaf_hash(str(number).encode()) for number in range(5000)]


def plainly(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(plainly(leaves[:split]), plainly(leaves[split:]))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5000).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_line_leads_to_the_root(case: tuple[int, int]):
    """At any size, with the root as the log itself keeps it and as the standard defines it."""
    size, index = case
    tree = Tree(lambda first, end: LEAVES[first:end])
    path = tree.path(index, size)
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier = frontier.add(leaf)
    assert frontier.root() == tree.root(0, size) == plainly(LEAVES[:size])
    assert frontier.root() == root_from(path, LEAVES[index], index=index, size=size)
    assert frontier.root() != root_from(path, leaf_hash(b"another"), index=index, size=size)


def test_a_proof_of_the_wrong_length_or_place_proves_nothing():
    """Neither longer nor shorter than the size asks for, nor for a line that is not there."""
    tree = Tree(lambda first, end: LEAVES[first:end])
    path = tree.path(3, 9)
    for wrong, index, size in ((path[:-1], 3, 9), ([*path, path[0]], 3, 9), (path, 9, 9), (path, -1, 9), (path, 3, 3)):
        with pytest.raises(ValueError, match=r"proof|line"):
            root_from(wrong, LEAVES[3], index=index, size=size)
    with pytest.raises(ValueError, match="line"):
        tree.path(9, 9)
    with pytest.raises(ValueError, match="missing"):
        Tree(lambda first, end: LEAVES[first : end - 1]).root(0, 5)


def test_full_subtrees_are_read_once():
    """As the log grows, a proof reads what is new, not everything again."""
    asked: list[int] = []

    def leaves(first: int, end: int) -> list[bytes]:
        asked.append(end - first)
        return LEAVES[first:end]

    tree = Tree(leaves)
    first = tree.path(4097, 4100), tree.root(0, 4100)
    asked.clear()
    assert first == (tree.path(4097, 4100), tree.root(0, 4100))
    assert sum(asked) <= 3 * inclusion.BLOCK
    assert tree.root(0, 4100) == plainly(LEAVES[:4100])
