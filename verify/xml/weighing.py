"""What an XML document could cost as a tree, and which encoding it says it is in: from its octets, before any parser.

All counts are upper bounds, which no trick with comments or sections gets below.

    head = head_of(octets[:HEAD])                # raises DocumentBroken for an encoding that is not read
    weighed = weigh(file, head, limits=limits)   # raises DocumentTooComplex
    weighed.weight, weighed.wide, weighed.declared
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final, Literal

from verify.document import Limits
from verify.errors import DocumentBroken, DocumentTooComplex

HEAD: Final = 4096
"""Octets among which an XML declaration ends."""
HEAVIEST: Final = 241
"""What one octet can weigh: it begins an element."""

_ELEMENT, _ATTRIBUTE, _DECLARATION = HEAVIEST - 1, 110, 200
"""Bytes that libxml2 takes for an element with a short text, for an attribute, and what a namespace declaration takes
beyond that, lxml's walk over it included (measured)."""
_BLOCK = 2048
_BUFFER = 1 << 18
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PLAIN = re.compile(r"utf-?8|(us-)?ascii|iso-8859-\d+|windows-125\d", re.IGNORECASE)
"""Encodings in which ASCII characters are their own octets."""
_ENCODING = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][\w.\-]*)["']""")
_KNOWN = re.compile(
    r"utf-?8|utf-?16(le|be)?|(us-)?ascii|iso[-_]?8859-\d+|latin-?\d|(windows|cp)-?\d{3,4}|koi8-[ru]|gb2312|gbk|gb18030|"
    r"big5|shift_jis|euc-(jp|kr)|iso-2022-jp|tis-620|viscii|tcvn.*",
    re.IGNORECASE,
)
"""Encodings in which `<` is always the octet 3C: others would hide from the counts that are made before parsing."""


Head = Literal["plain", "mixed", "paired"]
"""How characters stand in octets: ASCII as itself and no part of others, as itself, or two octets to each."""
_XMLNS: Final[Mapping[Head, bytes]] = {"plain": b"xmlns", "mixed": b"xmlns", "paired": b"x\0m\0l\0n\0s"}
"""In either order of octets, but for the zero at one end."""


@dataclass(frozen=True)
class Weighed:
    """`weight`: octets that the tree may take, by estimate. `wide`: an element could have more attributes than are
    allowed, since some block has no `<` in it. `declared`: namespace declarations."""

    weight: int
    wide: bool
    declared: int


def head_of(octets: bytes) -> Head:
    """From the first octets of a document. Raises DocumentBroken."""
    stated = _ENCODING.match(octets.replace(b"\x00", b"").removeprefix(_UTF_8_MARK))
    is_plain = stated is None or is_plain_encoding(stated[1].decode("ascii"))
    if b"\x00" in octets[:4] or octets.startswith(_UTF_16_MARKS):
        return "paired"
    return "plain" if is_plain else "mixed"


@lru_cache(maxsize=32)
def is_plain_encoding(name: str) -> bool:
    """Whether ASCII characters are their own octets in it. Raises DocumentBroken for an encoding that is not read."""
    if not _KNOWN.fullmatch(name):
        raise DocumentBroken("the encoding is not one of those that are read", reason="encoding")
    return _PLAIN.fullmatch(name) is not None


def may_declare(data: bytes, head: Head) -> bool:
    """Whether there can be a document type declaration at all: mostly the word for it does not occur."""
    return head != "plain" or b"<!DOCTYPE" in data


def weigh(document: BinaryIO | bytes, head: Head, *, limits: Limits) -> Weighed:
    """By counting octets. Raises DocumentTooComplex."""
    wide = head == "paired"
    word = _XMLNS[head]
    weight = elements = attributes = declarations = size = 0
    for octets, start, end in _pieces(document):
        size += end - start
        elements += octets.count(b"<", start, end) - octets.count(b"</", start, end)
        if head == "paired":
            elements -= octets.count(b"<\x00/", start, end)
        attributes += octets.count(b"=", start, end)
        declarations += octets.count(word, start, end)
        declarations += word[:1] in octets[max(start, end - len(word) + 1) : end]  # one may lie across two pieces
        wide = wide or _is_wide(octets, start, end)
        weight = elements * _ELEMENT + attributes * _ATTRIBUTE + declarations * _DECLARATION + size
        if weight > limits.xml_memory:
            raise DocumentTooComplex(reason="nodes", count=elements + attributes)
    return Weighed(weight, wide, declarations)


def glance(data: bytes, head: Head) -> tuple[bool, int]:
    """`wide` and `declared` of one that is too small to weigh much."""
    return head == "paired" or _is_wide(data, 0, len(data)), data.count(_XMLNS[head])


def _pieces(document: BinaryIO | bytes) -> Iterator[tuple[bytes | bytearray, int, int]]:
    """Octets and where among them each piece begins and ends: as many at a time as the processor's cache holds."""
    if isinstance(document, bytes):
        yield from ((document, at, min(at + _BUFFER, len(document))) for at in range(0, len(document), _BUFFER))
        return
    buffer = bytearray(_BUFFER)
    document.seek(0)
    while read := document.readinto(buffer):  # type: ignore[attr-defined]  # binary files have it
        yield buffer, 0, read


def _is_wide(octets: bytes | bytearray, start: int, end: int) -> bool:
    for at in range(start, end - _BLOCK, _BLOCK):  # noqa: SIM110  # a generator takes longer than small documents do
        if octets.find(b"<", at, at + _BLOCK) < 0:
            return True
    return False
