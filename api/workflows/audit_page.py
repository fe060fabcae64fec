"""What the auditor's page shows: lines, the proof of one of them, and whether the ledger still is what somebody noted.

Who may see it, and their session, are settled before (`api.identity`, `api.routes.audit_page`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from api.errors import LedgerBroken
from api.ledger import LedgerState, Line
from api.ledger.inclusion import root_from
from api.ledger.kept import Kept
from api.ledger.merkle import leaf_hash
from api.ledger.note import Note, NoteRefused, read, state_of
from api.services import Services
from api.store.callers import Caller
from api.workflows import checkpoints, reconciling
from hsm.errors import HsmError

PAGE = 50
_STATE = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True)
class View:
    """Some lines that fit the filters, and how the ledger stands."""

    state: LedgerState
    newest: int
    alarms: int
    lines: tuple[Line, ...]
    has_more: bool


@dataclass(frozen=True)
class Proof:
    """The way from a line to a root; `note` signs that root, where a checkpoint covers the line."""

    line: Line
    leaf: str
    path: tuple[str, ...]
    state: LedgerState
    is_good: bool
    note: Note | None


@dataclass(frozen=True)
class Checked:
    """What came of something that was noted: a word of `[audit_page]` with its facts."""

    word: str
    is_good: bool
    facts: dict[str, Any]


def view(services: Services, caller: Caller, *, since: int, filters: dict[str, Any]) -> View:
    """The lines of them that the caller may see."""
    among = services.scopes.lines(caller)
    found = services.ledger.read(since=since, limit=PAGE + 1, among=among, **filters)
    newest = _newest(services)
    size = newest.unverified.size if newest is not None else 0
    state, alarms = services.ledger.state(), reconciling.alarms(services)
    return View(state, size, alarms, found[:PAGE], len(found) > PAGE)


def prove(services: Services, caller: Caller, number: int) -> Proof | None:
    """The proof of a line, to the newest checkpoint where that covers it; None when there is no such line for the caller."""
    lines = services.ledger.read(since=number - 1, limit=1, among=services.scopes.lines(caller))
    if not lines or lines[0].number != number:
        return None
    line = lines[0]
    note = _newest(services)
    if note is not None and (note.unverified.size < number or not _is_signed(services, note)):
        note = None
    state = services.ledger.state() if note is None else state_of(note.unverified)
    leaf = leaf_hash(line.text.encode())
    try:
        path = services.ledger.tree.path(number - 1, state.size)
        is_good = root_from(path, leaf, index=number - 1, size=state.size).hex() == state.root
    except ValueError:
        path, is_good = [], False
    return Proof(line, leaf.hex(), tuple(step.hex() for step in path), state, is_good, note)


def check(services: Services, text: str) -> Checked:
    """Whether the ledger begins with a state that somebody noted: a signed note, or SIZE:ROOT."""
    try:
        state = _noted(services, text.replace("\r\n", "\n").strip())
    except NoteRefused as error:
        word = "check_unreadable" if error.reason == "unreadable" else "check_signature"
        return Checked(word, is_good=False, facts={})
    now = services.ledger.state()
    facts = {"size": state.size, "has": now.size}
    if state.size > now.size:
        return Checked("check_beyond", is_good=False, facts=facts)
    try:
        checkpoints.require_prefix(services, state)
    except LedgerBroken:
        return Checked("check_not_met", is_good=False, facts=facts)
    return Checked("check_met", is_good=True, facts=facts)


def _noted(services: Services, text: str) -> LedgerState:
    """Raises NoteRefused; a signature is checked by the key of this ledger."""
    plain = _STATE.fullmatch(text)
    if plain is not None:
        return LedgerState(int(plain[1]), plain[2])
    note = read(text + "\n")
    if not _is_signed(services, note):
        raise NoteRefused("not signed by this ledger's key", reason="signature")
    return state_of(note.unverified)


def _is_signed(services: Services, note: Note) -> bool:
    """Whether this ledger's key signed it; no, while a keeper cannot say which key that is."""
    try:
        note.verified((checkpoints.verifier_key(services),))
    except (HsmError, checkpoints.CheckpointKeyUnusable, NoteRefused):
        return False
    return True


def _newest(services: Services) -> Note | None:
    try:
        return Kept(services.settings.checkpoint_folder).newest()
    except OSError:
        return None
