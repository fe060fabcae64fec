"""Time-stamp validation, EN 319 102-1 §5.4 and §5.6.3.4 step 5: which timestamps of a document prove a time.

A token proves something only if it is intact, is about the right bytes, and its authority's certificate passes now, or
passed when the token, by the proof of a newer timestamp, existed already. Judge the newest first: what a timestamp proves
is added to the proofs of existence, on which the older ones may rest.

    timestamps = Timestamps(certificates, policy, now)
    judged = timestamps.judge(found)
    judged.report          # for the report
    judged.proves          # the time, or None
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from verify.certificates import Certificates, Problem
from verify.chain import UNEXPECTED, Path
from verify.found import Evidence, FoundTimestamp
from verify.past import MENDABLE, PastCertificate, past_certificate, past_signature
from verify.policy import Policy, Unlisted
from verify.report import FAILED, Check, Indication, TimestampReport, Warning_
from verify.timestamp import TimestampInvalid, TimestampToken, check, matches, read
from verify.timestamp_certificates import TimestampUnreadable

CLAUSE = "EN 319 102-1 §5.4"


@dataclass(frozen=True)
class JudgedTimestamp:
    found: FoundTimestamp
    report: TimestampReport
    warnings: tuple[Warning_, ...] = ()
    accuracy: timedelta = timedelta(0)
    signer: bytes | None = None
    """The authority's certificate (DER)."""
    path: Path | None = None
    evidence: Evidence = field(default_factory=Evidence)
    control_time: datetime | None = None

    @property
    def sound(self) -> bool:
        """Intact and about the right bytes; says nothing about trust."""
        return self.report.intact

    @property
    def proves(self) -> datetime | None:
        return self.report.time if self.report.indication == "TOTAL_PASSED" else None


