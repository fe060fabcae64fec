"""Unsigned properties as markup: timestamps and validation data (EN 319 132-1 §5.3 to §5.5), and where they go.

Their tags are written with the prefixes that the document has in force there; what it lacks is declared on what is put
in, never on what is there already, since a new declaration would change the canonical form of everything below it.

>>> render(timestamp("SignatureTimeStamp", b"token", id_="ts-1"), scope={"xades": XADES_132, None: DS})
'<xades:SignatureTimeStamp Id="ts-1"><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">\
</CanonicalizationMethod><xades:EncapsulatedTimeStamp>dG9rZW4=</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>'
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from lxml import etree

from signer.errors import SignerError
from signer.xades.splicing import Edit, Element, Text
from verify.found import Evidence
from verify.xml.names import C14N_EXCLUSIVE, DS, PREFIXES, XADES_132, XADES_141

_PREFIXES = {uri: prefix for prefix, uri in PREFIXES.items()}

Scope = Mapping[str | None, str]
"""The prefixes in force at a place, and what they stand for; None is the default namespace."""


class SignatureFormNotExtendable(SignerError):
    """The signature has a form (plain XMLDSig, XAdES before 1.3.2) that holds no evidence, or is not put together well."""

    code = "signature-form-not-extendable"


@dataclass(frozen=True)
class Tag:
    """An element to be written: `content` is its markup, or its children."""

    namespace: str
    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    content: str | tuple[Tag, ...] = field(default=())


def render(tag: Tag, *, scope: Scope) -> str:
    """The element where `scope` is in force, in canonical spelling but for the place of namespace declarations."""
    prefix = next(
        (one for one in sorted(scope, key=str) if one and scope[one] == tag.namespace and one.isascii()), None
    )
    declaration = ""
    if prefix is None and scope.get(None) != tag.namespace:
        wanted = _PREFIXES[tag.namespace]
        prefix = next(one for one in (wanted, *(f"{wanted}{n}" for n in range(len(scope) + 1))) if one not in scope)
        scope = {**scope, prefix: tag.namespace}
        declaration = f' xmlns:{prefix}="{tag.namespace}"'
    name = f"{prefix}:{tag.name}" if prefix else tag.name
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in tag.attributes)
    inner = tag.content if isinstance(tag.content, str) else "".join(render(one, scope=scope) for one in tag.content)
    return f"<{name}{declaration}{attributes}>{inner}</{name}>"


def timestamp(kind: Literal["SignatureTimeStamp", "ArchiveTimeStamp"], token: bytes, *, id_: str) -> Tag:
    """A container with one token whose imprint is over octets in exclusive canonical form (§5.3, §5.5.2)."""
    return Tag(
        XADES_141 if kind == "ArchiveTimeStamp" else XADES_132,
        kind,
        (("Id", id_),),
        (
            Tag(DS, "CanonicalizationMethod", (("Algorithm", C14N_EXCLUSIVE),)),
            _encapsulated("EncapsulatedTimeStamp", token),
        ),
    )


def values(evidence: Evidence) -> Iterator[Tag]:
    """CertificateValues and RevocationValues (§5.4.1, §5.4.2), each only where there is something to say."""
    if evidence.certificates:
        held = (_encapsulated("EncapsulatedX509Certificate", one) for one in evidence.certificates)
        yield Tag(XADES_132, "CertificateValues", content=tuple(held))
    lists = tuple(_encapsulated("EncapsulatedCRLValue", one) for one in evidence.crls)
    answers = tuple(_encapsulated("EncapsulatedOCSPValue", one) for one in evidence.ocsps)
    kinds = (("CRLValues", lists), ("OCSPValues", answers))
    if lists or answers:
        held = (Tag(XADES_132, name, content=one) for name, one in kinds if one)
        yield Tag(XADES_132, "RevocationValues", content=tuple(held))


def validation_data(
    kind: Literal["TimeStampValidationData", "AnyValidationData"], evidence: Evidence, *, of: str | None = None
) -> Iterator[Tag]:
    """The same for a timestamp, whose container has the Id `of` (§5.5.1), or for anything; nothing where there is none."""
    held = tuple(values(evidence))
    if held:
        yield Tag(XADES_141, kind, (("URI", f"#{of}"),) if of else (), held)


def _encapsulated(name: str, der: bytes) -> Tag:
    return Tag(XADES_132, name, content=base64.b64encode(der).decode("ascii"))


@dataclass(frozen=True)
class Insertion:
    """Where further unsigned properties of a signature go: behind those that are there. `wrappers` are the elements
    that have to be made around them, the outermost first."""

    element: Element
    scope: Scope
    wrappers: tuple[str, ...] = ()
    is_first: bool = False

    @classmethod
    def of(cls, signature: etree._Element, text: Text) -> Insertion:
        """`text` is the document of which lxml made the tree. Raises SignatureFormNotExtendable."""
        place = qualifying(signature)
        wrappers = ["UnsignedProperties", "UnsignedSignatureProperties"]
        while wrappers:
            inner = place.findall(f"{{{XADES_132}}}{wrappers[0]}")
            if not inner:
                break
            place = inner[-1]
            wrappers.pop(0)
        element = text.element(_number(signature), path=_path(place, below=signature))
        scope = {prefix: uri for prefix, uri in place.nsmap.items() if uri}
        return cls(element, scope, tuple(wrappers), is_first=len(wrappers) == 1)

    def edit(self, tags: Sequence[Tag]) -> Edit:
        """Puts these there. UnsignedSignatureProperties stand before the properties of data objects (schema)."""
        content: tuple[Tag, ...] = tuple(tags)
        for name in reversed(self.wrappers):
            content = (Tag(XADES_132, name, content=content),)
        markup = "".join(render(one, scope=self.scope) for one in content)
        return self.element.prepend(markup) if self.is_first else self.element.append(markup)


def qualifying(signature: etree._Element) -> etree._Element:
    """The QualifyingProperties of the signature in the form that has places for all levels (V1.3.2 of TS 101 903 and
    later). Raises SignatureFormNotExtendable."""
    own = f"#{signature.get('Id')}"
    holders = signature.findall(f"{{{DS}}}Object/{{{XADES_132}}}QualifyingProperties")
    named = [one for one in holders if (one.get("Target") or "").strip() == own]
    if len(named) != 1:
        raise SignatureFormNotExtendable(id=(signature.get("Id") or "")[:100])
    return named[0]


def is_sealed(signature: etree._Element) -> bool:
    """Whether an ArchiveTimeStamp of a signature above covers this counter-signature (§5.5.2)."""
    for above in signature.iterancestors(f"{{{XADES_132}}}CounterSignature"):
        later = above.itersiblings(f"{{{XADES_132}}}ArchiveTimeStamp", f"{{{XADES_141}}}ArchiveTimeStamp")
        if next(later, None) is not None:
            return True
    return False


def _number(signature: etree._Element) -> int:
    """How many elements called Signature, of whatever namespace, stand before this one."""
    every = signature.getroottree().getroot().iter("{*}Signature")
    return next(number for number, one in enumerate(every) if one is signature)


def _path(element: etree._Element, *, below: etree._Element) -> tuple[int, ...]:
    """The way down to an element, each number counting elements among the children."""
    path: list[int] = []
    while element is not below:
        path.append(sum(1 for _ in element.itersiblings("*", preceding=True)))
        parent = element.getparent()
        assert parent is not None
        element = parent
    return tuple(reversed(path))
