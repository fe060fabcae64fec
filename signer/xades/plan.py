"""What an XML signature is to be, and where it will stand: the values of XAdES that travel in orders and preparations.

Plain and frozen like those of `signer.model`, which holds them; nothing here reads or writes XML.

>>> plan = XmlPlan(packaging="detached", name="hồ sơ.xml", detached=(DetachedContent("phụ lục.pdf", "application/pdf"),))
>>> plan.canonicalization
'exclusive'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from verify.found import SignaturePolicy

Packaging = Literal["enveloped", "enveloping", "detached"]
Canonicalization = Literal["exclusive", "inclusive", "inclusive11"]
Body = Literal["copied", "base64", "none"]


@dataclass(frozen=True)
class DetachedContent:
    """A file beside the main document, signed by its bytes. `name` is what its Reference says, percent-encoded in the
    URI; whoever calls hands the open file over under the same name. `mime` goes into its DataObjectFormat."""

    name: str
    mime: str | None = None


@dataclass(frozen=True)
class ProductionPlace:
    """SignatureProductionPlaceV2 (EN 319 132-1 §5.2.5): where the signer says to have signed; at least one part."""

    city: str | None = None
    street: str | None = None
    province: str | None = None
    postal_code: str | None = None
    country: str | None = None


@dataclass(frozen=True)
class XmlPlan:
    """How an XML signature is made; every default is the one that most verifiers understand."""

    packaging: Packaging = "enveloped"
    """enveloped: inside the XML document, before its root's end tag. enveloping: the document inside the signature, as
    XML or as base64. detached: a file of its own that names what it signs; with `elements`, in the same document beside
    them."""
    elements: tuple[str, ...] = ()
    """Ids of elements that are signed instead of the whole document."""
    detached: tuple[DetachedContent, ...] = ()
    """Further files, each with a Reference of its own."""
    canonicalization: Canonicalization = "exclusive"
    policy: SignaturePolicy | None = None
    """Makes an EPES signature: identifier (URI or `urn:oid:`), digest and, where known, the address of the document."""
    roles: tuple[str, ...] = ()
    """Claimed roles (SignerRoleV2)."""
    production_place: ProductionPlace | None = None
    commitment: str | None = None
    """A word (origin, receipt, delivery, sender, approval, creation; "proof-of-" may stand before it), or the URI of
    another commitment type."""
    mime: str | None = None
    """Of the main document; None goes by its content."""
    countersign: str | None = None
    """Id of the signature whose value is signed: a counter-signature inside it."""
    name: str | None = None
    """The main document's name in the URI of a detached signature, which needs it."""
    leaves_out: Literal["signatures", "itself"] = "signatures"
    """What a whole document is signed without. `signatures`: others may sign beside it later. `itself`: only this
    signature, for verifiers that know no XPath; whatever is added later breaks it."""


DEFAULT: Final = XmlPlan()
"""What an order means that says nothing of XML."""


@dataclass(frozen=True)
class XmlLayout:
    """How the output follows from the original: `lead` + body + `Prepared.appended` + original[`resume`:`end`].

    The body is original[`start`:`at`], the base64 of it, or nothing. `Prepared.gap_start` and `gap_end` bound the base64
    of the signature value in the output as prepared, and at `unsigned_at` the UnsignedProperties go. All in bytes.
    """

    body: Body
    start: int
    at: int
    resume: int
    end: int
    unsigned_at: int
    encoding: str
    """Python's name of the codec that what is inserted is written in."""
    lead: bytes = b""
    removed: bytes = b""
    """What the original has between `at` and `resume` where the body is copied: the end of an empty-element tag."""
    outside_sha256: str = ""
    """Of body and rest as the output has them: what the digests were taken from is what is released."""

    def known(self, *, unsigned_at: int, outside_sha256: str) -> XmlLayout:
        """The same with what is known once the markup is written."""
        return XmlLayout(
            self.body, self.start, self.at, self.resume, self.end, unsigned_at,
            self.encoding, self.lead, self.removed, outside_sha256,
        )  # fmt: skip
