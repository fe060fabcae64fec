"""Recomputing a ledger from the text of its lines, in the database or in an export on another machine.

An `Examination` takes lines in their order and collects what is wrong; `verify_export` and `Ledger.verify` raise the
first of it. What was noted elsewhere (`known`, the states of checkpoints) must be met on the way: a log that was cut
or made anew is in order by itself.

>>> import io
>>> verify_export(io.BytesIO(b'{"root":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}')).size
0
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from api.errors import LedgerBroken
from api.ledger.line import CLOSING, Line, decode
from api.ledger.merkle import Frontier, LedgerState, leaf_hash

Observer = Callable[[Line], None]
"""Is shown each line that could be read."""


_HEADER = b'{"frontier":'


@dataclass(frozen=True)
class Finding:
    """Something that is wrong. `line` is the first bad line, `until` where the stretch ends in which it lies; 0 where it
    is about no line. `detail` is the developer's sentence, `facts` fill those of `api.locale`."""

    code: str
    detail: str
    line: int = 0
    until: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Examination:
    """Lines in their order, from behind `start`. Of each kind of finding the first is kept."""

    def __init__(
        self,
        known: Iterable[LedgerState] = (),
        *,
        start: Frontier | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.frontier = start or Frontier()
        self.findings: list[Finding] = []
        self.met = 0
        """How many of the known states were met."""
        self.leaf = b""
        self.open: dict[int, Line] = {}
        """INTENT lines of which no line so far says what became of them."""
        self._observer = observer
        self._expected = self.frontier.size + 1
        self._last_met = self.frontier.size
        self._damaged = False
        self._known: dict[int, str] = {}
        states = set(known)
        self.beyond = sum(state.size < self.frontier.size for state in states)
        """Known states that lie before the start: of those nothing can be said."""
        for state in sorted(states, key=lambda state: (state.size, state.root)):
            if state.size < self.frontier.size:
                continue
            if self._known.setdefault(state.size, state.root) != state.root:
                self.find("STATES_FORKED", "two roots are known for the same size: the ledger was forked", state.size)
        self._meet()

    def find(self, code: str, detail: str, line: int = 0, until: int = 0, **facts: Any) -> None:
        """Keep a finding, unless there is one of its kind."""
        if all(one.code != code for one in self.findings):
            self.findings.append(Finding(code, detail, line, until, facts))

    def add(self, text: str, *, stored: int | None = None, leaf: bytes | None = None) -> Line | None:
        """One more line, with the number and the hash under which it is stored, where it is. None if it is no line."""
        number = self._expected
        self.leaf = leaf_hash(text.encode("utf-8", "surrogateescape"))
        self.frontier = self.frontier.add(self.leaf)
        try:
            line = decode(text)
        except (ValueError, RecursionError) as error:
            self.damage("LINE_EDITED", f"line {number} was edited: {error}", stored or number)
            self._expected = (stored or number) + 1
            return None
        here = line.number if stored is None else stored
        if here > number:
            self.damage("LINES_MISSING", f"line {number} is missing", number, here - 1)
        elif here < number or line.number != here:
            self._is_moved(line.number, number if stored is None else stored)
        if leaf is not None and leaf != self.leaf:
            self.damage("LINE_EDITED", f"line {here} was edited", here)
        if not self._damaged:
            self._meet()
        self._expected = max(here + 1, number)
        if line.kind == "INTENT":
            self.open[line.number] = line
        elif line.kind in CLOSING:
            self.open.pop(line.facts.get("intent", 0), None)
        if self._observer is not None:
            self._observer(line)
        return line

    def _is_moved(self, number: int, place: int) -> None:
        """A line stands in another's place; what seemed to be missing there was moved, too."""
        gap = next(
            (one for one in self.findings if one.code == "LINES_MISSING" and one.line <= number <= one.until), None
        )
        if gap is not None:
            self.findings.remove(gap)
            place = gap.line
        self.damage("LINE_MOVED", f"line {place} says that it is line {number}", place)

    def finish(self) -> LedgerState:
        """The state of all lines; known states further on are a finding."""
        if self._known and not self._damaged:
            most = max(self._known)
            missing = min(self._known)
            self.find("CUT", f"the ledger was cut: it had {missing} lines", self.frontier.size + 1, most, had=most)
        return self.frontier.state()

    def damage(self, code: str, detail: str, line: int, until: int = 0) -> None:
        """A finding about a line, after which no known state can be met any more."""
        self.find(code, detail, line, until)
        self._damaged = True

    def _meet(self) -> None:
        size = self.frontier.size
        root = self._known.pop(size, None)
        if root is None:
            return
        if root == self.frontier.root().hex():
            self._last_met = size
            self.met += 1
            return
        detail = f"the first {size} lines are not those that were noted"
        self.find("FORKED", detail, self._last_met + 1, size, known=size)


def examine_export(
    file: BinaryIO, *, known: Iterable[LedgerState] = (), observer: Observer | None = None
) -> tuple[Examination, LedgerState]:
    """Examine a file of `Ledger.export` without a database, and its state.

    Without `known` states it proves only that the file agrees with its own last line. One that begins later than at
    line 1 says so in a first line of its own, with the frontier there; any known state further on proves that too.
    """
    examination = Examination(known, observer=observer)
    tail: bytes | None = None
    for index, raw in enumerate(file):
        if index == 0 and raw.startswith(_HEADER):
            try:
                examination = Examination(known, start=_start(raw), observer=observer)
            except (ValueError, KeyError, TypeError):
                examination.find("EXPORT_CUT", "the export's first line cannot be read")
            continue
        if tail is not None:
            examination.add(tail.decode("utf-8", "surrogateescape"))
        tail = raw.rstrip(b"\n")
    state = examination.frontier.state()
    if tail is None:
        examination.find("EXPORT_CUT", "the export is empty")
        return examination, state
    try:
        end = json.loads(tail)
        claimed = LedgerState(end["size"], end["root"])
    except (ValueError, KeyError, TypeError, RecursionError):
        examination.find(
            "EXPORT_CUT", "the export was cut: it does not end with its state", examination.frontier.size + 1
        )
        examination.finish()
        return examination, state
    if state != claimed:
        examination.find("ROOT_DIFFERS", "the export's lines do not make its root")
    return examination, examination.finish()


def verify_export(file: BinaryIO, *, known: tuple[LedgerState, ...] = ()) -> LedgerState:
    """The state of an export that is in order. Raises LedgerBroken."""
    examination, state = examine_export(file, known=known)
    require(examination)
    return state


def require(examination: Examination) -> None:
    """Raise LedgerBroken for the first finding, if there is one."""
    for one in examination.findings:
        raise LedgerBroken(one.detail, line=one.line)


def start_of(file: BinaryIO) -> int:
    """After how many lines an export begins, as its first line says; the file is where it was afterwards."""
    before = file.tell()
    raw = file.readline(4096)
    file.seek(before)
    try:
        return _start(raw).size if raw.startswith(_HEADER) else 0
    except (ValueError, KeyError, TypeError):
        return 0


def _start(raw: bytes) -> Frontier:
    said = json.loads(raw)
    return Frontier.from_bytes(said["since"], bytes.fromhex(said["frontier"]))
