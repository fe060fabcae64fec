"""The supervisor: starts the other processes, starts them again when they die, and ends them in order.

One thread, no network but the listening socket that it opens and hands on, no documents, no keys, no database. It never
reads what the others say; it sees them live (their process descriptors) and, until they first do, asks whether
`/health/ready` answers.

1. one supervisor for a KYSO_HOME (flock)
2. a fresh permit secret, in a file of this user alone
3. the listening sockets: TCP for HTTP, Unix for document workers; they outlive whoever answers on them
4. children: fork server, a keeper for each module, api workers; each dies with the supervisor (PR_SET_PDEATHSIG)
5. whatever ends is started again, after 0.1 s, doubled up to 5 s while it keeps ending
6. SIGTERM or SIGINT: first the api workers finish what they have begun, then the others end; then SIGKILL

    sys.exit(run(settings.load()))
"""

from __future__ import annotations

import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import api
from api import children, hardening, logs, probe
from api.logs import Logger
from api.sandbox import start as sandbox
from api.settings import Settings

FIRST_DELAY, LONGEST_DELAY, STEADY = 0.1, 5.0, 10.0
"""Seconds before a restart: the first, the most, and how long a child must have lived for the first to count again."""
API_PATIENCE, OTHERS_PATIENCE = 3.0, 5.0
"""Seconds that children have to end in order; api workers have those of `[server] drain` as well."""
SECOND_WORKER_WAITS = 10.0
"""Seconds at most until the other api workers are started: when the service is ready, or when this has passed."""
BACKLOG = 2048
ALLOCATION = {"MALLOC_ARENA_MAX": "2"}
"""What an api process is started with besides, where nothing else is set: one arena of glibc's for each of a dozen threads,
which compute in turns, only wears out the caches (a twentieth of the signatures a second)."""
NOT_AVAILABLE, EX_CONFIG = 69, 78
"""Exit statuses (sysexits.h): something that the service needs is not available; its configuration is not one to start with."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

log = Logger()


@dataclass
class _Child:
    """One process that has to live."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started: float = 0.0
    delay: float = FIRST_DELAY
    due: float = field(default_factory=time.monotonic)


def run(settings: Settings) -> int:
    """Serve until told to stop; the exit status is 0, 69 if the service cannot even start, or 78 (EX_CONFIG) if
    `production = true` and something is for trying out or left open."""
    logs.set_up(settings.server.log)
    hardening.harden()
    if settings.production and (status := _production_refusal(settings)):
        return status
    with ExitStack() as held:
        try:
            settings.make_folders()
            _check_tls(settings)
            held.enter_context(children.only_one(settings.home))
            shutil.rmtree(settings.counters, ignore_errors=True)
            settings.counters.mkdir(mode=0o700)
            apart = settings.keepers.apart is not None
            secret = b"" if apart else held.enter_context(_permit_secret(settings.permit_secret_file))
            http_socket = held.enter_context(_listen(settings.server.host, settings.server.port))
            workers_socket = held.enter_context(sandbox.listen(settings.workers_socket))
        except (children.AlreadyRunning, OSError) as error:
            log.critical("cannot start", reason=str(error), home=str(settings.home))
            return NOT_AVAILABLE
        back = [
            _Child("workers", partial(children.start_workers, workers_socket, settings)),
            *(() if apart else _keepers(settings, secret)),
        ]
        front = [
            _Child(f"api-{number}", partial(_start_api, http_socket, settings, core=core_of(number, settings=settings)))
            for number in range(1, settings.server.workers + 1)
        ]
        for child in front[1:]:  # they would keep the first from being quick
            child.due += SECOND_WORKER_WAITS
        address = http_socket.getsockname()[:2]
        drain = settings.server.drain + settings.server.drain_notice
        tls = settings.tls_files is not None
        return _Supervisor(front=front, back=back, address=address, tls=tls, drain=drain).serve()


