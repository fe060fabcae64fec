"""What a process of ours forbids itself before it reads a secret: core dumps, and being traced by others of its user.

Keepers and document workers do more (`hsm.keeper`, `api.sandbox.lockdown`); this is for the supervisor and the api. What
is not dumpable leaves no core file, whatever `core_pattern` says, and cannot be traced without CAP_SYS_PTRACE (prctl(2),
ptrace(2)). It has to be said again after each exec.

    harden()
    assert state() == State(core_limit=0, dumpable=False)
"""

from __future__ import annotations

import ctypes
import resource
from dataclasses import dataclass

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class State:
    """`core_limit` is the hard limit, in bytes; -1 is none."""

    core_limit: int
    dumpable: bool


def harden() -> None:
    """From now on this process leaves no core file. What fails shows in `state`, which production looks at."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def state() -> State:
    return State(resource.getrlimit(resource.RLIMIT_CORE)[1], _libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
