"""What an XML signature is over: from the plan to References, and the digest of each.

| Packaging | A Reference to |
|---|---|
| enveloped | the whole document, or its elements by Id |
| enveloping | the ds:Object with the document, or elements in it; the octets of a file that is not XML |
| detached | the file by its name; or, with `elements`, these in the same document |

and in each case one to every further file, by its octets.

**What a whole document is signed without.** The transform `enveloped-signature` leaves out the signature it stands in
and no other: whoever adds a second signature breaks the first. So a filter stands behind it that leaves out all: XPath 1.0
`not(ancestor-or-self::ds:Signature)`, which most verifiers know, or for documents above LARGE the same as XPath Filter
2.0, since the first is evaluated for every node. Measured with xmlsec1 1.2.37:

| Transforms | signed twice | 50 kB | 210 kB | 860 kB |
|---|---|---|---|---|
| enveloped-signature | first one broken | 0.03 s | 0.04 s | 0.09 s |
| and XPath 1.0 | both hold | 0.06 s | 0.5 s | 14 s (5 MB: not in 7 minutes) |
| and XPath Filter 2.0 | both hold | 0.03 s | 0.05 s | 0.08 s |

The older transform stays in front, since some verifiers tell an enveloped signature by it and pass over an XPath that
they do not know. Those that refuse XPath altogether need `XmlPlan.leaves_out="itself"`; then nobody else can sign.

An element that is not the root needs no such transform: the signature does not stand in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import quote

from lxml import etree

from signer.errors import OrderInvalid, SignerError
from signer.xades.countersigning import CounterPlace
from signer.xades.markup import (
    ENVELOPED,
    FROM_BASE64,
    METHODS,
    SUBTRACT_SIGNATURES,
    WITHOUT_SIGNATURES,
    Content,
    Ids,
    transform,
)
from signer.xades.plan import XmlPlan
from verify.document import Kind, chunks, size_of
from verify.xml import canonical, names
from verify.xml.canonical import Method
from verify.xml.document import XmlDocument

if TYPE_CHECKING:
    from hashlib import _Hash

    from signer.xades.drafting import Output

MOST = 100
"""References in one signature: a SignedInfo of 64 KiB is what the keeper reads."""
LARGE = 200_000
"""Bytes of a document from which on XPath 1.0 is too slow for others."""
AT_ONCE = 1 << 16
"""Bytes of an output below which canonical forms are held in memory."""
_MIME: Mapping[Kind | None, str] = {"XML": "text/xml", "PDF": "application/pdf", None: "application/octet-stream"}
_NAME = re.compile(r"[^\W\d][\w.\-]*")


class ElementNotFound(SignerError):
    """The document has no element with this Id, or more than one."""

    code = "element-not-found"


class ContentMissing(SignerError):
    """A file that is to be signed was not handed over."""

    code = "content-missing"


@dataclass(frozen=True)
class Item:
    """A Reference to be, and where its octets come from: `key` is an Id or the name of a file."""

    content: Content
    source: Literal["document", "object", "element", "octets"]
    key: str = ""


def plan_items(
    plan: XmlPlan, ids: Ids, *, kind: Kind | None, is_large: bool, around: frozenset[str] = frozenset()
) -> tuple[Item, ...]:
    """What is signed, in the order of the References. `is_large`: the document is larger than LARGE. `around` are the
    Ids of elements in which the signature stands.

    Raises OrderInvalid.
    """
    method = transform(METHODS[plan.canonicalization])
    filters = ENVELOPED
    if plan.leaves_out == "signatures":
        filters += SUBTRACT_SIGNATURES if is_large else WITHOUT_SIGNATURES
    mime = plan.mime or _MIME[kind]
    items: list[Item] = []
    if plan.elements:
        _require_ids(plan.elements)
        for name in plan.elements:
            transforms = filters + method if name in around else method
            items.append(Item(Content(f"#{name}", mime, transforms), "element", name))
    elif plan.packaging == "enveloped":
        items.append(Item(Content("", mime, filters + method), "document"))
    elif plan.packaging == "enveloping":
        if kind == "XML":
            items.append(Item(Content(f"#{ids.object}", mime, method, names.TYPE_OBJECT), "object"))
        else:
            items.append(Item(Content(f"#{ids.object}", mime, FROM_BASE64, names.TYPE_OBJECT), "octets"))
    else:
        if not plan.name:
            raise OrderInvalid("a detached signature names what it signs", reason="name")
        items.append(Item(Content(_uri(plan.name), mime), "octets"))
    items += [Item(Content(_uri(one.name), one.mime or _MIME[None]), "octets", one.name) for one in plan.detached]
    if len(items) > MOST:
        raise OrderInvalid("too much is to be signed at once", reason="references", limit=MOST)
    if len({item.content.uri for item in items}) != len(items):
        raise OrderInvalid("something is to be signed twice", reason="references")
    return tuple(items)


def countersigned(place: CounterPlace, plan: XmlPlan) -> Item:
    """The value of another signature (EN 319 132-1 §5.2.7). Raises OrderInvalid where the plan asks for more."""
    if plan.elements or plan.detached or plan.packaging != "enveloped":
        raise OrderInvalid("a counter-signature signs a signature and nothing else", reason="countersign")
    content = Content(place.uri, None, transform(METHODS[plan.canonicalization]), place.type)
    return Item(content, "element", place.uri.removeprefix("#"))


def require_files(plan: XmlPlan, detached: Mapping[str, BinaryIO]) -> None:
    """Every file that the plan names was handed over, and no other. Raises ContentMissing, OrderInvalid."""
    if not plan.detached and not detached:
        return
    named = {one.name for one in plan.detached}
    if missing := sorted(named - set(detached)):
        raise ContentMissing(name=missing[0])
    if unnamed := sorted(set(detached) - named - {plan.name}):
        raise OrderInvalid("a file came along that the order does not name", reason="detached", name=unnamed[0])


def digests(
    items: Sequence[Item],
    *,
    output: Output,
    plan: XmlPlan,
    algorithm: str,
    source: BinaryIO,
    detached: Mapping[str, BinaryIO],
) -> tuple[bytes, ...]:
    """The digest of each item, as the output and the files have them. Raises ElementNotFound, SignerError."""
    method = canonical.METHODS[METHODS[plan.canonicalization]]
    document = output.document
    left_out = [] if plan.leaves_out == "itself" else [one for one in output.signatures if one is not output.signature]
    elements = document.elements_by_id([item.key for item in items if item.source == "element"])
    found = []
    for item in items:
        state = hashlib.new(algorithm)
        if item.source == "octets":
            _absorb(state, detached[item.key] if item.key else source)
        else:
            node: etree._Element | etree._ElementTree = document.tree
            if item.source != "document":
                node = output.object() if item.source == "object" else _single(elements[item.key], item.key)
            write = partial(_canonicalise, state, node, method=method, at_once=document.size < AT_ONCE)
            if ENVELOPED in item.content.transforms:
                output.without_signature(partial(write, without=left_out))
            else:
                write()
        found.append(state.digest())
    return tuple(found)


def holding(names_: Sequence[str], *, document: XmlDocument, signature: etree._Element) -> frozenset[str]:
    """Which of these Ids are those of elements around the signature."""
    if not names_:
        return frozenset()
    found = document.elements_by_id(names_)
    above = set(signature.iterancestors())
    return frozenset(name for name, elements in found.items() if above.intersection(elements))


def _single(elements: Sequence[etree._Element], name: str) -> etree._Element:
    if len(elements) != 1:
        raise ElementNotFound(element=name, found=len(elements))
    return elements[0]


def _require_ids(ids: Sequence[str]) -> None:
    """Ids as XML has them (xs:NCName): `#` and the Id is then a URI that every verifier reads alike."""
    for name in ids:
        if not _NAME.fullmatch(name):
            raise OrderInvalid("this is no Id of an element", reason="element-id", element=name[:100])


def _uri(name: str) -> str:
    """A file's name as a relative reference (RFC 3986 §4.2): nothing in it is taken for a scheme or a fragment."""
    if not name or name != name.strip() or any(ord(character) < 0x20 for character in name):
        raise OrderInvalid("this is no name of a file", reason="detached-name", name=name[:100])
    return quote(name, safe="/!$&'()*+,;=@~")


def _canonicalise(
    state: _Hash,
    node: etree._Element | etree._ElementTree,
    *,
    method: Method,
    without: Sequence[etree._Element] = (),
    at_once: bool,
) -> None:
    """`at_once`: what is small takes one call of lxml, which is cheaper than one for each piece."""
    if at_once:
        state.update(canonical.canonical(node, method=method, without=without))
    else:
        canonical.write(node, _Sink(state), method=method, without=without)


@dataclass(frozen=True)
class _Sink:
    """A digest as `verify.xml.canonical` writes to it."""

    state: _Hash

    def write(self, data: bytes, /) -> None:
        self.state.update(data)


def _absorb(state: _Hash, file: BinaryIO) -> None:
    for chunk in chunks(file, start=0, length=size_of(file)):
        state.update(chunk)
