"""Where in a ds:Signature things stand, and what of it a reference means: the rules that make wrapping impossible.

A reference whose Type says that it means a part of the signature (its properties, a manifest, an object, XMLDSig §4.4.3.1)
must lead to that very part of this very signature; the same element elsewhere, wherever an id finds it, is not it.

    parts = Parts.of(signature)             # raises Misshapen
    reference = placed(reference, parts)    # "missing" where it leads elsewhere
    kind(reference, parts)                  # "signed-properties", "data" …
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from lxml import etree

from verify.xml import names
from verify.xml.nodes import NodeSet
from verify.xml.references import Reference
from verify.xml.timestamps import FORMS, Kind

_DS = f"{{{names.DS}}}"
_OBJECT = f"{_DS}Object"
_MAX_REFERENCES = 10_000
"""More than a document may have: looking at them ends there."""
_KINDS: dict[str, Kind] = {f"{_DS}Manifest": "manifest", f"{_DS}SignatureProperties": "signature-properties"}


class Misshapen(Exception):
    """This is no signature by the schema; `reason` says where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Parts:
    """The parts of one ds:Signature, each where the schema has it (XMLDSig §4.2)."""

    signature: etree._Element
    signed_info: etree._Element
    value: etree._Element
    canonicalization: etree._Element
    method: etree._Element
    parent: etree._Element | None
    """The ds:Signature that this one counter-signs by where it stands (EN 319 132-1 §5.2.7.2)."""

    @classmethod
    def of(cls, signature: etree._Element) -> Parts:
        """Raises Misshapen."""
        signed_info, value = _only(signature, "SignedInfo"), _only(signature, "SignatureValue")
        references = list(islice(signed_info.iterchildren(f"{_DS}Reference"), _MAX_REFERENCES))
        if not references or any(_says_twice(one) for one in references):
            raise Misshapen("Reference")
        if value.find("*") is not None:
            raise Misshapen("SignatureValue")
        return cls(
            signature=signature,
            signed_info=signed_info,
            value=value,
            canonicalization=_only(signed_info, "CanonicalizationMethod"),
            method=_only(signed_info, "SignatureMethod"),
            parent=countersigned(signature),
        )

    @cached_property
    def objects(self) -> tuple[etree._Element, ...]:
        return tuple(self.signature.iterchildren(_OBJECT))

    @cached_property
    def key_infos(self) -> tuple[etree._Element, ...]:
        return tuple(self.signature.iterchildren(f"{_DS}KeyInfo"))

    @cached_property
    def contents(self) -> tuple[etree._Element, ...]:
        """The ds:Objects that hold more than what the signature says of itself."""
        return tuple(one for one in self.objects if not _speaks_of_signature(one))

    def has_object(self, element: etree._Element | None) -> bool:
        return element is not None and element.tag == _OBJECT and element.getparent() is self.signature

    def manifests(self, vouched: Collection[etree._Element]) -> Iterator[etree._Element]:
        """The manifests of this signature of which a digest is right: one that is signed itself, or its ds:Object."""
        for holder in self.objects:
            for manifest in holder.findall(f"{_DS}Manifest"):
                if manifest in vouched or holder in vouched:
                    yield manifest


def _only(holder: etree._Element, name: str) -> etree._Element:
    found = list(islice(holder.iterchildren(f"{_DS}{name}"), 2))
    if len(found) != 1:
        raise Misshapen(name)
    return found[0]


def _says_twice(reference: etree._Element) -> bool:
    """Whether it has two of what there is one of (§4.4.3): readers would choose."""
    return any(len(reference.findall(f"{_DS}{name}")) > 1 for name in ("Transforms", "DigestMethod", "DigestValue"))


def countersigned(signature: etree._Element) -> etree._Element | None:
    """The signature in whose unsigned properties this one stands as xades:CounterSignature."""
    above = list(signature.iterancestors())[:6]
    if len(above) < 6 or above[5].tag != f"{_DS}Signature" or above[4].tag != f"{_DS}Object":
        return None
    chain = ("CounterSignature", "UnsignedSignatureProperties", "UnsignedProperties", "QualifyingProperties")
    for element, name in zip(above, chain, strict=False):
        named = etree.QName(element)
        if named.localname != name or named.namespace not in FORMS:
            return None
    return above[5]


