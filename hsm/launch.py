"""Starting a keeper: its configuration, and the child process. Light to import: the supervisor needs nothing else.

>>> process = spawn(KeeperConfig(name="demo", library=…, token="kyso-demo", …))      # doctest: +SKIP
>>> Token(Path(config.socket)).status().state                                        # doctest: +SKIP
'operational'
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from hsm.activation import Holder, Party
from hsm.counting import Limits
from hsm.lifecycle import PinSource
from hsm.shape import DEFAULT_SHAPES, Shape
from hsm.uselog import PART_SIZE

_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "CREDENTIALS_DIRECTORY")
"""Of the parent's environment a keeper gets only this; the module's own variables are in its configuration."""


class KeyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key may sign, how often, and whose it is: a person's names the party of its activations."""

    shapes: tuple[Shape, ...] = DEFAULT_SHAPES
    holder: Holder = "appliance"
    limits: Limits = Limits()
    party: Party | None = None


class KeeperConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a keeper is told at its start. `permit_secret` is hexadecimal; `call_limit` in seconds."""

    name: str
    library: str
    token: str
    socket: str
    admin_socket: str
    use_log: str
    permit_secret: str
    pin: PinSource | None = None
    sessions: int = 0
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    call_limit: float = 30.0
    keys: dict[str, KeyConfig] = msgspec.field(default_factory=dict)
    use_log_part: int = PART_SIZE
    """Bytes after which the log of uses goes on in another file."""
    peers: tuple[int, ...] = ()
    """Users, beside the keeper's own, who may speak to `socket`; nobody else ever speaks to `admin_socket`."""
    die_with_parent: bool = True
    parent: int = 0
    """Process whose end is this keeper's too; `spawn` fills it in."""


def spawn(
    config: KeeperConfig, *, pass_fds: tuple[int, ...] = (), stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a keeper as a child of this process. It is ready when its socket answers (`Token.status` waits for it).

    Paths in `config` are absolute: the keeper works in another folder. With `die_with_parent` it also dies with the
    *thread* that called this (PR_SET_PDEATHSIG, prctl(2)): call it from one that stays.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "hsm.keeper"],
        stdin=subprocess.PIPE,
        stderr=stderr,
        env=environment,
        pass_fds=pass_fds,
        cwd=Path(__file__).parent.parent,
        start_new_session=True,  # a Ctrl-C is the supervisor's to handle
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(msgspec.structs.replace(config, parent=os.getpid())))
    process.stdin.close()
    return process
