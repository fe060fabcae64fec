"""Starting a fork server: as the supervisor does for the service, and as one command does for itself.

The listening socket is made here and inherited, so that it outlives the fork server: while a new one warms up, clients
wait in the socket's queue instead of being turned away.

    with private() as sandbox, sandbox.worker("cli") as worker: ...
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import api
from api.sandbox.lockdown import Limits
from api.sandbox.pool import Sandbox, SandboxLimits

QUEUE = 128
"""Connections that wait while the fork server is being restarted."""
INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "COVERAGE_PROCESS_START")
"""All of the environment that a fork server sees."""
ALLOCATION = {"MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.mxfast=0"}
"""What besides glibc is told. One thread allocates: a second arena would only cost address space. What is freed is joined
with its neighbours at once: left for later, the nodes of a 5 MB XML document take 35 ms to join, a third of reading it."""


def listen(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can reach; takes the place of one that was left behind."""
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(mask)
    listener.listen(QUEUE)
    return listener


def start(
    listener: socket.socket,
    *,
    limits: Limits | None = None,
    extra: tuple[str, ...] = (),
    preexec: Callable[[], None] | None = None,
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """A fork server on this socket, in a session of its own (a terminal's Ctrl-C is the supervisor's).

    It ends when the thread that started it does: start it from the main one.
    """
    limits = limits or Limits()
    command = [sys.executable, "-P", "-m", "api.sandbox.forkserver", "--socket-fd", str(listener.fileno())]
    command += ["--memory", str(limits.memory), "--file-size", str(limits.file_size)]
    command += ["--parent", str(os.getpid()), *extra]
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # The packages are found where this one was found, never in the working directory.
    environment["PYTHONPATH"] = os.fspath(Path(api.__file__).parents[1])
    environment.update(ALLOCATION)
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=[listener.fileno()],
        start_new_session=True,
        preexec_fn=preexec,  # noqa: PLW1509 - for callers with one thread
    )


@contextmanager
def private(
    *, sandbox: SandboxLimits | None = None, limits: Limits | None = None, extra: tuple[str, ...] = ()
) -> Iterator[Sandbox]:
    """A fork server for this process alone, for commands that run without the service."""
    with tempfile.TemporaryDirectory(prefix="kyso-") as folder:
        path = Path(folder) / "workers.sock"
        with listen(path) as listener:
            server = start(listener, limits=limits, extra=extra)
            pool = Sandbox(path, limits=sandbox)
            try:
                yield pool
            finally:
                pool.close()
                server.terminate()
                server.wait()
