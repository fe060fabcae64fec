"""One document worker, as its client holds it: a channel, a descriptor that can kill it, and what it has done so far.

Not here: who waits for whom and which worker serves which client (`pool`), and what a worker does (`worker`).

    process = connect(socket_path, wait=10.0)
    outcome = process.call(call, files=[document.fileno()], wall=60.0, ask=lambda request: answer)
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from api.sandbox import wire
from api.sandbox.errors import DocumentTooCostly, SandboxNotAvailable, WorkerDied
from verify.fetcher import FetchRequest

RETRY = 0.05
"""Seconds between two tries to reach a fork server that is being restarted."""
Ask = Callable[[FetchRequest], wire.ToWorker]


class Process:
    """A worker that runs and is locked down. Not thread-safe: one thread uses it at a time."""

    def __init__(self, channel: socket.socket, *, pidfd: int, pid: int, lockdown: wire.Lockdown) -> None:
        self._channel = channel
        self._pidfd = pidfd
        self.pid: Final = pid
        self.lockdown: Final = lockdown
        self.uses = 0
        self.retired = False
        self.idle_since = time.monotonic()

    def call(
        self, call: wire.Call, *, files: Sequence[int], wall: float, fetches: int, ask: Ask
    ) -> wire.Result | wire.Refusal | wire.Postponed:
        """Send a call and answer the worker's questions until it ends.

        `wall` counts the seconds in which the worker works, not those in which it waits for a fetch. Raises
        DocumentTooCostly where it is over, WorkerDied where the worker ended or broke the protocol; then, and after a
        refusal, the process is of no more use.
        """
        self.uses += 1
        left, worked = wall, 0.0
        message: wire.Call | wire.ToWorker = call
        while True:
            began = time.monotonic()
            try:
                self._channel.settimeout(max(left - worked, 0.001))
                wire.send(self._channel, message, files=files if message is call else ())
                reply = wire.from_worker(wire.receive(self._channel))
            except TimeoutError:
                raise DocumentTooCostly("the document took too long", limit="wall") from None
            except wire.WireError as error:
                if worked + time.monotonic() - began >= call.cpu:
                    raise DocumentTooCostly("the document used up its computing time", limit="cpu") from None
                raise WorkerDied(reason=str(error)) from None
            worked += time.monotonic() - began
            if isinstance(reply, wire.Fetch):
                fetches -= 1
                if fetches < 0:
                    raise WorkerDied(reason="too many fetches")
                message = ask(reply.request)
                continue
            if isinstance(reply, wire.Ready):
                raise WorkerDied(reason="ready twice")
            self.retired = isinstance(reply, wire.Refusal) or (isinstance(reply, wire.Result) and reply.retire)
            return reply

    def alive(self) -> bool:
        """False when the worker has ended while nobody used it."""
        ended = select.poll()  # `select` refuses descriptors from 1024 on: a service with many connections has those
        ended.register(self._pidfd, select.POLLIN)
        return not ended.poll(0)

    def end(self) -> None:
        """Kill the worker, whatever it does, and let go of it; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)
        self._channel.close()


def connect(path: Path, *, wait: float) -> Process:
    """A new worker; waits up to `wait` seconds for a fork server that is away. Raises SandboxNotAvailable."""
    deadline = time.monotonic() + wait
    while True:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel.settimeout(max(deadline - time.monotonic(), 0.001))
            channel.connect(os.fspath(path))
            return _greeted(channel)
        except (OSError, wire.WireError) as error:
            # Not there yet, killed between accept and fork, or its queue is full: all of these pass.
            channel.close()
            if time.monotonic() + RETRY >= deadline:
                raise SandboxNotAvailable("the fork server does not answer", reason=type(error).__name__) from None
            time.sleep(RETRY)
        except BaseException:
            channel.close()
            raise


def _greeted(channel: socket.socket) -> Process:
    """Take the worker's greeting; it has read nothing from outside yet."""
    body, files = wire.receive_with_files(channel)
    message = _decoded(body)
    if isinstance(message, wire.Ready) and message.lockdown.seccomp and len(files) == 1:
        return Process(channel, pidfd=files[0], pid=message.pid, lockdown=message.lockdown)
    wire.close_all(files)
    if isinstance(message, wire.Refusal):
        raise SandboxNotAvailable("workers cannot be locked down", reason=message.detail)
    raise wire.WireError("not a worker's greeting")


def _decoded(body: bytes) -> wire.FromWorker | None:
    try:
        return wire.from_worker(body)
    except wire.WireError:
        return None
