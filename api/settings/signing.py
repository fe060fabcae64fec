"""How signatures and timestamps are made and judged where an order says nothing."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, field_validator

from api.settings.section import KIB, MIB, Section


class Timestamping(Section):
    """`[timestamping]`: whom to ask for timestamps."""

    authorities: tuple[str, ...] = ()
    """URLs (RFC 3161 over HTTP), tried in order. Without one, B-T is refused."""
    policy: str | None = None
    """Policy OID to ask for; None takes the authority's own."""
    timeout: float = Field(default=120.0, gt=0, le=600)
    """Seconds to wait for one authority's answer."""


class Authority(Section):
    """`[authority]`: the RFC 3161 authority behind `POST /tsa`."""

    key: str
    """Ref of the key that signs timestamps."""
    policy: str = Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")
    """OID of the policy that tokens are issued under."""
    require_synchronised_clock: bool = False
    """True refuses to issue while the kernel says that its clock is not synchronised."""
    accuracy_ms: int = Field(default=1000, ge=1, le=1000)
    """Accuracy stated in tokens, in milliseconds."""
    per_minute: int = Field(default=600, ge=0)
    """Timestamps a minute for one address, counted by each api process: each costs a use of the key and two lines of the
    ledger. 0 is no limit."""
    unlimited: tuple[str, ...] = ()
    """Addresses or networks that are not counted: other nodes, signing systems of one's own. Loopback never is."""

    @field_validator("unlimited")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            ipaddress.ip_network(one)
        return value


class Signing(Section):
    """`[signing]`: what is checked before a key is used."""

    chain_check: Literal["required", "warn"] = "required"
    """`required` refuses a certificate without a path to a trust anchor; `warn` signs and logs."""
    revocation_unknown: Literal["warn", "refuse"] = "warn"
    """What to do when no revocation answer can be had. A certificate known as revoked is always refused."""
    certificate_cache: float = Field(default=300.0, ge=0, le=3600)
    """Seconds that a certificate found good is not checked again; 0 checks it for every signature."""
    preparation: float = Field(default=900.0, ge=1, le=86_400)
    """Seconds for which a document that was prepared for a certificate waits for its signature value."""
    completion_retry: float = Field(default=86_400.0, ge=60)
    """Seconds for which a signature that still lacks its timestamp is retried."""
    evidence_policy: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Validation policy by which evidence is gathered for B-LT and B-LTA. `fresh` wants revocation data issued after the
    signature's timestamp: until there is some, the level is pending and a job goes on."""
    refuse_state_secrets: bool = False
    """True refuses documents that are marked as state secrets (Mật, Tối mật, Tuyệt mật), which this appliance is then not
    approved for; their text is read for it, which costs milliseconds a page."""
    renew_before: float = Field(default=90 * 86_400.0, ge=3600)
    """Seconds before the end of an archive timestamp's certificate at which a document kept here gets a further one."""


class Verification(Section):
    """`[verification]`: how signatures and certificates are judged where nobody says otherwise."""

    policy: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Name of the validation policy: one of the program's own (`default`, `fresh`, `vietnam`), or a file's in
    `KYSO_HOME/policies`."""
    public: bool = False
    """True lets visitors verify documents without an API key, within the limits below. Never for anything else."""
    public_bytes: int = Field(default=20 * MIB, ge=KIB)
    """Largest document of a visitor, in bytes."""
    public_per_minute: int = Field(default=20, ge=0)
    """Verifications that one address may ask for in a minute, counted per api process; 0 is no limit."""
    public_at_a_time: int = Field(default=2, ge=0)
    """Verifications of all visitors together that one api process works on at the same time; 0 is no limit."""