def run_keepers(settings: Settings) -> int:
    """The keepers alone, for a service that runs as another user (`[keepers]`): the exit status as of `run`."""
    logs.set_up(settings.server.log)
    hardening.harden()
    if not settings.modules:
        log.critical("no module, and so no key to keep", home=str(settings.home))
        return EX_CONFIG
    if settings.production and (status := _production_refusal(settings)):
        return status
    with ExitStack() as held:
        try:
            settings.make_folders()
            held.enter_context(children.only_one(settings.home))
            mode = 0o640 if settings.keepers.peers else 0o600  # the folder's group is the peers'
            secret = held.enter_context(_permit_secret(settings.permit_secret_file, mode=mode))
            if settings.keepers.peers:
                from api.setting_up import offer  # noqa: PLC0415 - of no use to the service's supervisor

                offer.leave(settings)
        except (children.AlreadyRunning, OSError) as error:
            log.critical("cannot start", reason=str(error), home=str(settings.home))
            return NOT_AVAILABLE
        back = _keepers(settings, secret)
        return _Supervisor(front=[], back=back, address=None, tls=False, drain=0).serve()


def _keepers(settings: Settings, secret: bytes) -> list[_Child]:
    return [
        _Child(f"keeper-{name}", partial(children.start_keeper, name, settings, permit_secret=secret))
        for name in settings.modules
    ]


