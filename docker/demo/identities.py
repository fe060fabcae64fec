"""The demo identities: which keys the demo token holds, and what an integrator sees when signing with each.

An identity exists for its outcome. `code` is the problem code that a signature at B-T gets, None where it works; the
README, the demo's table and the tests all read this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Identity:
    """One key: its name, the module and kind it is made with, the outcome of signing and why."""

    ref: str
    algorithm: str
    code: str | None
    vi: str
    en: str
    module: Literal["demo", "locked"] = "demo"


SIGNER = "demo-official"
"""Who signs the sample."""

IDENTITIES = (
    Identity(SIGNER, "rsa2048", None, "cán bộ, RSA-2048", "an official, RSA-2048"),
    Identity("demo-official-ec", "p256", None, "cán bộ, P-256", "an official, P-256"),
    Identity("demo-official-2", "rsa2048", None, "người ký thứ hai", "a second signer"),
    Identity("demo-seal", "rsa3072", None, "dấu của cơ quan", "an organisation's seal"),
    Identity("demo-revoked", "rsa2048", "certificate-revoked", "chứng thư bị thu hồi", "certificate revoked"),
    Identity("demo-expired", "rsa2048", "certificate-expired", "chứng thư hết hạn", "certificate expired"),
    Identity(
        "demo-not-yet-valid",
        "rsa2048",
        "certificate-not-yet-valid",
        "chứng thư chưa có hiệu lực",
        "certificate not yet valid",
    ),
    Identity(
        "demo-unknown-ca",
        "rsa2048",
        "certificate-untrusted",
        "tổ chức chứng thực lạ",
        "certificate of an unknown CA",
    ),
    Identity(
        "demo-tsa-down",
        "rsa2048",
        "timestamp-unavailable",
        "dịch vụ dấu thời gian không trả lời",
        "timestamp authority does not answer",
    ),
    Identity("demo-locked", "rsa2048", "token-locked", "thiết bị bị khóa", "token locked", module="locked"),
)

AUTHORITY = Identity("demo-tsa", "rsa2048", None, "cấp dấu thời gian tại /tsa", "issues timestamps at /tsa")
"""The timestamp authority's key: it signs timestamps only, so it is not tried with a document."""
