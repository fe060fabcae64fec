"""What `verify.dissection` says, as light values: for those who ask a worker and need no library that reads documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Cut:
    """One signature or document timestamp: `id` as in the report; what it covers (the four numbers of the byte range);
    its CMS (DER) without padding, empty beyond a limit."""

    id: str
    byte_range: tuple[int, int, int, int]
    cms: bytes


@dataclass(frozen=True)
class IdAttribute:
    """An attribute that names elements of this kind: its name, the element's namespace and local name."""

    attribute: str
    namespace: str
    element: str


@dataclass(frozen=True)
class Node:
    """A ds:Signature: `value` is the SHA-256 (hexadecimal) of its signature value, `position` counts the ds:Signature
    elements of the document from 1."""

    value: str
    position: int
    ids: tuple[IdAttribute, ...]
    """By which its references find elements."""
    uris: tuple[str, ...]
    """References to contents that the document does not hold, as they stand there."""
    unnamed: bool
    """Whether a reference names nothing."""
    stamps: tuple[tuple[str, bytes], ...] = ()
    """Signature timestamps: SHA-256 of the token, and what it is over."""


@dataclass(frozen=True)
class Spoken:
    """Piece `item` of the evidence speaks of the certificate of pair `pair`; both count from 0. `at` is when it was made
    (an answer) or issued (a list), `status` what an answer says."""

    item: int
    pair: int
    at: datetime
    status: str = ""


@dataclass(frozen=True)
class Dissected:
    """What other programs need in order to check a document's signatures."""

    cuts: tuple[Cut, ...] = ()
    ocsps: tuple[Spoken, ...] = ()
    crls: tuple[Spoken, ...] = ()
    nodes: tuple[Node, ...] = ()
