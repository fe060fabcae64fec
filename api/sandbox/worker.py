"""The document worker: a locked-down child that answers calls on its channel until it is told or forced to end.

It ends when the client closes the channel, when nobody calls for `IDLE` seconds, after any refusal (whatever the
document did to the process dies with it), and when it has grown. Each call has a CPU limit, kept twice: a profiling
timer raises in Python code, and the kernel's own limit kills what does not come back from native code. A limit of wall
time is the client's part. An exception that nobody foresaw becomes a refusal that names its type and the line of code,
never a path or a text of the document.

    serve(channel, operations=ops.TABLE)
"""

from __future__ import annotations

import errno
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from typing import Any, BinaryIO, Literal, NoReturn

import msgspec

from api.sandbox import wire
from signer.errors import SignerError
from verify.errors import VerifyError
from verify.fetcher import Fetcher, FetchFailed, FetchRequest

IDLE = 120.0
"""Seconds without a call after which a worker ends; clients let go of theirs sooner."""
GROWTH = 160 * 1024
"""KiB by which the largest memory use may exceed that at the start before the worker is replaced."""
READ: Literal["rb"] = "rb"
BUFFER = 64 * 1024
"""Buffer of a document's file object: seeks are frequent, so a large one would be read again and again."""


@dataclass(frozen=True)
class Operation:
    """One thing a worker does: `run(arguments, files, fetcher)`, its arguments' type and how each file is opened.

    With `detached`, further files may follow, to be read: the contents that the arguments name. It may be run again from
    the start as long as it has not returned (`Later`), so it begins by rewinding its files.
    """

    run: Callable[[Any, tuple[BinaryIO, ...], Fetcher], object]
    arguments: type
    files: tuple[Literal["rb", "r+b"], ...] = ()
    detached: bool = False

    def modes(self, count: int) -> tuple[Literal["rb", "r+b"], ...]:
        """How each of `count` files is opened."""
        further = count - len(self.files) if self.detached else 0
        return (*self.files, *repeat(READ, further))


class _OutOfTime(BaseException):
    """The call's CPU time is over; not an Exception, so that no library takes it for a broken document."""


class _Postponed(BaseException):
    """The client wants the call to end and will call again."""


class _Pipe:
    """The Fetcher of the core: asks the client, which asks `api.fetch`."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def fetch(self, request: FetchRequest, /) -> bytes:
        wire.send(self._channel, wire.Fetch(request))
        reply = wire.to_worker(wire.receive(self._channel))
        if isinstance(reply, wire.Answer):
            return reply.body
        if isinstance(reply, wire.Later):
            raise _Postponed
        raise FetchFailed(reply.detail, **{name: fact for name, fact in reply.facts.items() if fact is not None})


class _Clock:
    """The CPU limit of the call that runs."""

    def __init__(self) -> None:
        self._armed = False
        signal.signal(signal.SIGPROF, self._ring)

    def _ring(self, *_: object) -> None:
        if self._armed:
            raise _OutOfTime

    def start(self, seconds: float) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        last = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (min(last, hard), hard))
        self._armed = True
        # Rings again and again, should the first be swallowed by an `except BaseException` or a destructor.
        signal.setitimer(signal.ITIMER_PROF, seconds, 0.1)

    def stop(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)


def serve(channel: socket.socket, *, operations: Mapping[str, Operation]) -> None:
    """Answer calls until the end; returns when there is nothing more to do."""
    clock, pipe = _Clock(), _Pipe(channel)
    at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    waiting = select.poll()
    waiting.register(channel, select.POLLIN)
    while waiting.poll(IDLE * 1000):
        try:
            body, files = wire.receive_with_files(channel)
        except wire.WireError:
            return
        answer = _answer(body, files, operations=operations, pipe=pipe, clock=clock)
        if isinstance(answer, wire.Result):
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_start > GROWTH
            answer = wire.Result(answer.value, retire=grown, seconds=answer.seconds)
        try:
            wire.send(channel, answer)
        except wire.WireError:
            return
        if isinstance(answer, wire.Refusal) or (isinstance(answer, wire.Result) and answer.retire):
            return


def _answer(
    body: bytes, files: Sequence[int], *, operations: Mapping[str, Operation], pipe: _Pipe, clock: _Clock
) -> wire.Result | wire.Refusal | wire.Postponed:
    """Run one call; whatever happens becomes an answer."""
    with ExitStack() as opened:
        try:
            call: wire.Call = wire.unpack(body, wire.Call)
            operation = operations[call.op]
            arguments = wire.unpack(call.args, operation.arguments)
            pairs = zip(files, operation.modes(len(files)), strict=True)
            # Descriptors, not paths.
            documents = tuple(opened.enter_context(open(file, mode, buffering=BUFFER)) for file, mode in pairs)  # noqa: PTH123
        except (wire.WireError, KeyError, ValueError) as error:
            return wire.Refusal("sandbox-call-invalid", "developer", f"the call is not understood: {error}", {})
        try:
            clock.start(call.cpu)
            began = time.perf_counter()
            try:
                value = wire.pack(operation.run(arguments, documents, pipe))
                for document in documents:
                    document.flush()
            finally:
                clock.stop()
            return wire.Result(msgspec.Raw(value), retire=False, seconds=time.perf_counter() - began)
        except _Postponed:
            return wire.Postponed()
        except (Exception, _OutOfTime) as error:  # noqa: BLE001 - the parsers raise anything
            return _refusal(error)


def _refusal(error: BaseException) -> wire.Refusal:
    """The refusal for what an operation raised. What the core did not mean to raise tells its type and place only."""
    match error:
        case VerifyError() | SignerError():
            return wire.Refusal(error.code, error.actor, str(error), dict(error.facts))
        case _OutOfTime():
            limit = "cpu"
        case MemoryError():
            limit = "memory"
        case RecursionError():
            limit = "depth"
        case OSError(errno=errno.EFBIG):
            limit = "output"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EIO):
            return wire.Refusal("storage-not-available", "operator", "the output cannot be written", {})
        case _:
            facts: wire.Facts = {"exception": type(error).__name__, "place": _place(error)}
            return wire.Refusal("document-crashed-worker", "caller", "reading the document ended in an error", facts)
    return wire.Refusal("document-too-costly", "caller", "the document costs too much", {"limit": limit})


def _place(error: BaseException) -> str:
    """Module and line where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"


def end(status: int = 0) -> NoReturn:
    """Leave at once: a forked child has nothing to tidy up, and its parent's exit handlers are not its own."""
    sys.stderr.flush()
    os._exit(status)
