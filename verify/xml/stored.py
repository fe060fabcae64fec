"""Certificates and revocation data that an XML signature carries: ds:KeyInfo, CertificateValues, RevocationValues,
TimeStampValidationData and their like (EN 319 132-1 §5.4, §5.5.1, annex A).

Only read here; what the evidence is worth is found out by `verify.evidence`. Each object keeps the place of the
property that brought it, so that one can say which timestamp covers it.

    store = read(signature, properties, base=0)
    store.key_info, store.evidence, store.kept_at(signer)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from asn1crypto import x509
from lxml import etree

from verify import kept
from verify import timestamp as tokens
from verify.found import Evidence, identify
from verify.timestamp_certificates import TimestampUnreadable
from verify.xml import names
from verify.xml.properties import Properties
from verify.xml.texts import decoded, octets, text_of
from verify.xml.timestamps import FORMS

MAX_ITEMS = 1_000
"""Certificates, lists and responses of one signature that are looked at."""

MAX_HELD = 5_000
"""The same for what a timestamp covers; of what lies behind that it proves nothing."""

_DS = f"{{{names.DS}}}"
_VALUES = {
    "EncapsulatedX509Certificate": "certificate",
    "EncapsulatedCRLValue": "crl",
    "EncapsulatedOCSPValue": "ocsp",
    "EncapsulatedTimeStamp": "token",
}
_KEY_INFO = {"X509Certificate": "certificate", "X509CRL": "crl"}


@dataclass(frozen=True)
class Value:
    """One object in base64: what kind its element says it is, its octets, its property's place."""

    kind: str
    der: bytes
    at: int


@dataclass(frozen=True)
class Stored:
    """`key_info` are the certificates of ds:KeyInfo in their order, `values` everything, with its place."""

    key_info: tuple[bytes, ...]
    values: tuple[Value, ...]
    items: tuple[kept.Item, ...] = field(default=(), repr=False)

    @property
    def evidence(self) -> Evidence:
        return Evidence(*(tuple(dict.fromkeys(self._of(kind))) for kind in ("certificate", "crl", "ocsp")))

    def _of(self, kind: str) -> Iterator[bytes]:
        return (value.der for value in self.values if value.kind == kind)

    def kept_at(self, signer: bytes | None) -> int | None:
        """The place of the first property that speaks of the signer's own revocation; None when none does. Of issuers
        nothing is asked: which of them somebody trusts directly, a level cannot know."""
        return kept.since(self.items, signer)

    def archived_at(self, signer: bytes | None) -> int | None:
        """The same for the signer and every issuer that is known."""
        return kept.complete_since(self.items, signer, known=self.evidence.certificates)


def read(signature: etree._Element, properties: Properties, *, base: int) -> Stored:
    """What this ds:Signature carries; `base` is its own place, its unsigned properties follow one by one."""
    values: list[Value] = []
    for info in signature.findall(f"{_DS}KeyInfo"):
        values.extend(_values(info, _KEY_INFO, at=base))
    key_info = tuple(value.der for value in values if value.kind == "certificate")
    for place, one in enumerate(properties.unsigned, start=base + 1):
        if etree.QName(one).localname == "CounterSignature":
            continue  # a signature of its own, with its own evidence
        values.extend(value for value in _values(one, _VALUES, at=place) if value.kind != "token")
    values = values[:MAX_ITEMS]
    made = (kept.of_crl(value.der, at=value.at) for value in values if value.kind == "crl")
    answered = (kept.of_ocsp(value.der, at=value.at) for value in values if value.kind == "ocsp")
    return Stored(key_info, tuple(values), tuple(item for item in (*made, *answered) if item is not None))


def identities(element: etree._Element, *, without: Collection[etree._Element] = ()) -> frozenset[str]:
    """Ids (`identify`) of everything that an element holds and that may be needed later: certificates, revocation data,
    timestamps with their certificates, and the values of signatures. Whoever covers the element, but for the elements
    `without`, covers them."""
    found: set[str] = set()
    for one, kind in islice(_of_kinds(element, {**_VALUES, **_KEY_INFO, "SignatureValue": "value"}), MAX_HELD):
        if without and not {one, *one.iterancestors()}.isdisjoint(without):
            continue
        held = decoded(text_of(one)) if kind == "value" else octets(one)
        if held is None:
            continue
        found.add(identify(held))
        if kind == "token":
            found.update(identify(der) for der in _certificates_of(held))
    return frozenset(found)


def _values(element: etree._Element, kinds: dict[str, str], *, at: int) -> Iterator[Value]:
    for one, kind in _of_kinds(element, kinds):
        der = octets(one)
        if der is not None and (kind != "certificate" or _is_certificate(der)):
            yield Value(kind, der, at)


def _of_kinds(element: etree._Element, kinds: dict[str, str]) -> Iterator[tuple[etree._Element, str]]:
    """Elements of these names, in one walk; each name is one of XMLDSig's or one of XAdES's."""
    for one in element.iter(*(f"{{*}}{name}" for name in kinds)):
        named = etree.QName(one)
        if named.namespace == names.DS or (named.namespace in FORMS and named.localname in _VALUES):
            yield one, kinds[named.localname]


def _is_certificate(der: bytes) -> bool:
    try:
        x509.Certificate.load(der, strict=True)
    except (ValueError, TypeError):
        return False
    return True


def _certificates_of(token: bytes) -> tuple[bytes, ...]:
    try:
        return tokens.read(token).certificates
    except TimestampUnreadable:
        return ()
