"""What the appliance keeps of itself, and how often it looks at it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from api.settings.section import Section
from hsm.checkpoint import ORIGIN


class Checkpoints(Section):
    """`[checkpoints]`: what the ledger says of itself, signed and kept where the database is not."""

    key: str
    """Ref of the key that signs checkpoints: Ed25519, or ECDSA where the token has no better; `shapes = ["checkpoint"]`."""
    origin: str = Field(pattern=rf"^{ORIGIN}$")
    """Name of this ledger, like an address without a scheme (`ky.example.gov.vn/ledger`); never changed."""
    every: float = Field(default=300.0, ge=1, le=86_400)
    """Seconds after which new lines get a checkpoint; at start and stop they get one anyway."""
    lines: int = Field(default=1000, ge=1)
    """Number of new lines that get one sooner."""
    folder: Path = Path("checkpoints")
    """Where they are kept, absolute or relative to KYSO_HOME. Worth most on another mount, or one that only grows."""
    witnesses: tuple[str, ...] = ()
    """URLs of witnesses (C2SP tlog-witness, the submission prefix): each gets every checkpoint and signs it too."""


class Audit(Section):
    """`[audit]`: what the appliance looks at by itself."""

    reconcile: float = Field(default=300.0, ge=1, le=86_400)
    """Seconds between two comparisons of the ledger with the keepers' logs of uses."""


class Changes(Section):
    """`[changes]`: what one administrator alone cannot change."""

    two_administrators: tuple[Literal["trust", "policy", "rights", "keys", "unlock"], ...] = ()
    """Subjects whose changes another administrator approves: trust anchors, validation policies, rules on the use of
    keys and callers that may sign, keys enabled and disabled and whose they are, tokens unlocked by hand. They are
    proposed with `kyso change`, over HTTP or on the administrator's page."""
