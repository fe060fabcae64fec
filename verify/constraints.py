"""Signature acceptance, EN 319 102-1 §5.2.8, as far as the policy decides it: what a finding makes of a signature.

Findings that the standard itself calls failed are not here; a policy cannot excuse them. Each of these is what the
policy says in `[outcomes]`: a problem, a warning in the report, or nothing.

    problems, checks = weigh(found, policy=policy, proven=best_signature_time_or_none, sizes=…)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from asn1crypto import x509

from verify.certificates import Problem
from verify.chain import UNEXPECTED
from verify.found import FoundSignature
from verify.policy import Policy
from verify.purposes import has_extended_key_usage, has_key_usage
from verify.report import Check, Facts, Warning_
from verify.trust import Trust

CLAUSE = "EN 319 102-1 §5.2.8"


@dataclass(frozen=True)
class Finding:
    """`outcome` is a key of the policy's `[outcomes]`, `code` that of the check in the report."""

    outcome: str
    code: str
    reason: str
    facts: Facts


def weigh(
    found: FoundSignature, *, policy: Policy, proven: datetime | None
) -> tuple[tuple[Problem, ...], tuple[Check, ...]]:
    """What the policy makes of this signature; `proven` is its time as far as a timestamp proves it."""
    problems: list[Problem] = []
    checks: list[Check] = []
    for finding in _findings(found, policy=policy, proven=proven):
        match policy.outcomes[finding.outcome]:
            case "IGNORED":
                continue
            case "WARNING":
                checks.append(Check(finding.code, CLAUSE, "WARNING", finding.facts))
            case _:
                checks.append(Check(finding.code, CLAUSE, "FAILED", finding.facts))
                problems.append(Problem("SIG_CONSTRAINTS_FAILURE", finding.reason))
    return tuple(problems), tuple(checks)


def outdated(trust: Trust, *, at: datetime) -> tuple[Warning_, ...]:
    """What a person should know of the trust itself: a bundle that should have been replaced before `at`."""
    return tuple(
        Warning_("TRUST_OUTDATED", {"number": one.number, "expires": one.expires.isoformat()})
        for one in trust.bundles
        if one.expires < at
    )


def _findings(found: FoundSignature, *, policy: Policy, proven: datetime | None) -> Iterator[Finding]:
    used = found.integrity.algorithms
    for name in (used.signature, used.digest) if used else ():
        if name in policy.discouraged:
            yield Finding(
                "discouraged_algorithm", "ALGORITHM_DISCOURAGED", "algorithm-discouraged", {"algorithm": name}
            )
    if proven is None:
        yield Finding("time_not_proven", "TIME_NOT_PROVEN", "time-not-proven", {})
    if found.signer is None:
        return
    try:
        certificate = x509.Certificate.load(found.signer)
        yield from _certificate(certificate, policy=policy)
        begin, end = certificate.not_valid_before, certificate.not_valid_after
    except UNEXPECTED:
        return  # the path says so
    skew = timedelta(seconds=policy.clock_skew_seconds)
    claimed = found.claimed_time
    if claimed is not None and not begin - skew <= claimed <= end + skew:
        facts: Facts = {
            "claimed_time": claimed.isoformat(),
            "not_before": begin.isoformat(),
            "not_after": end.isoformat(),
        }
        yield Finding("claimed_time_outside_certificate", "CLAIMED_TIME", "claimed-time-outside-certificate", facts)


def _certificate(certificate: x509.Certificate, *, policy: Policy) -> Iterator[Finding]:
    """What the certificate does not state. Where a wrong use is no warning, the path was refused for it already."""
    for name in policy.fields:
        part, _, attribute = name.partition(".")
        names = (certificate.subject if part == "subject" else certificate.issuer).native
        if not names.get(attribute):
            yield Finding(
                "certificate_field_missing", "CERTIFICATE_FIELD", "certificate-field-missing", {"field": name}
            )
    if not has_key_usage(certificate, policy=policy):
        yield Finding("key_usage", "KEY_USAGE", "key-usage", {"wanted": ", ".join(policy.signer_key_usage)})
    if not has_extended_key_usage(certificate, policy=policy):
        wanted: Facts = {"wanted": ", ".join(policy.signer_extended_key_usage)}
        yield Finding("extended_key_usage", "EXTENDED_KEY_USAGE", "extended-key-usage", wanted)
