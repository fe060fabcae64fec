"""How much of the document a signature covers, and what, by name.

FULL: the whole document but for signatures. For a document that is a signature itself (enveloping, or beside its
content): every ds:Object of it but that of the properties, and every detached file that it names. Anything else is
PARTIAL, and the names tell which parts. Only what a verified reference digested counts.

    scope, covered = of(document, parts, references)      # ("PARTIAL", ("#invoice",))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from lxml import etree

from verify.xml import names
from verify.xml.document import XmlDocument
from verify.xml.nodes import Detached
from verify.xml.references import Reference
from verify.xml.structure import Parts, kind

Scope = Literal["FULL", "PARTIAL"]

_DS = f"{{{names.DS}}}"
_SIGNATURE = f"{_DS}Signature"
_KNOWN = {f"{_DS}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo", "Object")}
"""What stands in a signature (XMLDSig §4.2); anything else is content that nobody expects there."""


def of(document: XmlDocument, parts: Parts, references: Sequence[Reference]) -> tuple[Scope, tuple[str, ...]]:
    """`references`: those of ds:SignedInfo and of the manifests that it covers."""
    matched = [one for one in references if one.matched and kind(one, parts) in {"data", "counter-signed"}]
    covered = tuple(dict.fromkeys(name for one in matched for name in _names(one)))
    if parts.parent is not None:
        return "PARTIAL", covered
    root = document.root
    whole = _is_whole_root(root, matched)
    if not whole and parts.signature is root:
        whole = bool(matched) and all(_is_covered(one, matched) for one in _contents(parts))
    elif whole:
        # What hides in an object of the signature itself is in the document, and nobody signed it.
        whole = all(_is_covered(one, matched) for one in _contents(parts))
    if whole:
        vouched = {element for one in matched for element in one.elements}
        whole = all(one.tag in _KNOWN or one in vouched for one in parts.signature.iterchildren("{*}*"))
    complete = all(one.matched for one in references if kind(one, parts) == "data")
    return ("FULL" if whole and complete else "PARTIAL"), covered


def _is_whole_root(root: etree._Element, references: Iterable[Reference]) -> bool:
    """Whether one reference covers the root with everything in it, signatures apart."""
    for one in references:
        if one.nodes is None or one.only_text or root not in one.nodes.roots or root in one.nodes.without:
            continue
        if all(left_out.tag == _SIGNATURE for left_out in one.nodes.without):
            return True
    return False


def _contents(parts: Parts) -> Iterator[etree._Element]:
    """The objects of the signature that are not its properties."""
    for one in parts.objects:
        if not any(etree.QName(child).localname == "QualifyingProperties" for child in one.iterchildren("{*}*")):
            yield one


def _is_covered(holder: etree._Element, references: Sequence[Reference]) -> bool:
    """Whether an object is digested: itself, as base64, or each element in it."""
    vouched = {element for one in references for element in one.elements}
    if not vouched.isdisjoint((holder, *holder.iterancestors())):
        return True
    if any(one.only_text and one.nodes is not None and holder in one.nodes.roots for one in references):
        return len(holder) == 0
    texts = [holder.text, *(child.tail for child in holder)]
    if any(text and not text.isspace() for text in texts):
        return False
    children = list(holder.iterchildren("{*}*"))
    return bool(children) and all(child in vouched or _is_own(child) for child in children)


def _is_own(element: etree._Element) -> bool:
    """What the signature says of itself or of others: manifests are followed, properties are no content."""
    return element.tag in {f"{_DS}Manifest", f"{_DS}SignatureProperties"}


def _names(reference: Reference) -> Iterator[str]:
    if isinstance(reference.source, Detached):
        yield reference.source.name
        return
    nodes = reference.nodes
    if nodes is None:
        return
    for apex in nodes.apexes:
        if not isinstance(apex, etree._Element):
            name = "/"
        else:
            named = etree.QName(apex).localname
            name = f"{named}#{reference.target}" if reference.target and len(nodes.apexes) == 1 else named
        but = {etree.QName(one).localname for one in nodes.without} - {"Signature"}
        yield f"{name} - {', '.join(sorted(but))}" if but else name
