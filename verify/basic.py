"""Basic validation of one signature, EN 319 102-1 §5.3: every problem it has now, with the moment each turns on.

Which of them a proven time clears (§5.5) and which a proof of existence mends (§5.6) is for `verify.engine`.

    basic = Basic(policy, now, certificates)
    sub = basic.integrity(found, checks=checks)            # what ends it, or None
    result, problems = basic.judge(found, times=times, checks=checks)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from asn1crypto import x509

from verify import constraints
from verify.certificates import CertificateResult, Certificates, Problem
from verify.chain import UNEXPECTED
from verify.found import FoundSignature
from verify.policy import Policy, Unlisted
from verify.report import Check, Facts
from verify.timing import JudgedTimestamp

CONTEXT = "EN 319 102-1 §5.2.4"
INTEGRITY = "EN 319 102-1 §5.2.7"
ACCEPTANCE = "EN 319 102-1 §5.2.8"

_CANNOT_BE_CHECKED = frozenset({"algorithm-unknown", "key-unusable"})
"""Reasons why a value was not verified that say nothing about the value."""


@dataclass(frozen=True)
class Times:
    """What timestamps prove about one signature: it existed at `proven`, and was not yet made at `made_after`."""

    proven: datetime | None = None
    made_after: datetime | None = None
    ordered: bool = True


def times(
    found: FoundSignature,
    own: Sequence[JudgedTimestamp],
    document: Sequence[JudgedTimestamp],
    *,
    proven: datetime | None,
    policy: Policy,
) -> Times:
    """§5.5.4: the valid timestamps in the order in which they must have been made, and whether their times keep it.

    What the signature covers (content timestamps, earlier document timestamps) came first, then the signature, the
    timestamps of its value, and those over these: archive and document timestamps, one after the other. Clocks may
    differ as far as the policy allows (RFC 3161 §2.4.2).
    """
    before = [one for one in document if one.found.covers < found.covers]
    before += [one for one in own if one.found.type == "content"]
    later = [one for one in own if one.found.type not in {"content", "archive"}]
    over = [one for one in own if one.found.type == "archive"]
    over += [one for one in document if one.found.covers > found.covers]
    after = groupby(sorted(over, key=_place), key=_place)
    skew = timedelta(seconds=policy.clock_skew_seconds)
    latest: datetime | None = None
    ordered = True
    for group in (before, later, *(list(together) for _, together in after)):
        sure = [(one.proves, one.accuracy) for one in group if one.proves is not None]
        if latest is not None and any(time + accuracy + skew < latest for time, accuracy in sure):
            ordered = False
        latest = max((latest, *(t - a for t, a in sure)) if latest else (t - a for t, a in sure), default=latest)
    started = max((one.proves for one in before if one.proves is not None), default=None)
    return Times(proven, started, ordered)


def _place(stamp: JudgedTimestamp) -> int:
    return stamp.found.covers


@dataclass(frozen=True)
class Basic:
    policy: Policy
    now: datetime
    certificates: Certificates

    def integrity(self, found: FoundSignature, *, checks: list[Check]) -> str | None:
        """§5.2.2 and §5.2.7: the sub-indication of what ends the process at once; None when it goes on."""
        failure, reason = found.integrity.failure, found.integrity.reason
        broken = failure == "FORMAT_FAILURE"
        facts: Facts = dict(found.facts) | {"reason": reason or None}
        checks.append(Check("FORMAT", "EN 319 102-1 §5.2.2", "FAILED" if broken else "PASSED", facts))
        if broken:
            return "FORMAT_FAILURE"
        if failure == "NO_SIGNING_CERTIFICATE_FOUND":
            checks.append(Check("SIGNING_CERTIFICATE", "EN 319 102-1 §5.2.3", "FAILED", {"reason": reason}))
            return failure
        checks.append(Check("INTEGRITY", INTEGRITY, "FAILED" if failure else "PASSED", {"reason": reason or None}))
        if failure is not None:
            return "CRYPTO_CONSTRAINTS_FAILURE" if reason in _CANNOT_BE_CHECKED else failure
        return self._changes(found, checks=checks)

    def _changes(self, found: FoundSignature, *, checks: list[Check]) -> str | None:
        changes = found.changes
        said: Facts = {"kind": changes.kind, "detail": changes.details[-1] if changes.details else None}
        outcome: Literal["PASSED", "WARNING", "FAILED"] = "WARNING" if changes.kind == "suspicious" else "PASSED"
        checks.append(Check("CHANGES", "EN 319 102-1 §5.2.2", "FAILED" if changes.modified else outcome, said))
        if not changes.modified:
            return None
        failed = self.policy.outcomes["changes_forbidden"] == "TOTAL_FAILED"
        return "FORMAT_FAILURE" if failed else "SIG_CONSTRAINTS_FAILURE"

    def judge(
        self, found: FoundSignature, *, times: Times, checks: list[Check]
    ) -> tuple[CertificateResult | None, list[Problem]]:
        """§5.3 behind the integrity: certificate (§5.2.3), context (§5.2.4), path (§5.2.6),
        acceptance (§5.2.8). All problems."""
        named = {"matched": "PASSED", "absent": "WARNING", "mismatched": "FAILED"}[found.binding]
        checks.append(Check("SIGNING_CERTIFICATE", "EN 319 102-1 §5.2.3", named, {"binding": found.binding}))  # type: ignore[arg-type]  # the three are outcomes
        if found.signer is None or found.binding == "mismatched":
            return None, [Problem("NO_SIGNING_CERTIFICATE_FOUND", "signing-certificate-attribute")]
        result = self.certificates.judge(
            found.signer, role="signer", reference=times.proven or self.now, pool=found.evidence.certificates
        )
        checks.extend(result.checks)
        context = list(self._context(found, checks=checks))
        own = list(_made_too_late(result.problems, times=times))
        early = self._too_early(found.signer, times=times)
        accepted = list(self._acceptance(found, times=times, checks=checks))
        return result, [*early, *own, *context, *result.problems, *accepted]

    def _context(self, found: FoundSignature, *, checks: list[Check]) -> Iterator[Problem]:
        """§5.2.4: the signature policy that the signature names (EPES) is known, and is the document that it means."""
        named = found.signature_policy
        if named is None:
            return
        known = self.policy.signature_policies.get(named.identifier)
        matches = (named.digest_algorithm, named.digest.hex()) in (known or ())
        facts: Facts = {"identifier": named.identifier, "known": known is not None, "matches": matches}
        if matches:
            checks.append(Check("SIGNATURE_POLICY", CONTEXT, "PASSED", facts))
            return
        unknown = known is None and bool(named.identifier)
        effect = self.policy.outcomes["signature_policy_unknown" if unknown else "signature_policy_mismatch"]
        if effect == "IGNORED":
            return
        checks.append(Check("SIGNATURE_POLICY", CONTEXT, "WARNING" if effect == "WARNING" else "FAILED", facts))
        if effect != "WARNING":
            sub = "SIGNATURE_POLICY_NOT_AVAILABLE" if unknown else "POLICY_PROCESSING_ERROR"
            yield Problem(sub, "signature-policy", concerns="signature")

    def _too_early(self, certificate: bytes, *, times: Times) -> tuple[Problem, ...]:
        """§5.5.4 step 4: a signature that provably existed before its certificate began."""
        try:
            begin = x509.Certificate.load(certificate).not_valid_before
        except UNEXPECTED:
            return ()  # no path was found to such a certificate
        if (times.proven or self.now) >= begin:
            return ()
        return (Problem("NOT_YET_VALID", "stamped-before-issuance" if times.proven else "not-yet-valid"),)

    def _acceptance(self, found: FoundSignature, *, times: Times, checks: list[Check]) -> Iterator[Problem]:
        """§5.2.8: algorithms, what the profile and the policy demand, the order of timestamps."""
        problems = [*self._constraints(found), *self._algorithms(found)]
        if not times.ordered:
            problems.append(Problem("TIMESTAMP_ORDER_FAILURE", "order"))
        facts: Facts = {"reason": None}
        if problems:
            facts = {"reason": problems[0].reason, "sub_indication": problems[0].sub_indication}
        checks.append(Check("ACCEPTANCE", ACCEPTANCE, "FAILED" if problems else "PASSED", facts))
        yield from problems
        further, noted = constraints.weigh(found, policy=self.policy, proven=times.proven)
        checks.extend(noted)
        yield from further

    def _algorithms(self, found: FoundSignature) -> Iterator[Problem]:
        used = found.integrity.algorithms
        assert used is not None  # an intact signature has algorithms
        try:
            ends = (
                self.policy.signature_until(used.signature, bits=used.key_size),
                self.policy.digest_until(used.digest),
            )
        except Unlisted as error:
            yield Problem("CRYPTO_CONSTRAINTS_FAILURE", f"algorithm-refused {error}", concerns="signature")
            return
        end = min((moment for moment in ends if moment is not None), default=None)
        if end is not None and end < self.now:
            yield Problem("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "algorithm-expired", end, concerns="signature")

    def _constraints(self, found: FoundSignature) -> Iterator[Problem]:
        missing = list(found.constraints)
        if found.binding == "absent" and found.format in self.policy.signing_certificate_formats:
            missing.append("signing-certificate")
        if missing:
            yield Problem("SIG_CONSTRAINTS_FAILURE", ",".join(dict.fromkeys(missing)), concerns="signature")
        if found.changes.kind == "suspicious" and self.policy.suspicious != "TOTAL_PASSED":
            sub = "FORMAT_FAILURE" if self.policy.suspicious == "TOTAL_FAILED" else "SIG_CONSTRAINTS_FAILURE"
            yield Problem(sub, "changes-not-compared", concerns="signature")


def _made_too_late(problems: Sequence[Problem], *, times: Times) -> Iterator[Problem]:
    """§5.3.4: a signature over a timestamp that is newer than the revocation or the end of its certificate."""
    if times.made_after is None:
        return
    for problem in problems:
        if problem.moment is None or times.made_after <= problem.moment:
            continue
        if problem.sub_indication == "REVOKED_NO_POE":
            yield Problem("REVOKED", "made-after-revocation", problem.moment, problem.subject)
        elif problem.reason == "expired":
            yield Problem("EXPIRED", "made-after-expiry", problem.moment, problem.subject)
