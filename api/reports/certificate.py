"""The lines of a report that speak of the signer's certificate: who, by whom, and whether it was in force when used.

What the report says about time is read off its checks: the moment that a timestamp proves, and what was said of the
certificate's revocation. Nothing is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.reports.text import clean, moment, name_parts
from verify.report import Facts, SignatureReport


@dataclass(frozen=True)
class Then:
    """How the certificate stood at signing time."""

    value: str
    tone: Literal["good", "bad", "unsure"]


def signer_name(one: SignatureReport) -> str | None:
    """The common name, else the whole subject; None when nobody knows."""
    if one.signer is None:
        return None
    return clean(one.signer.common_name or one.signer.subject) or None


def short_name(distinguished: str) -> str:
    """The common name of a distinguished name, or all of it."""
    names = name_parts(distinguished).get("CN")
    return clean(names[0] if names else distinguished)


def authority(issuer: str) -> str:
    """The body that issued a certificate: its name, and the organisation it belongs to."""
    parts = name_parts(issuer)
    names = [*parts.get("CN", ())[:1], *parts.get("O", ())[:1]]
    return clean(" – ".join(dict.fromkeys(names)) or issuer)


def proven_time(one: SignatureReport, *, now: datetime) -> datetime | None:
    """The signing time as far as a timestamp proves it; the engine takes the time of judging where none does."""
    best = one.best_signature_time
    return best if best is not None and best < now else None


def signing_time(one: SignatureReport, *, now: datetime, words: dict[str, str]) -> str:
    proven, claimed = proven_time(one, now=now), one.claimed_time
    if proven is None:
        return words["time_unknown"] if claimed is None else words["time_claimed"].format(time=moment(claimed))
    if claimed is None or abs((claimed - proven).total_seconds()) < _SAME:
        return words["time_proven"].format(time=moment(proven))
    return words["time_proven_claimed"].format(time=moment(proven), claimed=moment(claimed))


_SAME = 60
"""Seconds by which the signer's clock and the timestamp may differ without a word about it."""


def then(one: SignatureReport, *, now: datetime, words: dict[str, str]) -> Then:  # noqa: PLR0911  one for each case
    """How the certificate stood at signing time, as far as that is known."""
    proven = proven_time(one, now=now)
    at = proven or now
    assert one.signer is not None
    begin, end = one.signer.not_before, one.signer.not_after
    if at < begin or one.sub_indication == "NOT_YET_VALID":
        return Then(words["then_early"], "bad")
    if one.sub_indication == "EXPIRED" or (proven is not None and at > end):
        return Then(words["then_expired"], "bad")
    if at > end:
        return Then(words["then_unproven"], "unsure")
    said = _revocation(one)
    state = str(said.get("state", "")) if said is not None else ""
    if state == "revoked":
        since = _time(said.get("revoked_at") if said else None, like=now)
        told = moment(since) if since else "…"
        if proven is not None and since is not None and proven < since:
            return Then(words["then_revoked_later"].format(time=told), "good")
        return Then(words["then_revoked"].format(time=told), "bad")
    if state == "good":
        if now > end:
            return Then(words["then_expired_later"], "good")
        good = words["then_good"]
        return Then(good if proven else words["then_now"].format(state=good), "good")
    if state == "unknown":
        unknown = words["then_good_unknown"]
        return Then(unknown if proven else words["then_now"].format(state=unknown), "unsure")
    failed = one.indication == "TOTAL_FAILED"
    return Then(words["then_period" if failed else "then_unknown"], "unsure")


def _revocation(one: SignatureReport) -> Facts | None:
    """What was said about the revocation of the signer's own certificate: the last such check speaks of the leaf."""
    assert one.signer is not None
    found = [check.facts for check in one.checks if check.code == "REVOCATION"]
    own = [facts for facts in found if facts.get("subject") == one.signer.subject]
    return own[-1] if own else None


def _time(text: object, *, like: datetime) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(like.tzinfo)
    except (ValueError, OverflowError):
        return None
