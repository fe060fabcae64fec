"""What the evidence at hand says about one certificate: each response, each list by itself, if whoever signed it may.

Evidence comes from anywhere and costs nothing to make, so what is tried is counted; supplied evidence stands first, so
that nothing in a document crowds it out. How recent an answer must be, and where more is had, is `verify.evidence`'s.

    for answer in answers(authority, evidence, source="document", stands=stands): …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from asn1crypto import x509

from verify import revocation_lists, revocation_responses
from verify.asn1 import raw
from verify.found import Evidence
from verify.issuance import UNEXPECTED
from verify.remembered import Remembered
from verify.revocation_authority import Authority, Speaker
from verify.revocation_lists import ALL_REASONS, REMOVED, ListUnusable, RevocationList
from verify.revocation_responses import Response, ResponseUnusable, Single

State = Literal["good", "revoked", "unknown"]
Source = Literal["document", "fetched"]
Stands = Callable[[Speaker, datetime], bool]
"""Whether somebody who signed evidence was in force at that time, and is not revoked."""

MAX_RESPONSES = 200
MAX_LISTS = 1000
"""Responses and lists about one certificate, authentic or not, that are looked at."""
MAX_ANSWERS = 24
"""Of the authentic ones, those of which anything is said."""

LARGEST_REMEMBERED = 256 * 1024


@dataclass(frozen=True)
class Status:
    """What is known about one certificate. `issued` is thisUpdate; `reason` is a code for the report."""

    state: State
    reason: str = ""
    issued: datetime | None = None
    revoked_at: datetime | None = None
    kind: Literal["ocsp", "crl", ""] = ""
    source: Source | Literal[""] = ""
    on_hold: bool = False
    unreachable: tuple[str, ...] = ()
    """Addresses that were asked and did not answer."""
    evidence: Evidence = field(default_factory=Evidence)
    """What says so: the OCSP response with the certificates in it, or the lists. Empty where nothing was needed."""
    until: datetime | None = None
    """Up to when the evidence counts as recent by the policy: nextUpdate, or an age."""


@dataclass(frozen=True)
class Answer:
    """One piece of evidence that speaks about the certificate and is authentic."""

    status: Status
    until: datetime | None
    """nextUpdate."""


_LISTS = Remembered["RevocationList | ListUnusable"](limit=128)
_RESPONSES = Remembered["Response | ResponseUnusable"](limit=128)


def answers(authority: Authority, evidence: Evidence, *, source: Source, stands: Stands) -> Iterator[Answer]:
    """What of the evidence speaks about the certificate and is authentic."""
    yield from islice(_by_responses(authority, evidence, source=source, stands=stands), MAX_ANSWERS)
    yield from _by_lists(authority, evidence, source=source, stands=stands)


def _by_responses(authority: Authority, evidence: Evidence, *, source: Source, stands: Stands) -> Iterator[Answer]:
    for response, single in islice(_about(authority, evidence), MAX_RESPONSES):
        speaker = authority.responder(response)
        if speaker is None or not stands(speaker, response.produced):
            continue
        own = () if speaker.certificate is authority.issuer else (raw(speaker.certificate),)
        certificates = tuple(dict.fromkeys((*response.certificates, *speaker.certificates, *own)))
        status = Status(
            single.state,
            reason=single.reason if single.state != "unknown" else "status-unknown",
            issued=single.issued,
            revoked_at=single.revoked_at,
            kind="ocsp",
            source=source,
            on_hold=single.reason == "certificate_hold",
            evidence=Evidence(certificates, ocsps=(response.der,)),
        )
        yield Answer(status, single.until)


def _about(authority: Authority, evidence: Evidence) -> Iterator[tuple[Response, Single]]:
    for response in filter(None, map(_response, evidence.ocsps)):
        single = revocation_responses.about(response, authority.certificate, issuer=authority.issuer)
        if single is not None:
            yield response, single


def _by_lists(authority: Authority, evidence: Evidence, *, source: Source, stands: Stands) -> Iterator[Answer]:
    """RFC 5280 §6.3.3: each complete list with its delta; lists that cover the reasons only together, together."""
    found: list[tuple[RevocationList, frozenset[str], Speaker]] = []
    for listed, reasons in islice(_relevant(authority, evidence), MAX_LISTS):
        speaker = authority.list_issuer(listed)
        if speaker is not None:
            found.append((listed, reasons, speaker))
    found.sort(key=lambda one: one[0].issued, reverse=True)
    deltas = [listed for listed, _, _ in found if listed.base is not None]
    partial: list[tuple[frozenset[str], Answer]] = []
    for listed, reasons, speaker in [one for one in found if one[0].base is None][:MAX_ANSWERS]:
        if not stands(speaker, listed.issued):
            continue
        answer = _by_list(listed, deltas, authority=authority, speaker=speaker, source=source)
        if answer is None:
            continue
        if answer.status.state == "revoked" or reasons == ALL_REASONS:
            yield answer
        else:
            partial.append((reasons, answer))
    if partial and frozenset().union(*(reasons for reasons, _ in partial)) == ALL_REASONS:
        yield _together([answer for _, answer in partial])


def _relevant(authority: Authority, evidence: Evidence) -> Iterator[tuple[RevocationList, frozenset[str]]]:
    numbered = "crl-number" not in authority.policy.waived
    for listed in filter(None, map(_list, dict.fromkeys(evidence.crls))):
        reasons = _covered(listed, authority.certificate)
        if reasons and not (numbered and listed.number is None):
            yield listed, reasons


def _by_list(
    listed: RevocationList, deltas: list[RevocationList], *, authority: Authority, speaker: Speaker, source: Source
) -> Answer | None:
    applied = [listed]
    for delta in deltas:
        if revocation_lists.continues(delta, listed) and authority.signed(delta, by=speaker):
            applied.insert(0, delta)
            break
    try:
        entry = next(filter(None, (one.find(authority.certificate) for one in applied)), None)
    except ListUnusable:
        return None
    ends = [one.until for one in applied if one.until is not None]
    status = Status(
        "good" if entry is None or entry.reason == REMOVED else "revoked",
        issued=applied[0].issued,
        kind="crl",
        source=source,
        evidence=Evidence(speaker.certificates, crls=tuple(one.der for one in applied)),
    )
    if entry is not None and status.state == "revoked":
        held = entry.reason == "certificate_hold"
        status = replace(status, reason=entry.reason, revoked_at=entry.revoked_at, on_hold=held)
    return Answer(status, min(ends, default=None))


def _together(answers: list[Answer]) -> Answer:
    """Several lists that all say good, each for some reasons: as old as the oldest."""
    oldest = min(
        (answer.status for answer in answers), key=lambda status: status.issued or datetime.max.replace(tzinfo=UTC)
    )
    evidence = Evidence()
    for answer in answers:
        evidence = evidence.with_(answer.status.evidence)
    ends = [answer.until for answer in answers if answer.until is not None]
    return Answer(replace(oldest, evidence=evidence), min(ends, default=None))


def _covered(listed: RevocationList, certificate: x509.Certificate) -> frozenset[str]:
    try:
        return revocation_lists.covered(listed, certificate)
    except UNEXPECTED:
        return frozenset()


def _list(der: bytes) -> RevocationList | None:
    """A list, read once where it is small; None when it is none that can be used."""
    found = _read_list(der) if len(der) > LARGEST_REMEMBERED else _LISTS.get((der,), lambda: _read_list(der))
    return found if isinstance(found, RevocationList) else None


def _read_list(der: bytes) -> RevocationList | ListUnusable:
    try:
        return revocation_lists.read(der)
    except ListUnusable as error:
        return error


def _response(der: bytes) -> Response | None:
    found = _RESPONSES.get((der,), lambda: _read_response(der))
    return found if isinstance(found, Response) else None


def _read_response(der: bytes) -> Response | ResponseUnusable:
    try:
        return revocation_responses.read(der)
    except ResponseUnusable as error:
        return error
