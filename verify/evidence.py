"""Revocation: what OCSP responses and CRLs say about one certificate of a path, and whether that is recent enough.

Each piece of evidence is weighed by itself, as of the time it was issued, so that an old good answer never hides a fresh
bad one (and an embedded one no supplied one). Who may have signed it is asked of `verify.revocation_authority`. What is
missing is fetched through the injected `Fetcher`, and only for paths that reach an anchor: callers pass no other.

    status = Revocation(evidence, fetcher=fetcher, policy=policy, now=now).of(path, index=2, reference=signing_time)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from asn1crypto import x509

from verify.chain import Path
from verify.errors import TrustUnusable
from verify.fetcher import Fetcher, FetchFailed, FetchRequest
from verify.found import Evidence
from verify.issuance import fingerprint
from verify.policy import Policy
from verify.revocation_answers import Answer, Source, Status, answers
from verify.revocation_authority import Authority, Speaker
from verify.revocation_sources import addresses_crl, addresses_ocsp, ocsp_request
from verify.trust import unarmour

__all__ = ["Revocation", "Status", "issued_after", "needs_none"]

MAX_ADDRESSES = 4
_NO_REVOCATION_AVAILABLE = "2.5.29.56"


@dataclass
class Revocation:
    """Evidence of one judgement. Answers that were fetched are kept for the certificates that follow."""

    evidence: Evidence
    fetcher: Fetcher
    policy: Policy
    now: datetime
    _fetched: dict[FetchRequest, bytes | None] = field(default_factory=dict)
    _asking: set[bytes] = field(default_factory=set)
    """Signers of evidence whose own status is being asked for."""

    def of(
        self,
        path: Path,
        *,
        index: int,
        reference: datetime,
        settled_by: datetime | None = None,
        after: datetime | None = None,
    ) -> Status:
        """The status of `path.certificates[index]`; its issuer stands before it.

        `reference` is when the certificate was used as far as is proven: evidence must be recent seen from then.
        Evidence issued after `settled_by` (default: `reference`) is enough without asking anybody. With `after`, only
        evidence issued from then on is: whoever collects evidence for a signature wants what is newer than it.

        1. A revocation, from whatever source, is final (a hold that was lifted later is not).
        2. Evidence issued after `settled_by` settles it; so does evidence that is current now (not with `after`).
        3. Otherwise the servers that the certificate names are asked.
        4. If they do not answer, older evidence will do while its own period reaches up to `reference`.
        """
        certificate = path.certificates[index]
        if needs_none(certificate):
            return Status("good", reason="no-revocation-available")
        answers = list(self._answers(path, index=index, evidence=self.evidence, source="document"))
        settled = self._settle(answers, reference=settled_by or reference, strict=True)
        if settled is not None and (after is None or settled.state == "revoked" or issued_after(settled, after)):
            return settled
        fetched, unreachable = self._fetch(path, index=index)
        answers.extend(self._answers(path, index=index, evidence=fetched, source="fetched"))
        settled = self._settle(answers, reference=reference, strict=False)
        if settled is not None:
            return replace(settled, unreachable=unreachable)
        return Status("unknown", reason=self._why_unknown(answers, unreachable), unreachable=unreachable)

    def everything(self, path: Path, *, index: int) -> tuple[Status, ...]:
        """All that is authentic and known by now about `path.certificates[index]`, asking nobody: for the choice that
        validation-time sliding makes (EN 319 102-1 §5.6.2.2)."""
        fetched = [(request.kind, body) for request, body in self._fetched.items() if body is not None]
        lists = [der for kind, body in fetched if kind == "crl" for der in _lists(body)]
        known = Evidence(ocsps=tuple(body for kind, body in fetched if kind == "ocsp"), crls=tuple(lists))
        answers = (
            *self._answers(path, index=index, evidence=self.evidence, source="document"),
            *self._answers(path, index=index, evidence=known, source="fetched"),
        )
        return tuple(replace(a.status, until=self._limit(a)) for a in answers if a.status.state != "unknown")

    def _why_unknown(self, answers: list[Answer], unreachable: tuple[str, ...]) -> str:
        known = [a.status.issued for a in answers if a.status.state != "unknown" and a.status.issued is not None]
        if known:
            return "in-the-future" if min(known) > self.now else "stale"
        if answers:
            return "status-unknown"
        return "unreachable" if unreachable else "no-evidence"

    def _settle(self, answers: list[Answer], *, reference: datetime, strict: bool) -> Status | None:
        newest_good = max(
            (a.status.issued for a in answers if a.status.state == "good" and a.status.issued), default=None
        )
        for answer in sorted(answers, key=_revocation_order):
            status = answer.status
            if status.state != "revoked":
                continue
            lifted = (
                status.on_hold and newest_good is not None and status.issued is not None and newest_good > status.issued
            )
            if not lifted:
                return status
        usable = [
            a for a in answers if a.status.state == "good" and self._recent(a, reference=reference, strict=strict)
        ]
        newest = max(usable, key=lambda a: a.status.issued or self.now, default=None)
        return newest.status if newest is not None else None

    def _recent(self, answer: Answer, *, reference: datetime, strict: bool) -> bool:
        """EN 319 102-1 §5.2.5. `strict`: only what asking a server could not improve."""
        issued = answer.status.issued
        skew = timedelta(seconds=self.policy.clock_skew_seconds)
        if issued is None or issued > self.now + skew:
            return False
        limit = self._limit(answer)
        if issued >= reference or limit is None:
            return issued >= reference
        return (self.now if strict else reference) <= limit + skew

    def _limit(self, answer: Answer) -> datetime | None:
        """Up to when it is recent, by the policy (EN 319 102-1 §5.2.5)."""
        issued = answer.status.issued
        if issued is None:
            return None
        if self.policy.max_age_hours:
            return issued + timedelta(hours=self.policy.max_age_hours)
        return answer.until or issued + timedelta(hours=self.policy.fallback_age_hours)

    def _answers(self, path: Path, *, index: int, evidence: Evidence, source: Source) -> Iterator[Answer]:
        authority = Authority(self.policy, path, index, (*self.evidence.certificates, *evidence.certificates))
        return answers(authority, evidence, source=source, stands=self._stands)

    def _stands(self, speaker: Speaker, by: datetime) -> bool:
        """Whether who signed evidence was itself in force then and is not revoked; the CAs of the path are anyway."""
        for path, index in speaker.unproven:
            certificate = path.certificates[index]
            mark = fingerprint(certificate)
            if not certificate.not_valid_before <= by <= certificate.not_valid_after:
                return False
            if mark in self._asking:  # its CA has it list its own revocation: nobody else could say more
                continue
            self._asking.add(mark)
            try:
                status = self.of(path, index=index, reference=by)
            finally:
                self._asking.discard(mark)
            wanted = speaker.must_be_known and self.policy.revocation["ca"] == "require"
            if status.state == "revoked" or (status.state == "unknown" and wanted):
                return False
        return True

    def _fetch(self, path: Path, *, index: int) -> tuple[Evidence, tuple[str, ...]]:
        """OCSP first, then CRLs if no responder answered. Answers need not be authentic: that is checked later."""
        certificate, issuer = path.certificates[index], path.certificates[index - 1]
        unreachable: list[str] = []
        ocsps: list[bytes] = []
        body = ocsp_request(certificate, issuer)
        for url in list(addresses_ocsp(certificate))[:MAX_ADDRESSES] if body else ():
            answer = self._ask(FetchRequest("ocsp", url, body))
            if answer is None:
                unreachable.append(url)
                continue
            ocsps.append(answer)
            found = Evidence(ocsps=tuple(ocsps))
            if any(map(self._settles, self._answers(path, index=index, evidence=found, source="fetched"))):
                return found, ()
        crls: list[bytes] = []
        for url in list(addresses_crl(certificate))[:MAX_ADDRESSES]:
            answer = self._ask(FetchRequest("crl", url))
            if answer is None:
                unreachable.append(url)
                continue
            try:
                crls.extend(unarmour(answer))
            except TrustUnusable:
                unreachable.append(url)
        return Evidence(ocsps=tuple(ocsps), crls=tuple(crls)), tuple(unreachable)

    def _settles(self, answer: Answer) -> bool:
        """Whether no list need be asked for after this response."""
        good = answer.status.state == "good" and self._recent(answer, reference=self.now, strict=True)
        return good or answer.status.state == "revoked"

    def _ask(self, request: FetchRequest) -> bytes | None:
        if request not in self._fetched:
            try:
                self._fetched[request] = self.fetcher.fetch(request)
            except FetchFailed:
                self._fetched[request] = None
        return self._fetched[request]


def needs_none(certificate: x509.Certificate) -> bool:
    """Whether its issuer says that there will be no revocation data for it (RFC 9608)."""
    return any(
        one["extn_id"].dotted == _NO_REVOCATION_AVAILABLE for one in certificate["tbs_certificate"]["extensions"]
    )


def _lists(body: bytes) -> tuple[bytes, ...]:
    try:
        return unarmour(body)
    except TrustUnusable:
        return ()


def _revocation_order(answer: Answer) -> tuple[bool, datetime]:
    return answer.status.on_hold, answer.status.revoked_at or datetime.max.replace(tzinfo=UTC)


def issued_after(status: Status, moment: datetime) -> bool:
    """Whether the evidence is newer than `moment`; responders and lists count in whole seconds."""
    return status.issued is not None and status.issued >= moment.replace(microsecond=0)
