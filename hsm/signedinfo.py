"""A scanner for canonical ds:SignedInfo: it reads bytes, not XML.

Canonical XML has one spelling: no declaration, comment or processing instruction, no empty-element tag, attributes in
double quotes, three entities in text. So a regular expression for one tag and a stack of names are a whole parser, and
the keeper needs no XML library. What is allowed to stand in a SignedInfo is a short list (W3C XMLDSig §4.4); the
SignatureMethod must be the mechanism that was asked for.

Not accepted, on purpose: XSLT transforms, HMAC, SHA-1, unknown canonicalisations, a SignedInfo without a Reference.

>>> check(b"<SignedInfo/>", mechanism="ecdsa_sha256")
Traceback (most recent call last):
hsm.signedinfo.NotSignedInfo: not a tag of canonical XML at byte 0
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from hsm.keys import Mechanism

_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_XMLENC: Final = "http://www.w3.org/2001/04/xmlenc#"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_FILTER2: Final = "http://www.w3.org/2002/06/xmldsig-filter2"
_CANONICALISATIONS: Final = frozenset(
    {
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        _EXCLUSIVE,
        f"{_EXCLUSIVE}WithComments",
    }
)
_TRANSFORMS: Final = _CANONICALISATIONS | {
    f"{_DS}enveloped-signature",
    f"{_DS}base64",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    _FILTER2,
}
_DIGESTS: Final = {f"{_XMLENC}sha256": 32, f"{_MORE}sha384": 48, f"{_XMLENC}sha512": 64}
_METHODS: Final[dict[Mechanism, str]] = {
    "rsassa_pkcs1v15_sha256": f"{_MORE}rsa-sha256",
    "rsassa_pkcs1v15_sha384": f"{_MORE}rsa-sha384",
    "rsassa_pkcs1v15_sha512": f"{_MORE}rsa-sha512",
    "rsassa_pss_sha256": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "rsassa_pss_sha384": "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
    "rsassa_pss_sha512": "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
    "ecdsa_sha256": f"{_MORE}ecdsa-sha256",
    "ecdsa_sha384": f"{_MORE}ecdsa-sha384",
    "ed25519": "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
}
_ATTRIBUTES: Final = frozenset({"Algorithm", "Filter", "Id", "PrefixList", "Type", "URI"})
_MOST_REFERENCES: Final = 1000

_NCNAME = r"[^\W\d][\w.\u00B7\u0300-\u036F\u203F\u2040-]*"
"""XML 1.0 §2.3, as far as people name things: an inclusive form has the document's own prefixes in it."""
_NAME = rf"(?:{_NCNAME}:)?{_NCNAME}"
_TEXT = r"(?:[^<>&\r]|&(?:amp|lt|gt|#xD);)*"
_VALUE = r"(?:[^<&\"\r\n\t]|&(?:amp|lt|quot|#xD|#xA|#x9);)*"
_TOKEN: Final = re.compile(rf"<(/?)({_NAME})((?: {_NAME}=\"{_VALUE}\")*)>({_TEXT})")
_ATTRIBUTE: Final = re.compile(rf" ({_NAME})=\"({_VALUE})\"")

# Which element may hold which, in XMLDSig's own order; only XPath, DigestValue and the filters hold text.
_CHILDREN: Final = {
    "SignedInfo": ("CanonicalizationMethod", "SignatureMethod", "Reference"),
    "CanonicalizationMethod": ("InclusiveNamespaces",),
    "SignatureMethod": (),
    "Reference": ("Transforms", "DigestMethod", "DigestValue"),
    "Transforms": ("Transform",),
    "Transform": ("XPath", "InclusiveNamespaces"),
    "DigestMethod": (),
    "DigestValue": (),
    "XPath": (),
    "InclusiveNamespaces": (),
}
_WITH_TEXT: Final = frozenset({"DigestValue", "XPath"})


class NotSignedInfo(Exception):
    """The bytes are not a canonical SignedInfo for this mechanism."""


@dataclass
class _Open:
    """An element that has begun: its qualified and local name, its attributes, and what was met in it so far."""

    qualified: str
    local: str
    attributes: dict[str, str]
    namespaces: dict[str, str]
    met: list[str]
    text: str = ""
    digest_size: int = 0


