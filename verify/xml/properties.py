"""The qualifying properties of a XAdES signature (EN 319 132-1 §5, TS 101 903 before it) as plain values.

Signed properties count only when they are the very element that a verified ds:Reference digested; what the document
merely calls SignedProperties, wherever it stands, is nobody's. Unsigned properties are what anybody may have added:
they are handed over as elements, for others to check. Nothing is judged here.

    properties = read(signature, digested=elements_that_verified_references_digested_whole)
    properties.signing_time, properties.certificates, properties.unsigned
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lxml import etree

from verify.found import SignaturePolicy
from verify.xml import names
from verify.xml.texts import decoded, digest_of, part, text_of
from verify.xml.timestamps import FORMS

MAX_PROPERTIES = 2_000
"""Unsigned properties that are looked at; real signatures have a few dozen."""

MAX_TEXT = 500
"""Characters of a claim that the report carries: roles, places, descriptions."""

_DS = f"{{{names.DS}}}"
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,20})?(?:Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
"""XML Schema part 2 §3.2.7; Python reads far more than that."""

Elements = tuple[etree._Element, ...]


@dataclass(frozen=True)
class CertificateReference:
    """One ds:Cert of SigningCertificate or SigningCertificateV2.

    `digest_algorithm` is a name of hashlib, None when unknown. Of issuer and serial number there is, by the form, a
    string and a number (`serial` None when that is none) or DER (`issuer_serial`, None when it is no base64)."""

    version: int
    digest_algorithm: str | None
    digest: bytes | None
    states_issuer: bool = False
    issuer: str | None = None
    serial: int | None = None
    issuer_serial: bytes | None = None
    has_uri: bool = False


@dataclass(frozen=True)
class DataObjectFormat:
    """What a signed object is said to be; `reference` is the Id of a ds:Reference, None when none is named."""

    reference: str | None
    mime_type: str | None = None
    encoding: str | None = None
    described: bool = False
    """Whether anything is said at all: a description, an identifier or a MIME type."""


@dataclass(frozen=True)
class Commitment:
    """`references` None: for everything that is signed."""

    identifier: str
    references: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Properties:
    """What one signature says of itself. `counts` is how often each kind of signed property occurs."""

    present: bool = False
    """Whether there are QualifyingProperties that name this signature, signed or not."""
    version: str | None = None
    signed: etree._Element | None = None
    """The SignedProperties, if a verified reference digested them."""
    faults: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    signing_time: datetime | None = None
    certificates: tuple[CertificateReference, ...] = ()
    policy: SignaturePolicy | None = None
    policy_implied: bool = False
    claimed_roles: tuple[str, ...] = ()
    certified_roles: int = 0
    signed_assertions: int = 0
    place: tuple[tuple[str, str], ...] = ()
    commitments: tuple[Commitment, ...] = ()
    formats: tuple[DataObjectFormat, ...] = ()
    content_timestamps: Elements = ()
    unsigned: Elements = ()

    def unsigned_named(self, *local_names: str) -> Elements:
        return tuple(one for one in self.unsigned if etree.QName(one).localname in local_names)

    def count(self, *local_names: str) -> int:
        return sum(self.counts.get(name, 0) for name in local_names)


def read(signature: etree._Element, *, digested: Collection[etree._Element]) -> Properties:
    """The properties of this ds:Signature. `digested`: the elements that verified references of its own ds:SignedInfo
    digested as a whole."""
    candidates = list(_qualifying(signature))
    if not candidates:
        return Properties()
    target = f"#{signature.get('Id')}" if signature.get("Id") else None
    named = [one for one in candidates if target is not None and (one.get("Target") or "").strip() == target]
    faults = [] if len(candidates) == 1 else ["qualifying-properties-repeated"]
    if len(named) != len(candidates):
        faults.append("target-elsewhere")
    holders = [(one, signed) for one in named for signed in _children(one, "SignedProperties")]
    covered = [(one, signed) for one, signed in holders if signed in digested]
    if holders and not covered:
        faults.append("signed-properties-not-signed")
    if len(covered) > 1 or len(holders) > len(covered) > 0:
        faults.append("signed-properties-repeated")
    chosen = covered[0][0] if covered else named[0] if named else None
    if chosen is None:
        return Properties(faults=tuple(faults))
    signed = covered[0][1] if covered else None
    return _read(chosen, signed, faults=tuple(faults))


def _read(qualifying: etree._Element, signed: etree._Element | None, *, faults: tuple[str, ...]) -> Properties:
    unsigned = tuple(
        one
        for outer in _children(qualifying, "UnsignedProperties")
        for inner in _children(outer, "UnsignedSignatureProperties")
        for one in inner.iterchildren("{*}*")
    )
    if len(unsigned) > MAX_PROPERTIES:
        faults, unsigned = (*faults, "too-many-properties"), unsigned[:MAX_PROPERTIES]
    own = _own(signed, "SignedSignatureProperties")
    data = _own(signed, "SignedDataObjectProperties")
    counts: dict[str, int] = {}
    for one in (*own, *data):
        counts[etree.QName(one).localname] = counts.get(etree.QName(one).localname, 0) + 1
    roles = _named(own, "SignerRole", "SignerRoleV2")
    policies = _named(own, "SignaturePolicyIdentifier")
    return Properties(
        present=True,
        version=FORMS.get(etree.QName(qualifying).namespace or ""),
        signed=signed,
        faults=faults,
        counts=counts,
        signing_time=next((_time(text_of(one)) for one in _named(own, "SigningTime")), None),
        certificates=tuple(_certificates(own)),
        policy=_policy(policies[0]) if policies else None,
        policy_implied=any(True for one in policies for _ in _children(one, "SignaturePolicyImplied")),
        claimed_roles=tuple(_text(role) for one in roles for role in _within(one, "ClaimedRole")),
        certified_roles=sum(1 for one in roles for _ in _within(one, "CertifiedRole")),
        signed_assertions=sum(1 for one in roles for _ in _within(one, "SignedAssertion")),
        place=tuple(
            (etree.QName(part).localname, _text(part))
            for one in _named(own, "SignatureProductionPlace", "SignatureProductionPlaceV2")[:1]
            for part in one.iterchildren("{*}*")
        ),
        commitments=tuple(_commitment(one) for one in _named(data, "CommitmentTypeIndication")),
        formats=tuple(_format(one) for one in _named(data, "DataObjectFormat")),
        content_timestamps=_named(data, "AllDataObjectsTimeStamp", "IndividualDataObjectsTimeStamp"),
        unsigned=unsigned,
    )


def _qualifying(signature: etree._Element) -> Iterator[etree._Element]:
    """QualifyingProperties directly in a ds:Object of this signature: what hides deeper belongs to something else."""
    for holder in signature.findall(f"{_DS}Object"):
        yield from _children(holder, "QualifyingProperties")


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """Children of this name in any namespace of XAdES."""
    for one in element.iterchildren(f"{{*}}{name}"):
        if etree.QName(one).namespace in FORMS:
            yield one


def _within(element: etree._Element, name: str) -> Iterator[etree._Element]:
    for one in element.iterdescendants(f"{{*}}{name}"):
        if etree.QName(one).namespace in FORMS:
            yield one


def _own(signed: etree._Element | None, group: str) -> Elements:
    if signed is None:
        return ()
    return tuple(one for part in _children(signed, group) for one in part.iterchildren("{*}*"))


def _named(elements: Sequence[etree._Element], *local_names: str) -> Elements:
    return tuple(
        one for one in elements if etree.QName(one).localname in local_names and etree.QName(one).namespace in FORMS
    )


def _first(element: etree._Element, name: str) -> etree._Element | None:
    return next(_children(element, name), None)


def _text(element: etree._Element | None) -> str:
    if element is None:
        return ""
    return " ".join(text_of(element)[: 2 * MAX_TEXT].split())[:MAX_TEXT]


def _time(text: str) -> datetime | None:
    """xsd:dateTime; without a zone it is taken for UTC, as nothing else is known."""
    stated = text.strip()
    if _DATE_TIME.fullmatch(stated) is None:
        return None
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _certificates(own: Elements) -> Iterator[CertificateReference]:
    for property_ in _named(own, "SigningCertificate", "SigningCertificateV2"):
        version = 2 if etree.QName(property_).localname.endswith("V2") else 1
        for cert in _children(property_, "Cert"):
            algorithm, digest = digest_of(_first(cert, "CertDigest"))
            first = _first(cert, "IssuerSerial")
            second = _first(cert, "IssuerSerialV2")
            name = part(first, "X509IssuerName") if first is not None else None
            number = part(first, "X509SerialNumber") if first is not None else None
            yield CertificateReference(
                version=version,
                digest_algorithm=algorithm,
                digest=digest,
                states_issuer=first is not None or second is not None,
                issuer=text_of(name) if name is not None else None,
                serial=_number(text_of(number)) if number is not None else None,
                issuer_serial=decoded(text_of(second)) if second is not None else None,
                has_uri=cert.get("URI") is not None,
            )


def _number(text: str) -> int | None:
    """xsd:integer: digits, with a sign; Python's int takes more than that."""
    stated = text.strip()
    digits = stated.lstrip("+-")
    return int(stated) if digits.isascii() and digits.isdigit() and len(digits) <= 60 else None


