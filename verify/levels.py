"""The level a signature has: the highest whose evidence is present and technically sound (trust is no part of it).

EN 319 142-1 §6 and EN 319 142-2 for PDF, EN 319 132-1 §6 and EN 319 132-2 for XML; the names are those of EU DSS, which
people compare with. DSS goes by the form alone, so that a timestamp over something else lifts a level there and none
here; `form` says what it would say.
"""

from __future__ import annotations

from collections.abc import Sequence

from asn1crypto import x509

from verify.chain import UNEXPECTED
from verify.found import FoundSignature, FoundTimestamp
from verify.timing import JudgedTimestamp


def of(found: FoundSignature, *, own: Sequence[JudgedTimestamp], document: Sequence[JudgedTimestamp]) -> str | None:
    """`own` are the signature's timestamps, `document` those of the document; a document timestamp counts only for
    signatures that it covers, so one taken before the signature lifts nothing."""
    profile = found.profile
    if profile is None:
        return None
    if found.format in {"XAdES", "XMLDSIG"}:
        return _xades(found, [one.found for one in own if one.sound and not _after_the_end(found, one)])
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


def form(found: FoundSignature) -> str | None:
    """The level that the form of an XML signature has, whatever its timestamps are worth."""
    return _xades(found, found.timestamps)


def _xades(found: FoundSignature, stamps: Sequence[FoundTimestamp]) -> str | None:
    """With these of its timestamps: T has one over its value, C references to the validation data, X a timestamp over
    those, LT (XL beside C and X) the data itself and A an archive timestamp over that."""
    profile = found.profile
    over_value = [one for one in stamps if one.type == "signature"]
    if profile not in _XADES_PROFILES or not over_value:
        return profile
    archived = found.kept_at is not None
    sealed = archived and any(one.type == "archive" and one.seals(found.kept_at or 0) for one in stamps)
    attached = [one.covers for one in found.timestamps if one.type == "signature"]
    baseline = profile == "XAdES-BASELINE-B" and len(set(attached)) == len(attached)  # §6.3 (n): one in each element
    if baseline and archived and found.baseline_longterm:
        return "XAdES-BASELINE-LTA" if sealed else "XAdES-BASELINE-LT"
    if archived and sealed:
        return "XAdES-A"
    if found.complete_references:
        stamped = any(one.type == "vri" for one in stamps)
        return "XAdES-XL" if archived and stamped else "XAdES-X" if stamped else "XAdES-C"
    if archived:
        return "XAdES-LT"
    return "XAdES-BASELINE-T" if baseline else "XAdES-T"


def _after_the_end(found: FoundSignature, stamp: JudgedTimestamp) -> bool:
    """§6.3 (o): a timestamp over the value is made before the end of the signer's certificate."""
    if stamp.found.type != "signature" or found.signer is None or stamp.report.time is None:
        return False
    try:
        return bool(stamp.report.time >= x509.Certificate.load(found.signer).not_valid_after)
    except UNEXPECTED:
        return False


_XADES_PROFILES = frozenset({"XAdES-BASELINE-B", "XAdES-BES", "XAdES-EPES"})
