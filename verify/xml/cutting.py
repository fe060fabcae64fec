"""Leaves marked subtrees out of canonical octets, as they stream by.

A processing instruction that nobody can guess stands before such an element and another one at its end; the bytes
between them are dropped. Nothing else in a canonical form depends on a subtree (Canonical XML 1.1 §2.3). An element may
also be marked as the one that alone counts.

    with Cut(sink, marks, alone=False) as filtered, marked(element, marks.start, marks.end):
        tree.write_c14n(filtered)
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Protocol

from lxml import etree

_PIECE: Final = 1 << 16


class Sink(Protocol):
    """What takes canonical octets, a few kilobytes at a time."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class Marks:
    """Targets of processing instructions: where a subtree that is left out, or one that alone counts, begins and ends.
    A document that was written before cannot contain them, and no octets with them in it ever leave: a process needs
    one secret (drawing one costs as much as canonicalising a page)."""

    start: str
    end: str
    first: str
    last: str

    @classmethod
    @cache
    def make(cls) -> Marks:
        secret = secrets.token_hex(16)
        return cls(*(f"kyso-{word}-{secret}" for word in ("start", "end", "first", "last")))


os.register_at_fork(after_in_child=Marks.make.cache_clear)  # a worker never knows another's


@contextmanager
def marked(element: etree._Element, before: str, inside: str) -> Iterator[None]:
    """Marks a subtree. No text is touched: the first mark is followed by the element, the second is the last thing in
    it, so neither takes a tail along when it goes."""
    first, last = etree.ProcessingInstruction(before), etree.ProcessingInstruction(inside)
    element.addprevious(first)
    element.append(last)
    try:
        yield
    finally:
        element.remove(last)
        etree.Element("gone").append(first)


class Cut:
    """A sink that passes on what lies outside the marked subtrees."""

    def __init__(self, sink: Sink, marks: Marks, *, alone: bool) -> None:
        self._sink = sink
        self._start, self._end, self._first, self._last = (
            f"<?{mark}?>".encode() for mark in (marks.start, marks.end, marks.first, marks.last)
        )
        self._alone = alone
        self._state: Literal["outside", "passing", "dropping", "tag", "last"] = "outside" if alone else "passing"
        self._kept = b""
        self._waiting: list[bytes] = []
        self._size = 0
        self._longest = max(map(len, (self._start, self._end, self._first, self._last)))

    def __enter__(self) -> Cut:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._state == "passing":
            self._sink.write(self._kept)
        self._kept = b""

    def write(self, data: bytes) -> None:
        """lxml hands over four kilobytes at a time; looking for marks is cheaper in larger pieces."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        buffer: bytes | None = b"".join((self._kept, *self._waiting))
        self._waiting.clear()
        self._size = 0
        while buffer is not None:
            buffer = self._step(buffer)

    def _step(self, buffer: bytes) -> bytes | None:
        """One mark further; None when more bytes are needed."""
        if self._state in {"tag", "last"}:  # the mark is behind us, the end tag of its element is next
            at = buffer.find(b">")
            if self._state == "last":
                self._sink.write(buffer[: at + 1] if at >= 0 else buffer)
            if at < 0:
                self._kept = b""
                return None
            self._state = "outside" if self._state == "last" else "passing"
            return buffer[at + 1 :]
        for mark, state in self._awaited():
            at = buffer.find(mark)
            if at < 0:
                continue
            if self._state == "passing":
                self._sink.write(buffer[:at])
            # a mark beside the root is followed by a line feed (Canonical XML 1.0 §1.1), which is not the document's
            self._state = state
            skip = 1 if mark == self._first else 0
            return buffer[at + len(mark) + skip :]
        keep = min(len(buffer), self._longest)
        if self._state == "passing" and len(buffer) > keep:
            self._sink.write(buffer[:-keep] if keep else buffer)
        self._kept = buffer[len(buffer) - keep :]
        return None

    def _awaited(self) -> Iterator[tuple[bytes, Literal["passing", "dropping", "tag", "last"]]]:
        if self._state == "outside":
            yield self._first, "passing"
        elif self._state == "dropping":
            yield self._end, "tag"
        else:
            yield self._start, "dropping"
            if self._alone:
                yield self._last, "last"
