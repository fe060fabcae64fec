"""Signatures that stand in a document before ours: a further one must not break them.

One whose only transform over the whole document is enveloped-signature covers all that comes later, another signature
too; that is refused, as a PDF's earlier signatures are not broken either. It is not guessed from transforms: their
references are digested in the output, and where one does not match there, in the original.

    require_unharmed(output, source=source, detached={})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from lxml import etree

from signer.errors import SignerError
from signer.xades.drafting import Output
from verify.xml import names
from verify.xml.document import XmlDocument
from verify.xml.references import References


class WouldBreakSignature(SignerError):
    """The document holds a signature that covers all of it and that a further one would break."""

    code = "would-break-signature"


def require_unharmed(output: Output, *, source: BinaryIO, detached: Mapping[str, BinaryIO]) -> None:
    """Raises WouldBreakSignature. One that was broken before is not ours to judge."""
    others = [one for one in output.signatures if one is not output.signature]
    if not others:
        return
    after = list(_outcomes(output.document, others, detached=detached))
    if all(matched for _, matched in after):
        return
    original = XmlDocument.read(source, limits=output.document.limits)
    before = list(_outcomes(original, list(original.signatures()), detached=detached))
    for (signature, matches), (_, matched) in zip(after, before, strict=True):
        if matched and not matches:
            raise WouldBreakSignature(signature=(signature.get("Id") or "")[:100])


def _outcomes(
    document: XmlDocument, signatures: list[etree._Element], *, detached: Mapping[str, BinaryIO]
) -> Iterator[tuple[etree._Element, bool]]:
    """Each reference of these, those of manifests too: its signature, and whether its digest is right."""
    references = References(document, detached)
    for signature in signatures:
        objects = signature.iterchildren(names.tag("ds", "Object"))
        manifests = (one for held in objects for one in held.iterchildren(names.tag("ds", "Manifest")))
        for holder in (*signature.iterchildren(names.tag("ds", "SignedInfo")), *manifests):
            for one in references.of(holder, signature=signature):
                yield signature, one.matched
