"""The one door of this package: judges a document by EN 319 102-1 and says so in a `Report`.

Knows no format: readers hand over what they found (`verify.found`), and the same steps judge it.

    report = judge(file, name="a.pdf", trust=trust, policy=policy.load("default"), at=now, fetcher=Offline())

For each signature:

1. Format (§5.2.2) and integrity (§5.2.7), as the reader found them; changes made to the document afterwards.
2. Its timestamps (§5.4); best-signature-time is the earliest one that proves a time (§5.5.4).
3. The signing certificate (§5.2.3).
4. Its path, revocation and period now (§5.2.6).
5. Acceptance: algorithms and constraints (§5.2.8).
6. Basic validation (§5.3) from 1 and 3 to 5: a list of problems.
7. With time (§5.5): a problem is cleared when best-signature-time proves that it came later.

Archival validation (§5.6) is not here yet: what only it could pass stays INDETERMINATE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import BinaryIO, Literal

from asn1crypto import x509

from verify import levels, pdf_signatures
from verify import policy as policies
from verify.certificates import CertificateResult, Certificates, Problem
from verify.chain import UNEXPECTED, name_of
from verify.document import Kind, Limits, check_size, sha256_of, sniff
from verify.errors import TrustUnusable, VerifyError
from verify.fetcher import Fetcher
from verify.found import Evidence, Findings, FoundSignature
from verify.policy import Policy, Unlisted
from verify.report import (
    Check,
    DocumentFacts,
    Indication,
    Report,
    SignatureReport,
    SignerFacts,
    Verdict,
    Warning_,
)
from verify.timing import JudgedTimestamp, Timestamps
from verify.trust import Trust, is_certificate

Reader = Callable[..., Findings]

READERS: dict[Kind, Reader] = {"PDF": pdf_signatures.find}


class FormatNotSupported(VerifyError):
    """Documents of this format cannot be judged yet."""

    code = "document-format-not-supported"


LAZY = (
    "cryptography.hazmat.backends.openssl.backend",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.utf_16_be",
    "encodings.utf_16_le",
    "pyhanko.pdf_utils.crypt",
    "pyhanko.pdf_utils.filters",
    "pyhanko.pdf_utils.metadata.xmp_xml",
    "pypdfium2",
    "stringprep",
)
"""Modules that libraries import only when a document asks for them; a sandbox can open no file to import one."""


def preload() -> None:
    """Imports and reads everything that judging may need later. For the parent of sandboxed workers, before it forks."""
    for module in LAZY:
        import_module(module)
    for name in policies.names():
        policies.load(name)
    "".encode("teletex")  # asn1crypto registers this codec and finds it on first use


def judge(
    document: BinaryIO,
    *,
    name: str,
    trust: Trust,
    policy: Policy,
    at: datetime,
    fetcher: Fetcher,
    limits: Limits | None = None,
) -> Report:
    """The report on one document, as of `at` (timezone-aware). Raises a VerifyError when it cannot be read."""
    limits = limits or Limits()
    size = check_size(document, limits=limits)
    kind = sniff(document)
    if kind not in READERS:
        raise FormatNotSupported(format=kind)
    findings = READERS[kind](document, limits=limits)
    facts = DocumentFacts(name=name, sha256=sha256_of(document, size=size), format=kind, size=size)
    evidence = Evidence()
    for found in findings.signatures:
        evidence = evidence.with_(found.evidence)
    certificates = Certificates(trust=trust, policy=policy, evidence=evidence, fetcher=fetcher, now=at)
    judgement = _Judgement(policy, at, certificates, Timestamps(certificates, policy, at), [])
    stamps = [judgement.timestamps.judge(found) for found in findings.timestamps]
    signatures = tuple(judgement.signature(found, document=stamps) for found in findings.signatures)
    warnings = (*findings.warnings, *judgement.warnings, *(w for stamp in stamps for w in stamp.warnings))
    return Report(
        document=facts,
        verdict=_verdict(signatures, unreadable=any(w.code == "SIGNATURE_UNREADABLE" for w in findings.warnings)),
        validated_at=at,
        policy=policy.name,
        signatures=signatures,
        timestamps=tuple(stamp.report for stamp in stamps),
        warnings=_once(warnings),
    )


@dataclass(frozen=True)
class _Judgement:
    """What all signatures of one document share."""

    policy: Policy
    now: datetime
    certificates: Certificates
    timestamps: Timestamps
    warnings: list[Warning_]

    def signature(self, found: FoundSignature, *, document: Sequence[JudgedTimestamp]) -> SignatureReport:
        """Steps 1 to 7 of the module."""
        checks: list[Check] = []
        # 2 (first, because 4 asks how recent evidence must be)
        own = [self.timestamps.judge(one) for one in found.timestamps]
        for one in own:
            self.warnings.extend(one.warnings)
        covering = [one for one in document if one.found.covers > found.covers]
        proven = _best_time([*(one for one in own if one.found.type == "signature"), *covering])
        # 1
        ended = self._format_and_integrity(found, checks=checks)
        # 3 to 6
        if ended is None:
            problems = self._basic(found, own, proven=proven, checks=checks)
            # 7
            left = [problem for problem in problems if not problem.cleared_by(proven)]
            checks.append(_with_time(proven, problems, left))
            indication: Indication = "INDETERMINATE" if left else "TOTAL_PASSED"
            sub = left[0].sub_indication if left else None
        else:
            indication, sub = ended
        if proven is None and own:
            checks.append(Check("TIMESTAMP_NOT_PROVEN", "EN 319 102-1 §5.5.4", "WARNING", {"timestamps": len(own)}))
        return SignatureReport(
            id=found.id,
            format=found.format,
            level=levels.of(found, own=own, document=document),
            parent=found.parent,
            indication=indication,
            sub_indication=sub,
            intact=found.integrity.intact,
            scope=found.scope,
            signer=signer_facts(found.signer) if found.signer else None,
            claimed_time=found.claimed_time,
            best_signature_time=proven or self.now,
            algorithms=found.integrity.algorithms,
            changes=found.changes,
            timestamps=tuple(one.report for one in own),
            checks=tuple(checks),
        )

    def _format_and_integrity(
        self, found: FoundSignature, *, checks: list[Check]
    ) -> tuple[Indication, str | None] | None:
        """§5.2.2 and §5.2.7: what ends the process at once; None when it goes on."""
        failure, reason = found.integrity.failure, found.integrity.reason
        outcome: Literal["PASSED", "FAILED"] = "FAILED" if failure == "FORMAT_FAILURE" else "PASSED"
        checks.append(Check("FORMAT", "EN 319 102-1 §5.2.2", outcome, dict(found.facts) | {"reason": reason or None}))
        if failure == "FORMAT_FAILURE":
            return "TOTAL_FAILED", "FORMAT_FAILURE"
        if failure == "NO_SIGNING_CERTIFICATE_FOUND":
            checks.append(Check("SIGNING_CERTIFICATE", "EN 319 102-1 §5.2.3", "FAILED", {"reason": reason}))
            return "INDETERMINATE", failure
        checks.append(
            Check("INTEGRITY", "EN 319 102-1 §5.2.7", "FAILED" if failure else "PASSED", {"reason": reason or None})
        )
        if failure is not None:
            known = reason not in {"algorithm-unknown", "key-unusable"}
            return ("TOTAL_FAILED", failure) if known else ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")
        changes = found.changes
        said: dict[str, str | int | bool | None] = {
            "kind": changes.kind,
            "detail": changes.details[-1] if changes.details else None,
        }
        if changes.modified:
            checks.append(Check("CHANGES", "EN 319 102-1 §5.2.2", "FAILED", said))
            return "TOTAL_FAILED", "FORMAT_FAILURE"
        checks.append(
            Check("CHANGES", "EN 319 102-1 §5.2.2", "WARNING" if changes.kind == "suspicious" else "PASSED", said)
        )
        return None

    def _basic(
        self,
        found: FoundSignature,
        own: Sequence[JudgedTimestamp],
        *,
        proven: datetime | None,
        checks: list[Check],
    ) -> list[Problem]:
        """§5.3 behind the integrity: 3. certificate, 4. path, 5. acceptance. All problems, gravest first."""
        # 3
        named = {"matched": "PASSED", "absent": "WARNING", "mismatched": "FAILED"}[found.binding]
        checks.append(Check("SIGNING_CERTIFICATE", "EN 319 102-1 §5.2.3", named, {"binding": found.binding}))  # type: ignore[arg-type]  # the three are outcomes
        if found.signer is None or found.binding == "mismatched":
            return [Problem("NO_SIGNING_CERTIFICATE_FOUND", "signing-certificate-attribute")]
        # 4
        result = self.certificates.judge(
            found.signer, role="signer", reference=proven or self.now, pool=found.evidence.certificates
        )
        checks.extend(result.checks)
        self.warnings.extend(result.warnings)
        # 5
        early = _before_issuance(found.signer, proven=proven)
        return [*result.problems, *early, *self._acceptance(found, own, checks=checks)]

    def _acceptance(
        self, found: FoundSignature, own: Sequence[JudgedTimestamp], *, checks: list[Check]
    ) -> list[Problem]:
        """§5.2.8: the algorithms of the signature, what its profile demands, the order of its timestamps."""
        problems: list[Problem] = []
        used = found.integrity.algorithms
        assert used is not None  # an intact signature has algorithms
        try:
            ends = [
                self.policy.signature_until(used.signature, bits=used.key_size),
                self.policy.digest_until(used.digest),
            ]
        except Unlisted as error:
            problems.append(Problem("CRYPTO_CONSTRAINTS_FAILURE", f"algorithm-refused {error}"))
        else:
            end = min((moment for moment in ends if moment is not None), default=None)
            if end is not None and end < self.now:
                problems.append(Problem("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "algorithm-expired", end))
        missing = list(found.constraints)
        if found.binding == "absent" and found.format in self.policy.signing_certificate_formats:
            missing.append("signing-certificate")
        if missing:
            problems.append(Problem("SIG_CONSTRAINTS_FAILURE", ",".join(dict.fromkeys(missing))))
        if found.changes.kind == "suspicious" and self.policy.suspicious != "TOTAL_PASSED":
            problems.append(Problem("SIG_CONSTRAINTS_FAILURE", "changes-not-compared"))
        before = [one.proves for one in own if one.found.type == "content" and one.proves is not None]
        after = [one.proves for one in own if one.found.type == "signature" and one.proves is not None]
        if before and after and max(before) > min(after):
            problems.append(Problem("TIMESTAMP_ORDER_FAILURE", "content-after-signature"))
        outcome: Literal["PASSED", "FAILED"] = "FAILED" if problems else "PASSED"
        facts: dict[str, str | int | bool | None] = {"reason": problems[0].reason if problems else None}
        checks.append(Check("ACCEPTANCE", "EN 319 102-1 §5.2.8", outcome, facts))
        return problems


def _before_issuance(certificate: bytes, *, proven: datetime | None) -> tuple[Problem, ...]:
    """§5.5.4: a signature that provably existed before its certificate began."""
    begin = x509.Certificate.load(certificate).not_valid_before
    if proven is None or proven >= begin:
        return ()
    return (Problem("NOT_YET_VALID", "stamped-before-issuance"),)


def _best_time(timestamps: Sequence[JudgedTimestamp]) -> datetime | None:
    """§5.5.4: the earliest time that a valid timestamp proves; None when none does."""
    return min((one.proves for one in timestamps if one.proves is not None), default=None)


def _with_time(proven: datetime | None, problems: Sequence[Problem], still: Sequence[Problem]) -> Check:
    facts: dict[str, str | int | bool | None] = {
        "best_signature_time": proven.isoformat() if proven else None,
        "cleared": len(problems) - len(still),
        "reason": still[0].reason if still else None,
    }
    return Check("WITH_TIME", "EN 319 102-1 §5.5", "FAILED" if still else "PASSED", facts)


def _verdict(signatures: Sequence[SignatureReport], *, unreadable: bool) -> Verdict:
    """The worst of them; a document without signatures passes nothing, nor does one with a signature nobody can read."""
    if not signatures:
        return "NO_SIGNATURE"
    found = {one.indication for one in signatures}
    if "TOTAL_FAILED" in found:
        return "TOTAL_FAILED"
    return "INDETERMINATE" if "INDETERMINATE" in found or unreadable else "TOTAL_PASSED"


def _once(warnings: Sequence[Warning_]) -> tuple[Warning_, ...]:
    seen: dict[str, Warning_] = {}
    for warning in warnings:
        seen.setdefault(f"{warning.code} {sorted(warning.facts.items(), key=str)}", warning)
    return tuple(seen.values())


def signer_facts(certificate: bytes) -> SignerFacts | None:
    """What the report says about a signer; None when the certificate cannot be read."""
    try:
        parsed = x509.Certificate.load(certificate)
        names = parsed.subject.native
        return SignerFacts(
            subject=name_of(parsed.subject),
            common_name=_text(names.get("common_name")),
            organization=_text(names.get("organization_name")),
            issuer=name_of(parsed.issuer),
            serial=f"{parsed.serial_number:x}",
            not_before=parsed.not_valid_before,
            not_after=parsed.not_valid_after,
        )
    except UNEXPECTED:
        return None


def _text(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value) if value is not None else None


@dataclass(frozen=True)
class CertificateReport:
    """`path` names the subjects from the certificate up to the anchor; empty when there is none."""

    indication: Indication
    sub_indication: str | None
    path: tuple[str, ...]
    checks: tuple[Check, ...]
    warnings: tuple[Warning_, ...] = ()


def judge_certificate(
    certificate: bytes,
    *,
    chain: tuple[bytes, ...],
    trust: Trust,
    policy: Policy,
    at: datetime,
    fetcher: Fetcher,
    purpose: Literal["signing", "timestamping"],
) -> CertificateReport:
    """§5.2.6 for a certificate (DER) by itself, as of `at`. Raises TrustUnusable when it is none."""
    if not is_certificate(certificate):
        raise TrustUnusable("this is no certificate", reason="certificate")
    certificates = Certificates(
        trust=trust, policy=policy, evidence=Evidence(certificates=chain), fetcher=fetcher, now=at
    )
    role: Literal["signer", "timestamp"] = "signer" if purpose == "signing" else "timestamp"
    result: CertificateResult = certificates.judge(certificate, role=role, reference=at)
    return CertificateReport(
        indication="TOTAL_PASSED" if result.passed else "INDETERMINATE",
        sub_indication=None if result.passed else result.problems[0].sub_indication,
        path=result.path.subjects if result.path else (),
        checks=result.checks,
        warnings=result.warnings,
    )
