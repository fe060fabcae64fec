"""Where the signatures of an XML document stand, in the words of other programs: for `verify.dissection`.

Nothing is judged. xmlsec1 is told which element is the signature (`Node.position`), which attributes are Ids, and which
files the references mean; openssl gets the octets that a signature timestamp is over.

    nodes(file, limits=Limits())        # (Node(value="…", position=1, ids=(IdAttribute(…),), uris=("a.pdf",), …),)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO
from urllib.parse import unquote

from lxml import etree

from verify.dissected import IdAttribute, Node
from verify.document import Limits
from verify.xml import names
from verify.xml.canonical import NotCanonical
from verify.xml.document import ID_TAGS, XmlDocument
from verify.xml.texts import decoded, octets, text_of
from verify.xml.timestamps import NotComputable, Subject, imprint

LARGEST = 8 << 20
"""Octets of all that timestamps are over together; what is beyond is told without."""
_DS = f"{{{names.DS}}}"


def nodes(file: BinaryIO, *, limits: Limits) -> tuple[Node, ...]:
    """One for each ds:Signature, in document order. Raises VerifyError."""
    document = XmlDocument.read(file, limits=limits)
    signatures = tuple(document.signatures())
    wanted = {one for signature in signatures for one in _targets(signature)}
    elements = document.elements_by_id(wanted)
    left = LARGEST
    found = []
    for position, signature in enumerate(signatures, 1):
        value = signature.find(f"{_DS}SignatureValue")
        value_octets = decoded(text_of(value)) if value is not None else None
        if value_octets is None:
            continue
        ids = (_id_attribute(element, target) for target in _targets(signature) for element in elements.get(target, ()))
        stamps = []
        for token, content in _stamped(signature):
            left -= len(content)
            if left >= 0:
                stamps.append((token, content))
        found.append(
            Node(
                value=hashlib.sha256(value_octets).hexdigest(),
                position=position,
                ids=tuple(dict.fromkeys(one for one in ids if one is not None)),
                uris=tuple(uri for uri in _uris(signature) if uri and not uri.startswith("#")),
                unnamed=any(one.get("URI") is None for one in _references(signature)),
                stamps=tuple(stamps),
            )
        )
    return tuple(found)


def _references(signature: etree._Element) -> Iterator[etree._Element]:
    """Also those in manifests: xmlsec1 follows them."""
    yield from signature.iter(f"{_DS}Reference")


def _uris(signature: etree._Element) -> Iterator[str]:
    yield from dict.fromkeys(one.get("URI") or "" for one in _references(signature))


def _targets(signature: etree._Element) -> Iterator[str]:
    for uri in _uris(signature):
        name = uri[1:] if uri.startswith("#") and not uri.startswith("#xpointer(") else ""
        pointer = uri.removeprefix("#xpointer(id(").removesuffix("))")
        name = name or (pointer[1:-1] if pointer != uri else "")
        if name:
            yield from dict.fromkeys((name, unquote(name)))


def _id_attribute(element: etree._Element, value: str) -> IdAttribute | None:
    tag = next((key for key, text in element.items() if key in ID_TAGS and text == value), None)
    if tag is None:
        return None
    named = etree.QName(element)
    return IdAttribute(etree.QName(tag).localname, named.namespace or "", named.localname)


def _stamped(signature: etree._Element) -> Iterator[tuple[str, bytes]]:
    """Of each signature timestamp the SHA-256 of its token and the octets that the token is over."""
    for form in names.XADES_FORMS:
        path = "/".join(
            f"{{{form}}}{one}"
            for one in (
                "QualifyingProperties",
                "UnsignedProperties",
                "UnsignedSignatureProperties",
                "SignatureTimeStamp",
            )
        )
        for stamp in signature.iterfind(f"{_DS}Object/{path}"):
            sink = BytesIO()
            try:
                imprint(Subject(signature), stamp, sink=sink)
            except (NotComputable, NotCanonical):
                continue
            for token in stamp.iterchildren(f"{{{form}}}EncapsulatedTimeStamp"):
                if (der := octets(token)) is not None:
                    yield hashlib.sha256(der).hexdigest(), sink.getvalue()
