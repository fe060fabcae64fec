"""One mutated document in a process of its own: how it ended, how long it took, how much memory it needed.

A child is forked from this process, which has everything imported, so a crash of a native library, a loop or a bomb
costs one child. What counts as well: a report, or a refusal that the core meant (`VerifyError`).

    outcome = run(data)
    outcome.problem            # None, or why this must not happen
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.unit.verify.world import DEFAULT, NOW
from verify import content, engine
from verify.document import Limits
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.pdf import check_pages, open_reader
from verify.trust import Trust

Examine = Callable[[bytes], str]
"""Says how a document ended, as in `Outcome.ended`."""
SECONDS = 30
MEGABYTES = 400
"""Beyond what the child inherits: a worker of its own begins with about a hundred, and may have 512."""
_WALL = 90.0
"""Seconds of silence after which a child is given up."""


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


def run(data: bytes, *, examine: Examine | None = None) -> Outcome:
    """Judge the document, and look at it as before signing, in a child; or do with it what is to be done."""
    return run_all([data], examine=examine)[0]


def run_all(documents: Sequence[bytes], *, examine: Examine | None = None) -> list[Outcome]:
    """The same for several, one after the other in one child, and in another one from where that died. Memory is the
    most that the child needed so far; what seems too much is run again by itself."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(documents):
        outcomes += _child(documents[len(outcomes) :], examine or _examine)
    if len(documents) > 1:
        outcomes = [
            run(one, examine=examine) if out.problem else out for one, out in zip(documents, outcomes, strict=True)
        ]
    return outcomes


def _child(documents: Sequence[bytes], examine: Examine) -> list[Outcome]:
    """At least one outcome: that of the document which ended the child, if one did."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _work(documents, writing, examine)
        finally:
            os._exit(0)
    os.close(writing)
    outcomes: list[Outcome] = []
    said = b""
    waiting = select.poll()
    waiting.register(reading, select.POLLIN)
    try:
        while len(outcomes) < len(documents) and waiting.poll(_WALL * 1000):
            part = os.read(reading, 65536)
            if not part:
                break
            *lines, said = (said + part).split(b"\n")
            outcomes += [Outcome(**json.loads(line)) for line in lines]
    finally:
        os.close(reading)
        if len(outcomes) < len(documents):
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
    if len(outcomes) < len(documents):
        ended = f"killed {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else f"killed {status}"
        outcomes.append(Outcome(ended, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024))
    return outcomes


def _work(documents: Sequence[bytes], out: int, examine: Examine) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in documents:
        begun = time.process_time()
        last = math.ceil(begun) + 2 * SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (last, resource.RLIM_INFINITY))
        ended = examine(data)
        megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - inherited) // 1024
        os.write(out, line(ended=ended, seconds=time.process_time() - begun, megabytes=megabytes).encode() + b"\n")


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
        return raised(error)
    if report.verdict == "TOTAL_PASSED":
        return "raised passed without trust"
    return report.verdict


def raised(error: BaseException) -> str:
    """How a document ended that raised what nobody meant: the exception, and from where it came."""
    last = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(last))
    return f"raised {type(error).__name__} {places} {str(error)[:80]!r}"


def line(**values: object) -> str:
    """A finding as a line of JSON."""
    return json.dumps(values, ensure_ascii=False)
