"""Lifting documents: on request, and by jobs that go on where a signature was left at a lower level, or grows old.

No key is used. `extend` serves `POST /v1/extensions` and the command line. The job looks after a document that was signed
here:

L1. The record is signed, and no signature was built on its document (`store/heads.py`): what has a successor is not
    forked; the successor's completion brings the evidence. While one is being made the job waits: it may be refused.
    A successor of another organisation is none here: what somebody does with a copy does not end the care for ours.
L2. Its document is lifted to the level that was ordered, into a new file.
L3. COMPLETED, and the record names the new file, in one transaction that looks for a successor once more.
L4. Still degraded or pending: again later. At B-LTA: again `signing.renew_before` the archive timestamp runs out.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, cast

import sqlalchemy as sa

from api import telemetry
from api.errors import DatabaseUnavailable, StaleDocument
from api.jobs import GiveUp, Handlers, Job, Later, enqueue_within
from api.sandbox import calls
from api.schemas import ExtendOptions
from api.services import Services
from api.settings import Settings
from api.store import heads, signatures
from api.store.callers import Caller
from api.store.signatures import SignatureRecord
from api.store.tables import signature as signature_table
from api.uploads import Upload
from api.workflows import access, contents, passwords
from signer.model import LEVELS, Extended, Format, Level, Signed

JOB = "lift-signature"
DEGRADED, PENDING = "LEVEL_DEGRADED", "PENDING_FRESHNESS"
"""Warnings of a finished signature (`signer.extending`) after which the job goes on."""
FIRST_LOOK = 60.0
LONGEST_PAUSE = 6 * 3600.0
"""Seconds between two tries: a revocation list is renewed every day or so, an outage ends within hours."""


def extend(
    services: Services,
    caller: Caller,
    document: Upload,
    out: BinaryIO,
    *,
    options: ExtendOptions,
    format: Format,  # noqa: A002 - the order's word
) -> Extended:
    """Lift a document of this format into `out`. Raises RightRefused where the rules do not allow it, StaleDocument where
    it is one of ours on which a later signature was built, WorkerRefusal with the core's codes, and sandbox errors."""
    access.require_lifting(services, caller, document, level=options.level, format=format)
    ours = services.database.read(heads.require, document.sha256)
    order = _order(services, options.level, allow_degraded=options.allow_degraded, password=options.password)
    with services.documents.open(caller.id) as worker:
        done = worker.extend(document.file, out, order=order, fetcher=services.fetcher, detached=document.contents)
    for signature in ours:
        services.database.write(heads.lifted, done.sha256, signature=signature)
    return done


def schedule(connection: sa.Connection, identity: str, signed: Signed, *, ordered: Level, settings: Settings) -> bool:
    """In the transaction that closes a signature: a job, if it is not where it should be, or will not stay there;
    whether there is one."""
    due = _due(ordered, signed.warnings, signed.archive_until, settings)
    if due is not None:
        payload = {"signature": identity, "level": ordered}
        enqueue_within(connection, JOB, payload, due=due, unique=f"{JOB} {identity}")
    return due is not None


def handlers(services: Services) -> Handlers:
    """What the job engine calls, by kind."""
    return {JOB: lambda job: _lift(services, job)}


def _due(level: Level, warnings: tuple[str, ...], until: datetime | None, settings: Settings) -> float | None:
    """When to look at the document again (Unix time)."""
    if {DEGRADED, PENDING} & set(warnings):
        return time.time() + FIRST_LOOK
    if level == "B-LTA" and until is not None:
        return max(time.time() + FIRST_LOOK, until.timestamp() - settings.signing.renew_before)
    return None


