"""The report: what was found out about one document, in codes and facts, without words.

The JSON of these values is the same from the command line and over HTTP; `api` adds the sentence for people.
Times are timezone-aware; certificates appear as facts, not as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal

Indication = Literal["TOTAL_PASSED", "INDETERMINATE", "TOTAL_FAILED"]
Verdict = Literal["TOTAL_PASSED", "INDETERMINATE", "TOTAL_FAILED", "NO_SIGNATURE", "UNREADABLE"]
Outcome = Literal["PASSED", "FAILED", "WARNING", "SKIPPED"]
ChangeKind = Literal["none", "allowed", "suspicious", "forbidden"]
Facts = dict[str, str | int | bool | None]


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
class Changes:
    """What happened to the document after the signature."""

    modified: bool = False
    kind: ChangeKind = "none"
    details: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Report:
    document: DocumentFacts
    verdict: Verdict
    validated_at: datetime
    policy: str
    signatures: tuple[SignatureReport, ...]
    timestamps: tuple[TimestampReport, ...] = ()
    warnings: tuple[Warning_, ...] = ()


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON values, shaped as the public interface says, without the `summary` that `api` adds."""
    return {item.name: _plain(getattr(report, item.name)) for item in fields(report)}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return value
