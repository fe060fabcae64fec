"""Where keys live and what each may be used for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from api.settings.section import Section

Shape = Literal["signed-attributes", "signed-info", "tst-attributes", "bare-digest", "checkpoint"]


class Module(Section):
    """`[modules.NAME]`: one PKCS#11 module and the token in it; each has a keeper of its own."""

    library: Path
    """Path of the module's shared library. Only this file names it, never a call or the environment."""
    token: str = Field(min_length=1, max_length=32)
    """Label of the token (CK_TOKEN_INFO.label)."""
    pin_file: Path | None = None
    """File that holds the PIN, absolute or relative to KYSO_HOME; only the keeper reads it."""
    pin_credential: str | None = None
    """Name of a systemd credential that holds the PIN, instead of `pin_file`."""
    sessions: int = Field(default=0, ge=0, le=256)
    """PKCS#11 sessions to keep open; 0 takes as many as the keeper finds sensible."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for the keeper's process alone; `{home}` stands for KYSO_HOME."""
    call_limit: float = Field(default=30.0, gt=0, le=600)
    """Seconds that one call into the module may take before the keeper is killed and started anew."""


class Key(Section):
    """`[keys.REF]`: what differs from the defaults for one key."""

    shapes: tuple[Shape, ...] = ("signed-attributes", "signed-info")
    """What the keeper signs with this key. A timestamp authority's key lists `tst-attributes` alone, that of the ledger's
    checkpoints `checkpoint` alone."""
    timestamp_authorities: tuple[str, ...] | None = None
    """URLs of timestamp authorities for this key's signatures, in order; None takes those of `[timestamping]`."""
    twin: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,23}/[^/]+$")
    """`MODULE/REF` of a key on another module that signs in this one's place while this one's module does not."""
    canary: Literal["auto", "on", "off"] = "auto"
    """Whether the key signs a canary at a start, to show that it works (ten minutes at least between two). `auto` leaves
    out keys that ask for a PIN at each use, keys of persons, and keys whose uses are limited."""
