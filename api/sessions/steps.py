"""What a procedure's step lays down for a signature: its order, its look, and what the signer may fill in.

The seam to `signer.procedures`: a session that names no procedure is signed as its own order says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.sessions.errors import ProcedureUnknown
from api.sessions.schema import DocumentRequest


@dataclass(frozen=True)
class Step:
    """`order` as in `POST /v1/signatures`; `may_fill` are names of form fields that the signer writes."""

    order: Mapping[str, Any] = field(default_factory=dict)
    look: str = "plain"
    may_fill: tuple[str, ...] = ()


def settle(request: DocumentRequest) -> Step:
    """Raises ProcedureUnknown."""
    if request.procedure is not None:
        raise ProcedureUnknown(procedure=request.procedure, step=request.step or "")
    return Step()
