"""The keeper: the process that alone holds a PIN and signs. One for each PKCS#11 module.

What it does with a request to sign, in this order:

1. the permit is authentic, unexpired and about exactly this key, mechanism and bytes (`hsm.permit`), and a person's key
   was activated for them by that person (`hsm.activating`);
2. the bytes have a shape that this key signs (`hsm.shape`);
3. the token is there and the key has the mechanism;
4. a session is free, and the key is found in it;
5. `started` is written to the log of uses, and the activation used up for it; the same permit a second time ends here,
   and so does a use beyond the key's limits (`hsm.uselog`);
6. C_SignInit, C_Sign; the value is checked with the public key;
7. `done` is written with the value, and both lines are brought to the disk;
8. only then the value leaves.

Until 5 nothing happened: the permit may be presented again. From 5 on it is spent, whatever comes.

The process never starts another one (forking after C_Initialize breaks modules), cannot be traced or dumped, and dies
with its parent. Its configuration comes over stdin, as one JSON object, so that nothing of it shows in a process list:

    python -m hsm.keeper < config.json
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hsm import wire
from hsm.activation import Activation, Challenge
from hsm.credentials import CredentialStore
from hsm.errors import PermitRefused, RequestMalformed, UseLogBroken
from hsm.keys import KeyInfo, mechanism_digest
from hsm.launch import KeeperConfig, KeyConfig, spawn
from hsm.lifecycle import AttemptGuard, TokenStatus
from hsm.management import Management
from hsm.module import Module, ModuleConfig
from hsm.permit import LIFETIME, check
from hsm.server import Server
from hsm.shape import DEFAULT_SHAPES, recognise
from hsm.uselog import KeyUse, UseLog, UsesPage
from hsm.watchdog import Watchdog

if TYPE_CHECKING:
    from hsm.activating import Activations

__all__ = ["KeeperConfig", "KeyConfig", "spawn"]

_log = logging.getLogger("kyso.keeper")

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


_NOTHING: AbstractContextManager[None] = nullcontext()
Answer = bytes | TokenStatus | tuple[KeyInfo, ...] | KeyUse | UsesPage | Challenge | Activation | None


class Keeper:
    """Answers requests: the numbered steps above."""

    def __init__(
        self, config: KeeperConfig, *, module: Module, log: UseLog, activations: Activations | None = None
    ) -> None:
        self._secret = bytes.fromhex(config.permit_secret)
        if len(self._secret) < 16:
            raise ValueError("the permit secret is too short")
        self._shapes = {ref: key.shapes for ref, key in config.keys.items()}
        self._module = module
        self._log = log
        self._management = Management(module, log)
        self._persons = frozenset(ref for ref, key in config.keys.items() if key.holder == "person")
        self._known_activations = activations

    def answer(self, request: wire.SignRequest) -> Answer:  # noqa: PLR0911  # one answer a request
        """The sign socket."""
        match request:
            case wire.Sign():
                return self.sign(request)
            case wire.GetStatus():
                return replace(self._module.status(), uses=self._log.counts())
            case wire.GetKeys():
                return self._module.all_keys()
            case wire.GetUse():
                return self._log.find(request.ledger_number)
            case wire.GetUses():
                return self._log.page(request.after)
            case wire.BeginActivation():
                return self._activations.begin(request.key, request.documents, asker=request.asker)
            case wire.Activate():
                return self._activations.activate(request.assertion)
            case wire.GetActivation():
                return self._activations.activation(request.activation)

    @property
    def _activations(self) -> Activations:
        if self._known_activations is None:
            raise RequestMalformed("this keeper has no person's key")
        return self._known_activations

    def manage(self, request: wire.AdminRequest) -> Any:  # noqa: PLR0911, PLR0912  # one answer a request
        """The management socket; it cannot sign documents."""
        match request:
            case wire.GetSlots():
                return self._management.slots()
            case wire.Initialise():
                return self._management.initialise(request.label, so_pin=request.so_pin, pin=request.pin)
            case wire.CreateKey():
                return self._management.create_key(request.ref, request.algorithm)
            case wire.MakeCsr():
                return self._management.csr(request.ref, request.subject)
            case wire.ImportCertificate():
                return self._management.import_certificate(request.ref, request.certificate, chain=request.chain)
            case wire.Unlock():
                return self._module.unlock(request.pin)
            case wire.Lock():
                return self._module.lock()
            case wire.BeginEnrolment():
                return self._activations.begin_enrolment(request.key)
            case wire.Enrol():
                return self._activations.enrol(request.key, code=request.code, registration=request.registration)
            case wire.GetCredentials():
                return self._activations.credentials(request.key)
            case wire.RevokeCredential():
                return self._activations.revoke(request.key, request.credential)
            case wire.LiftLock():
                return self._activations.lift(request.key)
            case _:
                return self.answer(request)

    def sign(self, request: wire.Sign) -> bytes:
        """One use of a key."""
        tbs, now = request.tbs, time.time()
        check(  # 1
            self._secret, request.permit, key=request.key, mechanism=request.mechanism, tbs=tbs, now=now
        )
        if request.permit.expires_at > now + 2 * LIFETIME or request.permit.ledger_number <= 0:
            raise PermitRefused("the permit is valid for too long, or for no ledger line")
        credential = self._agreed(request)
        shape = recognise(  # 2
            tbs, shapes=self._shapes.get(request.key, DEFAULT_SHAPES), mechanism=request.mechanism
        )
        key, recipe = self._module.way(request.key, request.mechanism)  # 3
        digest = tbs if shape == "bare-digest" else None
        if digest is not None and recipe.feed == "message":
            raise RequestMalformed(
                f"the token hashes for itself; {mechanism_digest(request.mechanism)} digests cannot be"
            )
        with self._module.lane() as lane:  # 4
            lane.ready(key)
            with self._taking(request):
                use = self._log.started(  # 5
                    ledger_number=request.permit.ledger_number,
                    key=request.key,
                    mechanism=request.mechanism,
                    tbs=tbs,
                    expires_at=request.permit.expires_at,
                    note="canary" if shape == "canary" else "",
                    activation=request.activation if credential else "",
                    credential=credential,
                )
            with self._log.ending(use):
                value = lane.sign(key, recipe, tbs, digest=digest)  # 6
        self._log.done(use, value=value)  # 7
        return value  # 8

    def _agreed(self, request: wire.Sign) -> str:
        """The credential under whose activation a person's key may sign this; nothing for the others."""
        if request.key not in self._persons:
            return ""
        return self._activations.require(
            request.activation, key=request.key, mechanism=request.mechanism, tbs=request.tbs
        )

    def _taking(self, request: wire.Sign) -> AbstractContextManager[None]:
        if request.key not in self._persons:
            return _NOTHING
        return self._activations.taking(
            request.activation, key=request.key, mechanism=request.mechanism, tbs=request.tbs
        )


