"""What can go wrong between the service and a document worker, each with a code and the one who must act.

A refusal that the core raised inside a worker arrives as `WorkerRefusal` under its own code; the others are about the
worker itself: it cost too much, it died, or there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from api.errors import Actor, ApiError


class SandboxError(ApiError):
    """A document worker could not do its work."""


class WorkerRefusal(SandboxError):
    """The core refused the document or the order; `code`, `actor` and `facts` are those that it gave."""

    def __init__(self, *, code: str, actor: str, detail: str, facts: Mapping[str, str | int]) -> None:
        super().__init__(detail)
        # The instance carries what the class of the original error carried, for it was raised in another process.
        self.__dict__["code"] = code
        self.__dict__["actor"] = cast("Actor", actor if actor in {"caller", "official", "operator"} else "developer")
        self.facts = dict(facts)


class DocumentTooCostly(SandboxError):
    """The document costs more time, memory or depth than one document may."""

    code = "document-too-costly"
    actor = "caller"

    def __init__(self, detail: str = "", *, limit: str) -> None:
        """`limit`: wall, cpu, memory, depth or output."""
        super().__init__(detail, limit=limit)


class WorkerDied(SandboxError):
    """Reading the document crashed its worker."""

    code = "document-crashed-worker"
    actor = "caller"


class SandboxNotAvailable(SandboxError):
    """No document worker can be had: the fork server does not answer, or cannot lock a worker down."""

    code = "sandbox-not-available"
    actor = "operator"


class SandboxBusy(SandboxNotAvailable):
    """All document workers are busy and the queue did not move in time."""