def _policy(element: etree._Element) -> SignaturePolicy | None:
    """§5.2.9. An implied policy names none; one that cannot be read is one that nobody knows."""
    chosen = _first(element, "SignaturePolicyId")
    if chosen is None:
        return None if _first(element, "SignaturePolicyImplied") is not None else SignaturePolicy("", None, b"")
    name = _first(chosen, "SigPolicyId")
    algorithm, digest = digest_of(_first(chosen, "SigPolicyHash"))
    uri = next(_within(chosen, "SPURI"), None)
    identifier = _text(_first(name, "Identifier")) if name is not None else ""
    return SignaturePolicy(
        identifier=identifier.removeprefix("urn:oid:").removeprefix("URN:OID:"),
        digest_algorithm=algorithm,
        digest=digest or b"",
        uri=_text(uri) if uri is not None else None,
    )


def _commitment(element: etree._Element) -> Commitment:
    kind = _first(element, "CommitmentTypeId")
    references = tuple(_text(one) for one in _children(element, "ObjectReference"))
    return Commitment(
        identifier=_text(_first(kind, "Identifier")) if kind is not None else "",
        references=None if _first(element, "AllSignedDataObjects") is not None else references,
    )


def _format(element: etree._Element) -> DataObjectFormat:
    named = (element.get("ObjectReference") or "").strip()
    mime, encoding = _first(element, "MimeType"), _first(element, "Encoding")
    return DataObjectFormat(
        reference=named[1:] if named.startswith("#") and len(named) > 1 else None,
        mime_type=_text(mime) if mime is not None else None,
        encoding=_text(encoding) if encoding is not None else None,
        described=any(_first(element, name) is not None for name in ("Description", "ObjectIdentifier", "MimeType")),
    )
