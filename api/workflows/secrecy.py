"""Documents that are marked as state secrets are refused, where `[signing] refuse_state_secrets` says so.

A worker looks, before anything is prepared or kept; the refusal is on record by its code and the document's digest. The
upload goes with its request. A document that gets by unmarked is not made public by that: see `verify.secrecy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from api.services import Services
from api.workflows.documents import DocumentWorker


def require_unmarked(
    services: Services,
    worker: DocumentWorker,
    document: BinaryIO,
    *,
    detached: Mapping[str, BinaryIO],
    password: str | None = None,
) -> None:
    """Raises WorkerRefusal with the code `document-state-secret`."""
    if services.settings.signing.refuse_state_secrets:
        worker.require_unmarked(document, password=password, detached=detached)
