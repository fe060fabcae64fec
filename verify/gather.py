"""Gathers what proves a signature later: certificates, OCSP responses and CRLs, each checked before it is taken.

The same path search and the same checks as a judgement makes; what they rested on is handed out instead of a verdict.
Nothing is embedded here, that is `signer.longterm`'s.

    gatherer = Gatherer(trust=trust, policy=policy, known=evidence, fetcher=fetcher, now=now)
    gathered = gatherer.signature(signer, pool=chain, proven=token.time).with_(gatherer.timestamp(token))
    gathered.evidence.ocsps, gathered.pending
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from verify.certificates import CertificateResult, Certificates
from verify.chain import Role
from verify.errors import VerifyError
from verify.fetcher import Fetcher
from verify.found import Evidence, FoundTimestamp
from verify.past import MENDABLE, past_certificate, past_signature
from verify.policy import Policy
from verify.timestamp import TimestampToken
from verify.timing import Timestamps
from verify.trust import Trust


class EvidenceUnavailable(VerifyError):
    """No revocation data can be had for a certificate of the path."""

    code = "evidence-unavailable"
    actor = "operator"


class EvidenceAgainst(VerifyError):
    """The signer's certificate does not hold, so that there is no evidence for it to keep."""

    code = "evidence-against"


class TimestampNotTrusted(EvidenceAgainst):
    """The certificate of a timestamp authority does not hold or leads to no trust anchor."""

    code = "timestamp-not-trusted"
    actor = "operator"


@dataclass(frozen=True)
class Gathered:
    """`pending` names those of whom the policy wants newer data than there is yet (`Policy.fresh_evidence`)."""

    evidence: Evidence = field(default_factory=Evidence)
    pending: tuple[str, ...] = ()

    def with_(self, other: Gathered) -> Gathered:
        return Gathered(self.evidence.with_(other.evidence), tuple(dict.fromkeys((*self.pending, *other.pending))))


class Gatherer:
    """For one document: what one signature needed is known when the next one needs it."""

    def __init__(
        self,
        *,
        trust: Trust,
        policy: Policy,
        fetcher: Fetcher,
        now: datetime,
        known: Evidence | None = None,
        archive: Iterable[FoundTimestamp] = (),
    ) -> None:
        """`archive`: the document's own timestamps, which prove what is old enough to outlive its certificates."""
        self._certificates = Certificates(
            trust=trust, policy=policy, evidence=known or Evidence(), fetcher=fetcher, now=now
        )
        Timestamps(self._certificates, policy, now).judge_all(archive)
        self._now = now
        self._reusable = not {"timestamp", "ca"} & set(policy.fresh_evidence)
        self._authorities: dict[bytes, Gathered] = {}

    def signature(self, certificate: bytes, *, pool: Iterable[bytes] = (), proven: datetime) -> Gathered:
        """For a signer's certificate (DER); `proven` is the time of the signature's earliest timestamp.

        Raises EvidenceUnavailable, EvidenceAgainst.
        """
        return self._of(certificate, role="signer", pool=pool, used=proven, proven=proven)

    def timestamp(self, token: TimestampToken, *, proven: datetime | None = None) -> Gathered:
        """For the authority of a token that was checked; `proven`: when a later timestamp proves that it was there.

        What was gathered for an authority serves for its next token, where the policy wants nothing newer.
        Raises EvidenceUnavailable, TimestampNotTrusted.
        """
        if token.tsa is None:
            raise TimestampNotTrusted(
                "the timestamp does not carry its authority's certificate", reason="no-certificate", subject=""
            )
        known = self._authorities.get(token.tsa)
        if known is None or not self._reusable:
            used = min(token.time, self._now)
            known = self._of(token.tsa, role="timestamp", pool=token.certificates, used=used, proven=proven)
            self._authorities[token.tsa] = known
        return known

    def _of(
        self, certificate: bytes, *, role: Role, pool: Iterable[bytes], used: datetime, proven: datetime | None
    ) -> Gathered:
        """What is known of the path. A problem that came after `proven` is itself evidence, and no hindrance; nor is
        one that the document's own archive mends (EN 319 102-1 §5.6.2.4)."""
        result = self._certificates.judge(certificate, role=role, reference=used, pool=pool, fresh=used)
        left = [problem for problem in result.problems if not problem.cleared_by(proven)]
        if left and proven is not None and all(problem.sub_indication in MENDABLE for problem in left):
            past = past_certificate(certificate, certificates=self._certificates, role=role, pool=pool)
            if past_signature(left, certificate=certificate, exists=proven, past=past)[0] is None:
                return Gathered(result.evidence.with_(past.evidence), result.pending)
        refusal = TimestampNotTrusted if role == "timestamp" else EvidenceAgainst
        for problem in left:
            facts = {"reason": problem.reason, "subject": problem.subject[:200]}
            if problem.sub_indication == "TRY_LATER":
                raise EvidenceUnavailable(**facts, tried=_unreachable(result))
            raise refusal(**facts, sub_indication=problem.sub_indication)
        if result.missing:
            raise EvidenceUnavailable(reason="no-evidence", subject=result.missing[0][:200])
        return Gathered(result.evidence, result.pending)


def _unreachable(result: CertificateResult) -> str:
    """Addresses that did not answer, for whoever must mend it."""
    urls = (str(warning.facts.get("url")) for warning in result.warnings if warning.code == "REVOCATION_UNREACHABLE")
    return ", ".join(dict.fromkeys(urls))[:400]