@dataclass
class Timestamps:
    """Judges the timestamps of one document; each once."""

    certificates: Certificates
    policy: Policy
    now: datetime
    _known: dict[int, JudgedTimestamp] = field(default_factory=dict)
    """By the identity of what was found: names are the document's, and two may be one."""

    def judge_all(self, stamps: Iterable[FoundTimestamp]) -> None:
        """Judges them in the order in which they can rest on each other: who covers more is newer, then who says so."""
        for _, group in groupby(sorted(stamps, key=lambda one: -one.covers), key=lambda one: one.covers):
            together = list(group)
            if len(together) > 1:
                together.sort(key=_said_time, reverse=True)
            for one in together:
                self.judge(one)

    def judge(self, found: FoundTimestamp) -> JudgedTimestamp:
        """1. Format. 2. The token is intact. 3. It is about these bytes. 4. to 7. as `_trusted` says."""
        if id(found) not in self._known:
            self._known[id(found)] = self._judge(found)
        return self._known[id(found)]

    def _judge(self, found: FoundTimestamp) -> JudgedTimestamp:
        # 1
        if found.fault is not None:
            return _failed(found, None, "FORMAT_FAILURE", found.fault)
        try:
            token = read(found.der, known=self.certificates.evidence.certificates)
        except TimestampUnreadable:
            return _failed(found, None, "FORMAT_FAILURE", "unreadable")
        # 2
        try:
            check(token)
        except TimestampInvalid as error:
            return _failed(found, token, "SIG_CRYPTO_FAILURE", str(error.facts.get("reason", "")))
        except TimestampUnreadable:
            return _failed(found, token, "FORMAT_FAILURE", "unreadable")
        # 3
        try:
            matched = matches(token, found.digest_of)
        except UNEXPECTED:
            matched = False
        if not matched:
            return _failed(found, token, "HASH_FAILURE", "message-imprint")
        return self._trusted(found, token)

    def _trusted(self, found: FoundTimestamp, token: TimestampToken) -> JudgedTimestamp:
        """4. Its time and algorithms. 5. Its certificate, now. 6. Or then, if the token is proven to be old enough (§5.6).
        7. What it proves (§5.6.2.3)."""
        assert token.tsa is not None  # check() refuses a token without one
        checks = [Check("TIMESTAMP_INTACT", CLAUSE, "PASSED", {"imprint": token.imprint_algorithm})]
        # 4
        if token.time > self.now + timedelta(seconds=self.policy.clock_skew_seconds):
            checks.append(Check("TIMESTAMP_TIME", CLAUSE, "FAILED", {"reason": "in-the-future"}))
            return _judged(found, token, "TIMESTAMP_ORDER_FAILURE", checks=checks)
        problems = list(self._algorithms(token, checks=checks))
        # 5
        result = self.certificates.judge(
            token.tsa, role="timestamp", reference=min(token.time, self.now), pool=token.certificates
        )
        checks.extend(result.checks)
        problems = [*(p for p in problems if p.moment is None), *result.problems, *(p for p in problems if p.moment)]
        left = problems[0].sub_indication if problems else None
        # 6
        past: PastCertificate | None = None
        if problems and all(problem.sub_indication in MENDABLE for problem in problems):
            past = past_certificate(
                token.tsa, certificates=self.certificates, role="timestamp", pool=token.certificates
            )
            exists = self.certificates.proofs.time(token.der)
            left, check_ = past_signature(problems, certificate=token.tsa, exists=exists, past=past)
            checks.extend((*past.checks, check_))
        # 7
        if left is None:
            self.certificates.proofs.extract(found.id, token.time, covers=found.protects)
        evidence = result.evidence if past is None else result.evidence.with_(past.evidence)
        judged = _judged(found, token, left, checks=checks, warnings=result.warnings if left or not past else ())
        path = past.path if past is not None and past.control_time is not None else result.path
        return replace(
            judged, path=path, evidence=evidence, control_time=past.control_time if past is not None else None
        )

    def _algorithms(self, token: TimestampToken, *, checks: list[Check]) -> Iterator[Problem]:
        """The digests of the imprint, of the token's content and of its signature value, which may be three."""
        used = (token.imprint_algorithm, token.digest_algorithm, token.signature_digest or token.digest_algorithm)
        for name in dict.fromkeys(used):
            try:
                end = self.policy.digest_until(name)
            except Unlisted:
                checks.append(Check("TIMESTAMP_ALGORITHMS", CLAUSE, "FAILED", {"algorithm": name}))
                yield Problem("CRYPTO_CONSTRAINTS_FAILURE", f"algorithm-refused {name}", concerns="signature")
                continue
            if end is not None and end < self.now:
                checks.append(
                    Check("TIMESTAMP_ALGORITHMS", CLAUSE, "FAILED", {"algorithm": name, "until": end.isoformat()})
                )
                yield Problem("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "algorithm-expired", end, concerns="signature")


def _said_time(found: FoundTimestamp) -> datetime:
    try:
        return read(found.der).time
    except TimestampUnreadable:
        return datetime.min.replace(tzinfo=UTC)


def _failed(found: FoundTimestamp, token: TimestampToken | None, sub: str, reason: str) -> JudgedTimestamp:
    checks = (Check("TIMESTAMP_INTACT", CLAUSE, "FAILED", {"reason": reason}),)
    report = TimestampReport(
        id=found.id,
        type=found.type,
        time=token.time if token else None,
        intact=False,
        indication="TOTAL_FAILED",
        sub_indication=sub,
        tsa=token.tsa_name if token else None,
        checks=checks,
    )
    return JudgedTimestamp(found, report, signer=token.tsa if token else None)


def _judged(
    found: FoundTimestamp,
    token: TimestampToken,
    sub: str | None,
    *,
    checks: list[Check],
    warnings: tuple[Warning_, ...] = (),
) -> JudgedTimestamp:
    indication: Indication = "TOTAL_PASSED" if sub is None else "TOTAL_FAILED" if sub in FAILED else "INDETERMINATE"
    report = TimestampReport(found.id, found.type, token.time, True, indication, sub, token.tsa_name, tuple(checks))
    return JudgedTimestamp(found, report, warnings, token.accuracy or timedelta(0), token.tsa)
