"""X.509 certificate validation, EN 319 102-1 §5.2.6: does a path hold now, and if not, what would mend it.

A result lists every problem, since a timestamp may mend one and not another (§5.5.4); it decides nothing about
signatures. What held in the past is for `verify.past`.

    result = Certificates(trust=trust, policy=policy, evidence=evidence, fetcher=fetcher, now=now).judge(
        der, role="signer", reference=now)
    result.problems        # empty: PASSED
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from asn1crypto import ocsp, x509

from verify.asn1 import raw, same_name
from verify.chain import UNEXPECTED, Path, PathRejected, Role, build, check, name_of
from verify.evidence import Revocation, Status, issued_after
from verify.fetcher import Fetcher
from verify.found import Evidence
from verify.issuers import Issuers
from verify.poe import Proofs
from verify.policy import Mode, Policy
from verify.report import Check, Warning_
from verify.trust import Trust

CLAUSE = "EN 319 102-1 §5.2.6"
_FRESHNESS = "EN 319 102-1 §5.2.5"

_RANK = (
    "NO_CERTIFICATE_CHAIN_FOUND_NO_POE",
    "REVOKED_NO_POE",
    "REVOKED_CA_NO_POE",
    "OUT_OF_BOUNDS_NOT_REVOKED",
    "OUT_OF_BOUNDS_NO_POE",
    "NOT_YET_VALID",
    "TRY_LATER",
    "REVOCATION_OUT_OF_BOUNDS_NO_POE",
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    "CRYPTO_CONSTRAINTS_FAILURE",
    "CHAIN_CONSTRAINTS_FAILURE",
    "CERTIFICATE_CHAIN_GENERAL_FAILURE",
    "NO_CERTIFICATE_CHAIN_FOUND",
)
"""Of several problems of a path the first is told first: what has ended is not mended by trying later. Of several paths
that fail, the one that got furthest is reported."""


@dataclass(frozen=True)
class Problem:
    """A sub-indication, its reason, and the moment it turns on: of revocation, of expiry, the end of an algorithm."""

    sub_indication: str
    reason: str
    moment: datetime | None = None
    subject: str = ""
    concerns: Literal["signature", "certificate"] = "certificate"

    def cleared_by(self, proven: datetime | None) -> bool:
        """EN 319 102-1 §5.5.4: whether a use that is proven for `proven` came, provably, before the problem did.

        A certificate whose algorithm is no longer believed needs a proof of its own (§5.6), which this is not.
        """
        if proven is None or self.moment is None:
            return False
        match self.sub_indication:
            case "REVOKED_NO_POE":
                return proven < self.moment
            case "CRYPTO_CONSTRAINTS_FAILURE_NO_POE":
                return self.concerns == "signature" and proven < self.moment
            case "OUT_OF_BOUNDS_NOT_REVOKED":
                return proven <= self.moment
            case _:
                return False


@dataclass(frozen=True)
class CertificateResult:
    """`evidence` is what the result rests on: the path's certificates and what was said of their revocation."""

    problems: tuple[Problem, ...]
    path: Path | None
    checks: tuple[Check, ...]
    warnings: tuple[Warning_, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    pending: tuple[str, ...] = ()
    """Subjects for which there is no evidence yet that is as new as was asked (`Certificates.judge`, `fresh`)."""
    missing: tuple[str, ...] = ()
    """Subjects of whose revocation nothing usable is known."""

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass
class Certificates:
    """Validates certificates of one document against one trust, policy and time; results are kept."""

    trust: Trust
    policy: Policy
    evidence: Evidence
    fetcher: Fetcher
    now: datetime
    proofs: Proofs = field(init=False)
    """What is proven to have existed when; whoever finds a timestamp valid adds to it."""
    revocation: Revocation = field(init=False)
    issuers: Issuers = field(init=False)
    _known: dict[tuple[bytes, Role, datetime, datetime | None, int], CertificateResult] = field(default_factory=dict)
    _trusts: dict[Role, Trust] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.issuers = Issuers(self.fetcher)
        given = Evidence(self.trust.intermediates, self.trust.crls, self.trust.ocsps)
        self.proofs = Proofs(self.now)
        # What was supplied stands first: nothing in a document crowds it out of what is looked at.
        self.revocation = Revocation(given.with_(self.evidence), self.fetcher, self.policy, self.now)

    def judge(
        self,
        certificate: bytes,
        *,
        role: Role,
        reference: datetime,
        pool: Iterable[bytes] = (),
        fresh: datetime | None = None,
    ) -> CertificateResult:
        """`reference`: when the certificate was used as far as is proven; `pool`: further certificates for paths.

        `fresh` asks for evidence issued from then on, where the policy wants that (`fresh_evidence`); what is older
        serves still, and the result says for whom (`pending`).
        """
        key = (certificate, role, reference, fresh, self.proofs.version)
        if key not in self._known:
            self._known[key] = self._judge(certificate, role=role, reference=reference, pool=pool, fresh=fresh)
        return self._known[key]

    def _judge(
        self, certificate: bytes, *, role: Role, reference: datetime, pool: Iterable[bytes], fresh: datetime | None
    ) -> CertificateResult:
        best: CertificateResult | None = None
        for path in self.paths(certificate, role=role, pool=pool):
            result = self._judge_path(path, role=role, reference=reference, fresh=fresh)
            if result.passed:
                return result
            if best is None or _rank(result) < _rank(best):
                best = result
        if best is not None:
            return best
        reason = "no-anchors" if not self._serving(role).anchors else "no-path"
        return CertificateResult(
            (Problem("NO_CERTIFICATE_CHAIN_FOUND", reason),),
            None,
            (Check("CERTIFICATE_PATH", CLAUSE, "FAILED", {"reason": reason}),),
            tuple(Warning_("ISSUER_UNREACHABLE", {"url": url}) for url in self.issuers.unreachable),
        )

    def paths(self, certificate: bytes, *, role: Role, pool: Iterable[bytes] = ()) -> Iterator[Path]:
        """Prospective paths to an anchor, in the order in which they are tried; none by way of what is distrusted."""
        known, trust, leads = (*self.evidence.certificates, *pool), self._serving(role), False
        for path in self._trusted(build(certificate, pool=known, trust=trust)):
            leads = True
            yield path
        if not leads and trust.anchors:
            fetched = self.issuers.above(certificate, pool=known, trust=trust)
            if fetched:
                yield from self._trusted(build(certificate, pool=(*known, *fetched), trust=trust))

    def _trusted(self, paths: Iterable[Path]) -> Iterator[Path]:
        for path in paths:
            if not any(self.trust.distrusts(raw(one)) for one in path.certificates):
                yield path

    def _serving(self, role: Role) -> Trust:
        if role not in self._trusts:
            self._trusts[role] = self.trust.serving("timestamping" if role == "timestamp" else "signing")
        return self._trusts[role]

    def _judge_path(self, path: Path, *, role: Role, reference: datetime, fresh: datetime | None) -> CertificateResult:
        """1. The path by RFC 5280 and policy. 2. Its anchor is trusted and its CAs are in force, now. 3. Nobody is
        revoked, by evidence whose own issuer is in force. 4. The certificate's period."""
        checks: list[Check] = []
        warnings: list[Warning_] = []
        problems: list[Problem] = []
        # 1
        try:
            until = check(path, policy=self.policy, role=role)
        except PathRejected as error:
            facts = {"reason": error.reason, "subject": error.subject}
            return CertificateResult(
                (Problem(error.sub_indication, error.reason, subject=error.subject),),
                path,
                (Check("CERTIFICATE_PATH", CLAUSE, "FAILED", dict(facts)),),
            )
        checks.append(
            Check("CERTIFICATE_PATH", CLAUSE, "PASSED", {"anchor": path.subjects[-1], "length": len(path.subjects)})
        )
        if until is not None and until < self.now:
            problems.append(Problem("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "certificate-algorithm-expired", until))
        # 2
        problems.extend(self._anchor(path, reference=reference, checks=checks))
        problems.extend(self._authorities(path, checks=checks))
        # 3
        leaf_status: Status | None = None
        evidence = Evidence(tuple(raw(certificate) for certificate in path.certificates))
        pending: list[str] = []
        missing: list[str] = []
        for index in range(1, len(path.certificates)):
            is_leaf = index == len(path.certificates) - 1
            after = fresh if self.wants_fresh(role, is_leaf=is_leaf) else None
            status = self._status(path, index=index, role=role, is_leaf=is_leaf, reference=reference, after=after)
            evidence = evidence.with_(status.evidence)
            if status.state == "unknown":
                missing.append(path.subjects[-1 - index])
            elif after is not None and status.kind and not issued_after(status, after):
                pending.append(path.subjects[-1 - index])
            if is_leaf:
                leaf_status = status
            self._note(
                status,
                path,
                index=index,
                role=role,
                is_leaf=is_leaf,
                problems=problems,
                checks=checks,
                warnings=warnings,
            )
        # 4
        problems.extend(self._period(path.leaf, leaf_status, checks=checks))
        problems.sort(key=_gravity)
        return CertificateResult(
            tuple(problems), path, tuple(checks), tuple(warnings), evidence, tuple(pending), tuple(missing)
        )

    def _status(
        self, path: Path, *, index: int, role: Role, is_leaf: bool, reference: datetime, after: datetime | None
    ) -> Status:
        if self.mode(role, is_leaf=is_leaf) == "skip":
            return Status("good", reason="not-checked")
        settled_by = self.now if role == "timestamp" or not is_leaf else None
        status = self.revocation.of(path, index=index, reference=reference, settled_by=settled_by, after=after)
        end = self._outdated(status, path, index=index)
        if end is None or after is not None:
            return status
        # What an issuer said whose certificate has ended since may be asked for again.
        return self.revocation.of(path, index=index, reference=reference, settled_by=settled_by, after=end)

    def _outdated(self, status: Status, path: Path, *, index: int) -> datetime | None:
        """When the certificate of whoever said "good" ended, if the evidence is not proven for before that."""
        if status.state != "good" or not status.kind:
            return None
        end = self.issuer_until(status, path, index=index)
        return end if end is not None and end < self.proofs.time_of(status.evidence) else None

    def issuer_until(self, status: Status, path: Path, *, index: int) -> datetime | None:
        """Until when the certificate holds whose key signed the evidence; None: an anchor's, which its own period ends."""
        ends = list(_responders(status.evidence))
        if not ends and index > 1:
            ends.append(path.certificates[index - 1].not_valid_after)
        return min(ends, default=None)

    def wants_fresh(self, role: Role, *, is_leaf: bool) -> bool:
        return ("ca" if not is_leaf else "timestamp" if role == "timestamp" else "signer") in self.policy.fresh_evidence

    def mode(self, role: Role, *, is_leaf: bool) -> Mode:
        """What the policy asks about the revocation of such a certificate."""
        if not is_leaf:
            return self.policy.revocation["ca"]
        return self.policy.revocation["timestamp" if role == "timestamp" else "signer"]

    def _anchor(self, path: Path, *, reference: datetime, checks: list[Check]) -> Iterator[Problem]:
        """An anchor that was retired still carries what is proven to be older; that is for §5.6 to find out."""
        anchor = self.trust.anchor(raw(path.anchor))
        doubt = anchor.doubt(self.now) or (anchor.since and reference < anchor.since and "anchor-not-yet-believed")
        if not doubt:
            return
        retired = doubt == "anchor-retired"
        sub = "NO_CERTIFICATE_CHAIN_FOUND_NO_POE" if retired else "NO_CERTIFICATE_CHAIN_FOUND"
        facts: dict[str, str | int | bool | None] = {
            "subject": path.subjects[-1],
            "reason": doubt,
            "since": anchor.since.isoformat() if anchor.since else None,
            "until": anchor.until.isoformat() if anchor.until else None,
        }
        checks.append(Check("ANCHOR", CLAUSE, "FAILED", facts))
        yield Problem(sub, doubt, anchor.until if retired else None, path.subjects[-1])

    @property
    def _second(self) -> datetime:
        """Now, as periods of certificates count: in whole seconds, the last one included (RFC 5280 §4.1.2.5)."""
        return self.now.replace(microsecond=0)

    def _authorities(self, path: Path, *, checks: list[Check]) -> Iterator[Problem]:
        for authority in path.certificates[1:-1]:
            begin, end = authority.not_valid_before, authority.not_valid_after
            if begin <= self._second <= end:
                continue
            subject = name_of(authority.subject)
            facts: dict[str, str | int | bool | None] = {
                "subject": subject,
                "not_before": begin.isoformat(),
                "not_after": end.isoformat(),
            }
            checks.append(Check("CA_PERIOD", CLAUSE, "FAILED", facts))
            if self.now < begin:
                yield Problem("CERTIFICATE_CHAIN_GENERAL_FAILURE", "ca-not-yet-valid", subject=subject)
            else:
                yield Problem("OUT_OF_BOUNDS_NO_POE", "ca-expired", end, subject)

    def _note(
        self,
        status: Status,
        path: Path,
        *,
        index: int,
        role: Role,
        is_leaf: bool,
        problems: list[Problem],
        checks: list[Check],
        warnings: list[Warning_],
    ) -> None:
        """Turns one revocation status into problems, checks and warnings (§5.2.5, §5.2.6.4)."""
        subject = name_of(path.certificates[index].subject)
        facts: dict[str, str | int | bool | None] = {
            "subject": subject,
            "state": status.state,
            "reason": status.reason,
            "kind": status.kind,
            "source": status.source,
            "issued": status.issued.isoformat() if status.issued else None,
        }
        warnings.extend(
            Warning_("REVOCATION_UNREACHABLE", {"url": url, "subject": subject}) for url in status.unreachable
        )
        if status.state == "good":
            end = self._outdated(status, path, index=index)
            if end is not None:
                facts["issuer_until"] = end.isoformat()
                checks.append(Check("REVOCATION", CLAUSE, "FAILED", facts))
                problems.append(Problem("REVOCATION_OUT_OF_BOUNDS_NO_POE", "revocation-issuer-expired", end, subject))
                return
            outcome = "SKIPPED" if status.reason == "not-checked" else "PASSED"
            checks.append(Check("REVOCATION", _FRESHNESS, outcome, facts))  # type: ignore[arg-type]  # both are outcomes
        elif status.state == "revoked":
            facts["revoked_at"] = status.revoked_at.isoformat() if status.revoked_at else None
            checks.append(Check("REVOCATION", CLAUSE, "FAILED", facts))
            code = "REVOKED_NO_POE" if is_leaf else "REVOKED_CA_NO_POE"
            problems.append(Problem(code, status.reason, status.revoked_at, subject))
        elif self.mode(role, is_leaf=is_leaf) == "require":
            checks.append(Check("REVOCATION", _FRESHNESS, "FAILED", facts))
            warnings.append(Warning_("REVOCATION_UNKNOWN", {"subject": subject, "reason": status.reason}))
            problems.append(Problem("TRY_LATER", status.reason, subject=subject))
        else:
            checks.append(Check("REVOCATION", _FRESHNESS, "WARNING", facts))
            warnings.append(Warning_("REVOCATION_UNKNOWN", {"subject": subject, "reason": status.reason}))

    def _period(self, leaf: x509.Certificate, status: Status | None, *, checks: list[Check]) -> tuple[Problem, ...]:
        begin, end = leaf.not_valid_before, leaf.not_valid_after
        facts: dict[str, str | int | bool | None] = {"not_before": begin.isoformat(), "not_after": end.isoformat()}
        if begin <= self._second <= end:
            checks.append(Check("CERTIFICATE_PERIOD", CLAUSE, "PASSED", facts))
            return ()
        checks.append(Check("CERTIFICATE_PERIOD", CLAUSE, "FAILED", facts))
        if self.now < begin:
            return (Problem("NOT_YET_VALID", "not-yet-valid", begin),)
        # Lists need not name certificates that have expired, so only what was issued before counts as "not revoked".
        known = status is not None and status.state == "good" and status.issued is not None and status.issued <= end
        code = "OUT_OF_BOUNDS_NOT_REVOKED" if known else "OUT_OF_BOUNDS_NO_POE"
        return (Problem(code, "expired", end),)


def _responders(evidence: Evidence) -> Iterator[datetime]:
    """The ends of certificates by which an OCSP response may have been signed, none when that is the CA's own. Of
    several the earliest counts: anybody can add one that ends later."""
    for der in evidence.ocsps:
        try:
            identity = ocsp.OCSPResponse.load(der)["response_bytes"]["response"].parsed["tbs_response_data"][
                "responder_id"
            ]
            for one in map(x509.Certificate.load, evidence.certificates):
                by_key = identity.name == "by_key" and identity.native == one.public_key.sha1
                if by_key or (identity.name == "by_name" and same_name(identity.chosen, one.subject)):
                    yield one.not_valid_after
        except UNEXPECTED:
            continue


def _gravity(problem: Problem) -> int:
    return _RANK.index(problem.sub_indication) if problem.sub_indication in _RANK else len(_RANK)


def _rank(result: CertificateResult) -> int:
    return min(map(_gravity, result.problems), default=0)
