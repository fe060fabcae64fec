"""An audit: the ledger against itself, against every checkpoint that is kept, and against the keepers' logs of uses.

Works on a database and on an export on another machine alike; needs no service, no keeper and no network.

1. Checkpoints are believed only with a verifier key (`api.ledger.note`); of the others each is a finding.
2. Each of them must be a prefix of the ledger (`api.ledger.examine`).
3. Each use of a key has its line, and each line its use (`api.ledger.reconciling`).
4. Lines that are still open are told, with what the keeper knows: a crash between INTENT and DONE leaves these.

    evidence = Evidence(pieces(file), keys=(VerifierKey.parse(text),), uses={"hsm": history(path)})
    with open("ledger.jsonl", "rb") as export:
        audit_export(export, evidence).findings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from api.ledger.examine import Examination, Finding, examine_export, start_of
from api.ledger.kept import Piece
from api.ledger.line import Line
from api.ledger.log import Ledger
from api.ledger.merkle import LedgerState
from api.ledger.note import NoteRefused, VerifierKey, state_of
from api.ledger.reconciling import Reconciliation
from hsm.uselog import KeyUse

OUTCOMES = {"done": "OPEN_DONE", "failed": "OPEN_NEVER", "started": "OPEN_STARTED"}
_CODES = {
    "unreadable": "CHECKPOINT_UNREADABLE",
    "signature": "CHECKPOINT_SIGNATURE",
    "unknown-key": "CHECKPOINT_UNKNOWN_KEY",
}


@dataclass(frozen=True)
class Evidence:
    """What the ledger is held against. `uses` are those of every keeper, by module; None where no log is at hand.
    `known` are states that somebody noted by hand."""

    checkpoints: Sequence[Piece] = ()
    keys: tuple[VerifierKey, ...] = ()
    uses: Mapping[str, tuple[KeyUse, ...]] | None = None
    twins: Mapping[str, str] = field(default_factory=dict)
    known: tuple[LedgerState, ...] = ()


@dataclass(frozen=True)
class Open:
    """An INTENT of which no line says what became of it; `outcome` is a code of `[ledger]`."""

    line: Line
    outcome: str


@dataclass(frozen=True)
class Audit:
    """What came of it: the ledger is whole when there is no finding. `notes` are what was not looked at, with facts."""

    state: LedgerState
    findings: tuple[Finding, ...]
    notes: tuple[tuple[str, dict[str, Any]], ...]
    open: tuple[Open, ...]
    checkpoints: int
    newest: int
    uses: int


def audit_database(ledger: Ledger, evidence: Evidence, *, until: int) -> Audit:
    """Of a database. `until` is the ledger's size before the logs of uses were read: later lines are younger."""
    return _Auditor(evidence, until=until).of(ledger)


def audit_export(file: BinaryIO, evidence: Evidence) -> Audit:
    """Of a file of `Ledger.export`. Copies of the logs of uses are to be made before the export."""
    return _Auditor(evidence).of(file)


class _Auditor:
    def __init__(self, evidence: Evidence, *, until: int | None = None) -> None:
        self.evidence = evidence
        self.findings: list[Finding] = []
        self.states = [*evidence.known, *self._believed()]  # 1
        uses = evidence.uses or {}
        self._until = until
        self._newest_use = max((use.at for found in uses.values() for use in found), default=0.0)
        self._reconciliation: Reconciliation | None = None
        self._uncovered = 0
        self._outcomes = {use.ledger_number: use.state for found in uses.values() for use in found}

    def of(self, subject: Ledger | BinaryIO) -> Audit:
        evidence = self.evidence
        since = 0 if isinstance(subject, Ledger) else start_of(subject)
        if evidence.uses is not None:
            self._reconciliation = Reconciliation(evidence.uses, twins=evidence.twins, since=since)
        if isinstance(subject, Ledger):  # 2, 3
            examination, state = subject.examine(known=self.states, observer=self._see)
        else:
            examination, state = examine_export(subject, known=self.states, observer=self._see)
        findings = [*examination.findings, *self.findings]
        if self._reconciliation is not None:
            findings += self._reconciliation.finish()
        return Audit(
            state,
            tuple(findings),
            tuple(self._notes(examination)),
            tuple(self._open(line) for line in examination.open.values()),  # 4
            examination.met,
            max((one.size for one in self.states if one.size <= state.size), default=0),
            self._reconciliation.uses if self._reconciliation is not None else 0,
        )

    def _believed(self) -> list[LedgerState]:
        states = []
        for piece in self.evidence.checkpoints:
            if piece.note is None:
                self._about(piece, NoteRefused(piece.wrong, reason="unreadable"))
                continue
            try:
                states.append(state_of(piece.note.verified(self.evidence.keys)))
            except NoteRefused as error:
                self._about(piece, error)
        return states

    def _about(self, piece: Piece, error: NoteRefused) -> None:
        if all(one.code != _CODES[error.reason] for one in self.findings):
            self.findings.append(Finding(_CODES[error.reason], str(error), facts={"place": piece.place}))

    def _see(self, line: Line) -> None:
        if self._reconciliation is None:
            return
        covered = line.number <= self._until if self._until is not None else line.at.timestamp() <= self._newest_use
        if covered or line.kind == "INTENT":
            self._reconciliation.see(line)
        elif line.kind == "DONE" and "intent" in line.facts:
            self._uncovered += 1

    def _notes(self, examination: Examination) -> list[tuple[str, dict[str, Any]]]:
        found: list[tuple[str, dict[str, Any]]] = []
        if not self.states:
            found.append(("NO_CHECKPOINTS", {}))
        if examination.beyond:
            found.append(("STATES_BEYOND", {"count": examination.beyond}))
        if self._uncovered:
            found.append(("LINES_NOT_COVERED", {"count": self._uncovered}))
        if self.evidence.uses is None:
            found.append(("NO_USES", {}))
        return found

    def _open(self, line: Line) -> Open:
        if self.evidence.uses is None:
            return Open(line, "OPEN_UNKNOWN")
        return Open(line, OUTCOMES.get(self._outcomes.get(line.number, ""), "OPEN_NEVER"))
