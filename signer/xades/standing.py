"""The signatures of an XML document as they are found: what lifts them needs to know of each, read anew after each step.

    reading = Reading.of(data, detached={})
    reading.standings[0].level, reading.standings[0].digest

It judges nothing: what is sound here is what `verify.xml` finds to be, before anybody is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import BinaryIO, Final

from lxml import etree

from signer.extending import sound
from signer.model import Level
from signer.xades.splicing import Text
from signer.xades.unsigned import SignatureFormNotExtendable, is_sealed, qualifying
from verify.document import Limits
from verify.found import Evidence, FoundSignature, Integrity
from verify.timestamp import TimestampToken
from verify.xml import names, signatures
from verify.xml.document import XmlDocument
from verify.xml.nodes import NodeSet
from verify.xml.references import Reference, References
from verify.xml.texts import octets
from verify.xml.timestamps import Datum, Subject

_LIMITS: Final = replace(Limits(), references=2 * Limits.references, digested=2 * Limits.digested)
"""Whoever lifts follows each reference twice: to see whether it holds, and for the octets under a timestamp."""
_VALUES: Final = frozenset({"CertificateValues", "RevocationValues"})
_STRENGTHS = {"sha384": 384, "sha512": 512, "sha3_384": 384, "sha3_512": 512}


@dataclass(frozen=True)
class Stamp:
    """A sound timestamp over the signature or more; `id` is that of its container, where it has one."""

    token: TimestampToken
    id: str | None
    is_archive: bool
    place: int

    def next_after(self, others: Sequence[Stamp]) -> datetime | None:
        """When a further archive timestamp proves that this one was there (EN 319 132-1 §5.5.2)."""
        return min((one.token.time for one in others if one.is_archive and one.place > self.place), default=None)


@dataclass(frozen=True)
class Standing:
    """One signature of the document. `stamps` are its sound timestamps that prove its value, `sound` the octets (DER) of
    all its sound ones."""

    found: FoundSignature
    element: etree._Element
    stamps: tuple[Stamp, ...]
    sound: frozenset[bytes]

    @property
    def id(self) -> str:
        return self.element.get("Id") or self.found.id

    @property
    def depth(self) -> int:
        """How many signatures it stands in."""
        return sum(1 for _ in self.element.iterancestors(names.tag("ds", "Signature")))

    @property
    def sealed(self) -> bool:
        """Whether its parent's archive covers it with all that could be added to it."""
        return is_sealed(self.element)

    @property
    def level(self) -> Level:
        """By what is there, whatever the profile is called (EN 319 132-1 §6)."""
        if all(one.is_archive for one in self.stamps):
            return "B-B"
        kept = self.found.kept_at
        if kept is None:
            return "B-T"
        return "B-LTA" if any(one.is_archive and one.place > kept for one in self.stamps) else "B-LT"

    @property
    def end(self) -> int:
        """The place behind all its properties, as in `FoundTimestamp.covers`."""
        return self.found.covers + len(_unsigned(self.element)) + 1

    @property
    def digest(self) -> str:
        """For the next timestamp: as strong as the signature's and that of any timestamp before, SHA-256 at least."""
        algorithms = self.found.integrity.algorithms
        used = [algorithms.digest if algorithms is not None else ""]
        used += [one.token.imprint_algorithm for one in self.stamps]
        strongest = max(_STRENGTHS.get(name, 256) for name in used)
        return f"sha{strongest}"

    @property
    def has_values(self) -> bool:
        """Whether there are CertificateValues or RevocationValues, of which a signature has one each."""
        return any(etree.QName(one).localname in _VALUES for one in _unsigned(self.element))

    def lacks(self, evidence: Evidence) -> Evidence:
        """What of this the signature, with its timestamps, does not hold."""
        tokens = Evidence(tuple(der for one in self.stamps for der in one.token.certificates))
        return without(evidence, self.found.carried.with_(tokens))


Summary = tuple[tuple[str, Integrity, bytes, frozenset[bytes]], ...]
"""Of each signature: its id, what it came to, its value, and its sound timestamps."""


