"""The output file with zeros where digests and value will stand, parsed: what is signed is read from here.

    output = write(draft, source, out=out)       # parsed; the signature stands where it was put
    laid, octets = fill_in(draft, output, digests=digests, source=source, out=out)

Where it is put is `signer.xades.placing`'s to find; what it says, `signer.xades.wording`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from typing import BinaryIO, Final, NamedTuple

from lxml import etree

from signer.errors import SignerError
from signer.xades import markup, placing
from signer.xades.buffers import put
from signer.xades.contents import Item
from signer.xades.markup import METHODS, Ids, Signature
from signer.xades.placing import Placed
from signer.xades.plan import XmlLayout, XmlPlan
from signer.xades.wording import Canonical
from verify.document import Kind, Limits, size_of
from verify.errors import DocumentBroken
from verify.xml import canonical, names
from verify.xml.canonical import Method
from verify.xml.document import XmlDocument

SMALL = 1 << 20
"""Documents smaller than this are read once, laid out in memory, and written once."""
_LIMITS: Final = Limits()


class NoPlaceForSignature(SignerError):
    """Where the root of the XML document ends cannot be told safely."""

    code = "no-place-for-signature"


class Draft(NamedTuple):
    """A signature but for what depends on the document: `blank` has zeros for it."""

    plan: XmlPlan
    ids: Ids
    kind: Kind | None
    size: int
    items: tuple[Item, ...]
    blank: Signature
    known: Canonical | None
    """What is signed of it, where that does not depend on the document."""
    place: Placed | None = None
    """Of a counter-signature, which has just one."""

    @property
    def method(self) -> Method:
        return canonical.METHODS[METHODS[self.plan.canonicalization]]

    @property
    def is_around(self) -> bool:
        """Whether the document stands inside the signature, in its ds:Object."""
        return self.place is None and self.plan.packaging == "enveloping"

    @property
    def is_apart(self) -> bool:
        """Whether the signature is a document of its own."""
        return self.place is None and self.plan.packaging == "detached" and not self.plan.elements

    def places(self, source: BinaryIO) -> Iterator[Placed]:
        """Where the signature can go, the likeliest first."""
        if self.place is not None:
            yield self.place
        elif self.is_apart:
            yield placing.apart(size=self.size, body="none")
        elif not self.is_around:
            yield from placing.inside(source, size=self.size)
        elif self.kind == "XML":
            yield from placing.around(source, size=self.size)
        else:
            yield placing.apart(size=self.size, body="base64")


class Laid(NamedTuple):
    """A layout with the markup in it, zeros for digests: `gap` is where the value stands in the output, `unsigned_at`
    where the UnsignedProperties go, which the layout does not say yet."""

    layout: XmlLayout
    appended: bytes
    gap: tuple[int, int]
    unsigned_at: int

    @staticmethod
    def of(placed: Placed, text: Signature, *, is_around: bool) -> Laid:
        """`is_around`: the body stands inside the signature, in its ds:Object."""
        layout = placed.layout
        head, value, middle, properties, tail = (part.encode(layout.encoding) for part in text)
        opening = head + value + middle
        body = placing.body_size(layout)
        if is_around:
            start = len(layout.lead)
            layout = replace(layout, lead=layout.lead + opening)
            appended = properties + tail
            unsigned_at = len(layout.lead) + body + len(properties)
        else:
            start = len(layout.lead) + body + len(placed.before)
            appended = placed.before + opening + properties + tail + placed.after
            unsigned_at = start + len(opening) + len(properties)
        gap = start + len(head)
        return Laid(layout, appended, (gap, gap + len(value)), unsigned_at)

    def filled(self, digests: Sequence[str]) -> Laid:
        """The same with these digests (base64)."""
        layout, appended = self.layout, self.appended
        if self.gap[0] < len(layout.lead):
            layout = replace(layout, lead=markup.filled(layout.lead, digests=digests, encoding=layout.encoding))
        else:
            appended = markup.filled(appended, digests=digests, encoding=layout.encoding)
        return Laid(layout, appended, self.gap, self.unsigned_at)


@dataclass(frozen=True)
class Output:
    """The output with zeros: as a tree, and how it was laid out."""

    document: XmlDocument
    signature: etree._Element
    signatures: tuple[etree._Element, ...]
    """All that are in the document, this one too."""
    laid: Laid
    draft: Draft

    @cached_property
    def own(self) -> Canonical:
        """What is signed of the signature itself, with zeros for digests."""
        return self.draft.known or Canonical.of(self.signature, method=self.draft.method)

    def signed_properties(self) -> bytes:
        """The canonical xades:SignedProperties."""
        return self.own.signed_properties

    def signed_info(self, digests: Sequence[str]) -> bytes:
        """The canonical ds:SignedInfo with these digests (base64) in the place of zeros: what is signed."""
        return markup.filled(self.own.signed_info, digests=digests, encoding="ascii")

    def without_signature(self, read: Callable[[], None]) -> None:
        """Have the tree read as if the signature, the last child of the root, were not there: as enveloped-signature
        leaves it."""
        parent = self.signature.getparent()
        assert parent is not None  # only what stands in a document is left out of it
        parent.remove(self.signature)
        try:
            read()
        finally:
            parent.append(self.signature)

    def object(self) -> etree._Element:
        """The ds:Object with what is enveloped: the first."""
        found = self.signature.find(names.tag("ds", "Object"))
        assert found is not None  # it was written
        return found


def at_hand(source: BinaryIO) -> BinaryIO:
    """The document, in memory if it is small."""
    size = size_of(source)
    return BytesIO(source.read(size)) if size < SMALL else source


def write(draft: Draft, source: BinaryIO, *, out: BinaryIO) -> Output:
    """Lay out the output with zeros and read it. Raises NoPlaceForSignature, EncodingNotSupported and what reading raises."""
    blank = draft.blank
    for placed in draft.places(source):
        laid = Laid.of(placed, blank, is_around=draft.is_around)
        try:
            if draft.size < SMALL:
                octets = placing.assembled(source, laid.layout, appended=laid.appended)
                document = XmlDocument.parse(octets, limits=_LIMITS)
            else:
                placing.lay_out(source, laid.layout, appended=laid.appended, out=out)
                document = XmlDocument.read(out, limits=_LIMITS)
        except DocumentBroken:
            continue  # not the end of the root after all, or the document is broken: then it says so below
        signatures = _signatures(document, draft, source)
        signature = _found(signatures, document.root, draft)
        if signature is not None:
            return Output(document, signature, signatures, laid, draft)
    if draft.kind == "XML":
        XmlDocument.read(source, limits=_LIMITS)
    raise NoPlaceForSignature


def fill_in(
    draft: Draft, output: Output, *, digests: Sequence[str], source: BinaryIO, out: BinaryIO
) -> tuple[Laid, bytes | None]:
    """Write the output with these digests (base64) in the place of zeros; gives what was written back if it is small."""
    laid = output.laid.filled(digests)
    if draft.size < SMALL:
        octets = placing.assembled(source, laid.layout, appended=laid.appended)
        put(out, octets, at=0)
        return laid, octets
    out.seek(0)
    out.write(laid.layout.lead)
    out.seek(len(laid.layout.lead) + placing.body_size(laid.layout))
    out.write(laid.appended)
    out.flush()
    return laid, None


def _signatures(document: XmlDocument, draft: Draft, source: BinaryIO) -> tuple[etree._Element, ...]:
    """All signatures in the output; a large tree is not walked through where the document has no word of one."""
    if draft.size < SMALL or draft.place is not None or placing.mentions(source, "Signature"):
        return tuple(document.signatures())
    root = document.root
    last = root if draft.is_around or draft.is_apart else root[-1]
    return (last,) if last.tag == names.tag("ds", "Signature") else ()


def _found(signatures: Sequence[etree._Element], root: etree._Element, draft: Draft) -> etree._Element | None:
    """The signature where it was meant to be: the last child of the root, or the root with the document in it; as a
    counter-signature anywhere, since its place is no guess."""
    named = [one for one in signatures if one.get("Id") == draft.ids.signature]
    if len(named) != 1:
        return None
    (signature,) = named
    if draft.place is not None:
        return signature
    if not draft.is_around and not draft.is_apart:
        return signature if root[-1] is signature and not signature.tail else None
    if draft.is_around and draft.kind == "XML":
        container = signature.find(names.tag("ds", "Object"))
        if container is None or len(container) != 1 or container.text or container[0].tail:
            return None
        if not isinstance(container[0].tag, str):
            return None
    return signature if signature is root else None
