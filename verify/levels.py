"""The level a signature has: the highest whose evidence is present and technically sound (trust is no part of it).

EN 319 142-1 §6 and EN 319 142-2 for PDF; the names are those of EU DSS, which people compare with.
"""

from __future__ import annotations

from collections.abc import Sequence

from verify.found import FoundSignature
from verify.timing import JudgedTimestamp


def of(found: FoundSignature, *, own: Sequence[JudgedTimestamp], document: Sequence[JudgedTimestamp]) -> str | None:
    """`own` are the signature's timestamps, `document` those of the document; a document timestamp counts only for
    signatures that it covers, so one taken before the signature lifts nothing."""
    profile = found.profile
    if profile is None:
        return None
    covering = [one for one in document if one.sound and one.found.covers > found.covers]
    stamped = any(one.sound for one in own if one.found.type == "signature") or bool(covering)
    archived = found.kept_at is not None
    sealed = archived and any(one.found.covers >= (found.kept_at or 0) for one in covering)
    stem = _STEMS.get(profile)
    if stem is not None:
        if not stamped:
            return profile
        return f"{stem}-{'LTA' if sealed else 'LT' if archived else 'T'}"
    if profile in {"PAdES-BES", "PAdES-EPES"} and archived and covering:
        return "PAdES-LTV"
    return profile


_STEMS = {
    "PAdES-BASELINE-B": "PAdES-BASELINE",
    "PKCS7-B": "PKCS7",
}
