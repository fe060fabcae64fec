"""One mutated document in a process of its own: how it ended, how long it took, how much memory it needed.

A child is forked from this process, which has everything imported, so a crash of a native library, a loop or a bomb
costs one child. What counts as well: a report, or a refusal that the core meant (`VerifyError`).

    outcome = run(data)
    outcome.problem            # None, or why this must not happen
"""

from __future__ import annotations

import io
import json
import os
import resource
import select
import signal
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass

from tests.unit.verify.world import DEFAULT, NOW
from verify import content, engine
from verify.document import Limits
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.pdf import check_pages, open_reader
from verify.trust import Trust

SECONDS = 30
MEGABYTES = 512
_WALL = 90.0


@dataclass(frozen=True)
class Outcome:
    """`ended`: a verdict, "refused <code>", "raised <exception and place>" or "killed <signal>"."""

    ended: str
    seconds: float
    megabytes: int

    @property
    def problem(self) -> str | None:
        if self.ended.startswith(("raised", "killed")):
            return self.ended
        if self.seconds > SECONDS:
            return f"{self.seconds:.1f} s"
        return f"{self.megabytes} MB" if self.megabytes > MEGABYTES else None


def run(data: bytes) -> Outcome:
    """Judge the document, and look at it as before signing, in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.write(writing, _examine(data).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    said = b""
    deadline = time.monotonic() + _WALL
    try:
        while select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
            part = os.read(reading, 4096)
            if not part:
                break
            said += part
        else:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(reading)
        _, status, usage = os.wait4(child, 0)
    ended = said.decode() if said else f"killed {signal.Signals(os.WTERMSIG(status)).name if status & 127 else status}"
    return Outcome(ended, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def _examine(data: bytes) -> str:
    try:
        with suppress(VerifyError):
            reader = open_reader(io.BytesIO(data), limits=Limits())
            check_pages(reader, limits=Limits())
            content.inspect(io.BytesIO(data), reader, budget=content.SIGNING)
        report = engine.judge(io.BytesIO(data), name="fuzzed", trust=Trust(), policy=DEFAULT, at=NOW, fetcher=Offline())
    except VerifyError as error:
        return f"refused {error.code}"
    except BaseException as error:  # noqa: BLE001  this is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-3:]
        places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(last))
        return f"raised {type(error).__name__} {places} {str(error)[:80]!r}"
    if report.verdict == "TOTAL_PASSED":
        return "raised passed without trust"
    return report.verdict


def line(**values: object) -> str:
    """A finding as a line of JSON."""
    return json.dumps(values, ensure_ascii=False)
