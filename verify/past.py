"""What held in the past: past certificate and past signature validation, EN 319 102-1 §5.6.2.

For a signature or timestamp that fails now for reasons that a proof of existence may mend: its certificate has expired
or was revoked, evidence is old, an algorithm is no longer believed, an anchor was retired. Judges nothing that holds now.

    past = past_certificate(der, certificates=certificates, role="timestamp")
    failure = past_signature(problems, certificate=der, exists=proofs.time(token), past=past)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import crl, ocsp, x509

from verify import algorithms
from verify.asn1 import raw
from verify.certificates import Certificates, Problem
from verify.chain import UNEXPECTED, Path, PathRejected, Role, check, name_of
from verify.evidence import Status, needs_none
from verify.found import Evidence
from verify.policy import Policy, Unlisted
from verify.report import Check

CERTIFICATE = "EN 319 102-1 §5.6.2.1"
SLIDING = "EN 319 102-1 §5.6.2.2"
SIGNATURE = "EN 319 102-1 §5.6.2.4"

MENDABLE = frozenset(
    {
        "NO_CERTIFICATE_CHAIN_FOUND_NO_POE",
        "REVOKED_NO_POE",
        "REVOKED_CA_NO_POE",
        "OUT_OF_BOUNDS_NO_POE",
        "OUT_OF_BOUNDS_NOT_REVOKED",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
        "REVOCATION_OUT_OF_BOUNDS_NO_POE",
        "TRY_LATER",
    }
)
"""§5.6.3.4: failures now that proofs of existence may mend."""


@dataclass(frozen=True)
class PastCertificate:
    """`control_time`: up to when the certificate is known to have held; None with the sub-indication that says why."""

    control_time: datetime | None
    sub_indication: str | None
    checks: tuple[Check, ...]
    path: Path | None = None
    evidence: Evidence = field(default_factory=Evidence)


def past_certificate(
    certificate: bytes, *, certificates: Certificates, role: Role, pool: Iterable[bytes] = ()
) -> PastCertificate:
    """§5.6.2.1: of all paths, the one that is known to have held longest.

    1. A prospective path to an anchor.
    2. RFC 5280 §6.1 at a time at which all of it was valid together, without revocation; constraints of the policy.
    3. Validation-time sliding (§5.6.2.2).
    """
    best = PastCertificate(None, "NO_CERTIFICATE_CHAIN_FOUND", ())
    # 1
    for path in certificates.paths(certificate, role=role, pool=pool):
        # 2
        try:
            until = check(path, policy=certificates.policy, role=role)
        except PathRejected as error:
            facts = {"sub_indication": error.sub_indication, "reason": error.reason, "subject": error.subject}
            failed = (Check("PAST_CERTIFICATE", CERTIFICATE, "FAILED", dict(facts)),)
            best = _better(best, PastCertificate(None, error.sub_indication, failed))
            continue
        # 3
        best = _better(best, _Sliding(certificates, path, role, until).slide())
    return best


def _better(one: PastCertificate, other: PastCertificate) -> PastCertificate:
    if one.control_time is None:
        return other if other.control_time is not None or not one.checks else one
    return other if other.control_time is not None and other.control_time > one.control_time else one


@dataclass(frozen=True)
class _Sliding:
    """§5.6.2.2 for one path."""

    certificates: Certificates
    path: Path
    role: Role
    until: datetime | None
    """Until when the weakest algorithm of the path is believed."""

    def slide(self) -> PastCertificate:
        """1. Start from now, or from when the anchor was retired, or from the end of an algorithm.
        2. For each certificate, from the one the anchor issued down to the one in question:
           a. evidence that was issued, and is proven to have existed, by the time in question;
           b. revoked: back to the revocation; c. not recent: back to when it was;
           d. back to when its algorithms were believed; e. back to the end of the certificate.
        """
        # 1
        now = self.certificates.now
        anchor = self.certificates.trust.anchor(raw(self.path.anchor))
        control = min(moment for moment in (now, anchor.until, self.until) if moment is not None)
        evidence = Evidence(tuple(raw(one) for one in self.path.certificates))
        # 2
        for index in range(1, len(self.path.certificates)):
            certificate = self.path.certificates[index]
            is_leaf = index == len(self.path.certificates) - 1
            known = self._known(index, is_leaf=is_leaf)
            chosen, failure = self._evidence(known, index=index, control=control, is_leaf=is_leaf)
            if failure is not None:
                return self._ended(failure, certificate, control=control, evidence=evidence)
            if chosen is not None:
                evidence = evidence.with_(chosen.evidence)
                try:
                    control = min(control, self._up_to(chosen, control=control, is_leaf=is_leaf))
                except Unlisted:
                    return self._ended("CRYPTO_CONSTRAINTS_FAILURE", certificate, control=control, evidence=evidence)
            revoked = _revoked(known or ())
            control = min(moment for moment in (control, revoked, certificate.not_valid_after) if moment is not None)
        if anchor.since is not None and control < anchor.since:
            return self._ended("NO_CERTIFICATE_CHAIN_FOUND", self.path.anchor, control=control, evidence=evidence)
        facts = {"control_time": control.isoformat(), "anchor": self.path.subjects[-1]}
        passed = (Check("PAST_CERTIFICATE", CERTIFICATE, "PASSED", dict(facts)),)
        return PastCertificate(control, None, passed, self.path, evidence)

    def _known(self, index: int, *, is_leaf: bool) -> tuple[Status, ...] | None:
        """All that is said of a certificate; None when nothing need be."""
        if self.certificates.mode(self.role, is_leaf=is_leaf) == "skip" or needs_none(self.path.certificates[index]):
            return None
        return self.certificates.revocation.everything(self.path, index=index)

    def _evidence(
        self, known: tuple[Status, ...] | None, *, index: int, control: datetime, is_leaf: bool
    ) -> tuple[Status | None, str | None]:
        """2a. (what was said last, None when nothing need be said; the sub-indication when nothing suits)."""
        proofs = self.certificates.proofs
        if known is None:
            return None, None
        proven = proofs.time(raw(self.path.certificates[index])) <= control
        # Lists need not name certificates that have ended: what is issued later says "revoked" or nothing.
        end = self.path.certificates[index].not_valid_after
        suitable = [
            one
            for one in known
            if proven and one.issued is not None and one.issued <= control and proofs.time_of(one.evidence) <= control
            if one.state == "revoked" or one.issued <= end
        ]
        if not suitable:
            if self.certificates.mode(self.role, is_leaf=is_leaf) == "check":
                return None, None
            return None, self._lacking(known, index)
        in_bounds = [one for one in suitable if self._in_bounds(one, index)]
        if not in_bounds:
            return None, "REVOCATION_OUT_OF_BOUNDS_NO_POE"
        return max(in_bounds, key=lambda one: one.issued or control), None

    def _lacking(self, known: Sequence[Status], index: int) -> str:
        """§5.6.2.4 step 1: evidence is there, and proven only for after the end of whoever issued it; or not at all."""
        return (
            "REVOCATION_OUT_OF_BOUNDS_NO_POE"
            if known and not any(self._in_bounds(o, index) for o in known)
            else "NO_POE"
        )

    def _in_bounds(self, status: Status, index: int) -> bool:
        end = self.certificates.issuer_until(status, self.path, index=index)
        return end is None or self.certificates.proofs.time_of(status.evidence) <= end

    def _up_to(self, status: Status, *, control: datetime, is_leaf: bool) -> datetime:
        """2c and 2d. Raises Unlisted.

        §5.2.5 is what the policy calls recent: up to nextUpdate, or, of whom it wants evidence that is newer than the
        signature, up to its issue only.
        """
        end = _algorithms_until(status.evidence, policy=self.certificates.policy) or control
        if status.state == "revoked":
            return end
        strict = self.certificates.wants_fresh(self.role, is_leaf=is_leaf)
        return min(end, (status.issued if strict else status.until) or control)

    def _ended(
        self, sub_indication: str, certificate: x509.Certificate, *, control: datetime, evidence: Evidence
    ) -> PastCertificate:
        facts: dict[str, str | int | bool | None] = {
            "sub_indication": sub_indication,
            "subject": name_of(certificate.subject),
            "control_time": control.isoformat(),
        }
        failed = (Check("PAST_CERTIFICATE", SLIDING, "FAILED", facts),)
        return PastCertificate(None, sub_indication, failed, self.path, evidence)


def past_signature(
    problems: Sequence[Problem], *, certificate: bytes, exists: datetime, past: PastCertificate
) -> tuple[str | None, Check]:
    """§5.6.2.4: whether proofs of existence mend what is wrong now; the sub-indication that stays, None when nothing does.

    `exists`: the earliest time for which the signature value (or the token) is proven.
    1., 2. Past certificate validation passed, evidence was proven while its issuer was in force: `past` says so.
    3. The signature is proven for when the certificate is known to have held, and for its period.
    4. Algorithms of the signature itself were believed when it is proven to have existed.
    """
    leaf = x509.Certificate.load(certificate)
    broken = next(
        (p for p in problems if p.concerns == "signature" and p.moment is not None and p.moment < exists), None
    )
    facts: dict[str, str | int | bool | None] = {"exists": exists.isoformat(), "mended": len(problems)}
    left: str | None = None
    if any(p.concerns == "certificate" for p in problems):
        # 2
        if past.control_time is None:
            left, facts["reason"] = problems[0].sub_indication, past.sub_indication
        # 3
        elif exists < leaf.not_valid_before:
            left, facts["reason"] = "NOT_YET_VALID", "proven-before-issuance"
        elif exists > past.control_time:
            left, facts["reason"] = problems[0].sub_indication, "proven-only-later"
        facts["control_time"] = past.control_time.isoformat() if past.control_time else None
    # 4
    if left is None and broken is not None:
        left, facts["reason"] = broken.sub_indication, broken.reason
    return left, Check("PAST_SIGNATURE", SIGNATURE, "PASSED" if left is None else "FAILED", facts)


def _revoked(known: Sequence[Status]) -> datetime | None:
    """§5.6.2.2 step 2b: the earliest revocation that anything says, proven or not: what is false in it only denies."""
    revoked = [one for one in known if one.state == "revoked" and not _lifted(one, known)]
    return min((moment for one in revoked if (moment := one.revoked_at or one.issued)), default=None)


def _lifted(revoked: Status, others: Sequence[Status]) -> bool:
    """A hold that later evidence says has ended."""
    return revoked.on_hold and any(
        one.state == "good" and one.issued is not None and revoked.issued is not None and one.issued > revoked.issued
        for one in others
    )


def _algorithms_until(evidence: Evidence, *, policy: Policy) -> datetime | None:
    """Until when the digests are believed with which evidence was signed. Raises Unlisted."""
    ends: list[datetime | None] = []
    for der, load in (
        *((one, _ocsp_algorithm) for one in evidence.ocsps),
        *((one, _crl_algorithm) for one in evidence.crls),
    ):
        try:
            mechanism = algorithms.mechanism(load(der), digest=None)
        except UNEXPECTED as error:
            raise Unlisted("unreadable") from error
        if mechanism is None:
            raise Unlisted("unknown")
        if mechanism.name not in {"ed25519", "ed448"}:
            ends.append(policy.digest_until(mechanism.digest))
    return min((end for end in ends if end is not None), default=None)


def _ocsp_algorithm(der: bytes) -> object:
    return ocsp.OCSPResponse.load(der)["response_bytes"]["response"].parsed["signature_algorithm"]


def _crl_algorithm(der: bytes) -> object:
    return crl.CertificateList.load(der)["signature_algorithm"]
