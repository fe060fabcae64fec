"""The lines of a log of uses, and how its files are read: by a keeper at its start, or from a copy without one.

`history` is the auditor's: it checks the chain through all parts (`hsm.parts`). It writes nothing; that is `hsm.uselog`.

>>> history(Path("keeper-demo.uses"))[0].state                                       # doctest: +SKIP
'done'
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from hsm.chained import ORIGIN, walk
from hsm.counting import Carried
from hsm.errors import UseLogBroken
from hsm.parts import Places, part_path

Kind = Literal["started", "done", "failed", "probe", "healed", "continued"]


class Former(msgspec.Struct, frozen=True):
    """What a part says of those before it: how many there are, the last one's end, the name of the whole log (its first
    line's chain), its uses, the highest ledger number, and the counters."""

    part: int
    chain: str
    log: str
    uses: int
    highest: int
    counts: dict[str, Carried]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line, without its chain. `use` is the sequence number of the `started` line that the line belongs to;
    `activation` and `credential` say what a person's key was used on."""

    sequence: int
    at: float
    kind: Kind
    use: int = 0
    ledger_number: int = 0
    key: str = ""
    mechanism: str = ""
    tbs_sha256: str = ""
    expires_at: float = 0.0
    value: bytes | None = None
    note: str = ""
    activation: str = ""
    credential: str = ""
    former: Former | None = None


@dataclass(frozen=True)
class KeyUse:
    """What the keeper knows about the use that a ledger line stands for; `value` once it is done. A person's key was
    used on an `activation` (`Token.activation` tells it) by `credential`."""

    ledger_number: int
    key: str
    mechanism: str
    tbs_sha256: str
    state: Literal["started", "done", "failed"]
    value: bytes | None
    at: float
    activation: str = ""
    credential: str = ""


@dataclass(frozen=True)
class UsesPage:
    """Some uses in their order. `log` names the log (its first line's chain), so that whoever counts on with another
    one notices; `total` is the number of uses in it. A use that an operator asked for has ledger number 0."""

    log: str
    total: int
    uses: tuple[KeyUse, ...]


decoder: Final = msgspec.json.Decoder(Line)


def history(path: Path) -> tuple[KeyUse, ...]:
    """All uses in a log or in a copy of one, in their order, after its chain was checked through all its parts, which
    lie beside it; a last line that is being written is left out. Raises UseLogBroken if a line was changed or a part is
    missing, OSError."""
    started: dict[int, Line] = {}
    ended: dict[int, Line] = {}
    with path.open("rb") as newest:  # before the parts: what is begun meanwhile is younger than this reading
        _, _, former = beginning(newest)
        require_newest(path, former)
        closed = [part_path(path, number) for number in range(1, (former.part if former else 0) + 1)]
        if missing := next((one for one in closed if not one.exists()), None):
            raise UseLogBroken(f"a part of the log of uses is missing: {missing.name}")
        chain, sequence = ORIGIN, 0
        with contextlib.ExitStack() as files:
            for file in (*(files.enter_context(one.open("rb")) for one in closed), newest):
                size = os.fstat(file.fileno()).st_size
                for line, _, after in walk(file, size, decoder=decoder, before=chain, sequence=sequence):
                    chain, sequence = after, line.sequence
                    if line.kind == "started":
                        started[line.sequence] = line
                    elif line.use:
                        ended[line.use] = line
    return tuple(use_of(line, ended.get(number)) for number, line in started.items())


def require_newest(path: Path, former: Former | None) -> None:
    closed = former.part if former is not None else 0
    beside = (one.name.removeprefix(f"{path.name}.") for one in path.parent.iterdir() if one.name.startswith(path.name))
    if any(number.isdecimal() and int(number) > closed for number in beside):
        raise UseLogBroken("the last part of the log of uses is missing, or an older one is in its place")


def beginning(file: BinaryIO) -> tuple[bytes, int, Former | None]:
    """The chain and the sequence number before the file's first line, and what that says of former parts."""
    try:
        first = decoder.decode(file.readline())
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ORIGIN, 0, None  # empty, torn, or no log: whoever reads it finds out
    finally:
        file.seek(0)
    if first.former is None:
        return ORIGIN, 0, None
    return bytes.fromhex(first.former.chain), first.sequence - 1, first.former


def places(path: Path) -> list[Places]:
    """The uses of a closed part, for its index."""
    found: dict[int, list[int | None]] = {}
    with path.open("rb") as file:
        before, sequence, _ = beginning(file)
        position = 0
        for line, data, _ in walk(file, path.stat().st_size, decoder=decoder, before=before, sequence=sequence):
            if line.kind == "started":
                found[line.sequence] = [position, None, line.ledger_number]
            elif line.use:
                found[line.use][1] = position
            position += len(data)
    return [(start or 0, end, number or 0) for start, end, number in found.values()]


def use_of(started: Line, ended: Line | None) -> KeyUse:
    state: Literal["started", "done", "failed"] = "started"
    if ended is not None:
        state = "done" if ended.kind == "done" else "failed"
    return KeyUse(
        ledger_number=started.ledger_number,
        key=started.key,
        mechanism=started.mechanism,
        tbs_sha256=started.tbs_sha256,
        state=state,
        value=ended.value if ended else None,
        at=ended.at if ended else started.at,
        activation=started.activation,
        credential=started.credential,
    )
