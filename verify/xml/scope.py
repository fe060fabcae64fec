"""How much of the document a signature covers, and what, by name.

FULL: the whole document but for signatures, processing instructions beside the root (a style sheet changes what is seen)
included, comments not. For a document that is a signature itself (enveloping, or beside its content), or only keeps
signatures: every ds:Object of it but that of the properties, and every detached file that it names. What stands in the signature and is neither signed
nor a part that a signature has is content that nobody signed. Anything else is PARTIAL, and the names tell which parts.
Only what a verified reference digested counts.

    scope, covered = of(document, parts, references)      # ("PARTIAL", ("#invoice",))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from lxml import etree

from verify.xml import names, structure
from verify.xml.document import XmlDocument
from verify.xml.nodes import Detached
from verify.xml.references import Reference
from verify.xml.structure import Parts, kind
from verify.xml.timestamps import FORMS

Scope = Literal["FULL", "PARTIAL"]

_DS = f"{{{names.DS}}}"
_SIGNATURE, _OBJECT = f"{_DS}Signature", f"{_DS}Object"
_PARTS = frozenset(f"{_DS}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo", "Object"))
_PROPERTIES = frozenset({"SignedProperties", "UnsignedProperties"})


def of(document: XmlDocument, parts: Parts, references: Sequence[Reference]) -> tuple[Scope, tuple[str, ...]]:
    """`references`: those of ds:SignedInfo and of the manifests that it covers."""
    matched = [one for one in references if one.matched and not structure.is_about_itself(one, parts)]
    covered = tuple(dict.fromkeys(name for one in matched for name in _names(one)))
    if parts.parent is not None:
        return "PARTIAL", covered
    if parts.signature is document.root or _only_keeps_signatures(document.root):
        holds = bool(parts.contents) or any(isinstance(one.source, Detached) for one in matched)
        whole = holds and not _has_instructions(document.root)
    else:
        whole = any(_is_whole(one, document.root) for one in matched)
    complete = all(one.matched for one in references if kind(one, parts) == "data")
    full = whole and complete and _holds_only_signed(parts, references)
    return ("FULL" if full else "PARTIAL"), covered


def _is_whole(reference: Reference, root: etree._Element) -> bool:
    """Whether it covers the root with everything in it, signatures apart, and what a reader minds beside the root."""
    nodes = reference.nodes
    if nodes is None or reference.only_text or root not in nodes.roots or root in nodes.without:
        return False
    if any(left_out.tag != _SIGNATURE for left_out in nodes.without):
        return False
    return root not in nodes.apexes or not _has_instructions(root)


def _only_keeps_signatures(root: etree._Element) -> bool:
    """A container such as XAdESSignatures in ASiC (EN 319 162-1) says nothing of its own."""
    children = root.iterchildren("{*}*")
    return not root.attrib and not structure.has_text(root) and all(one.tag == _SIGNATURE for one in children)


def _has_instructions(root: etree._Element) -> bool:
    beside = (*root.itersiblings(preceding=True), *root.itersiblings())
    return any(isinstance(one, etree._ProcessingInstruction) for one in beside)


def _holds_only_signed(parts: Parts, references: Sequence[Reference]) -> bool:
    """Whether there is nothing in the signature that is neither signed nor a part of it: it would be in the document."""
    if structure.has_text(parts.signature):
        return False
    vouched = {element for one in references for element in one.elements}
    texts = {one for reference in references for one in _plain(reference)}
    for one in parts.signature.iterchildren("{*}*"):
        if one.tag not in _PARTS:
            return False
        if one.tag == _OBJECT and not (one in vouched or (one in texts and len(one) == 0) or _holds(one, vouched)):
            return False
    return True


def _plain(reference: Reference) -> tuple[etree._Element, ...]:
    """The elements of which only the text was digested, all of it."""
    nodes = reference.nodes
    return nodes.elements if reference.matched and reference.only_text and nodes is not None else ()


def _holds(holder: etree._Element, vouched: Collection[etree._Element]) -> bool:
    """Whether each element in a ds:Object is signed, or the properties."""
    children = list(holder.iterchildren("{*}*"))
    return bool(children) and not structure.has_text(holder) and all(_counts(one, vouched) for one in children)


def _counts(element: etree._Element, vouched: Collection[etree._Element]) -> bool:
    if element in vouched:
        return True
    inner = list(element.iterchildren("{*}*"))
    if structure.has_text(element) or not inner or not structure.is_own(element):
        return False
    if element.tag == f"{_DS}SignatureProperties":
        return all(one in vouched for one in inner)
    if element.tag == f"{_DS}Manifest":
        return False
    return all(etree.QName(one).localname in _PROPERTIES and etree.QName(one).namespace in FORMS for one in inner)


def _names(reference: Reference) -> Iterator[str]:
    if isinstance(reference.source, Detached):
        yield reference.source.name
        return
    nodes = reference.nodes
    if nodes is None:
        return
    but = ", ".join(sorted({etree.QName(one).localname for one in nodes.without if one.tag != _SIGNATURE}))
    for apex in nodes.apexes:
        if not isinstance(apex, etree._Element):
            name = "/"
        else:
            named = etree.QName(apex).localname
            name = f"{named}#{reference.target}" if reference.target and len(nodes.apexes) == 1 else named
        yield f"{name} - {but}" if but else name
