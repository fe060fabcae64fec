"""Revocation: what OCSP responses and CRLs say about one certificate of a path, and whether that is recent enough.

Each piece of evidence is checked by itself with pyhanko-certvalidator at the time it was issued, so that an old good
answer never hides a fresh bad one (and an embedded one no supplied one). What is missing is fetched through the
injected `Fetcher`, and only for paths that reach an anchor: callers pass no other.

    status = Revocation(evidence, fetcher=fetcher, policy=policy, now=now).of(path, index=2, reference=signing_time)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from asn1crypto import crl, ocsp, x509
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import (
    CRLValidationError,
    OCSPValidationError,
    PathError,
    RevokedError,
    ValidationError,
)
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import LEGACY_POLICY_MAP, CertRevTrustPolicy, FreshnessReqType
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from verify.asn1 import is_present, raw
from verify.chain import UNEXPECTED, Path, drive
from verify.errors import TrustUnusable
from verify.fetcher import Fetcher, FetchFailed, FetchRequest
from verify.found import Evidence
from verify.policy import Policy
from verify.remembered import Remembered
from verify.revocation_sources import addresses_crl, addresses_ocsp, matching_ocsp, ocsp_request, relevant_crls
from verify.trust import unarmour

State = Literal["good", "revoked", "unknown"]
Source = Literal["document", "fetched"]

MAX_CHECKED = 24
"""Pieces of evidence looked at for one certificate."""

UNUSABLE = (ValidationError, PathError, CRLValidationError, OCSPValidationError, *UNEXPECTED)
"""Evidence that certvalidator refuses or cannot read is no evidence; its errors have no common base."""

MAX_ADDRESSES = 4
LARGEST_REMEMBERED = 256 * 1024
_NO_REVOCATION_AVAILABLE = "2.5.29.56"
_AGELESS = timedelta(days=36500)
"""Certvalidator is not asked how old evidence may be: that is decided here, against the time that matters."""


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
class _Answer:
    """One piece of evidence that speaks about the certificate and is authentic."""

    status: Status
    until: datetime | None
    """nextUpdate."""

    def from_(self, source: Source) -> _Answer:
        return self if self.status.source == source else _Answer(replace(self.status, source=source), self.until)


_KNOWN = Remembered["_Answer | None"](limit=128)


@dataclass
class Revocation:
    """Evidence of one judgement. Answers that were fetched are kept for the certificates that follow."""

    evidence: Evidence
    fetcher: Fetcher
    policy: Policy
    now: datetime
    _fetched: dict[FetchRequest, bytes | None] = field(default_factory=dict)

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
        reason = "stale" if answers else ("unreachable" if unreachable else "no-evidence")
        return Status("unknown", reason=reason, unreachable=unreachable)

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
        return tuple(replace(answer.status, until=self._limit(answer)) for answer in answers)

    def _settle(self, answers: list[_Answer], *, reference: datetime, strict: bool) -> Status | None:
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

    def _recent(self, answer: _Answer, *, reference: datetime, strict: bool) -> bool:
        """EN 319 102-1 §5.2.5. `strict`: only what asking a server could not improve."""
        issued = answer.status.issued
        skew = timedelta(seconds=self.policy.clock_skew_seconds)
        if issued is None or issued > self.now + skew:
            return False
        limit = self._limit(answer)
        if issued >= reference or limit is None:
            return issued >= reference
        return (self.now if strict else reference) <= limit + skew

    def _limit(self, answer: _Answer) -> datetime | None:
        """Up to when it is recent, by the policy (EN 319 102-1 §5.2.5)."""
        issued = answer.status.issued
        if issued is None:
            return None
        if self.policy.max_age_hours:
            return issued + timedelta(hours=self.policy.max_age_hours)
        return answer.until or issued + timedelta(hours=self.policy.fallback_age_hours)

    def _answers(self, path: Path, *, index: int, evidence: Evidence, source: Source) -> Iterator[_Answer]:
        checked = 0
        for der in evidence.ocsps:
            for container, answer in matching_ocsp(der, path=path, index=index):
                checked += 1
                if checked > MAX_CHECKED:
                    return
                status = self._check_ocsp(container, answer, path=path, index=index, source=source)
                if status is not None:
                    yield status
        lists = list(relevant_crls(evidence.crls, path=path, index=index))[:MAX_CHECKED]
        for one in lists:
            deltas = [other for other in lists if other is not one and other.delta_crl_indicator_value is not None]
            status = self._check_crls([one, *deltas], path=path, index=index, source=source)
            if status is not None:
                yield status
        if len(lists) > 1:  # several lists that cover the reasons only together (RFC 5280 §6.3.3)
            status = self._check_crls(lists, path=path, index=index, source=source)
            if status is not None:
                yield status

    def _check_ocsp(
        self, response: ocsp.OCSPResponse, answer: ocsp.SingleResponse, *, path: Path, index: int, source: Source
    ) -> _Answer | None:
        """Whether it is authentic as of its issue; that follows from the bytes, and is found out once."""
        found = _KNOWN.get(
            (b"ocsp", raw(response), raw(answer), *self._depends(path, index=index)),
            lambda: self._verify_ocsp(response, answer, path=path, index=index, source=source),
        )
        return found and found.from_(source)

    def _check_crls(
        self, lists: list[crl.CertificateList], *, path: Path, index: int, source: Source
    ) -> _Answer | None:
        """The same for lists; large ones are looked at anew, so that what is remembered stays small."""
        ders = [raw(one) for one in lists]
        if sum(map(len, ders)) > LARGEST_REMEMBERED:
            return self._verify_crls(lists, path=path, index=index, source=source)
        found = _KNOWN.get(
            (b"crl", *ders, *self._depends(path, index=index)),
            lambda: self._verify_crls(lists, path=path, index=index, source=source),
        )
        return found and found.from_(source)

    def _depends(self, path: Path, *, index: int) -> Iterator[bytes]:
        """What else the check looks at: the path, and certificates that may be a responder's."""
        yield from (certificate.sha256 for certificate in path.certificates)
        yield index.to_bytes(2, "big")
        yield from self.evidence.certificates

    def _verify_ocsp(
        self, response: ocsp.OCSPResponse, answer: ocsp.SingleResponse, *, path: Path, index: int, source: Source
    ) -> _Answer | None:
        try:
            issued, until = answer["this_update"].native, answer["next_update"].native
            context = self._context(path, index=index, moment=issued, ocsps=[response])
            found = Evidence(_carried(response), ocsps=(raw(response),))
            status = Status("good", issued=issued, kind="ocsp", source=source, evidence=found)
            try:
                drive(verify_ocsp_response(path.certificates[index], _upto(path, index), context))
            except RevokedError as error:
                status = _revoked(error, status)
            return _Answer(status, until)
        except UNUSABLE:
            return None

    def _verify_crls(
        self, lists: list[crl.CertificateList], *, path: Path, index: int, source: Source
    ) -> _Answer | None:
        certificate = path.certificates[index]
        try:
            issued = min(one["tbs_cert_list"]["this_update"].native for one in lists)
            latest = max(one["tbs_cert_list"]["this_update"].native for one in lists)
            ends = [one["tbs_cert_list"]["next_update"].native for one in lists]
            moment = latest + timedelta(days=1)  # a revocation dated a little behind its list counts
            context = self._context(path, index=index, moment=moment, crls=lists)
            found = Evidence(crls=tuple(raw(one) for one in lists))
            status = Status("good", issued=issued, kind="crl", source=source, evidence=found)
            try:
                drive(verify_crl(certificate, _upto(path, index), context))
            except RevokedError as error:
                status = _revoked(error, status)
            return _Answer(status, min((end for end in ends if end is not None), default=None))
        except UNUSABLE:
            return None

    def _context(
        self,
        path: Path,
        *,
        index: int,
        moment: datetime,
        ocsps: list[ocsp.OCSPResponse] | None = None,
        crls: list[crl.CertificateList] | None = None,
    ) -> ValidationContext:
        """What certvalidator needs to check one piece of evidence as of the moment it was issued.

        The certificates above the one in question count as validated: they are, by `chain.check`.
        """
        policy = CertRevTrustPolicy(
            LEGACY_POLICY_MAP["soft-fail"],
            freshness=_AGELESS,
            freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
        )
        helpers = [c for c in (_certificate(der) for der in self.evidence.certificates) if c is not None]
        context = ValidationContext(
            trust_roots=[CertTrustAnchor(path.anchor)],
            other_certs=[*path.certificates[1:], *helpers],
            moment=moment + timedelta(seconds=1),
            revinfo_policy=policy,
            crls=crls or [],
            ocsps=ocsps or [],
        )
        for place in range(index):
            context.record_validation(path.certificates[place], _upto(path, place))
        return context

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
            if any(self._answers(path, index=index, evidence=found, source="fetched")):
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


