"""Unlocking by two: where `[changes] two_administrators` names `unlock`, a token is opened by a command that two
administrators stand behind.

U1. The first one's `kyso unlock` is a proposal. Another administrator approves it, by the same command or as any change,
    within `WITHIN` seconds; after that it counts for nothing.
U2. So long after the approval the token may be unlocked, by either of them, as often as a mistyped PIN takes; once it was
    opened, and once it was locked again, the approval is used up.

A PIN is typed at the moment of unlocking, and is in no proposal. Not here: tokens that open by themselves at a start, whose
PIN lies in a file or a credential: nobody unlocks these. And whoever owns the machine can speak to the keeper's socket
without this program: as with all changes, two administrators bind those who use it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from api.changes import Change, Changes
from api.changes.errors import ChangesByTwo
from api.changes.kinds import UNLOCK, WITHIN
from api.services import Services
from api.store.callers import Caller
from api.store.tables import ledger as ledger_table

SUBJECT = "unlock"
REASON = "unlock"


def allowed(services: Services, caller: Caller | None, module: str) -> Change | None:
    """The approved change by which this token may be unlocked now; None where one was proposed that waits for another
    administrator. Raises ChangesByTwo where nobody stands behind the command, NotPermitted."""
    if caller is None:
        raise ChangesByTwo(subject=SUBJECT)
    changes = Changes(services)
    for change in _of(changes, module, state="applied"):
        if (change.decided_at or 0.0) > time.time() - WITHIN and not _is_used(services, change, module):
            return change
    for change in _of(changes, module, state="proposed"):
        if change.proposed_at <= time.time() - WITHIN:
            changes.reject(caller, change.id)
        elif changes.needs_another(caller, change):
            return None
        else:
            return changes.approve(caller, change.id, sha256=change.sha256)
    changes.propose(caller, UNLOCK, {"module": module}, reason=REASON)
    return None


def _of(changes: Changes, module: str, *, state: str) -> Iterator[Change]:
    wanted = f'{{"module":"{module}"}}'
    return (one for one in changes.listed(state=state) if one.kind == UNLOCK and one.payload == wanted)


def _is_used(services: Services, change: Change, module: str) -> bool:
    """Whether the token was opened under it, or locked since."""
    about = ledger_table.c.line.contains(f'"module":"{module}"')
    for line in services.ledger.read(kind="CHANGED", among=about, since=_line_of(services, change), limit=1000):
        if line.facts["what"] == "locked" or (
            line.facts["what"] == "unlocked" and line.facts.get("change") == change.id
        ):
            return True
    return False


def _line_of(services: Services, change: Change) -> int:
    """Number of the line that says that it was approved."""
    about = ledger_table.c.line.contains(change.id)
    lines = services.ledger.read(kind="CHANGED", among=about, limit=100)
    return next(line.number for line in lines if line.facts["what"] == "change-applied")
