"""Checkpoints of the ledger: signed by a key of their own, kept outside of the database, shown to witnesses.

1. One process at a time (the folder's lock); the others need not wait.
2. The ledger begins with the newest checkpoint that is kept, or nothing is signed: a log must not contradict itself
   (C2SP tlog-checkpoint), and somebody has to look at it.
3. Something happened since then: lines that are not about checkpoints. The use of the checkpoint key is on record like
   any other, in lines that the next checkpoint covers; if these counted, each checkpoint would call for another.
4. INTENT, permit, keeper, DONE (`keyuse.once`).
5. Witnesses are asked in turn, with a proof that the log only grew; one that does not answer is no obstacle.
6. The note is durable in its file.

    checkpoints.make(services)           # the newest note, made now if there is anything new
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from api import telemetry
from api.errors import ApiError, LedgerBroken
from api.ledger import LedgerState
from api.ledger.kept import Kept
from api.ledger.note import Note, VerifierKey, read, state_of, with_cosignatures, write
from api.services import Services
from api.settings import Checkpoints
from hsm.checkpoint import Checkpoint
from hsm.keys import KeyInfo
from verify.fetcher import FetchFailed

CALLER = "checkpoint"
WITNESSES = "witnesses.json"
PATIENCE = 5.0
"""Seconds to wait for a process that makes one."""

Submit = Callable[[str, bytes], bytes]
"""POST of text to a witness; raises FetchFailed."""


class CheckpointNotKept(ApiError):
    """The file of checkpoints cannot be written."""

    code = "checkpoint-not-kept"


class CheckpointKeyUnusable(ApiError):
    """There is no key for checkpoints, or not one of a kind that signs them."""

    code = "checkpoint-key-unusable"


@dataclass(frozen=True)
class Due:
    """What has to be there before a checkpoint is made: so many new lines, or a line of this number without one."""

    lines: int = 1
    number: int = 0


def make(services: Services, due: Due | None = None) -> Note | None:
    """The newest checkpoint, made now where one is due. None without `[checkpoints]`, or while another process makes
    one and there is no earlier. Raises LedgerBroken (step 2), HsmError, ApiError."""
    settings, due = services.settings.checkpoints, due or Due()
    if settings is None:
        return None
    kept = Kept(services.settings.checkpoint_folder)
    try:
        with kept.alone() as alone:  # 1
            newest = kept.newest()
            if not alone or not _is_due(services, settings, newest, due):
                return newest
            return _make(services, settings, kept)
    except OSError as error:
        raise CheckpointNotKept(f"{kept.file}: {error.strerror}", file=str(kept.file)) from error


def covering(services: Services, number: int) -> Note | None:
    """A checkpoint over a line, made now where there is none; one that another process is making is waited for. None
    where that cannot be had. Raises as `make`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        note = make(services, Due(number=number))
        if note is not None and note.unverified.size >= number:
            return note
        if services.settings.checkpoints is None or time.monotonic() > deadline:
            return None
        time.sleep(0.05)


def verifier_key(services: Services) -> VerifierKey:
    """The public side of the checkpoint key. Raises HsmError, CheckpointKeyUnusable."""
    settings = services.settings.checkpoints
    if settings is None:
        raise CheckpointKeyUnusable("there is no [checkpoints] in kyso.toml")
    return _verifier(settings, services.keys.find(settings.key))


def _verifier(settings: Checkpoints, key: KeyInfo) -> VerifierKey:
    try:
        return VerifierKey.of(settings.origin, key.public_key)
    except ValueError as error:
        raise CheckpointKeyUnusable(f"{key.ref}: {error}", key=key.ref) from None


def _is_due(services: Services, settings: Checkpoints, newest: Note | None, due: Due) -> bool:
    """2 and 3; the whole beginning is compared only before a signature, so that looking is cheap."""
    state = LedgerState(0, "")
    if newest is not None and newest.unverified.origin == settings.origin:
        state = state_of(newest.unverified)
    require_length(services, state)
    if due.number:
        is_due = state.size < due.number
    else:
        is_due = services.ledger.others_since(state.size, key=settings.key) >= due.lines
    if is_due and state.size:
        require_prefix(services, state)
    return is_due


def require_length(services: Services, state: LedgerState) -> None:
    """2. Raises LedgerBroken when the ledger is shorter than it was."""
    size = services.ledger.state().size
    if size < state.size:
        raise LedgerBroken(f"the ledger was cut: it had {state.size} lines", line=size + 1)


def require_prefix(services: Services, state: LedgerState) -> None:
    """2. Raises LedgerBroken unless the ledger begins with this state."""
    require_length(services, state)
    try:
        root = services.ledger.tree.root(0, state.size).hex()
    except ValueError as error:
        raise LedgerBroken(f"the ledger: {error}", line=1) from None
    if root != state.root:
        raise LedgerBroken(f"the first {state.size} lines are not those of the newest checkpoint", line=1)


def _make(services: Services, settings: Checkpoints, kept: Kept) -> Note:
    key = services.keys.find(settings.key)
    verifier = _verifier(settings, key)
    mechanism = services.keys.mechanism(key, wanted=verifier.mechanism)
    state = services.ledger.state()
    checkpoint = Checkpoint(settings.origin, state.size, bytes.fromhex(state.root))
    facts = {"caller": CALLER, "level": "checkpoint", "size": state.size}
    value = services.key_user.once(key, mechanism=mechanism, tbs=checkpoint.text, facts=facts)  # 4
    note = write(checkpoint, key=verifier, value=value)
    for url in settings.witnesses:  # 5
        note = _witnessed(services, kept.folder, url, note, size=state.size)
    kept.append(note, key=verifier)  # 6
    services.metrics.checkpoint_size.set(state.size)
    telemetry.logger().info("checkpoint", size=state.size, root=state.root)
    return read(note)


def _witnessed(services: Services, folder: Path, url: str, note: str, *, size: int) -> str:
    """5. What a witness is sent is C2SP tlog-witness's add-checkpoint: the size that it knows, a consistency proof from
    there, and the note."""
    known: dict[str, int] = {}
    with suppress(OSError, ValueError):
        known = json.loads((folder / WITNESSES).read_text("utf-8"))
    old = known.get(url, 0)
    proof = (base64.b64encode(step).decode() for step in services.ledger.tree.consistency(min(old, size), size))
    body = "\n".join((f"old {old}", *proof, "", note))
    try:
        answer = services.submit(url.rstrip("/") + "/add-checkpoint", body.encode())
    except FetchFailed as error:
        services.metrics.witness_failures.inc()
        telemetry.logger().warning("a witness did not sign", url=url, reason=str(error)[:200])
        return note
    (folder / WITNESSES).write_text(json.dumps({**known, url: size}), "utf-8")
    return with_cosignatures(note, answer)
