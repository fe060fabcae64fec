"""Lines of files become a plan: what the import would change, and what is wrong with it. Nothing is written here.

1. What is on record of the kinds that are touched is loaded: periods by what names them.
2. Kind by kind, so that a post finds its person (organisations may name one another in any order): each line is read (codes become ids, words become codes, dates become
   seconds) and put into the periods of its thing (`timeline`).
3. What holds across lines is looked at, and what ends with something else ends (`consistency`).
4. The difference between what is on record and what will be is the plan.

A plan is made from one change of the directory (`base`) and is good only while that is the newest.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

import sqlalchemy as sa

from api.directory import consistency, records, rows, rules
from api.directory.answers import newest_change
from api.directory.certificates import Marks, marks
from api.directory.faults import Bad, Faults
from api.directory.pem import certificate_in
from api.directory.reading import MOST_LINES, Line, Source, lines
from api.directory.records import Field, RecordKind
from api.directory.timeline import OPEN, UNSAID, Clash, End, Outcome, Put, Stretch, Timeline
from api.directory.times import ALWAYS, end_of, start_of

OUTCOMES: tuple[Outcome, ...] = ("new", "changed", "corrected", "ended", "same")
NOTHING = "-"
"""A cell that says that there is none: no parent, no end."""
PREFIX: Mapping[str, str] = {
    "organisation": "org",
    "person": "per",
    "person_subject": "sub",
    "post": "pst",
    "person_role": "rol",
    "delegation": "del",
    "certificate": "crt",
    "key_owner": "own",
}
_SHORTENED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
"""What a spreadsheet makes of a long number."""
_HEX = re.compile(r"[0-9a-f]{64}")
Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Counted:
    """What the lines of one kind come to; `ended` also counts what ends with something else."""

    kind: str
    new: int = 0
    changed: int = 0
    corrected: int = 0
    ended: int = 0
    same: int = 0


@dataclass(frozen=True)
class Change:
    """One row to be written, and the row that it takes the place of (either may be missing)."""

    table: str
    id: str
    replaces: int | None
    values: tuple[str | None, ...]
    start: int
    end: int | None


@dataclass
class Plan:
    """What an import would do."""

    base: int
    as_of: int
    counts: tuple[Counted, ...] = ()
    changes: list[Change] = field(default_factory=list)
    held: tuple[Mapping[str, str], ...] = ()
    """Lines about keys that say something new, where these are decided elsewhere: they are in no change."""
    faults: Faults = field(default_factory=Faults)


def plan(
    connection: sa.Connection,
    sources: Sequence[Source],
    *,
    as_of: int,
    zone: tzinfo,
    faults: Faults | None = None,
    hold_keys: bool = False,
) -> Plan:
    """The plan of these files, as of a time. Reads the directory; faults are in the plan. `hold_keys` leaves out what the
    lines say about keys: it is in `Plan.held`."""
    made = Plan(newest_change(connection), as_of, faults=faults or Faults())
    planner = Planner(connection, made.faults, as_of=as_of, zone=zone, hold_keys=hold_keys)
    for source in sources:  # 2
        for line in lines(source, records.ORGANISATIONS, made.faults):
            planner.announce(line)
    for kind in records.KINDS:
        for source in sources:
            for line in lines(source, kind, made.faults):
                planner.take(source, kind, line)
    planner.settle()  # 3
    if not made.faults.count:
        made.changes = list(planner.changes())  # 4
    made.counts = planner.counts()
    made.held = tuple(planner.held)
    return made


class Planner:
    """The periods of all things that an import touches, as they will be."""

    def __init__(
        self, connection: sa.Connection, faults: Faults, *, as_of: int, zone: tzinfo, hold_keys: bool = False
    ) -> None:
        self._connection = connection
        self._zone = zone
        self.as_of = as_of
        self.faults = faults
        self.files: list[str] = []
        self.held: list[Mapping[str, str]] = []
        self._hold_keys = hold_keys
        self.state: dict[str, dict[Key, Timeline]] = {}
        self._ids: dict[str, dict[str, str]] = {}
        self._counts: dict[str, dict[Outcome, int]] = {}
        self._by_person: dict[str, list[Timeline]] | None = None
        self._holders: dict[str, tuple[str | None, str | None]] | None = None
        self._lines = 0

    # --- 1: what is on record -----------------------------------------------------------------------------------------

    def timelines(self, kind: RecordKind) -> dict[Key, Timeline]:
        """All periods of a kind, by what names their things; loaded when first asked for."""
        found = self.state.get(kind.name)
        if found is None:
            found = self.state[kind.name] = {}
            at = [kind.columns.index(name) for name in kind.key]
            for row in rows.current(self._connection, kind.table):
                identity, *values, start, end, number = row
                stretch = Stretch(start, end, tuple(values), identity=identity, row=number)
                # Of an erased person there is nothing left by which a file could name them.
                key = tuple(values[index] for index in at) if values[at[0]] is not None else (f"\0{identity}",)
                found.setdefault(key, Timeline([])).periods.append(stretch)
            for line in found.values():
                line.periods.sort(key=lambda one: one.start)
        return found

    def ids(self, kind: RecordKind) -> dict[str, str]:
        """Ids by code, of organisations or people."""
        found = self._ids.get(kind.name)
        if found is None:
            known = ((code, line.periods[0].id) for (code,), line in self.timelines(kind).items())
            found = self._ids[kind.name] = {str(code): identity for code, identity in known if identity is not None}
        return found

    def _named(self, kind: RecordKind, cell: str) -> str | None:
        """The id of an organisation or a person by its code, or by the id itself."""
        found = self.ids(kind).get(cell)
        if found is None and cell.startswith(f"{PREFIX[kind.table]}_"):
            found = next((identity for identity in self.ids(kind).values() if identity == cell), None)
        return found

    # --- 2: a line ----------------------------------------------------------------------------------------------------

    def announce(self, line: Line) -> None:
        """An organisation may be named before its own line: above another, or as what it was merged into."""
        if (code := line.cells.get("code")) is not None:
            self.ids(records.ORGANISATIONS).setdefault(code, _new_id(records.ORGANISATIONS))

    def take(self, source: Source, kind: RecordKind, line: Line) -> None:
        """Put one line where it belongs, or its fault among the faults."""
        self._lines += 1
        if self._lines > MOST_LINES:
            self.faults.add(source.name, 0, Bad("too-many-lines", limit=MOST_LINES))
            return
        if not self.files or self.files[-1] != source.name:
            self.files.append(source.name)
        try:
            said, start, end, seen = self._read(source, kind, line)
            if seen is not None and "person" not in said and "organisation" not in said:
                said |= self._holder(seen)
            put = self._put(kind, said, start=start, end=end, where=(len(self.files) - 1, line.number), seen=seen)
            if self._hold_keys and kind is records.KEYS and put != "same":
                self.held.append(line.cells)
        except Bad as bad:
            self.faults.add(source.name, line.number, bad)

    def _read(
        self, source: Source, kind: RecordKind, line: Line
    ) -> tuple[dict[str, str | None], int | None, End, Marks | None]:
        cells = dict(line.cells)
        start, end = self._start(cells.pop("from", None)), self._end(cells.pop("to", None))
        seen: Marks | None = None
        said: dict[str, str | None] = {}
        for known in kind.fields:
            cell = cells.get(known.name)
            if cell is None:
                continue
            if known.shape in ("file", "certificate"):
                seen = _marks(source, known, cell)
                said |= {
                    "sha256": seen.certificate,
                    "public_key_sha256": seen.public_key,
                    "subject_sha256": seen.subject,
                }
            elif known.shape == "sha256" and seen is not None:
                if self._cell(known, cell) != said.get(known.name):
                    raise Bad("digest-of-another", column=known.name)
            else:
                said[known.name] = None if cell == NOTHING else self._cell(known, cell)
        missing = [name for name in (*kind.needed, *kind.key) if name in cells and said.get(name) is None]
        if missing or any(said.get(name) is None for name in kind.key):
            absent = missing or [name for name in kind.key if said.get(name) is None]
            raise Bad("missing", columns=", ".join(absent))
        return said, start, end, seen

    def _start(self, cell: str | None) -> int | None:
        try:
            return None if cell is None else start_of(cell, self._zone)
        except (ValueError, OverflowError):
            raise Bad("date-unreadable", column="from", cell=cell or "") from None

    def _end(self, cell: str | None) -> End:
        try:
            return UNSAID if cell is None else OPEN if cell == NOTHING else end_of(cell, self._zone)
        except (ValueError, OverflowError):
            raise Bad("date-unreadable", column="to", cell=cell or "") from None

    def _cell(self, known: Field, cell: str) -> str:
        match known.shape:
            case "organisation" | "person":
                kind = records.ORGANISATIONS if known.shape == "organisation" else records.PEOPLE
                found = self._named(kind, cell)
                if found is None:
                    raise Bad(f"{known.shape}-unknown", column=known.name, cell=cell)
                return found
            case "word":
                assert known.words is not None
                code = rules.code_of(known.words, cell)
                if code is None or code == "direct":
                    raise Bad("word-unknown", column=known.name, cell=cell, known=", ".join(rules.codes(known.words)))
                return code
            case "sha256":
                digest = cell.lower().replace(":", "").replace(" ", "")
                if not _HEX.fullmatch(digest):
                    raise Bad("digest-unreadable", column=known.name)
                return digest
            case "code" if _SHORTENED.fullmatch(cell):
                raise Bad("number-shortened", column=known.name, cell=cell)
        return cell

    def _put(
        self,
        kind: RecordKind,
        said: Mapping[str, str | None],
        *,
        start: int | None,
        end: End,
        where: tuple[int, int],
        seen: Marks | None = None,
    ) -> Outcome:
        key = tuple(said.get(name) for name in kind.key)
        timelines = self.timelines(kind)
        line = timelines.get(key)
        is_new = line is None
        if line is None:
            if absent := [name for name in kind.needed if said.get(name) is None]:
                raise Bad("missing", columns=", ".join(absent))
            line = Timeline([])
        begins = seen.not_before if seen is not None else ALWAYS if kind.is_always else None
        values = {index: said[name] for index, name in enumerate(kind.columns) if name in said}
        put = self._timed(line, kind, values, start=start, end=end, begins=begins if is_new else None)
        if put.stretch.where is not None:
            raise Bad("line-twice")
        if is_new:
            timelines[key] = line
        put.stretch.where = where
        self._name(kind, line, put.stretch)
        self.count(kind, put.outcome)
        if kind is records.PEOPLE and "subjects" in said:
            self._subjects(str(put.stretch.id), (said["subjects"] or "").split(), where)
        return put.outcome

    def _timed(
        self,
        line: Timeline,
        kind: RecordKind,
        values: Mapping[int, str | None],
        *,
        start: int | None,
        end: End,
        begins: int | None,
    ) -> Put:
        at_end = frozenset({kind.columns.index("merged_into")}) if kind is records.ORGANISATIONS else frozenset()
        width = len(kind.columns)
        try:
            return line.put(
                start=start, end=end, said=values, width=width, as_of=self.as_of, begins=begins, at_end=at_end
            )
        except Clash as clash:
            raise Bad(clash.code) from None

    def _name(self, kind: RecordKind, line: Timeline, stretch: Stretch) -> None:
        """An organisation and a person keep their id through all periods; of everything else each period has its own."""
        if stretch.id is not None:
            return
        if kind not in (records.ORGANISATIONS, records.PEOPLE):
            stretch.id = _new_id(kind)
            return
        code = str(stretch.values[kind.columns.index("code")])
        known = next((one.id for one in line.periods if one.id is not None), None)
        stretch.id = self.ids(kind).setdefault(code, known or _new_id(kind))

    def _subjects(self, person: str, wanted: Sequence[str], where: tuple[int, int]) -> None:
        """The cell names all subjects of the person: others end."""
        kind = records.SUBJECTS
        for subject in wanted:
            if len(subject) > 255:
                raise Bad("too-long", column="subjects", limit=255)
            self._put(kind, {"subject": subject, "person": person}, start=None, end=UNSAID, where=where)
        for line in self.subjects_of(person):
            for one in line.periods:
                if one.holds(self.as_of) and one.values[0] not in wanted and one.values[1] == person:
                    one.end = self.as_of
                    self.count(kind, "ended")

    def subjects_of(self, person: str) -> list[Timeline]:
        if self._by_person is None:
            self._by_person = {}
            for line in self.timelines(records.SUBJECTS).values():
                for owner in {str(one.values[1]) for one in line.periods}:
                    self._by_person.setdefault(owner, []).append(line)
        return self._by_person.get(person, [])

    def _holder(self, seen: Marks) -> dict[str, str | None]:
        """Whose a renewed certificate is, by the rules of `Directory.person_of_certificate`; empty where nobody is known."""
        if self._holders is None:
            self._holders = {}
            for line in self.timelines(records.CERTIFICATES).values():
                for _, person, organisation, public_key, subject in (one.values for one in line.periods):
                    for mark in (public_key, subject):
                        if mark is not None:
                            self._holders[mark] = person, organisation
        found = self._holders.get(seen.public_key) or self._holders.get(seen.subject or "")
        return {} if found is None else {"person": found[0], "organisation": found[1]}

    # --- 3 and 4 ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """What holds across lines."""
        consistency.settle(self)

    def count(self, kind: RecordKind, outcome: Outcome) -> None:
        counted = self._counts.setdefault(kind.name, dict.fromkeys(OUTCOMES, 0))
        counted[outcome] += 1

    def counts(self) -> tuple[Counted, ...]:
        return tuple(Counted(kind.name, **self._counts[kind.name]) for kind in records.ALL if kind.name in self._counts)

    def fault(self, stretch: Stretch, bad: Bad) -> None:
        """Something is wrong that shows only when all lines are known."""
        file, line = stretch.where or (0, 0)
        self.faults.add(self.files[file], line, bad)

    def changes(self) -> Iterator[Change]:
        """The rows to be written, kind by kind; nothing of a key whose lines are held."""
        held = {line["ref"] for line in self.held}
        for kind in records.ALL:
            for key, line in self.state.get(kind.name, {}).items():
                if kind is records.KEYS and key[0] in held:
                    continue
                for one in line.periods:
                    if one.is_changed:
                        assert one.id is not None
                        yield Change(kind.table, one.id, one.row, one.values, one.start, one.end)


def _new_id(kind: RecordKind) -> str:
    return f"{PREFIX[kind.table]}_{secrets.token_hex(8)}"


def _marks(source: Source, known: Field, cell: str) -> Marks:
    try:
        return marks(
            certificate_in(cell, folder=source.folder if known.shape == "file" else None, is_file=known.shape == "file")
        )
    except ValueError as error:
        raise Bad("certificate-unreadable", column=known.name, reason=str(error)) from None