def check(tbs: bytes, *, mechanism: Mechanism) -> None:
    """Raise NotSignedInfo unless the bytes are one canonical ds:SignedInfo, whole, for this mechanism."""
    try:
        text = tbs.decode("utf-8")
    except UnicodeDecodeError:
        raise NotSignedInfo("not UTF-8") from None
    if any(ord(c) < 0x20 and c not in "\n\t" for c in text):
        raise NotSignedInfo("a control character")
    stack: list[_Open] = []
    position, done = 0, False
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or done:
            raise NotSignedInfo(f"not a tag of canonical XML at byte {len(text[:position].encode())}")
        closing, name, attributes, after = token.groups()
        if closing:
            _close(stack, name, attributes, mechanism)
            done = not stack
        else:
            stack.append(_begin(stack, name, attributes))
        if not stack and after:
            raise NotSignedInfo("bytes after the end")
        if stack:
            if stack[-1].local in _WITH_TEXT:
                stack[-1].text += after
            elif after.strip(" \n\t"):
                raise NotSignedInfo(f"text in {stack[-1].local}")
        position = token.end()
    if not done:
        raise NotSignedInfo("cut short")


def _begin(stack: list[_Open], qualified: str, raw: str) -> _Open:
    attributes: dict[str, str] = {}
    namespaces = dict(stack[-1].namespaces) if stack else {}
    for name, value in _ATTRIBUTE.findall(raw):
        if name in attributes:
            raise NotSignedInfo("an attribute that stands twice")
        attributes[name] = value
        if name == "xmlns" or name.startswith("xmlns:"):
            namespaces[name[6:]] = value
        elif name not in _ATTRIBUTES and not name.startswith("xml:"):
            raise NotSignedInfo(f"an attribute {name}")
    prefix, _, local = qualified.rpartition(":")
    parent = stack[-1] if stack else None
    if parent is None and local != "SignedInfo":
        raise NotSignedInfo("does not begin with SignedInfo")
    if parent is not None:
        if local not in _CHILDREN[parent.local]:
            raise NotSignedInfo(f"{local} in {parent.local}")
        _check_order(parent, local)
        parent.met.append(local)
    expected = {_EXCLUSIVE} if local == "InclusiveNamespaces" else {_DS, _FILTER2} if local == "XPath" else {_DS}
    if namespaces.get(prefix) not in expected:
        raise NotSignedInfo(f"{local} in a foreign namespace")
    return _Open(qualified, local, attributes, namespaces, [])


def _check_order(parent: _Open, local: str) -> None:
    order = _CHILDREN[parent.local]
    if parent.met and order.index(local) < order.index(parent.met[-1]):
        raise NotSignedInfo(f"{local} in the wrong place")
    repeatable = local in ("Reference", "Transform", "XPath")
    if local in parent.met and not repeatable:
        raise NotSignedInfo(f"{local} stands twice")


def _close(stack: list[_Open], qualified: str, attributes: str, mechanism: Mechanism) -> None:
    if not stack or stack[-1].qualified != qualified or attributes:
        raise NotSignedInfo("tags that do not nest")
    element = stack.pop()
    algorithm = element.attributes.get("Algorithm", "")
    if element.local == "SignedInfo":
        references = element.met.count("Reference")
        if element.met[:2] != ["CanonicalizationMethod", "SignatureMethod"] or not 1 <= references <= _MOST_REFERENCES:
            raise NotSignedInfo("not method, method, references")
    elif element.local == "CanonicalizationMethod" and algorithm not in _CANONICALISATIONS:
        raise NotSignedInfo("an unknown canonicalisation")
    elif element.local == "SignatureMethod" and algorithm != _METHODS[mechanism]:
        raise NotSignedInfo("a SignatureMethod other than the mechanism")
    elif element.local == "Transform" and algorithm not in _TRANSFORMS:
        raise NotSignedInfo("a transform that is not signed here")
    elif element.local == "DigestMethod":
        if algorithm not in _DIGESTS:
            raise NotSignedInfo("a digest that is not SHA-2")
        stack[-1].digest_size = _DIGESTS[algorithm]
    elif element.local == "DigestValue":
        _check_digest(element.text, stack[-1].digest_size)
    elif element.local == "Reference" and element.met[-2:] != ["DigestMethod", "DigestValue"]:
        raise NotSignedInfo("a Reference without a digest")


def _check_digest(text: str, size: int) -> None:
    try:
        digest = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NotSignedInfo("a DigestValue that is not base64") from None
    if not size or len(digest) != size:
        raise NotSignedInfo("a DigestValue of the wrong length")
