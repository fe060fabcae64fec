"""Verifying: a document in a worker, by the trust folder and a policy. Whatever the verdict, there is a report.

A document that cannot be read is an error (`verify.errors`), not a report.
"""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO

from api.errors import RequestInvalid
from api.schemas import VerifyOptions
from api.services import Services
from api.store.callers import Caller
from api.workflows import access, contents, formats
from api.workflows.documents import NONE, Contents
from verify.fetcher import Offline
from verify.report import Report


def verify(
    services: Services,
    client: str,
    source: BinaryIO,
    *,
    name: str,
    options: VerifyOptions | None = None,
    detached: Contents = NONE,
) -> Report:
    """The report on an open document; `client` says whose worker may be used, `detached` what signatures in XML refer to
    by name. Raises VerifyError, sandbox errors."""
    chosen = options or VerifyOptions()
    with services.documents.open(client) as worker:
        report = worker.verify(
            source,
            name=name,
            trust=services.trust.current(),
            policy=services.policies.shipped(chosen.policy or services.settings.verification.policy),
            at=moment(chosen.at) or services.clock(),
            fetcher=Offline() if chosen.offline else services.fetcher,
            password=chosen.password,
            detached=detached,
        )
    services.metrics.verifications.labels(report.verdict).inc()
    return report


def verify_signed(services: Services, caller: Caller, identity: str) -> Report:
    """The report on a document that was signed here, judged now; raises NotFound, DocumentNotReady,
    RightRefused."""
    record = access.signature(services, caller, identity)
    blob = access.signed_blob(record)
    access.require_judging_signed(services, caller, record)
    with (
        services.blobs.open(blob) as source,
        contents.opened(services, record) as detached,
    ):
        return verify(services, caller.id, source, name=formats.file_name(record), detached=detached)


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time with its offset; raises RequestInvalid."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RequestInvalid("at: not a time in ISO 8601", field="at") from None
    if at.tzinfo is None:
        raise RequestInvalid("at: the offset is missing (for instance +07:00)", field="at")
    return at
