"""The signatures of an XML document as they are found: what lifts them needs to know of each, read anew after each step.

    reading = Reading.of(file, detached={})
    reading.standings[0].level, reading.standings[0].digest

It judges nothing: what is sound here is what `verify.xml` finds to be, before anybody is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import BinaryIO, Final

from lxml import etree

from signer.extending import sound
from signer.model import Level
from signer.xades.splicing import Text
from signer.xades.unsigned import SignatureFormNotExtendable, is_sealed, qualifying
from verify.document import Limits
from verify.found import Evidence, FoundSignature
from verify.timestamp import TimestampToken
from verify.xml import names, signatures
from verify.xml.document import XmlDocument
from verify.xml.references import References
from verify.xml.texts import octets
from verify.xml.timestamps import Datum, Subject

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
        if not self.stamps:
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


@dataclass(frozen=True)
class Reading:
    """A document as it is at one time."""

    text: Text
    document: XmlDocument
    standings: tuple[Standing, ...]
    has_unreadable: bool
    detached: Mapping[str, BinaryIO]

    @classmethod
    def of(cls, file: BinaryIO, *, detached: Mapping[str, BinaryIO]) -> Reading:
        """Raises VerifyError, EncodingNotSupported."""
        document = XmlDocument.read(file, limits=Limits())
        file.seek(0)
        text = Text.of(file.read(), document.tree.docinfo.encoding)
        findings = signatures.find_in(document, detached=detached)
        standings = tuple(
            _standing(found, element) for found, element in zip(findings.signatures, document.signatures(), strict=True)
        )
        has_unreadable = any(one.code == "SIGNATURE_UNREADABLE" for one in findings.warnings)
        return cls(text, document, standings, has_unreadable, detached)

    def again(self, data: bytes) -> Reading:
        """The document after a step."""
        return Reading.of(BytesIO(data), detached=self.detached)

    def subject(self, standing: Standing) -> Subject:
        """The signature as its timestamps see it."""
        signed_info = standing.element.find(names.tag("ds", "SignedInfo"))
        assert signed_info is not None  # it is intact
        references = References(self.document, self.detached)
        followed = references.of(signed_info, signature=standing.element)
        data = [Datum(partial(references.write, one), id=one.id, target=one.target) for one in followed]
        return Subject(standing.element, data=data, unsigned=_unsigned(standing.element))

    @property
    def sound(self) -> frozenset[bytes]:
        """All sound timestamps of the document, by their octets."""
        return frozenset(der for one in self.standings for der in one.sound)

    def lost(self, before: Reading) -> str | None:
        """The id of a signature that was better before: it, or one of its timestamps, is no longer what it was."""
        if len(self.standings) != len(before.standings):
            return ""
        for old, new in zip(before.standings, self.standings, strict=True):
            if (
                new.found.integrity != old.found.integrity
                or new.found.value != old.found.value
                or not old.sound <= new.sound
            ):
                return old.id
        return None


def without(evidence: Evidence, held: Evidence) -> Evidence:
    """What of the first is not in the second."""
    return Evidence(
        *(
            tuple(one for one in getattr(evidence, kind) if one not in set(getattr(held, kind)))
            for kind in ("certificates", "crls", "ocsps")
        )
    )


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
