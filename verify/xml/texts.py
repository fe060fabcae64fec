"""What stands in an element of XMLDSig or XAdES: text, base64, a digest with its algorithm.

    octets(element)           # of EncapsulatedX509Certificate and its like; None for anything but base64 of DER
    digest_of(cert_digest)    # ("sha256", b"…")

What the values are for is for whoever asks: `verify.xml.properties`, `verify.xml.stored`, `verify.xml.references`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from lxml import etree

from verify.xml import names

DER: Final = "http://uri.etsi.org/01903/v1.2.2#DER"
"""The one Encoding that is read (EN 319 132-1 §5.1.3); it is the default."""

MAX_OBJECT = 32 << 20
"""Characters of base64 of one certificate, list, response or timestamp; the largest lists have some ten million."""

SPACE: Final = b" \t\r\n"
"""White space of XML."""

_STRING = etree.XPath("string()")
_LENGTH = etree.XPath("string-length()")


def octets(element: etree._Element) -> bytes | None:
    """The value of an element that holds base64 of DER; None when it does not, or says that it holds something else."""
    encoding = (element.get("Encoding") or "").strip()
    if (encoding and encoding != DER) or float(_LENGTH(element)) > MAX_OBJECT:  # type: ignore[arg-type]  # a number
        return None
    return decoded(text_of(element))


def text_of(element: etree._Element) -> str:
    """All text in an element and none of its comments, which canonical forms leave out: text that a comment parts is
    one text."""
    return str(_STRING(element))


def decoded(text: str) -> bytes | None:
    """Base64 with white space anywhere (XML Schema part 2 §3.2.16), and nothing else; None for other text."""
    try:
        return base64.b64decode(text.encode("ascii").translate(None, SPACE), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def digest_of(holder: etree._Element | None) -> tuple[str | None, bytes | None]:
    """(name as in hashlib, digest) of a DigestAlgAndValueType."""
    if holder is None:
        return None, None
    method, value = part(holder, "DigestMethod"), part(holder, "DigestValue")
    name = names.DIGESTS.get(method.get("Algorithm", "")) if method is not None else None
    return name, decoded(text_of(value)) if value is not None else None


def part(element: etree._Element, name: str) -> etree._Element | None:
    """A child in the types of XMLDSig, which the first form declares in its own namespace."""
    for one in element.iterchildren(f"{{*}}{name}"):
        if etree.QName(one).namespace in {names.DS, names.XADES_111}:
            return one
    return None
