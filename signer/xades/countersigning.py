"""Where a counter-signature goes: into the unsigned properties of the signature whose value it signs.

xades:CounterSignature holds one ds:Signature, whose first Reference is of the type CountersignedSignature and over the
parent's ds:SignatureValue (EN 319 132-1 §5.2.7). It goes behind all properties that are there: an ArchiveTimeStamp
covers what stands before it (§5.5.2), so an archived signature can be counter-signed as well; only a further
ArchiveTimeStamp protects that.

    place = find(document, data, id_="s1")
    layout = data[: place.at] + place.before + b"<ds:Signature …" + place.after + data[place.resume :]
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from signer.errors import SignerError
from signer.xades.splicing import Text
from signer.xades.unsigned import Insertion, SignatureFormNotExtendable, Tag, is_sealed
from verify.xml.document import XmlDocument
from verify.xml.names import TYPE_COUNTERSIGNED, XADES_132, tag

_HERE = "\0"


class SignatureNotFound(SignerError):
    """The document has no signature with this id, or more than one."""

    code = "signature-not-found"


class SignatureCovered(SignerError):
    """Something else in the document covers the signature's unsigned properties: to add to them would break that."""

    code = "signature-covered"


@dataclass(frozen=True)
class CounterPlace:
    """The document with a counter-signature is data[:`at`] + `before` + ds:Signature + `after` + data[`resume`:].

    `value` is the element whose canonical octets are signed, `uri` names it, `type` is that of the Reference."""

    at: int
    resume: int
    before: bytes
    after: bytes
    value: etree._Element
    uri: str
    type: str = TYPE_COUNTERSIGNED


def find(document: XmlDocument, data: bytes, *, id_: str) -> CounterPlace:
    """The place in the signature with this Id. Raises SignatureNotFound, SignatureFormNotExtendable, SignatureCovered,
    EncodingNotSupported."""
    named = [one for one in document.signatures() if one.get("Id") == id_]
    if len(named) != 1 or len(document.elements_by_id([id_])[id_]) != 1:
        raise SignatureNotFound(id=id_[:100], found=len(named))
    (signature,) = named
    if is_sealed(signature):
        raise SignatureCovered(id=id_[:100], by="archive-timestamp")
    values = signature.findall(tag("ds", "SignatureValue"))
    value_id = values[0].get("Id") if len(values) == 1 else None
    if value_id is None or len(document.elements_by_id([value_id])[value_id]) != 1:
        raise SignatureFormNotExtendable(
            "the signature's value has no Id of its own by which it could be signed", id=id_[:100]
        )
    text = Text.of(data, document.tree.docinfo.encoding)
    edit = Insertion.of(signature, text).edit([Tag(XADES_132, "CounterSignature", content=_HERE)])
    before, after = (part.encode(text.encoding) for part in edit.markup.split(_HERE))
    return CounterPlace(text.offset(edit.start), text.offset(edit.end), before, after, values[0], f"#{value_id}")
