"""How much may be sent in pieces, and for how long it waits for the next."""

from __future__ import annotations

from pydantic import Field

from api.settings.section import GIB, KIB, Section


class Uploads(Section):
    """`[uploads]`: files that are sent in pieces and gone on with after a broken line (tus)."""

    hours: float = Field(default=24.0, gt=0, le=720)
    """Hours that an upload is kept after its last piece, finished or not."""
    at_a_time: int = Field(default=50, ge=1, le=10_000)
    """Uploads that one caller may have; visitors, all of them together."""
    bytes_: int = Field(default=4 * GIB, alias="bytes", ge=KIB)
    """Bytes that these may have, as they were announced."""
