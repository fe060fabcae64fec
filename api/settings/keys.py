"""Where keys live and what each may be used for."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

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


Holder = Literal["appliance", "seal", "person"]


class Activation(Section):
    """`[keys.REF.activation]`: whom a person's passkey or security key speaks to (W3C WebAuthn), and for how long."""

    rp_id: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    """The domain that credentials are made for: the pages' host, or a domain above it. Changing it orphans them all."""
    origins: tuple[str, ...] = Field(min_length=1, max_length=16)
    """The origins of the pages on which the person agrees, such as `https://kyso.example.vn`."""
    seconds: int = Field(default=300, ge=30, le=900)
    """How long a challenge, and the activation that answers it, is good for."""
    most: int = Field(default=500, ge=1, le=500)
    """Documents under one activation."""

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == "localhost")
            if not secure or origin != f"{parts.scheme}://{parts.netloc}" or origin != origin.lower():
                raise ValueError(f"{origin} is no origin of a secure page (https://host, http://localhost:port)")
        return origins

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for origin in self.origins:
            host = urlsplit(origin).hostname or ""
            if host != self.rp_id and not host.endswith(f".{self.rp_id}"):
                raise ValueError(f"{origin} is not below {self.rp_id}: no browser would answer there")
        return self


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
    holder: Holder = "appliance"
    """Whose key it is: the appliance's own, an organisation's seal, or a person's. A person's key signs only what that
    person has activated it for; the keeper checks that itself."""
    activation: Activation | None = None
    """How a person activates the key; a person's key must have it, no other may."""
    per_minute: int | None = Field(default=None, ge=1)
    """Uses in any minute at most, counted by the keeper; None is as often as wanted."""
    per_day: int | None = Field(default=None, ge=1)
    """Uses in any 24 hours at most."""
    total: int | None = Field(default=None, ge=1)
    """Uses in the key's life at most."""

    @model_validator(mode="after")
    def _persons_activate(self) -> Self:
        if (self.holder == "person") != (self.activation is not None):
            raise ValueError('holder = "person" and [keys.REF.activation] go together')
        if self.holder == "person" and self.twin is not None:
            raise ValueError("a person's key has no twin: its credentials are known to one keeper")
        return self


class Keepers(Section):
    """`[keepers]`: keepers under a user of their own, whom a hijacked service can only ask, not read or stop."""

    apart: Path | None = None
    """In the service's file: KYSO_HOME of the keepers, absolute. The service starts none then; `kyso keepers` does."""
    peers: tuple[int, ...] = ()
    """In the keepers' file: users, by name or number, who may ask them to sign, beside their own and root."""
    together: str = Field(default="", max_length=300)
    """Why this appliance's keepers run as the service's own user all the same, and who decided that, in a sentence. Without
    it `production = true` refuses such a start."""

    @field_validator("peers", mode="before")
    @classmethod
    def _by_name(cls, given: object) -> object:
        return [_user(one) for one in given] if isinstance(given, list | tuple) else given

    @property
    def are_on_their_own(self) -> bool:
        """Whether this is the keepers' own file."""
        return bool(self.peers)


def _user(named: object) -> object:
    if not isinstance(named, str) or named.isdecimal():
        return named
    try:
        return pwd.getpwnam(named).pw_uid
    except KeyError:
        raise ValueError(f"there is no user {named} on this machine") from None
