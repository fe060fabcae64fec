"""Tries out a PKCS#11 library in a process of its own: a bad driver crashes or hangs here, and harms nobody.

It opens the library, lists slots and tokens, and closes it. It logs in nowhere and changes nothing.

    echo '{"library": "/usr/lib/softhsm/libsofthsm2.so", "environment": {}}' | python -m hsm.libraryprobe

>>> probe("/no/such/library.so", environment={}).trouble                             # doctest: +ELLIPSIS
'/no/such/library.so: cannot open shared object file: No such file or directory'
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

LIMIT: Final = 20.0
"""Seconds that a library may take."""


class Shown(msgspec.Struct, frozen=True):
    """A token as the library shows it; `label` is empty where it is not initialised."""

    slot: int
    label: str
    model: str
    serial: str
    initialised: bool


class Probed(msgspec.Struct, frozen=True):
    """What came of it: tokens, or the developer's sentence about the trouble."""

    tokens: tuple[Shown, ...] = ()
    trouble: str = ""


class _Order(msgspec.Struct, frozen=True):
    library: str
    environment: dict[str, str]


def probe(library: str, *, environment: Mapping[str, str]) -> Probed:
    """Try it out in a child."""
    order = msgspec.json.encode(_Order(library, dict(environment)))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hsm.libraryprobe"],
            input=order,
            capture_output=True,
            cwd=Path(__file__).parent.parent,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probed(trouble=f"the library did not answer within {LIMIT:.0f} seconds")
    if done.returncode != 0:
        return Probed(trouble=f"the library ended the process that tried it ({done.returncode})")
    try:
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Probed)
    except (msgspec.MsgspecError, IndexError):
        return Probed(trouble="the library wrote over the answer")


def _look(order: _Order) -> Probed:
    from hsm.cryptoki import Cryptoki, CryptokiError, TokenInfo  # noqa: PLC0415 - only the child loads PKCS#11

    os.environ.update(order.environment)
    try:
        cryptoki = Cryptoki(order.library)
        cryptoki.initialise()
        found = []
        for slot in cryptoki.slots():
            info = cryptoki.token_info(slot)
            ready = info.has(TokenInfo.INITIALISED)
            found.append(Shown(slot, info.label if ready else "", info.model, info.serial, ready))
        cryptoki.finalise()
    except OSError as error:
        return Probed(trouble=str(error))
    except CryptokiError as error:
        return Probed(trouble=f"{error.function} failed: {error.name}")
    return Probed(tuple(found))


if __name__ == "__main__":
    result = _look(msgspec.json.decode(sys.stdin.buffer.read(), type=_Order))
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    sys.stdout.flush()
    os._exit(0)  # without the library's own exit handlers