def harden(*, die_with_parent: bool, parent: int = 0) -> None:
    """No core dump, no tracing, no new privileges, no child process; and no life beyond the parent's, if asked."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if die_with_parent:
        parent = parent or os.getppid()
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(0)  # it died before this process had bound itself to it
    os.umask(0o077)
    sys.addaudithook(_refuse_processes)


def _refuse_processes(event: str, _: object) -> None:
    if event in ("os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "subprocess.Popen"):
        raise RuntimeError("a keeper starts no process")


class _Lines(logging.Formatter):
    """Log lines as JSON. Facts are named where they are logged: never a PIN, bytes to sign or a value."""

    def __init__(self, keeper: str) -> None:
        super().__init__()
        self._keeper = keeper

    def format(self, record: logging.LogRecord) -> str:
        facts: Mapping[str, object] = getattr(record, "facts", {})
        line = {"at": round(record.created, 3), "level": record.levelname.lower(), "process": self._keeper}
        return json.dumps(line | {"event": record.getMessage()} | dict(facts), ensure_ascii=False)


def _start_logging(name: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(f"keeper-{name}"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def _without_log(config: KeeperConfig) -> Callable[[object], TokenStatus]:
    """Answers of a keeper whose log of uses is broken: it says so, and does nothing else."""

    def answer(request: object) -> TokenStatus:
        if isinstance(request, wire.GetStatus):
            return TokenStatus(config.name, "unavailable", "use-log-broken", config.token, pid=os.getpid())
        raise UseLogBroken

    return answer


def _activations(config: KeeperConfig, folder: Path) -> Activations | None:
    """What checks persons' activations, if there are persons' keys. Raises UseLogBroken."""
    parties = {ref: key.party for ref, key in config.keys.items() if key.holder == "person" and key.party is not None}
    if not parties:
        return None
    from hsm.activating import Activations  # noqa: PLC0415 - its library is for keepers of persons' keys alone

    return Activations(CredentialStore.open(folder / f"keeper-{config.name}.credentials"), parties)


def run(config: KeeperConfig) -> None:
    """Serve until SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    os.environ.update(config.environment)
    folder = Path(config.use_log).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    answer: Callable[[Any], Any]
    manage: Callable[[Any], Any]
    module: Module | None = None
    try:
        log = UseLog.open(
            Path(config.use_log),
            limits={ref: key.limits for ref, key in config.keys.items()},
            part_size=config.use_log_part,
        )
        activations = _activations(config, folder)
    except UseLogBroken as e:
        _log.critical("log of uses refused", extra={"facts": {"detail": str(e), **e.facts}})
        answer = manage = _without_log(config)
    else:
        module = Module(
            ModuleConfig(
                config.name,
                config.library,
                config.token,
                config.pin,
                config.sessions,
                names=folder / f"keeper-{config.name}.names",
            ),
            guard=AttemptGuard(folder, name=config.name),
            record_probe=lambda key, mechanism, tbs, outcome: log.probe(
                key=key, mechanism=mechanism, tbs=tbs, outcome=outcome
            ),
        )
        keeper = Keeper(config, module=module, log=log, activations=activations)
        Watchdog(module.calls_under_way, limit=config.call_limit).start()
        module.start()
        answer, manage = keeper.answer, keeper.manage
    servers: tuple[Server[Any], ...] = (
        Server(Path(config.socket), decoder=wire.decoder, answer=answer, peers=config.peers),
        Server(Path(config.admin_socket), decoder=wire.admin_decoder, answer=manage),
    )
    for server in servers:
        server.start()
    _log.info("listening")
    stop.wait()
    for server in servers:
        server.close(patience=config.call_limit)
    if module is not None:
        module.stop()
    _log.info("stopped")


def main() -> None:
    """Read the configuration from stdin, then serve."""
    config = msgspec.json.decode(sys.stdin.buffer.read(), type=KeeperConfig)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    harden(die_with_parent=config.die_with_parent, parent=config.parent)
    _start_logging(config.name)
    gc.collect()
    gc.freeze()  # what was loaded stays to the end: the collector need not look at it, nor at each signature's few objects
    gc.set_threshold(10_000, 20, 20)
    run(config)
    sys.stderr.flush()
    os._exit(0)  # without the module's own exit handlers, which may meet threads that still wait in it


if __name__ == "__main__":
    main()
