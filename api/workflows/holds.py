"""Keeps this process's claims alive while it works on them, so that they may be short.

A claim (a record's hold, an Idempotency-Key) lapses `LEASE` seconds after its process died, and others may go on from
there. Work that takes longer, a slow timestamp authority for one, is renewed here by a thread; most signatures are done
long before the first renewal and cost nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from api import telemetry
from api.errors import ApiError, ClaimLost
from api.store import idempotency, signatures
from api.store.database import Database
from api.store.idempotency import Claim
from api.store.signatures import Hold

LEASE = 8.0
"""Seconds; short, since for so long a request whose process was killed cannot be repeated; longer than a permit lives (`keyuse.PERMIT_SECONDS`), so that nobody takes a record over while its permit
could still be used."""
RENEWED_AFTER = 2.0


@dataclass(eq=False)
class _Held:
    hold: Hold
    claim: Claim | None
    renewed: float = field(default_factory=time.monotonic)


class Holds:
    """The claims of one process. The thread starts with the first of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._held: set[_Held] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def kept(self, hold: Hold, claim: Claim | None) -> Iterator[None]:
        """Renew both while the block runs. One that was lost meanwhile shows at the next step: ClaimLost."""
        held = _Held(hold, claim)
        with self._lock:
            self._held.add(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="holds", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(held)

    def _run(self) -> None:
        while True:
            time.sleep(RENEWED_AFTER / 4)
            with self._lock:
                due = [held for held in self._held if held.renewed < time.monotonic() - RENEWED_AFTER]
            for held in due:
                self._renew(held)

    def _renew(self, held: _Held) -> None:
        try:
            self._database.write(signatures.renew, held.hold, lease=LEASE)
            if held.claim is not None:
                self._database.write(idempotency.attach, held.claim, signature=held.hold.id, lease=LEASE)
        except ClaimLost:
            with self._lock:
                self._held.discard(held)
        except ApiError:
            telemetry.logger().warning("a hold could not be renewed", signature=held.hold.id)
        held.renewed = time.monotonic()
