"""For how long those who use the service are let in."""

from __future__ import annotations

from pydantic import Field

from api.settings.section import Section


class Callers(Section):
    """`[callers]`: API keys where nobody says otherwise."""

    api_key_days: int = Field(default=365, ge=0, le=3650)
    """Days for which a new API key opens; 0 is for ever."""
    overlap_hours: float = Field(default=24.0, ge=0, le=2160)
    """Hours for which the former API key still opens after it was exchanged for another."""
