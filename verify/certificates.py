"""X.509 certificate validation, EN 319 102-1 §5.2.6: does a path hold now, and if not, what would mend it.

A result lists every problem, since a timestamp may mend one and not another (§5.5.4); it decides nothing about
signatures.

    result = Certificates(trust=trust, policy=policy, evidence=evidence, fetcher=fetcher, now=now).judge(
        der, role="signer", reference=now)
    result.problems        # empty: PASSED
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import x509

from verify.asn1 import raw
from verify.chain import Path, PathRejected, Role, build, check, name_of
from verify.evidence import Revocation, Status, issued_after
from verify.fetcher import Fetcher
from verify.found import Evidence
from verify.policy import Policy
from verify.report import Check, Warning_
from verify.trust import Trust

CLAUSE = "EN 319 102-1 §5.2.6"
_FRESHNESS = "EN 319 102-1 §5.2.5"

_RANK = (
    "REVOKED_NO_POE",
    "REVOKED_CA_NO_POE",
    "OUT_OF_BOUNDS_NOT_REVOKED",
    "OUT_OF_BOUNDS_NO_POE",
    "NOT_YET_VALID",
    "TRY_LATER",
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    "CRYPTO_CONSTRAINTS_FAILURE",
    "CHAIN_CONSTRAINTS_FAILURE",
    "CERTIFICATE_CHAIN_GENERAL_FAILURE",
)
"""Of several paths that fail, the one that got furthest is reported."""


@dataclass(frozen=True)
class Problem:
    """A sub-indication, its reason, and the moment it turns on: of revocation, of expiry, the end of an algorithm."""

    sub_indication: str
    reason: str
    moment: datetime | None = None
    subject: str = ""

    def cleared_by(self, proven: datetime | None) -> bool:
        """EN 319 102-1 §5.5.4: whether a use that is proven for `proven` came, provably, before the problem did."""
        if proven is None or self.moment is None:
            return False
        match self.sub_indication:
            case "REVOKED_NO_POE" | "CRYPTO_CONSTRAINTS_FAILURE_NO_POE":
                return proven < self.moment
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
    _revocation: Revocation = field(init=False)
    _known: dict[tuple[bytes, Role, datetime, datetime | None], CertificateResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = Evidence((), self.trust.crls, self.trust.ocsps)
        self._revocation = Revocation(self.evidence.with_(given), self.fetcher, self.policy, self.now)

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
        key = (certificate, role, reference, fresh)
        if key not in self._known:
            self._known[key] = self._judge(certificate, role=role, reference=reference, pool=pool, fresh=fresh)
        return self._known[key]

    def _judge(
        self, certificate: bytes, *, role: Role, reference: datetime, pool: Iterable[bytes], fresh: datetime | None
    ) -> CertificateResult:
        candidates = (*self.evidence.certificates, *pool)
        best: CertificateResult | None = None
        for path in build(certificate, pool=candidates, trust=self.trust):
            result = self._judge_path(path, role=role, reference=reference, fresh=fresh)
            if result.passed:
                return result
            if best is None or _rank(result) < _rank(best):
                best = result
        if best is not None:
            return best
        reason = "no-anchors" if not self.trust.anchors else "no-path"
        return CertificateResult(
            (Problem("NO_CERTIFICATE_CHAIN_FOUND", reason),),
            None,
            (Check("CERTIFICATE_PATH", CLAUSE, "FAILED", {"reason": reason}),),
        )

    def _judge_path(self, path: Path, *, role: Role, reference: datetime, fresh: datetime | None) -> CertificateResult:
        """1. The path by RFC 5280 and policy. 2. Its CAs are in force. 3. Nobody is revoked. 4. The certificate's period."""
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
            problems.append(Problem("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "algorithm-expired", until))
        # 2
        problems.extend(
            Problem("CERTIFICATE_CHAIN_GENERAL_FAILURE", "ca-not-in-force", subject=name_of(authority.subject))
            for authority in path.certificates[1:-1]
            if not authority.not_valid_before <= self.now <= authority.not_valid_after
        )
        # 3
        leaf_status: Status | None = None
        evidence = Evidence(tuple(raw(certificate) for certificate in path.certificates))
        pending: list[str] = []
        missing: list[str] = []
        if not problems or all(p.moment is not None for p in problems):
            for index in range(1, len(path.certificates)):
                is_leaf = index == len(path.certificates) - 1
                after = fresh if self._wants_fresh(role, is_leaf=is_leaf) else None
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
        return CertificateResult(
            tuple(problems), path, tuple(checks), tuple(warnings), evidence, tuple(pending), tuple(missing)
        )

    def _status(
        self, path: Path, *, index: int, role: Role, is_leaf: bool, reference: datetime, after: datetime | None
    ) -> Status:
        if self._mode(role, is_leaf=is_leaf) == "skip":
            return Status("good", reason="not-checked")
        settled_by = self.now if role == "timestamp" or not is_leaf else None
        return self._revocation.of(path, index=index, reference=reference, settled_by=settled_by, after=after)

    def _wants_fresh(self, role: Role, *, is_leaf: bool) -> bool:
        return ("ca" if not is_leaf else "timestamp" if role == "timestamp" else "signer") in self.policy.fresh_evidence

    def _mode(self, role: Role, *, is_leaf: bool) -> str:
        if not is_leaf:
            return self.policy.revocation["ca"]
        return self.policy.revocation["timestamp" if role == "timestamp" else "signer"]

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
            outcome = "SKIPPED" if status.reason == "not-checked" else "PASSED"
            checks.append(Check("REVOCATION", _FRESHNESS, outcome, facts))  # type: ignore[arg-type]  # both are outcomes
        elif status.state == "revoked":
            facts["revoked_at"] = status.revoked_at.isoformat() if status.revoked_at else None
            checks.append(Check("REVOCATION", CLAUSE, "FAILED", facts))
            code = "REVOKED_NO_POE" if is_leaf else "REVOKED_CA_NO_POE"
            problems.append(Problem(code, status.reason, status.revoked_at if is_leaf else None, subject))
        elif self._mode(role, is_leaf=is_leaf) == "require":
            checks.append(Check("REVOCATION", _FRESHNESS, "FAILED", facts))
            warnings.append(Warning_("REVOCATION_UNKNOWN", {"subject": subject, "reason": status.reason}))
            problems.append(Problem("TRY_LATER", status.reason, subject=subject))
        else:
            checks.append(Check("REVOCATION", _FRESHNESS, "WARNING", facts))
            warnings.append(Warning_("REVOCATION_UNKNOWN", {"subject": subject, "reason": status.reason}))

    def _period(self, leaf: x509.Certificate, status: Status | None, *, checks: list[Check]) -> tuple[Problem, ...]:
        begin, end = leaf.not_valid_before, leaf.not_valid_after
        facts: dict[str, str | int | bool | None] = {"not_before": begin.isoformat(), "not_after": end.isoformat()}
        if begin <= self.now <= end:
            checks.append(Check("CERTIFICATE_PERIOD", CLAUSE, "PASSED", facts))
            return ()
        checks.append(Check("CERTIFICATE_PERIOD", CLAUSE, "FAILED", facts))
        if self.now < begin:
            return (Problem("NOT_YET_VALID", "not-yet-valid", begin),)
        # Lists need not name certificates that have expired, so only what was issued before counts as "not revoked".
        known = status is not None and status.state == "good" and status.issued is not None and status.issued <= end
        code = "OUT_OF_BOUNDS_NOT_REVOKED" if known else "OUT_OF_BOUNDS_NO_POE"
        return (Problem(code, "expired", end),)


def _rank(result: CertificateResult) -> int:
    ranks = [_RANK.index(p.sub_indication) if p.sub_indication in _RANK else len(_RANK) for p in result.problems]
    return min(ranks, default=0)
