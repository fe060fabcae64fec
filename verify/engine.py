"""The one door of this package: judges a document by EN 319 102-1 and says so in a `Report`.

Knows no format: readers hand over what they found (`verify.found`), and the same steps judge it.

    report = judge(file, name="a.pdf", trust=trust, policy=policy.load("default"), at=now, fetcher=Offline())

For the document (§5.6.3): all its timestamps, the newest first (§5.4), each proving the existence of what it covers
(§5.6.2.3). Then for each signature:

1. Format (§5.2.2) and integrity (§5.2.7), as the reader found them; changes made to the document afterwards.
2. best-signature-time: the earliest time that a valid timestamp proves for its value (§5.5.4).
3. Basic validation (§5.3): the signing certificate (§5.2.3), its path, revocation and period now (§5.2.6), acceptance
   (§5.2.8): a list of problems.
4. With time (§5.5): a problem is cleared when best-signature-time proves that it came later.
5. Past signature validation (§5.6.2.4), where proofs of existence may mend what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from typing import BinaryIO, Literal

from asn1crypto import x509

from verify import constraints, levels, pdf_signatures, xml
from verify import policy as policies
from verify.basic import Basic, times
from verify.certificates import CertificateResult, Certificates, Problem
from verify.chain import UNEXPECTED, name_of
from verify.document import Kind, Limits, check_size, sha256_of, sniff
from verify.errors import TrustUnusable, VerifyError
from verify.fetcher import Fetcher
from verify.found import Evidence, Findings, FoundSignature, identify
from verify.material import Inventory
from verify.past import MENDABLE, PastCertificate, past_certificate, past_signature
from verify.policy import Policy
from verify.report import (
    FAILED,
    Check,
    DocumentFacts,
    Facts,
    Indication,
    Material,
    PolicyFacts,
    ProofOfExistence,
    Report,
    SignatureReport,
    SignerFacts,
    TimestampReport,
    Verdict,
    Warning_,
)
from verify.timing import JudgedTimestamp, Timestamps
from verify.trust import Trust, is_certificate

Reader = Callable[..., Findings]

READERS: dict[Kind, Reader] = {"PDF": pdf_signatures.find, "XML": xml.find}


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
    "pyhanko.pdf_utils.crypt.pdfmac",
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
    password: str | None = None,
    detached: Mapping[str, BinaryIO] | None = None,
) -> Report:
    """The report on one document, as of `at` (timezone-aware). Raises a VerifyError when it cannot be read; an encrypted
    one is opened with `password`, or without one. `detached`: files that signatures in XML refer to, by the names they
    have there; a PDF refers to none."""
    limits = limits or Limits()
    size = check_size(document, limits=limits)
    kind = sniff(document)
    if kind not in READERS:
        raise FormatNotSupported(format=kind)
    findings = READERS[kind](document, limits=limits, password=password, detached=detached or {})
    facts = DocumentFacts(name=name, sha256=sha256_of(document, size=size), format=kind, size=size)
    evidence = Evidence()
    for found in findings.signatures:
        evidence = evidence.with_(found.evidence)
    certificates = Certificates(trust=trust, policy=policy, evidence=evidence, fetcher=fetcher, now=at)
    judgement = _Judgement(policy, at, certificates, Timestamps(certificates, policy, at))
    attached = (stamp for found in findings.signatures for stamp in found.timestamps)
    judgement.timestamps.judge_all((*findings.timestamps, *attached))
    stamps = [judgement.timestamps.judge(found) for found in findings.timestamps]
    signatures = tuple(judgement.signature(found, document=stamps) for found in findings.signatures)
    timestamps = tuple(judgement.report(stamp) for stamp in stamps)
    return Report(
        document=facts,
        verdict=_verdict(signatures, unreadable=any(w.code == "SIGNATURE_UNREADABLE" for w in findings.warnings)),
        validated_at=at,
        policy=policy.name,
        policy_details=PolicyFacts(dict(policy.title), policy.sha256, policy.text),
        signatures=signatures,
        timestamps=timestamps,
        warnings=_once((*findings.warnings, *judgement.warnings, *constraints.outdated(trust, at=at))),
        objects=judgement.inventory.objects(),
    )


@dataclass
class _Judgement:
    """What all signatures of one document share."""

    policy: Policy
    now: datetime
    certificates: Certificates
    timestamps: Timestamps
    warnings: list[Warning_] = field(default_factory=list)
    inventory: Inventory = field(init=False)

    def __post_init__(self) -> None:
        self.inventory = Inventory(self.certificates.proofs)

    def signature(self, found: FoundSignature, *, document: Sequence[JudgedTimestamp]) -> SignatureReport:
        """Steps 1 to 5 of the module."""
        checks: list[Check] = []
        own = [self.timestamps.judge(one) for one in found.timestamps]
        basic = Basic(self.policy, self.now, self.certificates)
        # 1
        ended = basic.integrity(found, checks=checks)
        checks.extend(found.checks)
        # 2
        poe = self.certificates.proofs.of(identify(found.value))
        proven = poe.time if poe.by is not None else None
        result: CertificateResult | None = None
        past: PastCertificate | None = None
        sub = ended
        if ended is None:
            # 3
            known = times(found, own, document, proven=proven, policy=self.policy)
            result, problems = basic.judge(found, times=known, checks=checks)
            # 4
            left = [problem for problem in problems if not problem.cleared_by(proven)]
            checks.append(_with_time(proven, problems, left))
            # 5
            if left and found.signer is not None:
                left, past = self._mended(found, left, exists=poe, checks=checks)
            sub = left[0].sub_indication if left else None
            self.warnings.extend(result.warnings if result and (left or past is None) else ())
        if proven is None and own:
            checks.append(Check("TIMESTAMP_NOT_PROVEN", "EN 319 102-1 §5.5.4", "WARNING", {"timestamps": len(own)}))
        return SignatureReport(
            id=found.id,
            format=found.format,
            level=levels.of(found, own=own, document=document),
            parent=found.parent,
            indication=_indication(sub),
            sub_indication=sub,
            intact=found.integrity.intact,
            scope=found.scope,
            signer=signer_facts(found.signer) if found.signer else None,
            claimed_time=found.claimed_time,
            best_signature_time=proven or self.now,
            algorithms=found.integrity.algorithms,
            changes=found.changes,
            timestamps=tuple(self.report(one) for one in own),
            checks=tuple(checks),
            material=self._material(found, result, past, poe),
        )

    def _mended(
        self, found: FoundSignature, problems: list[Problem], *, exists: ProofOfExistence, checks: list[Check]
    ) -> tuple[list[Problem], PastCertificate | None]:
        """§5.6.3.4 steps 6 and 7: the problems that stay, the gravest first. Only what is proven can be mended."""
        assert found.signer is not None
        mendable = [problem for problem in problems if problem.sub_indication in MENDABLE]
        others = [problem for problem in problems if problem.sub_indication not in MENDABLE]
        if not mendable or exists.by is None:
            return [*others, *mendable] if _fails(others) else problems, None
        past = past_certificate(
            found.signer, certificates=self.certificates, role="signer", pool=found.evidence.certificates
        )
        sub, check = past_signature(mendable, certificate=found.signer, exists=exists.time, past=past)
        checks.extend((*past.checks, check))
        if sub is None:
            return others, past
        stays = Problem(sub, str(check.facts.get("reason") or ""))
        return [*others, stays] if _fails(others) else [stays, *others], past

    def _material(
        self,
        found: FoundSignature,
        result: CertificateResult | None,
        past: PastCertificate | None,
        poe: ProofOfExistence,
    ) -> Material:
        evidence = result.evidence if result else Evidence()
        held = past is not None and past.control_time is not None
        return self.inventory.of(
            subject=("signature", found.value),
            signer=found.signer,
            path=past.path if past and held else result.path if result else None,
            evidence=evidence.with_(past.evidence) if past else evidence,
            poe=poe,
            control_time=past.control_time if past else None,
            tbs=found.tbs,
        )

    def report(self, stamp: JudgedTimestamp) -> TimestampReport:
        """The report of a judged timestamp, with what it rested on and covers."""
        self.warnings.extend(stamp.warnings)
        material = self.inventory.of(
            subject=("timestamp", stamp.found.der),
            signer=stamp.signer,
            path=stamp.path,
            evidence=stamp.evidence,
            poe=self.certificates.proofs.of(identify(stamp.found.der)),
            covers=stamp.found.protects,
            control_time=stamp.control_time,
        )
        return replace(stamp.report, material=material)


def _fails(problems: Sequence[Problem]) -> bool:
    return any(problem.sub_indication in FAILED for problem in problems)


def _indication(sub: str | None) -> Indication:
    """§5.1.3."""
    return "TOTAL_PASSED" if sub is None else "TOTAL_FAILED" if sub in FAILED else "INDETERMINATE"


def _with_time(proven: datetime | None, problems: Sequence[Problem], still: Sequence[Problem]) -> Check:
    facts: Facts = {
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
