"""The client's door to the document workers: `Sandbox` shares them out, `Worker.call` has one thing done by one.

A worker is used again only for the same client, a bounded number of times, and never after a refusal. Callers beyond
the bound wait in a queue, first come first served. What a document does to its worker costs that call, nothing else: a
worker that dies without having used up its time is replaced and the call made once more, for it may have been killed
from outside; a document that kills two is refused.

    sandbox = Sandbox(settings.workers_socket)
    with sandbox.worker("workflow") as worker:
        report = worker.call("verify", arguments, files=[document.fileno()], fetcher=fetcher, result=Report)

Thread-safe and blocking. A `Worker` belongs to one thread; it remembers what was fetched, so that a call that had to be
made again finds the answers.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from api import tracing
from api.sandbox import wire
from api.sandbox.errors import DocumentTooCostly, SandboxBusy, SandboxError, WorkerDied, WorkerRefusal
from api.sandbox.process import Process, connect
from verify.fetcher import Fetcher, FetchFailed, FetchRequest

T = TypeVar("T")
LATER_KINDS = frozenset({"timestamp"})
"""What may take minutes to fetch: the worker is let go meanwhile."""
TRIES = 2
"""Workers that one call may lose before the document is held to be the cause."""
CHECKED_FOR = 2.0
"""Seconds for which `Sandbox.check` repeats its answer."""


@dataclass(frozen=True)
class SandboxLimits:
    """Seconds, numbers. `workers` counts those of this process, busy and idle; `wall` and `cpu` are for one call."""

    workers: int = 2 * (os.cpu_count() or 1)
    uses: int = 1000
    idle: float = 30.0
    cpu: float = 30.0
    wall: float = 60.0
    queue: float = 20.0
    start: float = 10.0
    fetches: int = 200


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(frozen=True)
class _Idle:
    """A process between two calls. Its holder, a `Worker` in the middle of a document, finds it again if it can."""

    client: str
    holder: Worker | None
    process: Process


@dataclass(eq=False)
class _Place:
    """What a caller waits for: the right to use a process. `given` is locked until then; the rest says which process
    (None: a new one), and which others are to be ended first."""

    holder: Worker
    given: threading.Lock = field(default_factory=_locked)
    process: Process | None = None
    leaving: list[_Idle] = field(default_factory=list)


class Sandbox:
    """The workers that this process uses."""

    def __init__(self, socket: Path, *, limits: SandboxLimits | None = None) -> None:
        self._socket = socket
        self.limits = limits or SandboxLimits()
        self._lock = threading.Lock()
        self._queue: deque[_Place] = deque()
        self._busy = 0
        self._idle: list[_Idle] = []
        self._checked: tuple[float, wire.Lockdown] | None = None

    @contextmanager
    def worker(self, client: str) -> Iterator[Worker]:
        """A worker for one document of this client. Between two calls it keeps no other caller waiting."""
        holder = Worker(self, client)
        try:
            yield holder
        finally:
            with self._lock:
                self._idle = [replace(idle, holder=None) if idle.holder is holder else idle for idle in self._idle]

    def check(self) -> wire.Lockdown:
        """What holds a worker that is started for this question (readiness); raises SandboxNotAvailable.

        An answer is good for a while: whoever may ask about readiness should not thereby make processes.
        """
        now = time.monotonic()
        if self._checked is None or now - self._checked[0] > CHECKED_FOR:
            probe = connect(self._socket, wait=min(self.limits.start, 1.0))
            probe.end()
            self._checked = (now, probe.lockdown)
        return self._checked[1]

    def close(self) -> None:
        """Let go of all idle workers."""
        with self._lock:
            leaving, self._idle = self._idle, []
        for idle in leaving:
            idle.process.end()

    @contextmanager
    def process(self, holder: Worker) -> Iterator[Process]:
        """For `Worker`: a process for one call, an idle one of its client or a new one; ended if anything is raised."""
        taken = self._turn(holder)
        try:
            if taken is None:
                taken = connect(self._socket, wait=self.limits.start)
            yield taken
        except BaseException:
            if taken is not None:
                taken.end()
                taken = None
            raise
        finally:
            self._give_back(holder, taken)

    def _turn(self, holder: Worker) -> Process | None:
        """Wait for a place; an idle process with it, or None: then there is room for a new one. Raises SandboxBusy."""
        place = _Place(holder)
        with self._lock:
            self._queue.append(place)
            self._fill_places()
        if not place.given.acquire(timeout=self.limits.queue):
            with self._lock:
                if place in self._queue:  # else it was given in this very moment
                    self._queue.remove(place)
                    raise SandboxBusy(reason="busy")
        for idle in place.leaving:
            idle.process.end()
        return place.process

    def _fill_places(self) -> None:
        """Give free places to those who wait, first come first served, and wake nobody else; under the lock."""
        while self._queue and self._busy < self.limits.workers:
            place = self._queue.popleft()
            self._busy += 1
            place.process, place.leaving = self._choose(place.holder)
            place.given.release()

    def _choose(self, holder: Worker) -> tuple[Process | None, list[_Idle]]:
        """The idle process for this caller, if any, and those to be ended; under the lock.

        1. those that are stale go; of the rest, whoever is chosen and has ended
        2. the one that served this document before, else one that nobody holds, both of this client only
        3. if there is no room for another process: one of this client that another document holds, which loses nothing
           but what it remembers
        4. if there is none either, the one that was idle longest makes room
        """
        stale = time.monotonic() - self.limits.idle
        leaving = [idle for idle in self._idle if idle.process.idle_since < stale]
        staying = [idle for idle in self._idle if idle not in leaving]
        while True:
            choice, left_out = self._best(holder, staying)
            staying = [idle for idle in staying if idle not in (choice, left_out)]
            if choice is None or choice.process.alive():
                break
            leaving.append(choice)
        if left_out is not None:
            leaving.append(left_out)
        self._idle = staying
        return (choice.process if choice is not None else None), leaving

    def _best(self, holder: Worker, staying: list[_Idle]) -> tuple[_Idle | None, _Idle | None]:
        """Steps 2 to 4: whom to use, or whom to end for lack of room."""
        own = [idle for idle in staying if idle.client == holder.client]
        full = len(staying) + self._busy > self.limits.workers
        choice = (
            [idle for idle in own if idle.holder is holder]
            or [idle for idle in own if idle.holder is None]
            or (own[:1] if full else [])
        )
        if choice:
            return choice[-1], None
        return None, staying[0] if full else None

    def _give_back(self, holder: Worker, used: Process | None) -> None:
        spent = used is not None and (used.retired or used.uses >= self.limits.uses)
        if used is not None and spent:
            used.end()
        with self._lock:
            self._busy -= 1
            if used is not None and not spent:
                used.idle_since = time.monotonic()
                self._idle.append(_Idle(holder.client, holder, used))
            self._fill_places()


class Worker:
    """What a use case calls: one document of one client, any number of calls."""

    def __init__(self, sandbox: Sandbox, client: str) -> None:
        self._sandbox = sandbox
        self.client = client
        self._known: dict[FetchRequest, wire.Answer | wire.Failure] = {}

    def call(
        self,
        op: str,
        args: object,
        *,
        files: Sequence[int],
        fetcher: Fetcher,
        result: type[T],
        cpu: float | None = None,
        wall: float | None = None,
    ) -> T:
        """Have `op` done in a worker; `files` are open descriptors in the operation's order.

        1. a process of this client, or a new one
        2. the call; what the worker asks for is fetched here, in this thread, once
        3. a request that may take minutes ends the call: the process is given back, the fetch made, the call repeated
        4. the result in its type, or the refusal as an exception

        Raises WorkerRefusal (with the core's code), DocumentTooCostly, WorkerDied, SandboxNotAvailable, SandboxBusy.
        """
        limits = self._sandbox.limits
        call = wire.Call(op, msgspec.Raw(wire.pack(args)), cpu or limits.cpu)
        losses = 0
        while True:
            awaited: list[FetchRequest] = []
            ask = partial(self._ask, fetcher=fetcher, awaited=awaited)
            try:
                with self._sandbox.process(self) as taken:
                    reply = taken.call(call, files=files, wall=wall or limits.wall, fetches=limits.fetches, ask=ask)
                    if isinstance(reply, wire.Result):
                        tracing.told(f"in worker: {op}", reply.seconds, kind="worker")
                        return _value(reply, result)
            except WorkerDied:
                losses += 1
                if losses >= TRIES:
                    raise
                continue
            if isinstance(reply, wire.Refusal):
                raise _refusal(reply)
            if not awaited:
                raise WorkerDied(reason="postponed without a question")
            for request in awaited:
                self._fetch(request, fetcher)

    def _ask(self, request: FetchRequest, *, fetcher: Fetcher, awaited: list[FetchRequest]) -> wire.ToWorker:
        """The reply to a worker's question while it waits."""
        if request not in self._known and request.kind in LATER_KINDS:
            awaited.append(request)
            return wire.Later()
        return self._fetch(request, fetcher)

    def _fetch(self, request: FetchRequest, fetcher: Fetcher) -> wire.Answer | wire.Failure:
        """The answer, or that there is none; each request is made once for a document."""
        if request not in self._known:
            if len(self._known) >= self._sandbox.limits.fetches:
                raise WorkerDied(reason="too many fetches")
            try:
                self._known[request] = wire.Answer(fetcher.fetch(request))
            except FetchFailed as error:
                self._known[request] = wire.Failure(str(error), dict(error.facts))
        return self._known[request]


def _value(reply: wire.Result, result: type[T]) -> T:
    try:
        value: T = wire.unpack(reply.value, result)
    except wire.WireError as error:
        raise WorkerDied(reason=str(error)) from None
    return value


def _refusal(reply: wire.Refusal) -> SandboxError:
    """The exception for a refusal; those of the worker itself have classes of their own."""
    facts = {name: fact for name, fact in reply.facts.items() if fact is not None}
    if reply.code == DocumentTooCostly.code:
        return DocumentTooCostly(reply.detail, limit=str(facts.get("limit", "?")))
    if reply.code == WorkerDied.code:
        return WorkerDied(reply.detail, **facts)
    return WorkerRefusal(code=reply.code, actor=reply.actor, detail=reply.detail, facts=facts)
