"""Files of documents that no row names any more go: what a process that died between two steps left in the store.

A blob is put before the transaction that names it, and removed after the one that lets go of it; a crash between the two
leaves a file that nobody can find again. So every process looks through the store at intervals:

W1. The database is the one that these files belong to: it has the ledger line that the last look noted beside them. With
    another one, or an older copy of it, nothing is removed: an operator who has started the service with the wrong
    database loses nothing.
W2. All files of the store are listed, and only then the rows read: what is named by then is needed.
W3. What no row named in two looks, `APART` or more between them by a clock that nobody sets, is erased. A request that
    has put its blob and not yet named it is over by then; and what no row names, none will name later.
W4. The ledger's newest line is noted for the next look.

Not here: what `[retention]` lets go of, which goes at once (`api.workflows.retention`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api import telemetry
from api.services import Services
from api.store import owners
from api.store.blobs import BlobId, sync

APART = 6 * 3600.0
"""Seconds between two looks: no request takes that long (`background.LEFT_BEHIND`)."""
TOGETHER = 200_000
"""Files whose names are held in memory at the same time; the rows are read once for each so many."""
NOTE = "ledger.json"


@dataclass
class Sweeper:
    """What one process remembers between its looks: names of blobs that no row named, and when that was first seen."""

    _ownerless: dict[str, float] = field(default_factory=dict)

    def look(self, services: Services, *, now: float) -> int:
        """W1 to W4; how many files were erased. `now` counts seconds from anywhere, and never goes back."""
        folder = services.settings.blobs
        # W1
        newest = owners.last_line(services.database)
        if newest is None:
            return 0
        known = _noted(folder)
        if known is not None and not owners.has_line(services.database, *known):
            telemetry.logger().error("these documents belong to another database", line=known[0], folder=str(folder))
            return 0
        # W2
        listed, ownerless = 0, set[str]()
        for names in _listed(services):
            listed += len(names)
            for name in owners.all_of_them(services.database):
                names.discard(name)
            ownerless |= names
        if known is None and listed and len(ownerless) == listed:
            telemetry.logger().error("none of the stored documents is in the database", folder=str(folder))
            return 0
        # W3
        self._ownerless = {name: self._ownerless.get(name, now) for name in ownerless}
        gone = [name for name, since in self._ownerless.items() if now - since >= APART]
        for name in gone:
            for blob in (f"s{name}", name):  # an encrypted file, and a plain one that was not yet removed
                services.blobs.erase(BlobId(blob))
            del self._ownerless[name]
        if gone:
            telemetry.logger().warning("files that no record names were removed", count=len(gone))
        # W4
        _note(folder, newest)
        return len(gone)


def _listed(services: Services) -> Iterator[set[str]]:
    names: set[str] = set()
    for path in services.blobs.files():
        name = owners.named(path.name)
        if name is not None:
            names.add(name)
        if len(names) >= TOGETHER:
            yield names
            names = set()
    yield names


def _noted(folder: Path) -> tuple[int, str] | None:
    """The line that the last look noted; None before the first. Raises OSError, and ValueError for what is none: then
    nothing is removed."""
    try:
        said = json.loads((folder / NOTE).read_text())
        return int(said["number"]), str(said["leaf"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError) as error:
        raise ValueError(f"{NOTE} names no line of the ledger") from error


def _note(folder: Path, line: tuple[int, str]) -> None:
    made = folder / f"{NOTE}.{os.getpid()}.new"
    made.write_text(json.dumps({"number": line[0], "leaf": line[1]}))
    made.replace(folder / NOTE)
    sync(folder)
