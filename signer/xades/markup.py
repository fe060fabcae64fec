"""The text of a XAdES signature, as it is inserted into a document or stands as one of its own.

Text, not a tree: the parts that one certificate determines are written once (`signer.xades.signed`), the rest is a
handful of joins. What depends on the document (digests, the signature value) has a fixed length and is written as zeros,
to be filled in where it stands. Characters beyond ASCII are written as references, so the text fits every encoding.

Nothing is read or digested here.

>>> escaped("a < b & ‘c’")
'a &lt; b &amp; ‘c’'
>>> fitted("Hà Nội").encode("ascii")
b'H&#224; N&#7897;i'
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from signer.errors import OrderInvalid
from verify.xml import names
from verify.xml.names import Scheme

METHODS: Mapping[str, str] = {
    "exclusive": names.C14N_EXCLUSIVE,
    "inclusive": names.C14N_10,
    "inclusive11": names.C14N_11,
}
"""All without comments."""

ENVELOPED = f'<ds:Transform Algorithm="{names.ENVELOPED}"></ds:Transform>'
WITHOUT_SIGNATURES = (
    f'<ds:Transform Algorithm="{names.XPATH}"><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>'
)
SUBTRACT_SIGNATURES = (
    f'<ds:Transform Algorithm="{names.XPATH_FILTER2}">'
    f'<XPath xmlns="{names.XPATH_FILTER2}" Filter="subtract">/descendant::ds:Signature</XPath></ds:Transform>'
)
FROM_BASE64 = f'<ds:Transform Algorithm="{names.BASE64}"></ds:Transform>'

NAMESPACE = f' xmlns:ds="{names.DS}"'.encode()
"""What the exclusive canonical ds:SignedInfo brings beyond its text in the signature, which declares it."""
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Content:
    """One thing that is signed: its URI, `transforms` as markup, and the MIME type for its DataObjectFormat, which a
    signature value that is counter-signed has not."""

    uri: str
    mime: str | None
    transforms: str = ""
    type: str | None = None


class Ids(NamedTuple):
    """Ids inside one signature; all begin with that of the signature itself."""

    signature: str

    @property
    def value(self) -> str:
        return f"{self.signature}-value"

    @property
    def properties(self) -> str:
        return f"{self.signature}-properties"

    @property
    def object(self) -> str:
        return f"{self.signature}-object"

    @property
    def timestamp(self) -> str:
        return f"{self.signature}-timestamp"

    def content(self, number: int) -> str:
        return f"{self.signature}-content-{number}"


def escaped(value: str) -> str:
    """Text or an attribute's value as XML writes it. Raises OrderInvalid for what XML 1.0 §2.2 cannot hold."""
    if _FORBIDDEN.search(value):
        raise OrderInvalid("a text has characters that XML cannot hold", reason="characters")
    return value.translate(_ESCAPES)


def fitted(text: str) -> str:
    """Markup with every character beyond ASCII as a reference: no name of ours has any."""
    return text if text.isascii() else text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def transform(method: str) -> str:
    """A canonicalisation as a transform; `method` is its URI."""
    return f'<ds:Transform Algorithm="{method}"></ds:Transform>'


def digest(algorithm: str, value: str) -> str:
    """DigestMethod and DigestValue; `algorithm` is named as in hashlib, `value` is base64."""
    return f'<ds:DigestMethod Algorithm="{names.DIGEST_URIS[algorithm]}"></ds:DigestMethod><ds:DigestValue>{value}</ds:DigestValue>'


def blank(size: int) -> str:
    """Base64 of `size` zeros: a gap of the right length."""
    return b64encode(bytes(size)).decode("ascii")


def filled(octets: bytes, *, digests: Sequence[str], encoding: str) -> bytes:
    """Markup of a signature with these digests (base64) in its References, which come first and have zeros."""
    zeros = "A" * len(digests[0].rstrip("="))
    gap = f"<ds:DigestValue>{zeros.ljust(len(digests[0]), '=')}</ds:DigestValue>".encode(encoding)
    for value in digests:
        octets = octets.replace(gap, f"<ds:DigestValue>{value}</ds:DigestValue>".encode(encoding), 1)
    return octets


class Signature(NamedTuple):
    """A signature's text in parts: `head`, `value`, `middle`, what is enveloped, `properties`, what is unsigned, `tail`."""

    head: str
    value: str
    middle: str
    properties: str
    tail: str

    def fitted(self) -> Signature:
        """The same with every character beyond ASCII as a reference."""
        return Signature(*map(fitted, self))


def signature(
    ids: Ids,
    contents: Sequence[Content],
    *,
    digests: Sequence[str],
    algorithm: str,
    canonicalization: str,
    mechanism: str,
    value: str,
    key_info: str,
    properties: str,
    container: str | None = None,
) -> Signature:
    """The whole: `digests` are those of `contents` and of the signed properties, base64, by `algorithm`.

    `value` stands for the signature value. `container` is the start tag of the ds:Object that holds what is enveloped;
    None has no such Object.
    """
    method = METHODS[canonicalization]
    last = Content(f"#{ids.properties}", None, transform(method), names.TYPE_SIGNED_PROPERTIES)
    ids_of = [f' Id="{ids.content(number)}"' for number in range(len(contents))]
    references = "".join(
        _reference(one, name, digest(algorithm, found))
        for one, name, found in zip((*contents, last), (*ids_of, ""), digests, strict=True)
    )
    return Signature(
        head=(
            f'<ds:Signature xmlns:ds="{names.DS}" Id="{ids.signature}"><ds:SignedInfo>'
            f'<ds:CanonicalizationMethod Algorithm="{method}"></ds:CanonicalizationMethod>'
            f'<ds:SignatureMethod Algorithm="{names.SIGNATURE_URIS[_scheme(mechanism)]}"></ds:SignatureMethod>'
            f'{references}</ds:SignedInfo><ds:SignatureValue Id="{ids.value}">'
        ),
        value=value,
        middle=f"</ds:SignatureValue>{key_info}{container or ''}",
        properties=(
            f"{'</ds:Object>' if container else ''}"
            f'<ds:Object><xades:QualifyingProperties xmlns:xades="{names.XADES_132}" Target="#{ids.signature}">{properties}'
        ),
        tail="</xades:QualifyingProperties></ds:Object></ds:Signature>",
    )


def _reference(content: Content, name: str, found: str) -> str:
    kind = f' Type="{content.type}"' if content.type else ""
    transforms = f"<ds:Transforms>{content.transforms}</ds:Transforms>" if content.transforms else ""
    return f'<ds:Reference{name}{kind} URI="{escaped(content.uri)}">{transforms}{found}</ds:Reference>'


def signature_value(ids: Ids, value: str) -> bytes:
    """The exclusive canonical ds:SignatureValue: what a signature timestamp is over (EN 319 132-1 §5.3)."""
    return f'<ds:SignatureValue xmlns:ds="{names.DS}" Id="{ids.value}">{value}</ds:SignatureValue>'.encode("ascii")


def _scheme(mechanism: str) -> tuple[Scheme, str]:
    """A mechanism of `hsm.keys` in the words of `verify.xml.names`: PSS with a salt as long as the digest."""
    if mechanism == "ed25519":
        return "ed25519", "sha512"
    scheme, _, algorithm = mechanism.rpartition("_")
    return cast(Scheme, scheme), algorithm
