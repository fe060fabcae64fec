"""Which profile a PDF signature follows, before any timestamp or evidence counts.

EN 319 142-1 §6.3 (PAdES baseline B), EN 319 142-2 (PAdES-BES, PAdES-EPES), ISO 32000-1 §12.8.3.3 (PKCS#7). Only the
form is looked at; whether the signature is any good is for `verify.engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verify.cms import Signed

_CADES = "/ETSI.CAdES.detached"
_PKCS7 = "/adbe.pkcs7.detached"


@dataclass(frozen=True)
class Profile:
    """`level` without timestamps; `missing` says what keeps the signature from its profile's rules."""

    format: Literal["PAdES", "PKCS7"]
    level: str
    missing: tuple[str, ...]


def of(message: Signed, *, sub_filter: str, has_time: bool) -> Profile:
    """The profile of one signature dictionary and its CMS."""
    if sub_filter == _PKCS7:
        level = "PKCS7-B" if message.signed_attributes is not None else "PDF-NOT-ETSI"
        return Profile("PKCS7", level, _missing_everywhere(message))
    if sub_filter != _CADES:
        return Profile("PKCS7", "PDF-NOT-ETSI", _missing_everywhere(message))
    missing = list(_missing_everywhere(message))
    if message.signers != 1 or message.binding == "absent":
        missing.extend(("signing-certificate",) if message.binding == "absent" else ())
        return Profile("PAdES", "PDF-NOT-ETSI", tuple(missing))
    policy = "signature_policy_identifier" in message.attributes
    baseline = (
        not missing
        and has_time
        and "signing_time" not in message.attributes  # EN 319 142-1 §6.3: the time stands in /M alone
        and message.attributes.get("content_type") is not None
    )
    if baseline:
        return Profile("PAdES", "PAdES-BASELINE-B", ())
    return Profile("PAdES", "PAdES-EPES" if policy else "PAdES-BES", tuple(missing))


def _missing_everywhere(message: Signed) -> tuple[str, ...]:
    missing = []
    if message.signers != 1:
        missing.append("single-signer")  # ISO 32000-1 §12.8.3.3.1, EN 319 142-1 §4.1
    if message.repeated:
        missing.append("attributes-once")
    return tuple(missing)
