"""What watching remembers between starts, in `KYSO_HOME/log`: since when alarms stand, what broke the ledger's proof, and
when the last backup was made. Small files, written whole; one that cannot be read counts as empty.

| File | Written by |
|---|---|
| `alarms.json` | the one api process that watches |
| `ledger-alarms.json` | whichever process found that the ledger does not add up (`record_ledger_alarm`) |
| `backup.json` | whoever made a backup (`backup_made`) |
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from api.errors import LedgerBroken
from api.services import Services
from api.settings import Settings
from api.watching.alarm import Alarm, Severity

ALARMS, LEDGER_ALARMS, BACKUP, LOCK = "alarms.json", "ledger-alarms.json", "backup.json", "alarms.lock"
MOST = 100
"""Alarms of the ledger and messages that are kept; the first ones of each tell most."""
T = TypeVar("T")


class Standing(msgspec.Struct, frozen=True):
    """An alarm in the note; `since` is a Unix time."""

    code: str
    subject: str
    severity: Severity
    since: float
    facts: dict[str, str | int] = msgspec.field(default_factory=dict)

    def alarm(self) -> Alarm:
        return Alarm(self.code, self.subject, self.severity, datetime.fromtimestamp(self.since, UTC), self.facts)


class Message(msgspec.Struct, frozen=True):
    """What the webhook has not taken yet."""

    id: str
    at: float
    body: str


class Book(msgspec.Struct, frozen=True):
    alarms: tuple[Standing, ...] = ()
    messages: tuple[Message, ...] = ()


class LedgerAlarm(msgspec.Struct, frozen=True):
    code: str
    line: int
    at: float


@contextmanager
def alone(settings: Settings) -> Iterator[bool]:
    """True for the one process that watches just now."""
    with (settings.log / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def book(settings: Settings) -> Book:
    return _read(settings.log / ALARMS, Book) or Book()


def keep(settings: Settings, kept: Book) -> None:
    """Raises OSError."""
    _write(settings.log / ALARMS, kept)


def record_ledger_alarm(settings: Settings, error: LedgerBroken, *, at: float) -> bool:
    """Note that the ledger does not add up, once for each code and line, until somebody removes the file. True if it is
    new. Raises OSError."""
    known = ledger_alarms(settings)
    one = LedgerAlarm(error.code, int(error.facts.get("line", 0)), at)
    if any((one.code, one.line) == (other.code, other.line) for other in known) or len(known) >= MOST:
        return False
    _write(settings.log / LEDGER_ALARMS, (*known, one))
    return True


def ledger_alarms(settings: Settings) -> tuple[LedgerAlarm, ...]:
    return _read(settings.log / LEDGER_ALARMS, tuple[LedgerAlarm, ...]) or ()


def backup_made(settings: Settings, *, at: float) -> None:
    """To be called when a backup is complete where it belongs. Raises OSError."""
    _write(settings.log / BACKUP, {"at": at})


def last_backup(services: Services) -> float | None:
    """Unix time of the last backup; None when there was none."""
    found: Mapping[str, float] | None = _read(services.settings.log / BACKUP, dict[str, float])
    return None if found is None else found.get("at")


def _read(path: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, content: object) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(content))
    fresh.replace(path)
