"""What every section of `kyso.toml` has in common: unknown keys are refused, values never change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

KIB, MIB, GIB = 1024, 1024**2, 1024**3


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
