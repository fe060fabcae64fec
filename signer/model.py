"""The values that travel through prepare → sign → complete.

All are frozen, all can be written as MessagePack or JSON, none holds a document: documents are open files.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from signer.xades.plan import XmlLayout, XmlPlan

Level = Literal["B-B", "B-T", "B-LT", "B-LTA"]
LEVELS: tuple[Level, ...] = ("B-B", "B-T", "B-LT", "B-LTA")
"""EN 319 142-1 §6, lowest first; each holds what the one before it holds."""
Format = Literal["PAdES", "XAdES"]


@dataclass(frozen=True)
class Place:
    """Where a new signature field goes: `page` counts from 1, `box` is (left, bottom, right, top) in points, in the
    page's own coordinates (PDF user space, before rotation)."""

    page: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Anchor:
    """A place next to words that stand on a page: the field's lower left corner is `offset` points away from that of
    `text`, as the page is seen, turned pages too. `page` counts from 1; None looks on all pages. The words must stand there
    once."""

    text: str
    size: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)
    page: int | None = None


@dataclass(frozen=True)
class FieldPlan:
    """An empty field for somebody later, made by the first signer: where it goes (`place` or `anchor`), and what it is.

    `label` is what a reader calls it; `max_length` bounds a text. A date field takes days and shows them dd/mm/yyyy.
    `lock` names the fields that a signature in this one closes (FieldMDP, ISO 32000-1 Table 233)."""

    name: str
    kind: Literal["signature", "text", "date"] = "signature"
    place: Place | None = None
    anchor: Anchor | None = None
    label: str | None = None
    max_length: int | None = None
    lock: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stamp:
    """What a reader sees in the field's rectangle: lines of text, set by the caller or taken from the certificate.

    `lines` may be empty: then it is name, organisation and signing time (`signer.stamp.default_lines`)."""

    lines: tuple[str, ...] = ()
    border: bool = True
    language: Literal["vi", "en"] = "vi"


@dataclass(frozen=True)
class LookPlan:
    """A look that a profile prescribes (`signer.stamp.profiles`), and what it shows.

    `profile` is the name of one that comes with the program, or the whole text of another. `signature` and `seal` are
    PNG. `values` are (placeholder, text) pairs. `over` names the field of the person's signature over which a seal
    stands; None takes the only one. `link` is shown as a QR code."""

    profile: str
    look: str
    signature: bytes | None = dataclasses.field(default=None, repr=False)
    seal: bytes | None = dataclasses.field(default=None, repr=False)
    seal_mm: float | None = None
    over: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    link: str | None = None


@dataclass(frozen=True)
class SignOrder:
    """One signature to be made.

    `certificate` and `chain` are DER. `field` names an existing empty field or the new one; None takes the only empty
    field if there is just one, else makes a new one. `place` None makes the new field invisible. `stamp` None leaves
    the field without an appearance. `signing_time` is written to /M and must be timezone-aware. `timestamp_authorities`
    are URLs, tried in order; B-T with none is refused. `head` is the expected SHA-256 (hex) of the document.
    `allow_degraded` takes a lower level when an authority or responder is away; the result says so.
    """

    certificate: bytes
    chain: tuple[bytes, ...]
    mechanism: str
    signing_time: datetime
    format: Format = "PAdES"
    level: Level = "B-B"
    field: str | None = None
    place: Place | None = None
    stamp: Stamp | None = None
    name: str | None = None
    reason: str | None = None
    location: str | None = None
    contact: str | None = None
    timestamp_authorities: tuple[str, ...] = ()
    timestamp_policy: str | None = None
    allow_degraded: bool = False
    anchor: Anchor | None = None
    """Where a new field goes, by words on the page instead of `place`."""
    certify: int | None = None
    """DocMDP 1–3 as the first signer (ISO 32000-1 Table 254); None signs without certifying."""
    fields: tuple[FieldPlan, ...] = ()
    """Empty fields that the same revision creates, before anybody has signed."""
    fill: tuple[tuple[str, str], ...] = ()
    """(form field, value) pairs that the same revision writes, with their appearances."""
    look: LookPlan | None = None
    """How the signature looks by a profile, instead of the plain `stamp`."""
    password: str | None = dataclasses.field(default=None, repr=False)
    """Opens an encrypted document; None tries the empty user password."""
    repair: bool = False
    """A broken document without a signature is mended first, and what is signed is the mended file (REPAIRED)."""
    xml: XmlPlan | None = None
    """How a XAdES signature is made; None takes every default. What is a PDF's alone (from `field` to `repair`) must
    then be absent."""


@dataclass(frozen=True)
class Prepared:
    """Everything of the signature but its value: serialisable, redeemable on any node.

    `tbs` are the bytes to sign (DER of the SET of signed attributes). `appended` goes behind the `original_size` bytes
    of the document; the value of /Contents lies at [`gap_start`, `gap_end`) of the whole, delimiters included.
    `document_digest` is the digest over the byte range. `nonce` is for the timestamp request, so that a repeated
    completion asks the same question. `warnings` are codes (verify.report).

    Of a XAdES signature `tbs` is the canonical SignedInfo, `xml` says where things go, `document_digest` is that of the
    first Reference, and `field` the Id of the signature.
    """

    order: SignOrder
    tbs: bytes
    appended: bytes
    original_size: int
    original_sha256: str
    gap_start: int
    gap_end: int
    document_digest: bytes
    digest_algorithm: str
    field: str
    nonce: int
    warnings: tuple[str, ...] = ()
    xml: XmlLayout | None = None


@dataclass(frozen=True)
class SignatureValue:
    """`bytes_` as CMS carries them (ECDSA in DER), and the mechanism that made them."""

    bytes_: bytes
    mechanism: str


@dataclass(frozen=True)
class Signed:
    """A finished, self-checked file: its level, digest, size and the time that a timestamp proves (None at B-B)."""

    level: Level
    sha256: str
    size: int
    field: str
    signing_time: datetime
    timestamp: datetime | None
    warnings: tuple[str, ...] = ()
    archive_until: datetime | None = None
    """At B-LTA, when the document timestamp's certificate ends: before that another one must be added."""


@dataclass(frozen=True)
class Extended:
    """A document whose signatures were lifted: the level that the lowest of them has now, digest and size of the file.

    `timestamp` is the time of the document timestamp that was added, if any. `archive_until` is when the newest
    document timestamp's certificate ends: before that another one must be added."""

    level: Level
    sha256: str
    size: int
    timestamp: datetime | None
    archive_until: datetime | None
    warnings: tuple[str, ...] = ()
