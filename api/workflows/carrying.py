"""The evidence of a document that was signed here, as `GET /v1/signatures/{id}/evidence` hands it out: judged now, with
the ledger's lines about it and the proofs that they stand in the ledger."""

from __future__ import annotations

from typing import BinaryIO

from api import telemetry
from api.errors import ApiError, LedgerBroken
from api.evidence.activating import ActivationPart, part
from api.evidence.collecting import Recorder
from api.evidence.ledger import LedgerPart, ProvenLine
from api.evidence.standing import StandingPart, standing
from api.ledger.line import decode
from api.ledger.note import Note, NoteRefused, state_of
from api.services import Services
from api.store.callers import Caller
from api.workflows import access, checkpoints, contents, evidence, formats
from hsm.errors import HsmError

MOST_LINES = 1000


def write(services: Services, caller: Caller, identity: str, out: BinaryIO) -> None:
    """Raises NotFound, DocumentNotReady, RightRefused, EvidenceTooLarge, and what judging a document raises."""
    record = access.signature(services, caller, identity)
    blob = access.signed_blob(record)
    access.require_judging_signed(services, caller, record)
    trust, recorder = services.trust.current(), Recorder(services.fetcher)
    with (
        services.blobs.open(blob) as source,
        contents.opened(services, record) as detached,
        services.documents.open(caller.id) as worker,
    ):
        report = worker.verify(
            source,
            name=formats.file_name(record),
            trust=trust,
            policy=services.policies.shipped(services.settings.verification.policy),
            at=services.clock(),
            fetcher=recorder,
            detached=detached,
        )
        ledger = ledger_of(services, identity)
        standing, agreed = standing_of(services, ledger), activations_of(services, ledger)
        made = evidence.Made(report, trust, recorder.answers, ledger, detached, standing, agreed)
        evidence.write(out, worker, source, made, zone=services.settings.zone)


def ledger_of(services: Services, identity: str) -> LedgerPart:
    """The lines about a signature, each with the way to the root of a checkpoint that covers them; it is made now where
    there is none yet. Without checkpoints the root is the ledger's as it is now."""
    lines = services.ledger.read(signature=identity, limit=MOST_LINES)
    note = _checkpoint(services, number=lines[-1].number if lines else 1)
    state = services.ledger.state() if note is None else state_of(note.unverified)
    tree = services.ledger.tree
    try:
        proven = tuple(
            ProvenLine(line.text, tuple(step.hex() for step in tree.path(line.number - 1, state.size)))
            for line in lines
            if line.number <= state.size
        )
        root = tree.root(0, state.size).hex()
    except ValueError as error:
        raise LedgerBroken(f"the ledger: {error}") from error
    if root != state.root:
        raise LedgerBroken("the lines do not make the ledger's root")
    if note is None:
        return LedgerPart(state.size, state.root, proven)
    return LedgerPart(state.size, state.root, proven, note.text, checkpoints.verifier_key(services).text)


def standing_of(services: Services, ledger: LedgerPart) -> tuple[StandingPart, ...]:
    """Who signed, by which post and delegation, as the directory knew it when each line was written."""
    lines = [decode(one.line) for one in ledger.lines]
    found = services.database.read(
        lambda connection: [standing(connection, line, zone=services.settings.zone) for line in lines]
    )
    return tuple(one for one in found if one is not None)


def activations_of(services: Services, ledger: LedgerPart) -> tuple[ActivationPart, ...]:
    """What persons agreed to, as the keeper has it on record; without the keeper's answer the evidence says less."""
    found = []
    for line in (decode(one.line) for one in ledger.lines):
        identity, key = line.facts.get("activation"), line.facts.get("key")
        if line.kind != "INTENT" or not identity or not key:
            continue
        try:
            found.append(part(line.number, services.keys.token(services.keys.find(key)).activation(identity)))
        except HsmError as error:
            telemetry.logger().warning("evidence without an activation", code=error.code)
    return tuple(found)


def _checkpoint(services: Services, *, number: int) -> Note | None:
    """One that covers this line; None where that cannot be had, which the evidence then says."""
    try:
        note = checkpoints.covering(services, number)
        key = checkpoints.verifier_key(services) if note is not None else None
    except LedgerBroken:
        raise
    except (HsmError, ApiError) as error:
        telemetry.logger().warning("evidence without a checkpoint", code=error.code)
        return None
    if note is None or key is None:
        return None
    try:
        note.verified((key,))
    except NoteRefused:  # of a former key, and it covers what was asked for: an older one is not looked for
        return None
    return note
