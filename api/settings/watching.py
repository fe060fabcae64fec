"""When the appliance raises an alarm, whom it tells, and where its traces go."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from api.settings.section import GIB, Section

DAY = 86_400.0


class Alarms(Section):
    """`[alarms]`: from which values on something is told. Each alarm names its setting in its sentence."""

    every: float = Field(default=30.0, ge=1, le=3600)
    """Seconds between two looks at everything."""
    certificate_days: float = Field(default=30.0, ge=0, le=730)
    """Days before the end of a signer's, timestamp authority's, server's or CA's certificate; a tenth of it is critical."""
    api_key_days: float = Field(default=14.0, ge=0, le=730)
    """Days before an API key's end."""
    crl_hours: float = Field(default=24.0, ge=0, le=8760)
    """Hours that a revocation list which signing relied on may be overdue."""
    disk_bytes: int = Field(default=2 * GIB, ge=0)
    """Free bytes of the file systems of KYSO_HOME, blobs and checkpoints; a tenth of it is critical."""
    disk_inodes: int = Field(default=10_000, ge=0)
    """Free inodes of the same."""
    queue_length: int = Field(default=500, ge=1)
    """Jobs that wait."""
    queue_age: float = Field(default=3600.0, ge=1)
    """Seconds for which a job may have been due."""
    timestamp_failures: int = Field(default=3, ge=1)
    """Failures of one timestamp authority in a row."""
    clock_jump: float = Field(default=2.0, ge=0.5, le=3600)
    """Seconds by which the wall clock may move against the monotonic one between two looks."""
    checkpoint_age: float = Field(default=3600.0, ge=10)
    """Seconds for which lines of the ledger may be without a checkpoint, where `[checkpoints]` is set."""
    backup_hours: float = Field(default=0.0, ge=0, le=8760)
    """Hours since the last backup; 0 does not ask for any."""
    webhook: str = Field(default="", max_length=500)
    """URL that is told of each change, signed by Standard Webhooks 1.0; it is asked by the rules of `[fetch]`. Empty tells
    nobody."""
    webhook_secret_file: Path | None = None
    """File with the secret (`whsec_…`), absolute or relative to KYSO_HOME; or `webhook_secret_credential`."""
    webhook_secret_credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Name of a systemd credential with the secret."""

    @model_validator(mode="after")
    def _signed(self) -> Alarms:
        if self.webhook and (self.webhook_secret_file is None) == (self.webhook_secret_credential is None):
            raise ValueError("webhook wants webhook_secret_file or webhook_secret_credential")
        return self


class Tracing(Section):
    """`[tracing]`: OpenTelemetry traces. Off unless `endpoint` is set, and then nothing of it is even loaded.

    Wants the packages of `kyso[tracing]`. Spans carry codes, ids, levels, sizes and times, never a name or content."""

    endpoint: str = Field(default="", max_length=500)
    """URL of an OTLP/HTTP receiver (`http://127.0.0.1:4318/v1/traces`); it is asked by the rules of `[fetch]`."""
    trusted: tuple[str, ...] = ()
    """Addresses or networks (`10.1.0.0/16`) whose `traceparent` is taken over; from others a new trace begins."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """Part of the traces that begin here which are kept."""
    queue: int = Field(default=2048, ge=16, le=65_536)
    """Spans that may wait for the receiver; more are dropped, and counted."""

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("a URL with http or https")
        return value
