"""The canary: bytes that a key for documents signs at a start, to show that it still works, and that mean nothing.

They are signed attributes in DER (RFC 5652 §5.4) with exactly two attributes: a content-type of Kyso's own, and the
SHA-256 of one fixed sentence. A verifier of CMS compares the content-type attribute with the content's type (§11.1), so
that the value is a signature over no document, no timestamp and no certificate, and not over anything else of ours. The
bytes are the same for each key and each start: a value that somebody keeps says nothing but that the key worked.

>>> len(TBS), is_canary(TBS), is_canary(TBS + b"x")
(88, True, False)
"""

from __future__ import annotations

import hashlib
from typing import Final

SENTENCE: Final = b"Kyso canary: this signature says that the key works, and nothing else.\n"
CONTENT_TYPE: Final = "2.25.277610383359257294168988655310120878121"
"""An object identifier made of a UUID (ITU-T X.667 §7), so that nobody had to assign it and nobody else has it."""


def _tlv(tag: int, content: bytes) -> bytes:
    assert len(content) < 0x80
    return bytes([tag, len(content)]) + content


def _oid(dotted: str) -> bytes:
    """X.690 §8.19."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | arc & 0x7F)
        encoded += bytes(reversed(septets))
    return _tlv(0x06, bytes(encoded))


def _attribute(oid: str, value: bytes) -> bytes:
    return _tlv(0x30, _oid(oid) + _tlv(0x31, value))


TBS: Final = _tlv(
    0x31,
    b"".join(
        sorted(
            (
                _attribute("1.2.840.113549.1.9.3", _oid(CONTENT_TYPE)),
                _attribute("1.2.840.113549.1.9.4", _tlv(0x04, hashlib.sha256(SENTENCE).digest())),
            )
        )
    ),
)
"""What is signed."""


def is_canary(tbs: bytes) -> bool:
    """Whether these are the canary's bytes, all of them."""
    return tbs == TBS