def _revocation_order(answer: _Answer) -> tuple[bool, datetime]:
    return answer.status.on_hold, answer.status.revoked_at or datetime.max.replace(tzinfo=UTC)


def issued_after(status: Status, moment: datetime) -> bool:
    """Whether the evidence is newer than `moment`; responders and lists count in whole seconds."""
    return status.issued is not None and status.issued >= moment.replace(microsecond=0)


def _revoked(error: RevokedError, good: Status) -> Status:
    """The same evidence, saying the opposite."""
    reason = str(error.reason.native or "unspecified")
    return replace(
        good, state="revoked", reason=reason, revoked_at=error.revocation_dt, on_hold=reason == "certificate_hold"
    )


def _carried(response: ocsp.OCSPResponse) -> tuple[bytes, ...]:
    """Certificates in an OCSP response: the responder's, which whoever checks it later needs."""
    certificates = response["response_bytes"]["response"].parsed["certs"]
    return tuple(raw(certificate) for certificate in certificates) if is_present(certificates) else ()


def _upto(path: Path, index: int) -> ValidationPath:
    return Path(path.certificates[: index + 1]).as_validation_path()


def _certificate(der: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.Certificate.load(der, strict=True)
        _ = (certificate.subject.hashable, certificate.issuer_serial, certificate.key_identifier)
    except UNEXPECTED:
        return None
    return certificate
