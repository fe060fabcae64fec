"""What a machine must have before it is set up: looked at, not changed. Each check is one line of the transcript.

>>> disk(Path("/"), least=1).is_well
True
"""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from hsm.libraryprobe import Probed, probe
from signer.clock import kernel_is_synchronised

LEAST_DISK = 512 * 1024**2
"""Bytes free in KYSO_HOME, without which nothing is begun."""
NOT_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock before this program was written is wrong."""

Name = Literal["clock", "synchronised", "disk", "entropy", "sandbox", "library", "tls"]


@dataclass(frozen=True)
class Check:
    """What was found. `must` says whether the set-up goes on without it; `facts` fill the words."""

    name: Name
    is_well: bool
    must: bool = True
    facts: Mapping[str, str | int] = field(default_factory=dict)


def clock(now: datetime) -> Check:
    return Check("clock", now >= NOT_BEFORE, facts={"time": now.isoformat(timespec="seconds")})


def synchronised() -> Check:
    return Check("synchronised", kernel_is_synchronised(), must=False)


def disk(folder: Path, *, least: int = LEAST_DISK) -> Check:
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        free = 0
    return Check("disk", free >= least, facts={"free": free // 2**20, "least": least // 2**20, "folder": str(folder)})


def entropy() -> Check:
    """Whether the kernel's generator is seeded (getrandom(2) would wait otherwise)."""
    try:
        os.getrandom(16, os.GRND_NONBLOCK)
    except BlockingIOError:
        return Check("entropy", is_well=False)
    return Check("entropy", is_well=True)


def sandbox(locks_down: Callable[[], bool]) -> Check:
    """Whether document workers can lock themselves down here; `locks_down` starts one."""
    try:
        return Check("sandbox", locks_down())
    except Exception as error:  # noqa: BLE001 - whatever keeps a worker from starting is the finding
        return Check("sandbox", is_well=False, facts={"reason": getattr(error, "code", type(error).__name__)})


def library(path: Path, *, environment: Mapping[str, str]) -> tuple[Check, Probed]:
    """The module, tried out in a process of its own."""
    found = (
        probe(str(path), environment=environment) if path.is_absolute() else Probed(trouble="the path is not absolute")
    )
    facts: dict[str, str | int] = {
        "library": str(path),
        "tokens": sum(one.initialised for one in found.tokens),
        "reason": found.trouble,
    }
    return Check("library", not found.trouble, facts=facts), found


def tls(certificate: Path, key: Path) -> Check:
    """Whether the server could speak TLS with these two files."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unreadable"
        return Check("tls", is_well=False, facts={"file": str(certificate), "reason": str(reason)})
    return Check("tls", is_well=True, facts={"file": str(certificate)})


def machine(folder: Path, *, now: datetime) -> Iterator[Check]:
    """All that are about the machine alone."""
    yield clock(now)
    yield synchronised()
    yield disk(folder)
    yield entropy()
