"""Contents that a signature in XML is over and does not hold itself: open files under the names by which it knows them.

The name is what stands in ds:Reference/@URI (W3C XMLDSig §4.4.3.1). It is compared, never opened: `../a.pdf` and
`https://…` are names like any other. A reference without a URI knows its content by the empty name.

>>> reference_name("hồ sơ/đơn.pdf".encode())
'hồ sơ/đơn.pdf'
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from api.errors import RequestInvalid
from api.refusals import NameInvalid
from api.sandbox.wire import MAX_DETACHED

NAME_BYTES = 1000
"""Longest name, in bytes of UTF-8."""
_MEDIA_TYPE = re.compile(rb"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.IGNORECASE)
"""RFC 6838 §4.2, within half of its bounds."""
_SAYS_NOTHING = b"application/octet-stream"
_DECEIVING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Controls, marks that turn the direction of writing, lone surrogates, line ends: Unicode's categories."""


@dataclass(frozen=True)
class Detached:
    """One such content: its name, its open file at position 0, and what the file holds."""

    name: str
    file: BinaryIO
    sha256: str
    size: int
    mime: str | None = None
    """What whoever sent it says that it is."""


def reference_name(raw: bytes) -> str:
    """A name off the wire, in NFC. Raises NameInvalid for what could deceive a reader."""
    try:
        text = unicodedata.normalize("NFC", raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise NameInvalid("the name of a detached content is not UTF-8", name="?") from None
    shown = "".join("?" if unicodedata.category(char) in _DECEIVING else char for char in text)
    if shown != text or len(text.encode()) > NAME_BYTES:
        raise NameInvalid("control characters or too long", name=shown[:80])
    return text


def media_type(header: bytes) -> str | None:
    """The type in a part's Content-Type, without parameters; None where it says nothing.

    >>> media_type(b"text/xml; charset=utf-8"), media_type(b"application/octet-stream")
    ('text/xml', None)
    """
    kind = header.split(b";", 1)[0].strip().lower()
    return kind.decode("ascii") if _MEDIA_TYPE.fullmatch(kind) and kind != _SAYS_NOTHING else None


def each_once(found: Iterable[Detached]) -> tuple[Detached, ...]:
    """The contents in their order. The same content twice under one name counts once; two contents under one name leave
    open which is meant. Raises RequestInvalid."""
    kept: dict[str, Detached] = {}
    for one in found:
        if one.name == "" and one.size == 0:
            continue  # what a browser sends for a form's file input that was left empty
        if one.name in kept and kept[one.name].sha256 != one.sha256:
            raise RequestInvalid("two detached contents have one name", part="detached", name=one.name)
        kept.setdefault(one.name, one)
    if len(kept) > MAX_DETACHED:
        raise RequestInvalid(f"more than {MAX_DETACHED} detached contents", part="detached")
    return tuple(kept.values())


def files(found: Iterable[Detached]) -> Mapping[str, BinaryIO]:
    """As document workers take them."""
    return {one.name: one.file for one in found}
