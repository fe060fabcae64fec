"""Import: files in, a plan, and all of it or nothing.

    outcome = importing.run(database, ledger, sources, as_of=now, zone=zone, caller="…", clock=clock)
    outcome.counts            # of each kind: new, changed, corrected, ended, same
    outcome.change            # 0 where nothing was to be changed

1. The plan is made in a transaction that only reads, so that nobody waits while files are read.
2. Faults: DirectoryImportRefused with all of them; nothing is written.
3. The plan is written in one transaction with its line in the ledger. If the directory was changed meanwhile, 1 again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import sqlalchemy as sa

from api.directory.applying import Stale, apply
from api.directory.faults import Bad, DirectoryChanged, DirectoryImportEmpty, DirectoryImportRefused, Faults
from api.directory.planning import Counted, Plan, plan
from api.directory.reading import LARGEST, Source
from api.errors import DatabaseUnavailable, LedgerUnavailable
from api.store.database import Database

TRIES = 3
Also = Callable[[sa.Connection, "Imported"], None]


@dataclass(frozen=True)
class Imported:
    """What an import did, or would do: `ledger` is 0 for a trial, `change` also where nothing was to be changed."""

    as_of: int
    counts: tuple[Counted, ...]
    change: int = 0
    ledger: int = 0
    held: tuple[Mapping[str, str], ...] = ()
    """Lines about keys that were left out, for others to decide on."""


def run(
    database: Database,
    sources: Sequence[Source],
    *,
    as_of: datetime,
    zone: tzinfo,
    caller: str,
    clock: Callable[[], datetime],
    also: Also | None = None,
    hold_keys: bool = False,
) -> Imported:
    """Import these files, without what they say about keys where `hold_keys`. `also` runs in the same transaction.
    Raises DirectoryImportRefused, DirectoryImportEmpty, DirectoryChanged, LedgerUnavailable."""
    digests = _digests(sources)
    for _ in range(TRIES):
        made = _planned(database, sources, as_of=as_of, zone=zone, hold_keys=hold_keys)

        def work(connection: sa.Connection, made: Plan = made) -> Imported:
            at = clock()
            change, ledger = apply(connection, made, kind="import", caller=caller, facts={"sources": digests}, at=at)
            done = Imported(made.as_of, made.counts, change, ledger, made.held)
            if also is not None:
                also(connection, done)
            return done

        try:
            return database.write(work)
        except Stale:
            continue
        except DatabaseUnavailable as error:
            raise LedgerUnavailable(f"the ledger cannot be written: {error}", **error.facts) from error
    raise DirectoryChanged


def trial(
    database: Database, sources: Sequence[Source], *, as_of: datetime, zone: tzinfo, hold_keys: bool = False
) -> Imported:
    """What `run` would do; nothing is written. Raises as `run` does."""
    _digests(sources)
    made = _planned(database, sources, as_of=as_of, zone=zone, hold_keys=hold_keys)
    return Imported(made.as_of, made.counts, held=made.held)


def _planned(database: Database, sources: Sequence[Source], *, as_of: datetime, zone: tzinfo, hold_keys: bool) -> Plan:
    moment = int(as_of.timestamp())
    made = database.read(lambda connection: plan(connection, sources, as_of=moment, zone=zone, hold_keys=hold_keys))
    if made.faults.count:
        raise DirectoryImportRefused(made.faults)
    if not made.counts:
        raise DirectoryImportEmpty
    return made


def _digests(sources: Sequence[Source]) -> list[str]:
    """SHA-256 of each file; refuses more than may be read."""
    found, size = [], 0
    for source in sources:
        faults = Faults()
        try:
            with source.open() as file:
                digest = hashlib.sha256()
                while piece := file.read(1 << 20):
                    digest.update(piece)
                    size += len(piece)
                    if size > LARGEST:
                        faults.add(source.name, 0, Bad("file-too-large", limit=LARGEST))
                        raise DirectoryImportRefused(faults)
        except OSError as error:
            faults.add(source.name, 0, Bad("file-unreadable", reason=error.strerror or ""))
            raise DirectoryImportRefused(faults) from None
        found.append(digest.hexdigest())
    return found
