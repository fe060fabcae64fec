"""What asn1crypto makes easy to get wrong, or slow: the bytes of a value as they came, whether it was there, and whether
two names are the same.

`value.dump()` is not "the bytes as they came": asn1crypto 1.5 takes every length whose last octet is 0x80 for an
indefinite one and then encodes the whole value anew. That costs tens of milliseconds, and where the original was not
quite DER (an extension with `critical FALSE` written out) it breaks digests and signatures over it.

>>> from asn1crypto import core
>>> raw(core.Integer.load(bytes.fromhex("02020001"))).hex()
'02020001'
"""

from __future__ import annotations

from functools import lru_cache

from asn1crypto import core, x509


def raw(value: core.Asn1Value) -> bytes:
    """The encoding of a parsed value, header and all, byte for byte; nothing for an absent one."""
    if not is_present(value):
        return b""
    if isinstance(value, core.Choice):
        return raw(value.chosen)
    contents = value._contents if isinstance(value, core.Sequence | core.SequenceOf) else value.contents
    return bytes(value._header + contents + value._trailer)


def is_present(field: core.Asn1Value) -> bool:
    """Whether an OPTIONAL field of a parsed structure was there."""
    return not isinstance(field, core.Void)


def key_bits(certificate: x509.Certificate) -> bytes:
    """The bits of the public key alone, of which OCSP takes its digest (RFC 6960 §4.1.1)."""
    return bytes(certificate.public_key["public_key"].contents[1:])


def same_name(one: x509.Name, other: x509.Name) -> bool:
    """RFC 5280 §7.1. asn1crypto prepares every string anew for each comparison; here each name is prepared once."""
    first, second = raw(one), raw(other)
    return first == second or _prepared(first) == _prepared(second)


def prepared_name(name: x509.Name) -> str:
    """What two names have in common when they are the same."""
    return _prepared(raw(name))


@lru_cache(maxsize=1024)
def _prepared(name: bytes) -> str:
    """A name whose text cannot be read is the same as its own octets only."""
    try:
        return str(x509.Name.load(name).hashable)
    except (ValueError, TypeError, KeyError):
        return f"\0{name.hex()}"
