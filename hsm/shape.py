"""What the keeper is willing to sign: a few shapes of bytes, each read strictly, and by a key's own right bare digests.

A key that signed any bytes could be made to sign an e-mail, a TLS handshake or another authority's timestamp. So the
bytes must be one of these, whole and canonical:

- `signed-attributes`: DER of SignedAttributes (RFC 5652 §5.3, §5.4) over ordinary content (id-data);
- `tst-attributes`: the same over a TSTInfo (RFC 3161 §2.4.2), for a timestamp authority's key only;
- `signed-info`: a canonical ds:SignedInfo (W3C XMLDSig §4.4), see `hsm.signedinfo`;
- `checkpoint`: the text of a ledger's checkpoint (`hsm.checkpoint`); a key that signs these signs nothing else;
- `canary`: the one string of bytes that says "this key works" (`hsm.canary`), by every key that signs documents;
- `bare-digest`: exactly the digest's bytes; the key signs a thing that nobody here has seen.

It does not judge whether the attributes are wise, only that they can be nothing else.

>>> recognise(b"hello", shapes=("signed-attributes",), mechanism="ecdsa_sha256")
Traceback (most recent call last):
hsm.errors.ShapeRefused: neither of the shapes that this key signs: signed-attributes
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final, Literal

from hsm import checkpoint, signedinfo
from hsm.canary import is_canary
from hsm.errors import ShapeRefused
from hsm.keys import Mechanism, mechanism_digest

Shape = Literal["signed-attributes", "tst-attributes", "signed-info", "bare-digest", "checkpoint"]
Recognised = Shape | Literal["canary"]
"""What bytes turn out to be. A canary is no right that a key is given: the keys that sign documents have it."""
DEFAULT_SHAPES: Final[tuple[Shape, ...]] = ("signed-attributes", "signed-info")
LARGEST: Final = 64 * 1024
"""Bytes; the attributes of one signature are a few hundred, a SignedInfo with many references some thousand."""

_OID_CONTENT_TYPE: Final = bytes.fromhex("2a864886f70d010903")
_OID_MESSAGE_DIGEST: Final = bytes.fromhex("2a864886f70d010904")
_OID_DATA: Final = bytes.fromhex("2a864886f70d010701")
_OID_TST_INFO: Final = bytes.fromhex("2a864886f70d0109100104")
_DIGEST_SIZES: Final = frozenset({32, 48, 64})
_SET, _SEQUENCE, _OID, _OCTET_STRING = 0x31, 0x30, 0x06, 0x04
_DEEPEST: Final = 32
_FOR_DOCUMENTS: Final = frozenset({"signed-attributes", "signed-info"})


class _NotThis(Exception):
    """The bytes are not the shape that is being tried."""


def recognise(tbs: bytes, *, shapes: Collection[Shape], mechanism: Mechanism) -> Recognised:
    """Which of the allowed `shapes` the bytes have; ShapeRefused if none."""
    if len(tbs) > LARGEST:
        raise ShapeRefused("more bytes than anything this keeper signs", size=len(tbs), limit=LARGEST)
    if "checkpoint" in shapes:  # whatever else is listed: what a ledger says of itself is worth no more than its key
        return _checkpoint(tbs)
    if is_canary(tbs) and not _FOR_DOCUMENTS.isdisjoint(shapes):
        return "canary"
    digest_size = hashlib.new(mechanism_digest(mechanism)).digest_size
    if "bare-digest" in shapes and mechanism != "ed25519" and len(tbs) == digest_size:
        return "bare-digest"  # no other shape is this short
    why = ""
    for shape in ("signed-attributes", "tst-attributes"):
        if shape in shapes and tbs[:1] == b"\x31":
            try:
                _check_attributes(tbs, content=_OID_TST_INFO if shape == "tst-attributes" else _OID_DATA)
            except _NotThis as e:
                why = f" ({e})"
            else:
                return shape
    if "signed-info" in shapes and tbs[:1] == b"<":
        try:
            signedinfo.check(tbs, mechanism=mechanism)
        except signedinfo.NotSignedInfo as e:
            why = f" ({e})"
        else:
            return "signed-info"
    names = ", ".join(sorted(shapes))
    raise ShapeRefused(f"neither of the shapes that this key signs: {names}{why}", shapes=names)


def _checkpoint(tbs: bytes) -> Shape:
    try:
        checkpoint.check(tbs)
    except checkpoint.NotCheckpoint as e:
        raise ShapeRefused(f"not the one shape that this key signs: checkpoint ({e})", shapes="checkpoint") from None
    return "checkpoint"


def _check_attributes(tbs: bytes, *, content: bytes) -> None:
    """SET OF Attribute in DER: sorted, no type twice, content-type and message-digest present, nothing behind."""
    start, end = _element(tbs, 0, len(tbs), tag=_SET)
    if end != len(tbs):
        raise _NotThis("bytes after the end")
    found: dict[bytes, tuple[int, int]] = {}
    previous = b""
    while start < end:
        inner, after = _element(tbs, start, end, tag=_SEQUENCE)
        encoding = tbs[start:after]
        # X.690 §11.6: a SET OF is sorted by encoding, as octet strings, the shorter padded with zeros.
        if not _sorted_before(previous, encoding):
            raise _NotThis("attributes are not in DER order")
        oid_start, oid_end = _element(tbs, inner, after, tag=_OID)
        oid = tbs[oid_start:oid_end]
        _check_oid(oid)
        values_start, values_end = _element(tbs, oid_end, after, tag=_SET)
        if values_end != after:
            raise _NotThis("an attribute with a third part")
        if values_start == values_end:
            raise _NotThis("an attribute without a value")
        if oid in found:
            raise _NotThis("an attribute that stands twice")  # RFC 5652 §5.3
        _check_values(tbs, values_start, values_end)
        found[oid] = values_start, values_end
        previous, start = encoding, after
    _check_content_type(tbs, found.get(_OID_CONTENT_TYPE), content)
    _check_message_digest(tbs, found.get(_OID_MESSAGE_DIGEST))


def _check_content_type(tbs: bytes, where: tuple[int, int] | None, content: bytes) -> None:
    if where is None:
        raise _NotThis("no content-type")
    start, end = _element(tbs, where[0], where[1], tag=_OID)
    if end != where[1] or tbs[start:end] != content:
        raise _NotThis("a content-type that this key does not sign")


def _check_message_digest(tbs: bytes, where: tuple[int, int] | None) -> None:
    if where is None:
        raise _NotThis("no message-digest")
    start, end = _element(tbs, where[0], where[1], tag=_OCTET_STRING)
    if end != where[1] or end - start not in _DIGEST_SIZES:
        raise _NotThis("a message-digest that is not a SHA-2 digest")


def _check_values(tbs: bytes, start: int, end: int) -> None:
    """The values of one attribute: a SET OF of anything well formed, sorted."""
    previous = b""
    while start < end:
        after = _walk(tbs, start, end, depth=0)
        if not _sorted_before(previous, tbs[start:after]):
            raise _NotThis("values are not in DER order")
        previous, start = tbs[start:after], after


def _walk(tbs: bytes, start: int, limit: int, *, depth: int) -> int:
    """Step over one element of any kind and everything in it; returns its end."""
    if depth > _DEEPEST:
        raise _NotThis("nested too deeply")
    inner, end = _element(tbs, start, limit)
    if tbs[start] & 0x20:
        while inner < end:
            inner = _walk(tbs, inner, end, depth=depth + 1)
    return end


def _element(tbs: bytes, start: int, limit: int, *, tag: int | None = None) -> tuple[int, int]:
    """Start and end of the content of the element at `start`; DER lengths only, low tag numbers only (X.690 §8.1)."""
    if start + 2 > limit:
        raise _NotThis("cut short")
    if tag is not None and tbs[start] != tag:
        raise _NotThis(f"tag {tbs[start]:#04x} where {tag:#04x} belongs")
    if tbs[start] & 0x1F == 0x1F or tbs[start] == 0:
        raise _NotThis("a tag that no attribute needs")
    length, content = tbs[start + 1], start + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 3 or content + count > limit:
            raise _NotThis("a length that DER does not have")
        length = int.from_bytes(tbs[content : content + count], "big")
        content += count
        if length < 0x80 or length < 1 << (8 * (count - 1)):
            raise _NotThis("a length that is not minimal")
    if content + length > limit:
        raise _NotThis("an element longer than its frame")
    return content, content + length


def _check_oid(oid: bytes) -> None:
    """X.690 §8.19: each arc minimal, the last one ended."""
    fresh = True
    for octet in oid:
        if fresh and octet == 0x80:
            raise _NotThis("an object identifier that is not minimal")
        fresh = octet < 0x80
    if not oid or not fresh:
        raise _NotThis("an object identifier that does not end")


def _sorted_before(first: bytes, second: bytes) -> bool:
    size = max(len(first), len(second))
    return first.ljust(size, b"\0") <= second.ljust(size, b"\0")
