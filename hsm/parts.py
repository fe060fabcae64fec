"""Closed parts of a log of uses: what a keeper still asks of them, without reading them at its start.

A log that grows beyond some size is closed under its name and a number (`keeper-demo.uses.1`), and a new file goes on
where it ended: same chain, same sequence. Beside a closed part lies an index of its uses (32 octets each), made when it
was closed and made anew if it is missing: in their order for the reconciliation, by ledger number for the question what
became of one. An index is believed by the keeper, which alone writes there; an audit reads the parts themselves.

>>> part = Part.open(Path("keeper-demo.uses"), 1, decoder=…)                        # doctest: +SKIP
>>> part.find(7)
"""

from __future__ import annotations

import bisect
import mmap
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Generic

import msgspec

from hsm.chained import LONGEST_LINE, L
from hsm.errors import UseLogBroken

_NONE: Final = 2**64 - 1
_MAGIC: Final = int.from_bytes(b"kyuses01", "little")
Places = tuple[int, int | None, int]
"""Of one use: where its first line and its last begin, and its ledger number."""


class Part(Generic[L]):
    """One closed part."""

    def __init__(self, descriptor: int, index: memoryview, decoder: msgspec.json.Decoder[L]) -> None:
        count = index[1]
        self._descriptor = descriptor
        self._decoder = decoder
        self._starts, self._ends, self._numbers, self._orders = (
            index[2 + n * count : 2 + (n + 1) * count] for n in range(4)
        )
        self.count = count
        """How many uses it has."""

    @classmethod
    def open(
        cls, log: Path, number: int, *, decoder: msgspec.json.Decoder[L], uses: Callable[[Path], Sequence[Places]]
    ) -> Part[L]:
        """Part `number` of the log; `uses` reads it if there is no index. Raises UseLogBroken."""
        path = part_path(log, number)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as e:
            raise UseLogBroken(f"part {number} of the log of uses cannot be read: {e.strerror}") from None
        index = _read(index_path(path))
        if index is None:
            write_index(path, uses(path))
            index = _read(index_path(path))
        if index is None:
            raise UseLogBroken(f"the index of part {number} of the log of uses cannot be made")
        return cls(descriptor, index, decoder)

    def at(self, order: int) -> tuple[L, L | None]:
        """The first and the last line of the use at this place in the part's order."""
        end = self._ends[order]
        return self._line(self._starts[order]), None if end == _NONE else self._line(end)

    def find(self, number: int) -> Iterator[tuple[L, L | None]]:
        """The uses of this ledger number, in their order."""
        place = bisect.bisect_left(self._numbers, number)
        while place < self.count and self._numbers[place] == number:
            yield self.at(self._orders[place])
            place += 1

    def _line(self, position: int) -> L:
        data = os.pread(self._descriptor, LONGEST_LINE, position)
        return self._decoder.decode(data[: data.index(b"\n") + 1])


def part_path(log: Path, number: int) -> Path:
    """Where a closed part of the log is."""
    return log.with_name(f"{log.name}.{number}")


def index_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.index")


def write_index(part: Path, uses: Sequence[Places]) -> None:
    """The index beside a part."""
    numbered = sorted((number, order) for order, (_, _, number) in enumerate(uses))
    columns = (
        (start for start, _, _ in uses),
        (_NONE if end is None else end for _, end, _ in uses),
        (number for number, _ in numbered),
        (order for _, order in numbered),
    )
    data = array("Q", (_MAGIC, len(uses)))
    for column in columns:
        data.extend(column)
    path = index_path(part)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data.tobytes())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(path: Path) -> memoryview | None:
    try:
        with path.open("rb") as file:
            index = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)).cast("Q")
    except (OSError, ValueError, TypeError):
        return None
    if len(index) < 2 or index[0] != _MAGIC or len(index) != 2 + 4 * index[1]:
        return None
    return index
