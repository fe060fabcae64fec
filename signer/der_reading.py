"""A strict reader of DER for the self-check: one element is its octets, a structure is a tuple of elements.

It shares nothing with the writer (`signer.der`) and takes nothing but definite, shortest lengths and tags of one octet
(X.690 §10.1); what else may be in a signature by others is read by asn1crypto.

>>> [part.hex() for part in parts(bytes.fromhex("3006020101040161"), tag=0x30)]
['020101', '040161']
>>> content(bytes.fromhex("040161"), tag=0x04)
b'a'
"""

from __future__ import annotations


def parts(element: bytes, *, tag: int) -> tuple[bytes, ...]:
    """The elements that `element`, of this tag, consists of. Raises ValueError."""
    at, end = _bounds(element, 0)
    if element[0] != tag or end != len(element):
        raise ValueError("not the element that stands here")
    found = []
    while at < end:
        _, behind = _bounds(element, at)
        found.append(element[at:behind])
        at = behind
    return tuple(found)


def content(element: bytes, *, tag: int) -> bytes:
    """What is in a primitive element of this tag. Raises ValueError."""
    start, end = _bounds(element, 0)
    if element[0] != tag or end != len(element):
        raise ValueError("not the element that stands here")
    return element[start:end]


def first(octets: bytes) -> bytes:
    """The element with which `octets` begin. Raises ValueError."""
    return octets[: _bounds(octets, 0)[1]]


def _bounds(octets: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends."""
    if len(octets) < at + 2 or octets[at] & 0x1F == 0x1F:
        raise ValueError("no element")
    size, start = octets[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(octets[start : start + count], "big"), start + count
        if not 0 < count <= 4 or size < 0x80 or size >> 8 * (count - 1) == 0:
            raise ValueError("the length is not the shortest")
    if start + size > len(octets):
        raise ValueError("the element is longer than what holds it")
    return start, start + size
