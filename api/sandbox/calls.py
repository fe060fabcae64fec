"""The arguments and answers of the operations that a worker offers: light values, for both sides of the channel.

The client needs no library that reads documents to make a call; `ops` holds the other half. Files travel beside the
arguments, in the order given here; where the arguments name `detached` contents, their files follow, one for each name.

| operation | arguments | files | answer |
|---|---|---|---|
| `prepare` | `Prepare` | document, empty output | `signer.model.Prepared` |
| `require_unmarked` | `RequireUnmarked` | document | `None` |
| `restore` | `Restore` | document, empty output | `None` |
| `complete` | `Complete` | output as prepared or restored | `signer.model.Signed` |
| `extend` | `Extend` | document, empty output | `signer.model.Extended` |
| `verify` | `Verify` | document | `verify.report.Report` |
| `judge_certificate` | `JudgeCertificate` | – | `verify.engine.CertificateReport` |
| `timestamp` | `Timestamp` | – | `Timestamped` |
| `render` | `Render` | document | `Rendered` |
| `portray` | `Portray` | document | `Portrait` |
| `dissect` | `Dissect` | document | `verify.dissected.Dissected` |
| `survey` | `Survey` | document | `Surveyed` |
| `draw` | `Look` | document | `Drawn` |
| `outline` | `Outline` | document | `Outlined` |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from signer.model import Anchor, Level, Place, Prepared, SignatureValue, SignOrder
from verify.trust import Trust


@dataclass(frozen=True)
class Prepare:
    order: SignOrder
    original_sha256: str
    nonce: int
    detached: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequireUnmarked:
    password: str | None = None
    detached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Restore:
    prepared: Prepared


@dataclass(frozen=True)
class Complete:
    """From B-LT on, `trust` and `at` must be there; `policy` as in `Verify`."""

    prepared: Prepared
    value: SignatureValue
    trust: Trust | None = None
    policy: str = "default"
    at: datetime | None = None
    detached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extend:
    level: Level
    trust: Trust
    policy: str
    at: datetime
    authorities: tuple[str, ...]
    nonce: int
    timestamp_policy: str | None = None
    allow_degraded: bool = False
    only_new: bool = False
    password: str | None = field(default=None, repr=False)
    detached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verify:
    """`policy` is the name of a policy that comes with the program, or the whole text of another (`Policy.text`)."""

    name: str
    trust: Trust
    policy: str
    at: datetime
    password: str | None = field(default=None, repr=False)
    pictures: Literal["drawn", "none"] = "drawn"
    """Whether pages of two revisions are drawn and compared; without, what came later is suspicious at best."""
    detached: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgeCertificate:
    certificate: bytes
    chain: tuple[bytes, ...]
    trust: Trust
    policy: str
    at: datetime
    purpose: Literal["signing", "timestamping"]


@dataclass(frozen=True)
class Timestamp:
    """`nonce` has at most 64 bits; the same call with the same nonce asks the same question."""

    imprint: bytes
    digest: str
    authorities: tuple[str, ...]
    nonce: int
    policy: str | None = None


@dataclass(frozen=True)
class Timestamped:
    """`serial` is hexadecimal, for it may be longer than 64 bits."""

    der: bytes
    time: datetime
    serial: str
    policy: str
    tsa: str | None


@dataclass(frozen=True)
class Render:
    """`page` counts from 1; `longest` is the most pixels that either side may have."""

    page: int = 1
    longest: int = 1600


@dataclass(frozen=True)
class Rendered:
    png: bytes
    width: int
    height: int
    pages: int


LARGEST_PICTURE = 4096
"""Pixels that a side of any picture may have, whatever is asked for."""


@dataclass(frozen=True)
class Portrayed:
    """A signature to be shown: the name of its field, and how many bytes it covers.

    `compare` asks for the pages that have changed since then; `pages` are looked at first.
    """

    id: str
    end: int | None = None
    compare: bool = False
    pages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Portray:
    """`pages` and `compared` bound the pictures; `longest` is the most pixels that either side may have."""

    signatures: tuple[Portrayed, ...]
    pages: int = 5
    compared: int = 3
    longest: int = 1000
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Mark:
    """A place on a picture: left, top, right, bottom in pixels. `id` is the signature's; empty where something changed."""

    id: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Picture:
    page: int
    png: bytes
    width: int
    height: int
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class BeforeAfter:
    """One page when it was signed and now; None where there was or is no such page."""

    page: int
    before: Picture | None
    after: Picture | None


@dataclass(frozen=True)
class Compared:
    """The pages that have changed since a signature; `more` says that there are others."""

    id: str
    pages: tuple[BeforeAfter, ...]
    more: bool = False


@dataclass(frozen=True)
class Portrait:
    """Pictures of a document. `complete` says that every page was looked at for signatures."""

    pages: int
    pictures: tuple[Picture, ...]
    compared: tuple[Compared, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Dissect:
    """`pairs` are certificates with their issuers'; `ocsps` and `crls` what may speak of them (all DER)."""

    pairs: tuple[tuple[bytes, bytes], ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Survey:
    """What may be signed of a document: `sha256` is what it is believed to be, `field` the one that is to be signed."""

    sha256: str
    field: str | None = None
    anchor: Anchor | None = None
    facts: bool = False
    """Whether what a procedure goes by is read, too."""


@dataclass(frozen=True)
class Page:
    """`width` and `height` in points as the page is shown; `corner` is what is shown of it in the page's own coordinates
    (left, bottom, right, top), `turn` its rotation in degrees, clockwise."""

    width: float
    height: float
    corner: tuple[float, float, float, float]
    turn: int


@dataclass(frozen=True)
class Taken:
    """A field that is there: its box in the page's own coordinates."""

    page: int
    box: tuple[float, float, float, float]
    name: str
    signature: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Surveyed:
    """`looked` says that every page was looked at for fields; `warnings` are codes, as preparing a signature tells them."""

    kind: Literal["PDF", "XML"]
    pages: tuple[Page, ...]
    taken: tuple[Taken, ...]
    looked: bool
    warnings: tuple[str, ...]
    anchored: Place | None = None
    """Where the anchor's words lead."""
    facts: str | None = None
    """JSON of `signer.procedures.Facts`."""


@dataclass(frozen=True)
class Look:
    """`page` counts from 1; `width` in pixels."""

    page: int
    width: int


@dataclass(frozen=True)
class PagePicture:
    page: int
    webp: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Drawn:
    picture: PagePicture


@dataclass(frozen=True)
class Outline:
    """Nothing but the document is needed."""


@dataclass(frozen=True)
class Leaf:
    """An element: how deep it lies, its name and attributes without namespaces, and its own text."""

    depth: int
    name: str
    attributes: tuple[tuple[str, str], ...]
    text: str
    signature: bool = False


@dataclass(frozen=True)
class Outlined:
    leaves: tuple[Leaf, ...]
    more: bool = False
