"""Which format a document is signed in, and whether the order fits it: by the document's content, never by its name.

An XML document gets a XAdES signature, a PDF a PAdES signature; a PDF, or any other file, gets a XAdES signature where the
order says so, around it or beside it. A value that the format does not have is refused, not ignored: whoever sends a
`place` with an XML document believes that something will be seen there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from api.errors import RequestInvalid
from api.refusals import OrderNotForFormat
from api.schema_xml import XmlOrder
from api.schemas import OrderRequest
from api.store.signatures import SignatureRecord
from api.uploads import Upload
from signer.model import Format
from signer.xades.plan import Packaging
from verify.document import Kind, sniff
from verify.errors import NotADocument

OF_PDF = (
    "field",
    "place",
    "anchor",
    "certify",
    "fields",
    "fill",
    "stamp",
    "name",
    "reason",
    "location",
    "contact",
    "password",
    "repair",
)
"""Values of an order that only a PDF has."""
BY_KIND: Mapping[Kind, Format] = {"PDF": "PAdES", "XML": "XAdES"}
MEDIA: Mapping[Format, str] = {"PAdES": "application/pdf", "XAdES": "application/xml"}
SUFFIX: Mapping[Format, str] = {"PAdES": "pdf", "XAdES": "xml"}


def fitting(order: OrderRequest, document: Upload) -> OrderRequest:
    """The order with its format and packaging decided. Raises OrderNotForFormat, EmptyDocument, NotADocument,
    RequestInvalid where two contents have one name."""
    kind = _kind(order, document)
    chosen: Format = order.format or BY_KIND[kind or "XML"]
    if chosen == "PAdES":
        _only_for_pdf(order, document, kind=kind)
        return order.model_copy(update={"format": chosen})
    for value in OF_PDF:
        if getattr(order, value) not in (None, (), {}, False):
            raise OrderNotForFormat(f"{value} is a PDF's", value=value, format=chosen)
    xml = order.xml or XmlOrder()
    packaging: Packaging = xml.packaging or ("enveloped" if kind == "XML" else "enveloping")
    if kind != "XML" and (packaging == "enveloped" or xml.elements or xml.countersign):
        value = next((one for one in ("elements", "countersign") if getattr(xml, one)), "packaging")
        raise OrderNotForFormat(f"xml.{value} needs an XML document", value=f"xml.{value}", format=kind or "?")
    fitted = order.model_copy(update={"format": chosen, "xml": xml.model_copy(update={"packaging": packaging})})
    if is_beside(fitted) and document.name in document.contents:
        raise RequestInvalid("a detached content has the document's name", part="detached", name=document.name)
    return fitted


def _kind(order: OrderRequest, document: Upload) -> Kind | None:
    """What the document is; None for one that is neither, which only a XAdES signature that was asked for takes."""
    try:
        return sniff(document.file)
    except NotADocument:
        if order.format != "XAdES":
            raise
        return None


def _only_for_pdf(order: OrderRequest, document: Upload, *, kind: Kind | None) -> None:
    if kind != "PDF":
        raise OrderNotForFormat("only a PDF gets a PAdES signature", value="format", format=kind or "?")
    if order.xml is not None:
        raise OrderNotForFormat("xml is for XAdES", value="xml", format="PAdES")
    if document.detached:
        raise OrderNotForFormat("a PAdES signature is over its own document alone", value="detached", format="PAdES")


# --- of a record ------------------------------------------------------------------------------------------------------


def format_of(record: SignatureRecord) -> Format:
    """The format of a record's document."""
    found: Literal["PAdES", "XAdES"] = "XAdES" if _order(record).get("format") == "XAdES" else "PAdES"
    return found


def media_type(record: SignatureRecord) -> str:
    return MEDIA[format_of(record)]


def file_name(record: SignatureRecord) -> str:
    """What the signed document is called where nobody called it anything."""
    return f"{record.id}.{SUFFIX[format_of(record)]}"


def goes_on(order: OrderRequest) -> bool:
    """Whether the signed file takes the place of the document as the head of its chain: not where it is a copy on
    purpose, nor where the signature stands beside the document, which stays what it was."""
    return not order.fork and not is_beside(order)


def took_head(record: SignatureRecord) -> bool:
    """`goes_on` of the order in a record."""
    said = _order(record)
    xml = said.get("xml") or {}
    return not said.get("fork") and not (xml.get("packaging") == "detached" and not xml.get("elements"))


def is_beside(order: OrderRequest) -> bool:
    """Whether the signature will be a file of its own, and know its document by name."""
    return order.xml is not None and order.xml.packaging == "detached" and not order.xml.elements


def _order(record: SignatureRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record.order)
    return found
