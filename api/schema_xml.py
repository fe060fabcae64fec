"""How an order says what an XML signature is to be: the part `xml` of `POST /v1/signatures`.

Every value has the default that most verifiers understand, so that an order for an XML document may leave all of it out.

>>> XmlOrder(production_place={"city": "Hà Nội", "country": "VN"}).plan(packaging="enveloped").packaging
'enveloped'
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from api.detached import Detached
from api.schema_base import Input, Line, no_controls
from signer.xades.plan import Canonicalization, DetachedContent, Packaging, ProductionPlace, XmlPlan
from verify.found import SignaturePolicy

ID = re.compile(r"[\w.\-:·]+")
"""What an Id may look like, wider than an NCName (W3C XML Namespaces §3): whether the document has it is the signer's matter."""
MIME = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}$"
DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise ValueError("not an Id")
    return text


Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(no_controls), AfterValidator(_id)]
Address = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$")]
"""A URI: printable ASCII; it is written down, never followed."""


class ProductionPlaceOrder(Input):
    """Where the signer says to sign; at least one part."""

    city: Line | None = None
    street: Line | None = None
    province: Line | None = None
    postal_code: Line | None = None
    country: Line | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not any((self.city, self.street, self.province, self.postal_code, self.country)):
            raise ValueError("at least one part")
        return self


class PolicyOrder(Input):
    """The signature policy that the signature claims to follow (EPES)."""

    identifier: Address
    """A URI, or `urn:oid:1.2.3`."""
    digest_algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    digest: Annotated[str, Field(min_length=1, max_length=200)]
    """Digest of the policy's document, in base64."""
    uri: Address | None = None
    """Where the document can be had."""

    @model_validator(mode="after")
    def _digest_fits(self) -> Self:
        if len(self.octets) != DIGEST_SIZES[self.digest_algorithm]:
            raise ValueError("`digest` is not of the size of its algorithm")
        return self

    @property
    def octets(self) -> bytes:
        try:
            return base64.b64decode(self.digest, validate=True)
        except ValueError:
            raise ValueError("`digest` is not base64") from None

    def plan(self) -> SignaturePolicy:
        return SignaturePolicy(self.identifier, self.digest_algorithm, self.octets, self.uri)


class XmlOrder(Input):
    """How a XAdES signature is made; the files beside the document are parts `detached`, named as their references."""

    packaging: Packaging | None = None
    """enveloped: inside the XML document. enveloping: the document inside the signature. detached: a file of its own.
    None is enveloped for XML and enveloping for everything else."""
    elements: tuple[Id, ...] = Field(default=(), max_length=100)
    """Ids of elements that are signed instead of the whole document."""
    canonicalization: Canonicalization = "exclusive"
    policy: PolicyOrder | None = None
    roles: tuple[Line, ...] = Field(default=(), max_length=10)
    """Roles that the signer claims."""
    production_place: ProductionPlaceOrder | None = None
    commitment: Line | None = None
    """origin, receipt, delivery, sender, approval or creation; or the URI of another type."""
    mime: Annotated[str, Field(pattern=MIME)] | None = None
    """Media type of the document, as the signature states it; None goes by the content."""
    countersign: Id | None = None
    """Id of the signature that is counter-signed instead of the document."""
    leaves_out: Literal["signatures", "itself"] = "signatures"
    """What a whole document is signed without. signatures: others may sign beside later. itself: only this one, for
    verifiers that know no XPath; a later signature breaks it."""

    @field_validator("elements")
    @classmethod
    def _once(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(ids)) != len(ids):
            raise ValueError("an Id is there twice")
        return ids

    def plan(self, *, packaging: Packaging, name: str | None = None, detached: Iterable[Detached] = ()) -> XmlPlan:
        """As the signer takes it; `name` is the document's, which a detached signature refers to."""
        place = self.production_place
        return XmlPlan(
            packaging=self.packaging or packaging,
            elements=self.elements,
            detached=tuple(DetachedContent(one.name, one.mime) for one in detached),
            canonicalization=self.canonicalization,
            policy=None if self.policy is None else self.policy.plan(),
            roles=self.roles,
            production_place=None if place is None else ProductionPlace(**place.model_dump()),
            commitment=self.commitment,
            mime=self.mime,
            countersign=self.countersign,
            name=name,
            leaves_out=self.leaves_out,
        )
