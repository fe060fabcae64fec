"""The values that travel through prepare → sign → complete.

All are frozen, all can be written as MessagePack or JSON, none holds a document: documents are open files.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Level = Literal["B-B", "B-T"]
Format = Literal["PAdES"]


@dataclass(frozen=True)
class Place:
    """Where a new signature field goes: `page` counts from 1, `box` is (left, bottom, right, top) in points, in the
    page's own coordinates (PDF user space, before rotation)."""

    page: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Stamp:
    """What a reader sees in the field's rectangle: lines of text, set by the caller or taken from the certificate.

    `lines` may be empty: then it is name, organisation and signing time (`signer.stamp.default_lines`)."""

    lines: tuple[str, ...] = ()
    border: bool = True
    language: Literal["vi", "en"] = "vi"


@dataclass(frozen=True)
class SignOrder:
    """One signature to be made.

    `certificate` and `chain` are DER. `field` names an existing empty field or the new one; None takes the only empty
    field if there is just one, else makes a new one. `place` None makes the new field invisible. `stamp` None leaves
    the field without an appearance. `signing_time` is written to /M and must be timezone-aware. `timestamp_authorities`
    are URLs, tried in order; B-T with none is refused. `head` is the expected SHA-256 (hex) of the document.
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
    password: str | None = dataclasses.field(default=None, repr=False)
    """Opens an encrypted document; None tries the empty user password."""
    repair: bool = False
    """A broken document without a signature is mended first, and what is signed is the mended file (REPAIRED)."""


@dataclass(frozen=True)
class Prepared:
    """Everything of the signature but its value: serialisable, redeemable on any node.

    `tbs` are the bytes to sign (DER of the SET of signed attributes). `appended` goes behind the `original_size` bytes
    of the document; the value of /Contents lies at [`gap_start`, `gap_end`) of the whole, delimiters included.
    `document_digest` is the digest over the byte range. `nonce` is for the timestamp request, so that a repeated
    completion asks the same question. `warnings` are codes (verify.report).
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