def placed(reference: Reference, parts: Parts) -> Reference:
    """The reference, "missing" when its Type names a part of the signature and its URI leads somewhere else."""
    if not isinstance(reference.source, NodeSet) or reference.outcome == "refused":
        return reference
    target = _target(reference)
    wrong = False
    if reference.type in names.TYPES_SIGNED_PROPERTIES:
        wrong = not _is_signed_properties(target, parts)
    elif reference.type in {names.TYPE_MANIFEST, names.TYPE_SIGNATURE_PROPERTIES}:
        wrong = target is None or target.tag != _tag_of(reference.type) or not parts.has_object(target.getparent())
    elif reference.type == names.TYPE_OBJECT:
        wrong = not parts.has_object(target) and target not in parts.key_infos
    return replace(reference, outcome="missing", reason="stands-elsewhere") if wrong else reference


def _tag_of(type_: str) -> str:
    return f"{_DS}{type_.removeprefix(names.DS)}"


def _target(reference: Reference) -> etree._Element | None:
    """The element that the URI names by an id."""
    source = reference.source
    if not isinstance(source, NodeSet) or len(source.apexes) != 1:
        return None
    apex = source.apexes[0]
    return apex if isinstance(apex, etree._Element) else None


def _is_signed_properties(target: etree._Element | None, parts: Parts) -> bool:
    if target is None or etree.QName(target).localname != "SignedProperties":
        return False
    holder = target.getparent()
    return (
        etree.QName(target).namespace in FORMS
        and holder is not None
        and etree.QName(holder).localname == "QualifyingProperties"
        and etree.QName(holder).namespace in FORMS
        and parts.has_object(holder.getparent())
    )


def kind(reference: Reference, parts: Parts) -> Kind:
    """What the reference is about: whatever is nothing of the signature's own is data."""
    target = _target(reference)
    if target is None:
        return "data"
    if target in parts.key_infos:
        return "key-info"
    if parts.parent is not None and is_value_of(target, parts.parent):
        return "counter-signed"
    if target.tag in _KINDS and parts.has_object(target.getparent()):
        return _KINDS[target.tag]
    return "signed-properties" if _is_signed_properties(target, parts) else "data"


def is_about_itself(reference: Reference, parts: Parts) -> bool:
    """Whether it covers nothing but what the signature says of itself: properties, key, a list, or anything in them."""
    target = _target(reference)
    if target is None:
        # a document that is this signature holds only what its objects hold
        return isinstance(reference.source, NodeSet) and parts.signature.getparent() is None and not parts.contents
    if target is parts.signature:
        return not parts.contents
    inside = [target]
    for above in target.iterancestors():
        if above is parts.signature:
            break
        inside.append(above)
    else:
        return False
    holder, *further = reversed(inside)
    if holder.tag != _OBJECT:
        return True
    return is_own(further[0]) if further else _speaks_of_signature(holder)


def is_own(element: etree._Element) -> bool:
    """Whether this child of a ds:Object is one by which a signature speaks of itself."""
    named = etree.QName(element)
    return element.tag in _KINDS or (named.localname == "QualifyingProperties" and named.namespace in FORMS)


def _speaks_of_signature(holder: etree._Element) -> bool:
    """Whether there is nothing else in a ds:Object."""
    return len(holder) > 0 and not has_text(holder) and all(is_own(one) for one in holder.iterchildren("{*}*"))


def has_text(element: etree._Element) -> bool:
    """Whether letters stand directly in it."""
    texts = (element.text, *(child.tail for child in element))
    return any(text and not text.isspace() for text in texts)


def is_value_of(element: etree._Element, signature: etree._Element) -> bool:
    """Whether this is the ds:SignatureValue of that signature, and not one that merely carries its id."""
    return element.tag == f"{_DS}SignatureValue" and element.getparent() is signature