@dataclass(frozen=True)
class Reading:
    """A document as it is at one time; a large one is let go of before it is read anew."""

    text: Text
    references: References
    standings: tuple[Standing, ...]
    has_unreadable: bool
    _followed: dict[etree._Element, tuple[Reference, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, data: bytes, *, detached: Mapping[str, BinaryIO]) -> Reading:
        """Raises VerifyError, EncodingNotSupported."""
        document = XmlDocument.parse(data, limits=_LIMITS)
        references = References(document, detached)
        findings = signatures.find_in(references)
        pairs = zip(findings.signatures, document.signatures(), strict=True)
        return cls(
            text=Text.of(data, document.tree.docinfo.encoding),
            references=references,
            standings=tuple(_standing(found, element) for found, element in pairs),
            has_unreadable=any(one.code == "SIGNATURE_UNREADABLE" for one in findings.warnings),
        )

    def followed(self, holder: etree._Element | None, *, signature: etree._Element) -> tuple[Reference, ...]:
        """What a ds:SignedInfo or ds:Manifest refers to, in its order; each is looked at once."""
        if holder is None:
            return ()
        if holder not in self._followed:
            self._followed[holder] = self.references.of(holder, signature=signature)
        return self._followed[holder]

    def subject(self, standing: Standing) -> Subject:
        """The signature as its timestamps see it."""
        signed_info = standing.element.find(names.tag("ds", "SignedInfo"))
        followed = self.followed(signed_info, signature=standing.element)
        data = [Datum(partial(self.references.write, one), id=one.id, target=one.target) for one in followed]
        return Subject(standing.element, data=data, unsigned=_unsigned(standing.element))

    def covering(self, standing: Standing) -> str | None:
        """The id of a signature that is over the unsigned properties of this one: itself, or another."""
        place = qualifying(standing.element)
        path = "/".join(names.tag("ds", name) for name in ("Object", "Manifest"))
        for other in self.standings:
            holders = [*other.element.findall(names.tag("ds", "SignedInfo")), *other.element.findall(path)]
            for one in (one for held in holders for one in self.followed(held, signature=other.element)):
                if one.nodes is not None and _holds(one.nodes, place):
                    return other.id
        return None

    @property
    def summary(self) -> Summary:
        return tuple((one.id, one.found.integrity, one.found.value, one.sound) for one in self.standings)

    def lost(self, before: Summary) -> str | None:
        """The id of a signature that was better before: it, or one of its timestamps, is no longer what it was."""
        if len(self.standings) != len(before):
            return ""
        for (id_, integrity, value, sound_), now in zip(before, self.standings, strict=True):
            if (integrity, value) != (now.found.integrity, now.found.value) or not sound_ <= now.sound:
                return id_
        return None


def without(evidence: Evidence, held: Evidence) -> Evidence:
    """What of the first is not in the second."""
    return Evidence(
        *(
            tuple(one for one in getattr(evidence, kind) if one not in set(getattr(held, kind)))
            for kind in ("certificates", "crls", "ocsps")
        )
    )


def _holds(nodes: NodeSet, element: etree._Element) -> bool:
    """Whether the element is among the nodes, and not left out of them."""
    around = {element, *element.iterancestors()}
    return not around.isdisjoint(nodes.roots) and around.isdisjoint(nodes.without)


def _standing(found: FoundSignature, element: etree._Element) -> Standing:
    checked = [(one, token) for one in found.timestamps if (token := sound(one, known=found.evidence)) is not None]
    containers = {
        octets(held): one.get("Id") for one in _unsigned(element) for held in one.iter("{*}EncapsulatedTimeStamp")
    }
    stamps = tuple(
        Stamp(token, containers.get(one.der), one.type == "archive", one.covers)
        for one, token in checked
        if one.type in {"signature", "archive"}
    )
    return Standing(found, element, stamps, frozenset(one.der for one, _ in checked))


def _unsigned(element: etree._Element) -> tuple[etree._Element, ...]:
    """The unsigned properties, in the only form of QualifyingProperties that is added to."""
    try:
        place = qualifying(element)
    except SignatureFormNotExtendable:
        return ()
    path = "/".join(names.tag("xades", name) for name in ("UnsignedProperties", "UnsignedSignatureProperties"))
    return tuple(one for holder in place.findall(path) for one in holder.iterchildren("{*}*"))