class _Supervisor:
    """The loop. `front` are the children that end first, `back` those that the front needs until then."""

    def __init__(
        self, *, front: list[_Child], back: list[_Child], address: tuple[str, int] | None, tls: bool, drain: float
    ) -> None:
        self._drain = drain
        self._front, self._back = front, back
        self._address, self._tls = address, tls
        self._watch = selectors.DefaultSelector()
        self._stopping = False
        self._ready_check = 0.0
        self._announced = address is None

    def serve(self) -> int:
        wake, woken = socket.socketpair()
        with wake, woken, self._watch:
            wake.setblocking(False)
            woken.setblocking(False)
            before = signal.set_wakeup_fd(woken.fileno())
            handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
            self._watch.register(wake, selectors.EVENT_READ)
            try:
                while not self._stopping:
                    self._start_what_is_due()
                    self._look_whether_ready()
                    self._wait(self._next_moment())
                    with suppress(BlockingIOError):
                        wake.recv(64)
                log.info("stopping")
                self._end(self._front, patience=self._drain + API_PATIENCE)
                self._end(self._back, patience=OTHERS_PATIENCE)
            finally:
                for child in (*self._front, *self._back):
                    self._kill(child)
                signal.set_wakeup_fd(before)
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        log.info("stopped")
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_what_is_due(self) -> None:
        for child in (*self._back, *self._front):
            if child.process is not None or child.due > time.monotonic():
                continue
            try:
                child.process = child.start()
            except OSError as error:
                log.warning("not started", process=child.name, reason=str(error))
                self._postpone(child)
                continue
            child.started = time.monotonic()
            child.pidfd = os.pidfd_open(child.process.pid)
            self._watch.register(child.pidfd, selectors.EVENT_READ, child)
            log.info("started", process=child.name, pid=child.process.pid)

    def _postpone(self, child: _Child) -> float:
        """The seconds until it is started again: twice as many each time it ends soon after its start."""
        if time.monotonic() - child.started > STEADY:
            child.delay = FIRST_DELAY
        pause = child.delay
        child.due = time.monotonic() + pause
        child.delay = min(pause * 2, LONGEST_DELAY)
        return pause

    def _wait(self, until: float) -> None:
        """Wait for a child's end, a signal or the time; note the ends."""
        for key, _ in self._watch.select(max(until - time.monotonic(), 0)):
            if isinstance(key.data, _Child):
                status, seconds = self._reap(key.data), time.monotonic() - key.data.started
                if not self._stopping:
                    pause = self._postpone(key.data)
                    log.warning(
                        "ended", process=key.data.name, status=status, seconds=round(seconds, 1), again_in=pause
                    )

    def _reap(self, child: _Child) -> int | None:
        """Forget a child that has ended; its exit status, or the negative number of the signal that ended it."""
        if child.process is None:
            return None
        status = child.process.wait()
        self._watch.unregister(child.pidfd)
        os.close(child.pidfd)
        child.process = None
        return status

    def _next_moment(self) -> float:
        """When to look again if nothing happens."""
        due = [child.due for child in (*self._front, *self._back) if child.process is None]
        if not self._announced:
            due.append(self._ready_check)
        return min(due, default=time.monotonic() + 60)

    def _look_whether_ready(self) -> None:
        """Say once that the service answers; the answer is /health/ready's to give."""
        if self._announced or self._address is None or time.monotonic() < self._ready_check:
            return
        host, port = self._address
        self._announced = probe.answers(host, port, tls=self._tls)
        self._ready_check = time.monotonic() + 0.1
        if self._announced:
            log.info("ready", url=f"{'https' if self._tls else 'http'}://{host}:{port}")
            for child in self._front[1:]:
                child.due = min(child.due, time.monotonic())

    def _end(self, children: list[_Child], *, patience: float) -> None:
        """SIGTERM, and the time to heed it."""
        for child in children:
            if child.process is not None:
                signal.pidfd_send_signal(child.pidfd, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while any(child.process for child in children) and time.monotonic() < deadline:
            self._wait(deadline)
        for child in children:
            self._kill(child)

    def _kill(self, child: _Child) -> None:
        if child.process is None:
            return
        log.warning("killed", process=child.name)
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        self._reap(child)


def core_of(number: int, *, settings: Settings) -> int | None:
    """The core on which an api process keeps its threads; None: wherever the kernel likes.

    They compute in turns (Python's lock), and hand over at two thirds of the switches and nine tenths of the CPU where no
    other core has to be woken. Only where there is a process for each core: with fewer, large documents would be hashed
    and encrypted one after the other while a core is free."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[number % len(cores)] if 1 < len(cores) <= settings.server.workers else None


def _start_api(listener: socket.socket, settings: Settings, *, core: int | None) -> subprocess.Popen[bytes]:
    environment = (
        ALLOCATION
        | os.environ
        | {
            "KYSO_HOME": str(settings.home),
            "PROMETHEUS_MULTIPROC_DIR": str(settings.counters),  # read by prometheus_client as it is imported
            "PYTHONPATH": os.fspath(Path(api.__file__).parents[1]),
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "api.serve", "--fd", str(listener.fileno())],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,
        preexec_fn=bound_to_supervisor(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )
    if core is not None:
        with suppress(OSError):  # not allowed here, or the process has ended: it costs speed, nothing else
            os.sched_setaffinity(process.pid, {core})
    return process


def bound_to_supervisor(number: signal.Signals) -> Callable[[], None]:
    """What a child runs before its program: it gets this signal when the supervisor ends, however that may be."""
    supervisor = os.getpid()

    def bind() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(1)

    return bind


def _production_refusal(settings: Settings) -> int:
    """The status with which `kyso check-config` says no, after it told why; 0 if it has nothing against a start. In a
    process of its own, for this one has no use for what it loads."""
    command = [sys.executable, "-P", "-c", "from api.cli import main; main()", "check-config", "--production"]
    environment = os.environ | {
        "KYSO_HOME": str(settings.home),
        "KYSO_LANG": settings.server.language,
        "PYTHONPATH": os.fspath(Path(api.__file__).parents[1]),
    }
    status = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if status:
        log.critical("refused: this is no configuration for production", status=status, home=str(settings.home))
    return status


def _check_tls(settings: Settings) -> None:
    """Raise OSError for a certificate, a key or CAs of clients that no api worker could start with."""
    if settings.tls_files is not None:
        from api import tls  # noqa: PLC0415 - only who speaks TLS pays for it

        tls.of(settings)


@contextmanager
def _permit_secret(file: Path, *, mode: int = 0o600) -> Iterator[bytes]:
    """A fresh secret in a file that only this user reads (and, by `mode`, its group), as long as the service runs."""
    secret = os.urandom(32)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        os.fchmod(descriptor, mode)
        output.write(secret)
    try:
        yield secret
    finally:
        file.unlink(missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
