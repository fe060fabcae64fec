"""Comparing the ledger with the keepers' logs of uses at intervals: what is new on either side since the last time.

1. One process at a time, by a lock on the note of how far it came (`log/reconciled.json`). Who changes that note gains
   nothing: `kyso audit verify` compares everything, from the start, with the keepers' own files.
2. What each keeper has added. A log that is another one, or shorter than it was, is an alarm, and is read from its start.
3. Each use has its INTENT. Lines are durable before a use, so that they are read after it.
4. Each DONE that the ledger has added has its use; who is not among the new ones is asked for by number.
5. The note is written. While a keeper is away nothing moves on.

An alarm is a line in the service's log, `kyso_ledger_alarms` in the metrics, and a count in the note. It stops nothing:
signing goes on, and nothing is written into the ledger about it, so that no alarm calls for another.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from api import telemetry
from api.ledger import Finding, Line
from api.ledger.reconciling import closes, contradiction, misfit
from api.services import Services
from api.workflows.keys import TokenLike
from hsm.errors import UseLogBroken
from hsm.token import UsesPage
from hsm.uselog import KeyUse

NOTE = "reconciled.json"
_LINES = 500


@dataclass
class Note:
    """How far it came: of each module the name of its log, the uses seen and the last of them, and the lines seen."""

    modules: dict[str, dict[str, str | int]] = field(default_factory=dict)
    lines: int = 0
    alarms: int = 0


def reconcile(services: Services) -> tuple[Finding, ...]:
    """Compare what is new. Raises HsmError while a keeper is away, DatabaseUnavailable, OSError."""
    with _note(services.settings.log / NOTE) as held:  # 1
        if held is None:
            return ()
        note, keep = held
        head = services.ledger.state().size
        new: dict[int, KeyUse] = {}
        findings: list[Finding] = []
        for module, token in services.keys.tokens.items():
            findings += _uses(services, note, module, token, new)  # 2, 3
        findings += _lines(services, note, new, head)  # 4
        for one in findings:
            services.metrics.ledger_alarms.labels(one.code).inc()
            telemetry.logger().error("ledger alarm", code=one.code, line=one.line, detail=one.detail, **one.facts)
        note.lines, note.alarms = head, note.alarms + len(findings)
        keep(note)  # 5
        return tuple(findings)


def alarms(services: Services) -> int:
    """How many there were since the note was begun."""
    try:
        return _read((services.settings.log / NOTE).read_text("utf-8")).alarms
    except OSError:
        return 0


def _uses(services: Services, note: Note, module: str, token: TokenLike, new: dict[int, KeyUse]) -> Iterator[Finding]:
    before = note.modules.get(module, {})
    after = int(before.get("uses", 0))
    try:
        page = token.uses(max(after - 1, 0))  # from the last one seen, to see it again
    except UseLogBroken as error:  # the keeper signs nothing until a person has looked at it
        yield Finding("USE_LOG_BROKEN", str(error), facts={"module": module})
        return
    last = _mark(page.uses[0]) if after and page.uses else ""
    if before and (page.log, last) != (before.get("log"), before.get("last")):
        facts = {"module": module, "had": after, "has": page.total}
        yield Finding("USE_LOG_REPLACED", f"the log of uses of {module} is another or was cut", facts=facts)
        after = 0
    page = token.uses(after)
    while page.uses:
        yield from _compared(services, module, page)
        new.update({use.ledger_number: use for use in page.uses})
        after, last = after + len(page.uses), _mark(page.uses[-1])
        page = token.uses(after)
    note.modules[module] = {"log": page.log, "uses": after, "last": last}


def _mark(use: KeyUse) -> str:
    """What tells a use from every other, whatever became of it since."""
    return f"{use.ledger_number} {use.tbs_sha256}"


def _compared(services: Services, module: str, page: UsesPage) -> Iterator[Finding]:
    """3."""
    uses = [use for use in page.uses if use.ledger_number > 0]
    lines = services.ledger.lines(use.ledger_number for use in uses)
    twins = _twins(services)
    for use in uses:
        wrong = misfit(lines.get(use.ledger_number), use, module=module, twins=twins)
        if wrong is not None:
            yield wrong


def _lines(services: Services, note: Note, new: Mapping[int, KeyUse], head: int) -> Iterator[Finding]:
    """4."""
    since = note.lines
    while since < head:
        page = services.ledger.read(since=since, limit=_LINES)
        if not page:
            return
        for line in page:
            if line.number <= head and closes(line):
                wrong = contradiction(line, _use(services, line, new))
                if wrong is not None:
                    yield wrong
        since = page[-1].number


def _use(services: Services, line: Line, new: Mapping[int, KeyUse]) -> KeyUse | None:
    number = line.facts["intent"]
    known = new.get(number)
    if known is not None and known.state == "done":
        return known
    for token in services.keys.tokens.values():
        with suppress(UseLogBroken):  # told already
            asked = token.use(number)
            if asked is not None:
                return asked
    return None


def _twins(services: Services) -> dict[str, str]:
    return {ref: key.twin for ref, key in services.settings.keys.items() if key.twin is not None}


# --- the note ---------------------------------------------------------------------------------------------------------


@contextmanager
def _note(path: Path) -> Iterator[tuple[Note, Callable[[Note], None]] | None]:
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        file.seek(0)
        yield _read(file.read()), lambda note: _write(file, note)


def _read(text: str) -> Note:
    try:
        return Note(**json.loads(text))
    except (ValueError, TypeError):
        return Note()  # from the start, then


def _write(file: TextIO, note: Note) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(asdict(note)))
    file.flush()
    os.fsync(file.fileno())
