"""What a reader found in a document, in values that belong to no format.

`verify.pdf_signatures` fills these from a PDF, a reader of XML will from an XML; `verify.engine` judges them and knows neither.
A reader computes digests and signature values, since only it knows what was signed; it judges nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from verify.report import Algorithms, Changes, Check, Facts, Warning_

Digest = Callable[[str], bytes]
"""From the name of a digest (as in hashlib) to the digest of what a timestamp is about. Raises ValueError."""

TimestampType = Literal["signature", "content", "archive", "document", "vri"]
Binding = Literal["matched", "absent", "mismatched"]
IntegrityFailure = Literal[
    "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "FORMAT_FAILURE", "NO_SIGNING_CERTIFICATE_FOUND", "SIGNED_DATA_NOT_FOUND"
]


@dataclass(frozen=True)
class FoundTimestamp:
    """A timestamp token: `der` is a ContentInfo; `covers` numbers the part of the document that it protects."""

    id: str
    type: TimestampType
    der: bytes
    digest_of: Digest
    covers: int = 0
    fault: str | None = None
    """Why the format forbids to believe it, if it does."""
    protects: frozenset[str] = frozenset()
    """What provably existed when it was made (EN 319 102-1 §5.6.2.3): ids (`identify`) of signature values, certificates,
    revocation data and earlier timestamps whose octets it covers, all of them."""
    omits: frozenset[int] = frozenset()
    """Places before its own that it says to leave out."""

    def seals(self, place: int) -> bool:
        """Whether it covers what stands there."""
        return self.covers > place and place not in self.omits


def identify(octets: bytes) -> str:
    """The id of an object: the SHA-256 (hexadecimal) of its DER, or of the bare value of a signature."""
    return hashlib.sha256(octets).hexdigest()


@dataclass(frozen=True)
class SignaturePolicy:
    """The signature policy that a signature claims to follow (EPES): its identifier and the digest of its document."""

    identifier: str
    digest_algorithm: str | None
    digest: bytes
    uri: str | None = None


@dataclass(frozen=True)
class Integrity:
    """EN 319 102-1 §5.2.7: does the value verify, does every digest match. Trust is no part of it."""

    failure: IntegrityFailure | None
    reason: str = ""
    algorithms: Algorithms | None = None

    @property
    def intact(self) -> bool:
        return self.failure is None


@dataclass(frozen=True)
class Evidence:
    """Certificates, CRLs and OCSP responses (DER) that came with the document."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    def with_(self, other: Evidence) -> Evidence:
        return Evidence(
            certificates=tuple(dict.fromkeys((*self.certificates, *other.certificates))),
            crls=tuple(dict.fromkeys((*self.crls, *other.crls))),
            ocsps=tuple(dict.fromkeys((*self.ocsps, *other.ocsps))),
        )


@dataclass(frozen=True)
class FoundSignature:
    """One signature: what it is, whether it is intact, and everything that helps to judge it."""

    id: str
    format: Literal["PAdES", "XAdES", "PKCS7", "XMLDSIG"]
    integrity: Integrity
    signer: bytes | None
    """DER of the certificate whose key was used, as far as the signature says."""
    binding: Binding
    """Whether the signing-certificate attribute names that certificate."""
    changes: Changes
    covers: int
    """As in FoundTimestamp: a document timestamp with a larger number protects this signature."""
    profile: str | None
    """The level that the form of the signature reaches without any timestamp or evidence, e.g. PAdES-BASELINE-B."""
    parent: str | None = None
    scope: Literal["FULL", "PARTIAL"] = "FULL"
    claimed_time: datetime | None = None
    evidence: Evidence = field(default_factory=Evidence)
    carried: Evidence = field(default_factory=Evidence)
    """What of `evidence` stands in the signature itself: whoever covers the signature covers it."""
    contents: bytes = b""
    """The signature as the document holds it, padding included: what /VRI names in a PDF."""
    archived_at: int | None = None
    """From which number (as `covers`) on the document keeps revocation data for this signer and every issuer that is
    known; None when it does not."""
    kept_at: int | None = None
    """The same for the signer alone, in a store that came behind the signature: what the level is told by."""
    timestamps: tuple[FoundTimestamp, ...] = ()
    constraints: tuple[str, ...] = ()
    """What the profile demands and the signature lacks (EN 319 102-1 §5.2.8)."""
    facts: Facts = field(default_factory=dict)
    value: bytes = b""
    """The signature value itself: what a signature timestamp is about."""
    tbs: tuple[str, str] | None = None
    """What the value is over: name of the digest, digest (hexadecimal); None when it cannot be told."""
    signature_policy: SignaturePolicy | None = None
    checks: tuple[Check, ...] = ()
    """What the reader looked at one by one, such as references: for the report, which judges the whole."""
    complete_references: bool = False
    """Whether references to the whole validation data stand beside the signature (XAdES-C)."""
    baseline_longterm: bool = True
    """Whether nothing stands beside the signature that the baseline forbids from LT on (EN 319 132-1 §6.3)."""


@dataclass(frozen=True)
class Findings:
    """Everything a reader found in one document."""

    signatures: tuple[FoundSignature, ...]
    timestamps: tuple[FoundTimestamp, ...]
    """Document timestamps, in the order of the bytes they cover."""
    warnings: tuple[Warning_, ...] = ()
