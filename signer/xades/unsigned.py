"""Unsigned properties as markup: timestamps and validation data (EN 319 132-1 §5.3 to §5.5), and where they go.

Their tags are written with the prefixes that the document has in force there; what it lacks is declared on what is put
in, never on what is there already, since a new declaration would change the canonical form of everything below it.

>>> render(timestamp("SignatureTimeStamp", b"token", id_="ts-1"), scope={"xades": XADES_132, None: XMLDSIG})
'<xades:SignatureTimeStamp Id="ts-1"><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">\
</CanonicalizationMethod><xades:EncapsulatedTimeStamp>dG9rZW4=</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>'
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from verify.found import Evidence

XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
XADES_132 = "http://uri.etsi.org/01903/v1.3.2#"
XADES_141 = "http://uri.etsi.org/01903/v1.4.1#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"

_PREFIXES = {XMLDSIG: "ds", XADES_132: "xades", XADES_141: "xades141"}

Scope = Mapping[str | None, str]
"""The prefixes in force at a place, and what they stand for; None is the default namespace."""


@dataclass(frozen=True)
class Tag:
    """An element to be written: `content` is its text, or its children."""

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
            Tag(XMLDSIG, "CanonicalizationMethod", (("Algorithm", EXCLUSIVE),)),
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
