"""The evidence of a document that was signed here, as `GET /v1/signatures/{id}/evidence` hands it out: judged now, with
the ledger's lines about it and the proofs that they stand in the ledger."""

from __future__ import annotations

from functools import lru_cache
from typing import BinaryIO

import msgspec

from api.errors import LedgerBroken
from api.evidence.collecting import Recorder
from api.evidence.reading import LedgerPart, ProvenLine
from api.ledger.inclusion import Tree, leaves_of
from api.services import Services
from api.store.callers import Caller
from api.store.database import Database
from api.workflows import access, contents, evidence, formats

MOST_LINES = 1000


def write(services: Services, caller: Caller, identity: str, out: BinaryIO) -> None:
    """Raises NotFound, DocumentNotReady, EvidenceTooLarge, and what judging a document raises."""
    record = access.signature(services, caller, identity)
    trust, recorder = services.trust.current(), Recorder(services.fetcher)
    with (
        services.blobs.open(access.signed_blob(record)) as source,
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
        made = evidence.Made(report, trust, recorder.answers, ledger_of(services, identity), detached)
        evidence.write(out, worker, source, made, zone=services.settings.zone)


def ledger_of(services: Services, identity: str) -> bytes:
    """`ledger.json`: the lines about a signature, each with the way to the root of the ledger as it is now."""
    lines = services.ledger.read(signature=identity, limit=MOST_LINES)
    state, tree = services.ledger.state(), _tree(services.database)
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
    return msgspec.json.format(msgspec.json.encode(LedgerPart(state.size, state.root, proven)), indent=2) + b"\n"


@lru_cache(maxsize=1)
def _tree(database: Database) -> Tree:
    """Kept, so that full subtrees are hashed once a process."""
    return Tree(leaves_of(database))
