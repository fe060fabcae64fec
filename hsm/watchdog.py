"""Ends a keeper whose PKCS#11 module hangs: a C call cannot be cancelled, so the process goes and is started anew.

Two of them, because a module may hang in two ways. A thread looks at the calls under way and kills the process when
one takes too long. If the module's call never lets go of the interpreter lock, that thread cannot run either: it would
have pushed a kernel timer ahead of itself, which now fires and ends the process (SIGALRM, default action).

It does not decide what a hang meant for the signature: the log of uses shows an open `started` line.

>>> Watchdog(module.calls_under_way, limit=30.0).start()                             # doctest: +SKIP
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from hsm.cryptoki import Cryptoki

_log = logging.getLogger("kyso.keeper")

_GRACE: Final = 5.0
"""Seconds that the kernel's timer is later than the thread."""


class Watchdog:
    """Watches the calls of one binding; `limit` in seconds."""

    def __init__(self, watched: Callable[[], Cryptoki | None], *, limit: float) -> None:
        self._watched = watched
        self._limit = limit
        self._period = min(1.0, limit / 5)

    def start(self) -> None:
        """Start watching, for the life of the process."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def _run(self) -> None:
        while True:
            signal.setitimer(signal.ITIMER_REAL, self._limit + _GRACE)
            cryptoki = self._watched()
            now = time.monotonic()
            for call in tuple(cryptoki.under_way.values()) if cryptoki else ():
                if now - call.since > self._limit:
                    _log.critical("call takes too long", extra={"facts": {"call": call.function}})
                    os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self._period)
