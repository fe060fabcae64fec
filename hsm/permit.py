"""A permit: the right to use one key once, on one string of bytes, within a short time.

The api writes it after the ledger line is durable; the keeper checks it before it touches the key. It binds key,
mechanism, digest of the bytes, ledger number and expiry with an HMAC-SHA256 under a secret that the supervisor makes
anew at every start, so that no permit outlives the appliance that issued it. That a permit is used only once is the
keeper's memory (`hsm.uselog`), not part of the permit.

>>> secret = bytes(32)
>>> permit = issue(secret, key="seal", mechanism="ecdsa_sha256", tbs=b"1", ledger_number=7, expires_at=1e10)
>>> check(secret, permit, key="seal", mechanism="ecdsa_sha256", tbs=b"1", now=0.0)
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from hsm.errors import PermitRefused
from hsm.keys import Mechanism

LIFETIME = 60.0
"""Seconds between the ledger line and the last moment at which the keeper accepts the permit."""

_LATEST = 1e11
"""No Unix time that anybody means; what is not a number is not below it either."""


@dataclass(frozen=True)
class Permit:
    """`ledger_number` is the number of the INTENT line that stands for this use; `expires_at` is a Unix time."""

    ledger_number: int
    expires_at: float
    mac: bytes


def _mac(secret: bytes, *, key: str, mechanism: str, tbs_digest: bytes, ledger_number: int, expires_at: float) -> bytes:
    name = key.encode()
    message = b"".join(
        (
            b"kyso permit 1\0",
            len(name).to_bytes(4, "big"),
            name,
            mechanism.encode().ljust(32, b"\0"),
            tbs_digest,
            ledger_number.to_bytes(8, "big"),
            int(expires_at * 1000).to_bytes(8, "big"),
        )
    )
    return hmac.digest(secret, message, "sha256")


def issue(
    secret: bytes, *, key: str, mechanism: Mechanism, tbs: bytes, ledger_number: int, expires_at: float
) -> Permit:
    """A permit for one use of `key`; call it only when the ledger line `ledger_number` is durable."""
    digest = hashlib.sha256(tbs).digest()
    mac = _mac(
        secret,
        key=key,
        mechanism=mechanism,
        tbs_digest=digest,
        ledger_number=ledger_number,
        expires_at=expires_at,
    )
    return Permit(ledger_number, expires_at, mac)


def check(secret: bytes, permit: Permit, *, key: str, mechanism: Mechanism, tbs: bytes, now: float) -> None:
    """Raise PermitRefused unless the permit is authentic, unexpired and about exactly this use."""
    if not (0 < permit.ledger_number < 2**63 and 0 <= permit.expires_at < _LATEST):
        raise PermitRefused("the permit has a number or a time that none can have")
    expected = _mac(
        secret,
        key=key,
        mechanism=mechanism,
        tbs_digest=hashlib.sha256(tbs).digest(),
        ledger_number=permit.ledger_number,
        expires_at=permit.expires_at,
    )
    if not hmac.compare_digest(expected, permit.mac):
        raise PermitRefused("the permit does not belong to this use of the key")
    if now > permit.expires_at:
        raise PermitRefused("the permit has expired")
