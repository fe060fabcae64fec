"""Recomputing a ledger from the text of its lines, in the database or in an export on another machine.

>>> import io
>>> verify_export(io.BytesIO(b'{"root":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}')).size
0
"""

from __future__ import annotations

import json
from typing import BinaryIO

from api.errors import LedgerBroken
from api.ledger.line import Line, decode
from api.ledger.merkle import Frontier, LedgerState, leaf_hash


class Proof:
    """Takes lines in order; `known` states must be met on the way. Raises LedgerBroken at the first that is wrong."""

    def __init__(self, known: tuple[LedgerState, ...]) -> None:
        self.frontier = Frontier()
        self.leaf = b""
        self._known = {state.size: state.root for state in known}
        if len(self._known) < len(set(known)):
            raise LedgerBroken("two roots are known for the same size: the ledger was forked")
        self._meet()

    def add(self, text: str, *, expected: int) -> Line:
        """One more line, stored under the number `expected`."""
        number = self.frontier.size + 1
        if expected != number:
            raise LedgerBroken(f"line {number} is missing", line=number)
        try:
            line = decode(text)
        except ValueError as error:
            raise LedgerBroken(f"line {number} was edited: {error}", line=number) from None
        if line.number != number:
            raise LedgerBroken(f"line {number} says that it is line {line.number}", line=number)
        self.leaf = leaf_hash(text.encode())
        self.frontier = self.frontier.add(self.leaf)
        self._meet()
        return line

    def finish(self) -> LedgerState:
        """The state of all lines. Raises LedgerBroken when a known state lies further on."""
        if self._known:
            missing = min(self._known)
            raise LedgerBroken(f"the ledger was cut: it had {missing} lines", line=self.frontier.size + 1)
        return self.frontier.state()

    def _meet(self) -> None:
        root = self._known.pop(self.frontier.size, None)
        if root is not None and root != self.frontier.root().hex():
            raise LedgerBroken(
                f"the first {self.frontier.size} lines are not those that were noted", line=self.frontier.size
            )


def verify_export(file: BinaryIO, *, known: tuple[LedgerState, ...] = ()) -> LedgerState:
    """Check a file of `Ledger.export` without a database; returns its state. Raises LedgerBroken.

    Without `known` states it proves only that the file agrees with its own last line.
    """
    proof = Proof(known)
    tail: bytes | None = None
    for raw in file:
        if tail is not None:
            proof.add(_text(tail), expected=proof.frontier.size + 1)
        tail = raw.rstrip(b"\n")
    if tail is None:
        raise LedgerBroken("the export is empty")
    try:
        end = json.loads(tail)
        claimed = LedgerState(end["size"], end["root"])
    except (ValueError, KeyError, TypeError):
        raise LedgerBroken("the export was cut: it does not end with its state") from None
    if proof.frontier.state() != claimed:
        raise LedgerBroken("the export's lines do not make its root")
    return proof.finish()


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise LedgerBroken("the export is not UTF-8") from None
