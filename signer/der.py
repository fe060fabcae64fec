"""A writer of DER, no reader: the few shapes that signatures are made of, built once and joined as bytes.

asn1crypto re-encodes whole trees and costs four fifths of the CPU of a stock signature; here what does not change
between signatures is encoded once, and a signature is a handful of concatenations.

>>> sequence(integer(1), octet_string(b"a")).hex()
'3006020101040161'
"""

from __future__ import annotations

from functools import lru_cache

NULL = b"\x05\x00"


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element with a single-byte tag and a definite length (X.690 §10.1)."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    """SET OF in DER: the elements in ascending order of their encodings (X.690 §11.6)."""
    return tlv(0x31, *sorted(parts))


def context(number: int, *parts: bytes) -> bytes:
    """A constructed context-specific element, `[number]`."""
    return tlv(0xA0 | number, *parts)


def octet_string(value: bytes) -> bytes:
    return tlv(0x04, value)


def integer(value: int) -> bytes:
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(0x02, value.to_bytes(size, "big", signed=True))


def boolean(value: bool, /) -> bytes:
    return tlv(0x01, b"\xff" if value else b"\x00")


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return tlv(0x06, bytes(out))


DIGEST_OIDS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


def mechanism_digest(mechanism: str) -> str:
    """The digest that goes with a mechanism; RFC 8419 §3.1 asks for SHA-512 beside Ed25519."""
    return "sha512" if mechanism == "ed25519" else mechanism.rsplit("_", 1)[1]


@lru_cache(maxsize=16)
def digest_algorithm(name: str) -> bytes:
    """AlgorithmIdentifier of a digest; the parameters are absent (RFC 5754 §2)."""
    return sequence(oid(DIGEST_OIDS[name]))


@lru_cache(maxsize=16)
def signature_algorithm(mechanism: str) -> bytes:
    """AlgorithmIdentifier of a signature, as SignerInfo carries it.

    RSA v1.5: RFC 5754 §3.2 · PSS: RFC 4056 §3 · ECDSA: RFC 5754 §3.3 · Ed25519: RFC 8419 §2.2.
    Raises KeyError for a mechanism that is not one of `hsm.keys`.
    """
    if mechanism == "ed25519":
        return sequence(oid("1.3.101.112"))
    scheme, digest = mechanism.rsplit("_", 1)
    if scheme == "rsassa_pss":
        hash_algorithm = sequence(oid(DIGEST_OIDS[digest]), NULL)
        return sequence(
            oid("1.2.840.113549.1.1.10"),
            sequence(
                context(0, hash_algorithm),
                context(1, sequence(oid("1.2.840.113549.1.1.8"), hash_algorithm)),
                context(2, integer(DIGEST_SIZES[digest])),
            ),
        )
    number, parameters = {
        ("rsassa_pkcs1v15", "sha256"): ("1.2.840.113549.1.1.11", NULL),
        ("rsassa_pkcs1v15", "sha384"): ("1.2.840.113549.1.1.12", NULL),
        ("rsassa_pkcs1v15", "sha512"): ("1.2.840.113549.1.1.13", NULL),
        ("ecdsa", "sha256"): ("1.2.840.10045.4.3.2", b""),
        ("ecdsa", "sha384"): ("1.2.840.10045.4.3.3", b""),
    }[scheme, digest]
    return sequence(oid(number), parameters)
