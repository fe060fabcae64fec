"""The processes around the api, as `kyso.toml` describes them: started by the supervisor, or by one command for itself.

Not here: when they are started, watched and ended (`api.supervisor`, `api.cli.appliance`), and what they do.

    with only_one(settings.home):
        keeper = start_keeper("demo", settings, permit_secret=os.urandom(32))
"""

from __future__ import annotations

import fcntl
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from api.sandbox import start as sandbox
from api.sandbox.lockdown import MIB, Limits
from api.settings import Key, Settings
from hsm.activation import Party
from hsm.counting import Limits as UseLimits
from hsm.launch import KeeperConfig, KeyConfig, spawn
from hsm.lifecycle import PinSource

ROOM_FOR_SIGNATURES = 64 * MIB
"""Bytes by which an output may be larger than the largest upload."""


class AlreadyRunning(Exception):
    """Another supervisor serves this KYSO_HOME."""


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the lock of this KYSO_HOME; it goes with the process. Raises AlreadyRunning."""
    with (home / "supervisor.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning("another supervisor serves this KYSO_HOME") from None
        yield


def start_workers(listener: socket.socket, settings: Settings, *, stderr: int | None = None) -> subprocess.Popen[bytes]:
    """A fork server of document workers on this socket. It ends with the thread that called this."""
    limits = settings.limits
    bounds = Limits(memory=limits.document_memory, file_size=limits.upload_bytes + ROOM_FOR_SIGNATURES)
    return sandbox.start(listener, limits=bounds, stderr=stderr)


def start_keeper(
    name: str, settings: Settings, *, permit_secret: bytes, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """The keeper of one configured module. It ends with the thread that called this."""
    module = settings.modules[name]
    config = KeeperConfig(
        name=name,
        library=str(module.library),
        token=module.token,
        pin=msgspec.convert(settings.pin_source(name), PinSource | None),
        sessions=module.sessions,
        environment=settings.module_environment(name),
        socket=str(settings.keeper_socket(name)),
        admin_socket=str(settings.keeper_admin_socket(name)),
        use_log=str(settings.use_log(name)),
        permit_secret=permit_secret.hex(),
        call_limit=module.call_limit,
        keys={ref: _key(key) for ref, key in settings.keys.items()},
        peers=settings.keepers.peers,
    )
    return spawn(config, stderr=stderr)


def _key(key: Key) -> KeyConfig:
    """What the keeper is told about a key."""
    agreed = key.activation
    return KeyConfig(
        shapes=key.shapes,
        holder=key.holder,
        limits=UseLimits(key.per_minute, key.per_day, key.total),
        party=None if agreed is None else Party(agreed.rp_id, agreed.origins, agreed.most, agreed.seconds),
    )