def _lift(services: Services, job: Job) -> None:
    # L1
    record = services.database.read(signatures.get, str(job.payload["signature"]))
    level = cast(Level, str(job.payload["level"]))
    if record is None or record.state != "signed" or record.signed_blob is None or record.result is None:
        raise GiveUp
    before = json.loads(record.result)
    try:
        services.database.read(heads.require_for_lift, before["sha256"], caller=record.caller)
    except StaleDocument:
        _went_on(services, record, before["sha256"])
        return
    # L2
    unsettled = bool({DEGRADED, PENDING} & set(before["warnings"]))
    order = _order(services, level, allow_degraded=True, password=passwords.of(services, record.id))
    order = replace(order, only_new=unsettled)
    try:
        with (
            services.blobs.open(record.signed_blob) as source,
            services.blobs.draft(size=before["size"]) as draft,
            contents.opened(services, record) as detached,
        ):
            with services.documents.open(record.caller) as worker:
                done = worker.extend(source, draft.file, order=order, fetcher=services.fetcher, detached=detached)
            job.renew()
            if done.sha256 != before["sha256"]:
                # L3
                _replace(services, record, before, done, blob=services.blobs.keep(draft))
    except StaleDocument:
        _went_on(services, record, before["sha256"])
        return
    except Exception as error:
        if getattr(error, "actor", "operator") == "operator" and hasattr(error, "code"):
            raise Later(_pause(record)) from error
        raise
    # L4
    due = _due(level, done.warnings, done.archive_until, services.settings)
    if {DEGRADED, PENDING} & set(done.warnings):
        raise Later(_pause(record))
    if due is not None:
        raise Later(due - time.time())


def _went_on(services: Services, record: SignatureRecord, sha256: str) -> None:
    """Returns where a later signature has the document now; raises Later while that is not decided."""
    if services.database.read(heads.is_undecided, sha256):
        raise Later(_pause(record))


def _replace(services: Services, record: SignatureRecord, before: dict[str, Any], done: Extended, *, blob: str) -> None:
    """L3. The record has one document: the lifted one, unless somebody signed the other meanwhile."""
    kept = [warning for warning in before["warnings"] if warning not in (DEGRADED, PENDING)]
    level = max(cast(Level, before["level"]), done.level, key=LEVELS.index)
    result = before | {
        "sha256": done.sha256,
        "size": done.size,
        "level": level,
        "timestamp": before["timestamp"] or (done.timestamp and done.timestamp.isoformat()),
        "warnings": [*kept, *done.warnings],
    }

    def also(connection: sa.Connection, _number: int) -> None:
        change = (
            signature_table.update()
            .where(signature_table.c.id == record.id, signature_table.c.signed_blob == record.signed_blob)
            .values(result_json=json.dumps(result, ensure_ascii=False), signed_blob=blob, signed_sha256=done.sha256)
        )
        heads.require_for_lift(connection, before["sha256"], caller=record.caller)
        if connection.execute(change).rowcount != 1:
            raise StaleDocument("the document was lifted by somebody else", found=before["sha256"])
        heads.lifted(connection, before["sha256"], signature=record.id)

    facts = {
        "signature": record.id,
        "caller": record.caller,
        "lifted_from": before["sha256"],
        "sha256": done.sha256,
        "level": level,
    }
    try:
        services.ledger.append("COMPLETED", facts, also=also)
    except DatabaseUnavailable:
        raise  # it may be stored after all; whichever file has no record is swept (`api.workflows.sweeping`)
    except BaseException:
        services.blobs.delete(blob)
        raise
    if record.signed_blob is not None:
        services.blobs.delete(record.signed_blob)
    telemetry.logger().info("signature lifted", signature=record.id, level=level)


def _order(services: Services, level: Level, *, allow_degraded: bool, password: str | None) -> calls.Extend:
    settings = services.settings
    return calls.Extend(
        level=level,
        trust=services.trust.current(),
        policy=services.policies.shipped(settings.signing.evidence_policy),
        at=services.clock(),
        authorities=settings.timestamping.authorities,
        nonce=1 << 63 | secrets.randbits(63),
        timestamp_policy=settings.timestamping.policy,
        allow_degraded=allow_degraded,
        password=password,
    )


def _pause(record: SignatureRecord) -> float:
    """The longer it has waited, the longer the pause."""
    return min(LONGEST_PAUSE, max(FIRST_LOOK, (time.time() - record.created_at) / 4))
