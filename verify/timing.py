"""Time-stamp validation, EN 319 102-1 §5.4: which timestamps of a document prove a time.

A token proves something only if it is intact, is about the right bytes, and its authority's certificate passes now.

    judged = Timestamps(certificates, now=now).judge(found)
    judged.report          # for the report
    judged.proves          # the time, or None
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from verify.certificates import Certificates
from verify.chain import UNEXPECTED
from verify.found import FoundTimestamp
from verify.policy import Policy, Unlisted
from verify.report import Check, Indication, TimestampReport, Warning_
from verify.timestamp import TimestampInvalid, TimestampToken, TimestampUnreadable, check, matches, read

CLAUSE = "EN 319 102-1 §5.4"


@dataclass(frozen=True)
class JudgedTimestamp:
    found: FoundTimestamp
    report: TimestampReport
    warnings: tuple[Warning_, ...] = ()

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
    _known: dict[str, JudgedTimestamp] = field(default_factory=dict)

    def judge(self, found: FoundTimestamp) -> JudgedTimestamp:
        """1. Format. 2. The token is intact. 3. It is about these bytes. 4. Its time. 5. Its certificate, now."""
        if found.id not in self._known:
            self._known[found.id] = self._judge(found)
        return self._known[found.id]

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
        checks = [Check("TIMESTAMP_INTACT", CLAUSE, "PASSED", {"imprint": token.imprint_algorithm})]
        # 4
        if token.time > self.now + timedelta(seconds=self.policy.clock_skew_seconds):
            checks.append(Check("TIMESTAMP_TIME", CLAUSE, "FAILED", {"reason": "in-the-future"}))
            return _judged(found, token, "INDETERMINATE", "TIMESTAMP_ORDER_FAILURE", checks=checks)
        try:
            ends = [self.policy.digest_until(name) for name in (token.imprint_algorithm, token.digest_algorithm)]
        except Unlisted as error:
            checks.append(Check("TIMESTAMP_ALGORITHMS", CLAUSE, "FAILED", {"algorithm": str(error)}))
            return _judged(found, token, "INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE", checks=checks)
        if any(end is not None and end < self.now for end in ends):
            checks.append(Check("TIMESTAMP_ALGORITHMS", CLAUSE, "FAILED", {"reason": "expired"}))
            return _judged(found, token, "INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", checks=checks)
        # 5
        assert token.tsa is not None  # check() refuses a token without one
        result = self.certificates.judge(
            token.tsa, role="timestamp", reference=min(token.time, self.now), pool=token.certificates
        )
        checks.extend(result.checks)
        sub = result.problems[0].sub_indication if result.problems else None
        indication: Indication = "TOTAL_PASSED" if result.passed else "INDETERMINATE"
        return _judged(found, token, indication, sub, checks=checks, warnings=result.warnings)


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
    return JudgedTimestamp(found, report)


def _judged(
    found: FoundTimestamp,
    token: TimestampToken,
    indication: Indication,
    sub: str | None,
    *,
    checks: list[Check],
    warnings: tuple[Warning_, ...] = (),
) -> JudgedTimestamp:
    report = TimestampReport(found.id, found.type, token.time, True, indication, sub, token.tsa_name, tuple(checks))
    return JudgedTimestamp(found, report, warnings)
