"""The parent of all document workers: preloaded, warmed up, and forked once for each connection.

It imports the core, signs and verifies a sample (so that no library is imported or file read for the first time behind
the lock-down), builds the lock-down's plan, and then only accepts and forks. It never reads a document and never reads
from a connection: the child does, once it is locked down. One thread, no web framework, no database.

    python -m api.sandbox.forkserver --socket-fd 3        # a listening Unix socket, inherited

A child that cannot lock itself down says so on its channel and ends. `--ops` names the module that holds `TABLE` and
`warm_up()`; the service never passes it, the tests do.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from api.sandbox import lockdown, wire, worker


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the exit status says whether a worker can be locked down at all (69: not here)."""
    options = _options(arguments)
    if not lockdown.end_with(options.parent):
        return 0
    started = time.monotonic()
    module = importlib.import_module(options.ops)
    operations: Mapping[str, worker.Operation] = module.TABLE
    module.warm_up()
    for operation in operations.values():
        wire.decoder(operation.arguments)
    try:
        plan = lockdown.prepare(lockdown.Limits(memory=options.memory, file_size=options.file_size))
    except lockdown.LockdownFailed as error:
        print(f"document workers cannot be locked down: {error}", file=sys.stderr)
        return 69
    # Nothing is left behind. An exception instead would be lost where Python swallows it, as it does around a fork.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # The kernel reaps the children by itself; a client learns of a worker's end from its channel.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What is here now never becomes garbage: keep the collector, and so copy-on-write, away from it. A document makes
    # thousands of objects and few circles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    listener = socket.socket(fileno=options.socket_fd)
    listener.setblocking(True)
    print(f"document workers ready after {time.monotonic() - started:.2f} s", file=sys.stderr, flush=True)
    return _accept(listener, plan=plan, operations=operations)


def _accept(listener: socket.socket, *, plan: lockdown.Plan, operations: Mapping[str, worker.Operation]) -> NoReturn:
    null = os.open(os.devnull, os.O_RDWR)
    while True:
        connection, _ = listener.accept()
        try:
            child = os.fork()
        except OSError as error:
            # The client sees the connection close and comes again.
            print(f"no document worker: {error}", file=sys.stderr, flush=True)
            connection.close()
            time.sleep(0.1)
            continue
        if child == 0:
            _child(connection, null=null, plan=plan, operations=operations)
        connection.close()


def _child(
    connection: socket.socket, *, null: int, plan: lockdown.Plan, operations: Mapping[str, worker.Operation]
) -> NoReturn:
    """The life of one worker. Nothing from outside is read before the lock-down is in force."""
    try:
        for signal_ in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(signal_, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        _close_all_but(connection.fileno(), *(() if plan.ruleset is None else (plan.ruleset,)))
        own = os.pidfd_open(os.getpid())
        try:
            state = plan.enter()
        except (lockdown.LockdownFailed, OSError, ValueError) as error:
            wire.send(connection, wire.Refusal("sandbox-not-secure", "operator", str(error), {}))
            worker.end(69)
        wire.send(connection, wire.Ready(os.getpid(), state), files=[own])
        os.close(own)
        worker.serve(connection, operations=operations)
    except BaseException:  # noqa: BLE001 - a child never returns into its parent's loop
        worker.end(70)
    worker.end()


def _close_all_but(*kept: int) -> None:
    """Close every descriptor from 3 on but these."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, 1 << 20)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="api.sandbox.forkserver")
    parser.add_argument("--socket-fd", type=int, required=True, help="the listening Unix socket, inherited")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process whose end is this one's too")
    parser.add_argument("--memory", type=int, default=lockdown.Limits.memory, help="address space of a worker, bytes")
    parser.add_argument("--file-size", type=int, default=lockdown.Limits.file_size, help="largest output, bytes")
    parser.add_argument("--ops", default="api.sandbox.ops", help="module with the table of operations (tests)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
