"""The report: what was found out about one document, in codes and facts, without words.

The JSON of these values is the same from the command line and over HTTP; `api` adds the sentence for people.
Times are timezone-aware. In the JSON certificates appear as facts, not as bytes; members marked `INTERNAL` are not in
it: they are what reports for machines and evidence to carry away are made from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal

Indication = Literal["TOTAL_PASSED", "INDETERMINATE", "TOTAL_FAILED"]
Verdict = Literal["TOTAL_PASSED", "INDETERMINATE", "TOTAL_FAILED", "NO_SIGNATURE", "UNREADABLE"]
Outcome = Literal["PASSED", "FAILED", "WARNING", "SKIPPED"]
ChangeKind = Literal["none", "allowed", "suspicious", "forbidden"]
ObjectKind = Literal["signature", "timestamp", "certificate", "ocsp", "crl"]
Facts = dict[str, str | int | bool | None]

FAILED = frozenset({"FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "REVOKED", "EXPIRED", "NOT_YET_VALID"})
"""EN 319 102-1 §5.1.3, table 5: sub-indications of TOTAL_FAILED; all others leave a signature INDETERMINATE."""

INTERNAL = {"json": False}
"""Metadata of members that are no part of the public JSON."""


@dataclass(frozen=True)
class Check:
    """One step of the process: a stable code, the clause it comes from, how it went and on what facts."""

    code: str
    clause: str
    outcome: Outcome
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Warning_:  # noqa: N801  `Warning` is a builtin
    """Something a person should know about the document, though no signature fails by it."""

    code: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class DocumentFacts:
    name: str
    sha256: str
    format: Literal["PDF", "XML"] | None
    size: int


@dataclass(frozen=True)
class SignerFacts:
    subject: str
    common_name: str | None
    organization: str | None
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Algorithms:
    digest: str
    signature: Literal["rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519"] | str
    key_size: int


@dataclass(frozen=True)
class ChangePlace:
    """One place that a later revision touched. `page` counts from 1; `box` is left, bottom, right, top in the page's
    own points, None for the whole page; `what` is a code; `after` the id of the newest signature before it."""

    page: int
    box: tuple[float, float, float, float] | None
    what: str
    after: str | None


@dataclass(frozen=True)
class Changes:
    """What happened to the document after the signature, and where."""

    modified: bool = False
    kind: ChangeKind = "none"
    details: tuple[str, ...] = ()
    places: tuple[ChangePlace, ...] = ()


@dataclass(frozen=True)
class ProofOfExistence:
    """When an object provably existed; `by` is the id of the timestamp that proves it, None: it lies before us now."""

    time: datetime
    by: str | None = None


@dataclass(frozen=True)
class ValidationObject:
    """An object that a judgement rested on. `id` is the SHA-256 (hexadecimal) of its octets, `data`: DER, or the bare
    value of a signature."""

    id: str
    kind: ObjectKind
    data: bytes
    poe: ProofOfExistence


@dataclass(frozen=True)
class Material:
    """What one signature or timestamp was judged with, as ids of `Report.objects`."""

    object: str = ""
    """The signature value, or the timestamp token."""
    path: tuple[str, ...] = ()
    """Certificates from the signer's up to the anchor; only the signer's when no path was found."""
    certificates: tuple[str, ...] = ()
    """Further certificates that were used, such as those of OCSP responders."""
    revocation: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    """Of a timestamp: the objects whose existence it proves, if it proves anything."""
    poe: ProofOfExistence | None = None
    control_time: datetime | None = None
    """EN 319 102-1 §5.6.2.2: up to when the certificate is known to have held; None when that was not asked."""
    tbs: tuple[str, str] | None = None
    """What the signature value is over: name of the digest, digest (hexadecimal)."""


@dataclass(frozen=True)
class TimestampReport:
    id: str
    type: Literal["signature", "content", "archive", "document", "vri"]
    time: datetime | None
    intact: bool
    indication: Indication
    sub_indication: str | None
    tsa: str | None
    checks: tuple[Check, ...] = ()
    material: Material = field(default_factory=Material, metadata=INTERNAL)


@dataclass(frozen=True)
class SignatureReport:
    id: str
    format: Literal["PAdES", "XAdES", "PKCS7", "XMLDSIG"]
    level: str | None
    parent: str | None
    indication: Indication
    sub_indication: str | None
    intact: bool
    scope: Literal["FULL", "PARTIAL"]
    signer: SignerFacts | None
    claimed_time: datetime | None
    best_signature_time: datetime | None
    algorithms: Algorithms | None
    changes: Changes
    timestamps: tuple[TimestampReport, ...]
    checks: tuple[Check, ...]
    material: Material = field(default_factory=Material, metadata=INTERNAL)


@dataclass(frozen=True)
class PolicyFacts:
    """By what was judged: titles by language, and the policy's whole text with its SHA-256, for evidence."""

    title: dict[str, str]
    sha256: str
    text: str = field(default="", metadata=INTERNAL)


@dataclass(frozen=True)
class Report:
    document: DocumentFacts
    verdict: Verdict
    validated_at: datetime
    policy: str
    signatures: tuple[SignatureReport, ...]
    policy_details: PolicyFacts | None = None
    timestamps: tuple[TimestampReport, ...] = ()
    warnings: tuple[Warning_, ...] = ()
    objects: tuple[ValidationObject, ...] = field(default=(), metadata=INTERNAL)
    """Each object once, whatever the number of signatures that rest on it."""


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON values, shaped as the public interface says, without the `summary` that `api` adds."""
    return _members(report)


def _members(value: Any) -> dict[str, Any]:
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.metadata.get("json", True)}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _members(value)
    return value
