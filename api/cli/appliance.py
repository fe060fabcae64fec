"""What a command works with: the running service's processes, or the same ones started for this command alone.

Beside a running service its keepers and document workers are used, over their sockets. Without one, a command holds the
lock of KYSO_HOME as the supervisor would, starts what it needs and ends it again; several such commands take turns.

    with services(settings.load()) as found:
        signing.sign(found, …)
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from api import children
from api.cli import console
from api.cli.console import t
from api.fetch import FetchRules, HttpFetcher
from api.fetch.outward import outward
from api.sandbox import start as sandbox
from api.sandbox.pool import Sandbox, SandboxLimits
from api.settings import Settings, SettingsUnusable
from api.workflows.documents import Documents
from hsm.errors import KeyNotFound
from hsm.token import TokenAdmin
from verify import trust as trusts
from verify.errors import TrustUnusable
from verify.fetcher import Fetcher, Offline
from verify.trust import Trust

if TYPE_CHECKING:
    from api.services import Services  # as with api.composition below

STARTS_WITHIN = 15.0
ENDS_WITHIN = 5.0


@contextmanager
def services(settings: Settings) -> Iterator[Services]:
    """Everything that the use cases stand on, as in the service. Raises KeeperNotAvailable, SandboxNotAvailable, …"""
    with _processes(settings, modules=tuple(settings.modules), workers=True) as secret:
        from api.composition import compose  # noqa: PLC0415 - takes a while, in which the processes get ready

        found = compose(settings, permit_secret=secret)
        try:
            yield found
        finally:
            found.documents.sandbox.close()
            found.database.close()


@contextmanager
def admin(settings: Settings, module: str) -> Iterator[TokenAdmin]:
    """The management socket of one module's keeper."""
    with _processes(settings, modules=(module,), workers=False):
        yield TokenAdmin(settings.keeper_admin_socket(module), patience=STARTS_WITHIN)


@contextmanager
def admin_of_key(settings: Settings, ref: str, *, module: str | None) -> Iterator[TokenAdmin]:
    """The management socket of the keeper that has this key; raises KeyNotFound."""
    for name in (module_of(settings, module),) if module else tuple(settings.modules):
        with admin(settings, name) as found:
            if any(key.ref == ref for key in found.keys()):  # noqa: SIM118 - no mapping, a question to the keeper
                yield found
                return
    raise KeyNotFound(key=ref)


@contextmanager
def documents(settings: Settings) -> Iterator[Documents]:
    """Document workers: the service's while it runs, else a fork server of this command."""
    with ExitStack() as held:
        path = settings.workers_socket
        if not _answers(path):
            path = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="kyso-"))) / "workers.sock"
            _start_workers(settings, path, held)
        pool = Sandbox(path, limits=SandboxLimits(wall=settings.limits.document_seconds, start=STARTS_WITHIN))
        held.callback(pool.close)
        yield Documents(pool)


def module_of(settings: Settings, name: str | None) -> str:
    """The module that is meant: the named one, or the only one."""
    known = ", ".join(settings.modules) or "–"
    if name is None and len(settings.modules) == 1:
        return next(iter(settings.modules))
    if name is None:
        raise console.usage(t(f"hãy chọn --module: {known}", f"choose a --module: {known}"))
    if name not in settings.modules:
        raise console.usage(t(f"không có mô-đun {name}; có: {known}", f"there is no module {name}; there are: {known}"))
    return name


def trust(settings: Settings, given: Sequence[Path]) -> Trust:
    """The trust that was named, else the appliance's own. Nothing at all trusts nobody, and says so."""
    for path in given:
        if not path.exists():
            raise console.usage(t(f"--trust: không có {path}", f"--trust: there is no {path}"))
    paths: Iterable[Path] = given or [path for path in (settings.trust,) if path.is_dir()]
    try:
        found = trusts.load(paths)
    except TrustUnusable as error:
        if given:
            raise
        raise SettingsUnusable(f"trust: {error}", **error.facts) from error  # the operator's, not of who asks
    if not found.anchors:
        console.err.print(
            t(
                "chưa có chứng thư tin cậy (--trust): không chữ ký nào được coi là hợp lệ",
                "no trust anchor (--trust): no signature will be found valid",
            )
        )
    return found


def fetcher(settings: Settings, *, offline: bool) -> Fetcher:
    """Outgoing fetches by the rules of `[fetch]`; without rules nobody is asked."""
    if offline:
        return Offline()
    rules = settings.fetch
    return HttpFetcher(
        FetchRules(
            allowed=rules.allowed,
            private=rules.private,
            authorities=settings.timestamping.authorities,
            max_bytes=rules.bytes_,
            seconds=rules.seconds,
            timestamp_seconds=settings.timestamping.timeout,
        ),
        outward=outward(settings),
    )


def time_of(text: str | None, *, zone: tzinfo) -> datetime:
    """A time from the command line (ISO 8601; without an offset it is one of `zone`), or now."""
    if text is None:
        return datetime.now(zone).replace(microsecond=0)
    try:
        given = datetime.fromisoformat(text)
        return given.replace(tzinfo=zone) if given.tzinfo is None else given.astimezone(zone)
    except (ValueError, OverflowError):
        raise console.usage(
            t(f"--at không phải thời điểm ISO 8601: {text}", f"--at is no time in ISO 8601: {text}")
        ) from None


@contextmanager
def _processes(settings: Settings, *, modules: tuple[str, ...], workers: bool) -> Iterator[bytes | None]:
    """Keepers and, if wanted, document workers on the sockets that `settings` names.

    Gives the permit secret of keepers that were started here, None where the service's answer.
    """
    settings.make_folders()
    with ExitStack() as held:
        if not held.enter_context(_alone(settings)):
            yield None
            return
        secret = os.urandom(32)
        if workers:
            _start_workers(settings, settings.workers_socket, held)
        if settings.keepers.apart is not None:
            yield None  # they run on their own
            return
        for module in modules:
            keeper = children.start_keeper(module, settings, permit_secret=secret, stderr=subprocess.DEVNULL)
            held.callback(_end, keeper)
        yield secret


def _start_workers(settings: Settings, path: Path, held: ExitStack) -> None:
    """A fork server on `path`, silent, that ends with `held` and with this process."""
    listener = held.enter_context(sandbox.listen(path))
    held.callback(path.unlink, missing_ok=True)
    held.callback(_end, children.start_workers(listener, settings, stderr=subprocess.DEVNULL))


@contextmanager
def _alone(settings: Settings) -> Iterator[bool]:
    """True while no service runs, and then none can start; commands without a service wait for each other here."""
    with (settings.run_dir / "command.lock").open("a") as commands, ExitStack() as held:
        fcntl.flock(commands, fcntl.LOCK_EX)
        try:
            held.enter_context(children.only_one(settings.home))
        except children.AlreadyRunning:
            fcntl.flock(commands, fcntl.LOCK_UN)
            yield False
        else:
            yield True


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
