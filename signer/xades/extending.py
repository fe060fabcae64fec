"""Lifts XAdES signatures to B-T, B-LT and B-LTA, and renews them: `lift` one just made, `extend` all of any document.

1. The signatures are found and must hold; what was signed outside the document must be at hand.
2. Each has a form with places for evidence, and adding to it breaks nothing else: not another signature that covers it,
   nor itself. That is tried. A counter-signature that its parent's ArchiveTimeStamp covers is left as it is.
3. Timestamps and validation data, then archive timestamps (`signer.xades.longterm`).
4. The document is read again: every signature and timestamp that was sound still is, and the new ones are.

An authority or responder that is away ends the lift: at the level reached so far where the order allows it, else with an
error. Never uses a key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from signer.errors import (
    LevelNotHigher,
    NothingToExtend,
    SelfCheckFailed,
    SignatureBroken,
    SignerError,
    TimestampUnavailable,
)
from signer.extending import DEGRADED, PENDING, Authorities, Grounds
from signer.model import LEVELS, Extended, Level
from signer.xades.contents import ContentMissing
from signer.xades.countersigning import SignatureCovered
from signer.xades.longterm import Lift
from signer.xades.standing import Reading
from signer.xades.unsigned import Insertion, Tag
from verify.found import Evidence
from verify.gather import EvidenceUnavailable, Gatherer
from verify.xml.names import XADES_141


def extend(
    source: BinaryIO,
    level: Level,
    *,
    out: BinaryIO,
    grounds: Grounds,
    authorities: Authorities,
    detached: Mapping[str, BinaryIO],
    allow_degraded: bool = False,
    only_new: bool = False,
) -> Extended:
    """Steps 1 to 4 for all signatures of a document, into `out`; with `only_new` nothing is written unless there is
    newer evidence, or a higher level. Raises SignerError, VerifyError; then `out` is to be thrown away."""
    # 1
    reading = Reading.of(source, detached=detached)
    _require_sound(reading)
    # 2
    free = [number for number, one in enumerate(reading.standings) if not one.sealed]
    lowest = min((reading.standings[number].level for number in free), key=LEVELS.index)
    if LEVELS.index(level) < LEVELS.index(lowest) or level == lowest in ("B-B", "B-T"):
        raise LevelNotHigher(level=lowest)
    require_free(reading, free)
    # 3
    lifting = start(reading, grounds=grounds, authorities=authorities)
    try:
        lifting.raise_(free, to=level)
        if level == lowest == "B-LT" and not lifting.added and PENDING not in lifting.warnings:
            raise LevelNotHigher(level=lowest)
        if level == "B-LTA":
            renewing = lowest == "B-LTA" and not (only_new and not lifting.added)
            lifting.archive(free if renewing else _due(lifting, free))
    except (EvidenceUnavailable, TimestampUnavailable):
        if not allow_degraded:
            raise
        lifting.warnings.append(DEGRADED)
    # 4
    require_kept(reading, lifting)
    data = write(lifting, out)
    return Extended(
        level=min((lifting.reading.standings[number].level for number in free), key=LEVELS.index),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        timestamp=lifting.timestamp,
        archive_until=lifting.until,
        warnings=tuple(lifting.warnings),
    )


def lift(
    out: BinaryIO,
    *,
    id_: str,
    to: Level,
    grounds: Grounds,
    authorities: Authorities,
    detached: Mapping[str, BinaryIO],
    allow_degraded: bool,
) -> Extended:
    """The signature with this Id, which was just made and has its timestamp, in `out`; earlier ones whose evidence was
    late come along. B-LTA needs what was signed beside the document. Raises ContentMissing, EvidenceUnavailable, TimestampUnavailable, SelfCheckFailed."""
    reading = Reading.of(out, detached=detached)
    (own,) = (number for number, one in enumerate(reading.standings) if one.id == id_)
    if to == "B-LTA" and reading.standings[own].found.integrity.failure == "SIGNED_DATA_NOT_FOUND":
        raise ContentMissing(id=id_)
    lifting = start(reading, grounds=grounds, authorities=authorities)
    try:
        lifting.raise_([own, *_late(lifting, besides=own)], to=to)
        if to == "B-LTA":
            lifting.archive([own])
    except (EvidenceUnavailable, TimestampUnavailable):
        if not allow_degraded:
            raise
        lifting.warnings.append(DEGRADED)
    require_kept(reading, lifting)
    data = write(lifting, out)
    return Extended(
        level=lifting.reading.standings[own].level,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        timestamp=lifting.timestamp,
        archive_until=lifting.until,
        warnings=tuple(lifting.warnings),
    )


def start(reading: Reading, *, grounds: Grounds, authorities: Authorities) -> Lift:
    """A lift of a document, with all evidence and timestamps that it holds."""
    known = Evidence()
    for one in reading.standings:
        known = known.with_(one.found.evidence)
    gatherer = Gatherer(
        trust=grounds.trust,
        policy=grounds.policy,
        fetcher=authorities.fetcher,
        now=grounds.at,
        known=known,
        archive=[stamp for one in reading.standings for stamp in one.found.timestamps],
    )
    return Lift(reading, grounds, authorities, gatherer)


def require_free(reading: Reading, numbers: Iterable[int]) -> None:
    """2. Whether something can be added to these signatures without breaking another, or themselves.

    Raises SignatureCovered, SignatureFormNotExtendable, EncodingNotSupported."""
    nothing = Tag(XADES_141, "AnyValidationData")
    edits = [Insertion.of(reading.standings[number].element, reading.text).edit([nothing]) for number in numbers]
    broken = reading.again(reading.text.splice(edits)).lost(reading)
    if broken is not None:
        raise SignatureCovered(id=broken)


def require_kept(before: Reading, lifting: Lift) -> None:
    """4. Raises SelfCheckFailed."""
    after = lifting.reading
    broken = after.lost(before)
    if broken is not None:
        raise SelfCheckFailed("what was sound before is so no longer", id=broken)
    if not lifting.made <= after.sound:
        raise SelfCheckFailed("a new timestamp is not over what it should be")


def write(lifting: Lift, out: BinaryIO) -> bytes:
    """The document as it is now, into a file."""
    out.seek(0)
    out.truncate()
    out.write(lifting.reading.text.data)
    out.flush()
    return lifting.reading.text.data


def _require_sound(reading: Reading) -> None:
    """1. Raises NothingToExtend, SignatureBroken, ContentMissing."""
    if not reading.standings:
        raise NothingToExtend
    for one in reading.standings:
        if one.found.integrity.failure == "SIGNED_DATA_NOT_FOUND":
            raise ContentMissing(id=one.id)
        if not one.found.integrity.intact or one.found.signer is None:
            raise SignatureBroken(field=one.id)
    if reading.has_unreadable:
        raise SignatureBroken("a signature of the document cannot be read", field="")


def _due(lifting: Lift, numbers: Iterable[int]) -> list[int]:
    """Those that are not at B-LTA, or hold evidence that no archive timestamp covers yet."""
    return [
        number for number in numbers if lifting.reading.standings[number].level != "B-LTA" or number in lifting.added
    ]


def _late(lifting: Lift, *, besides: int) -> list[int]:
    """Earlier signatures with a timestamp and no evidence, for which it can be had now and that may be added to.

    A lift of their own would fork a document that has gone to its next signer, so that this one brings it."""
    found = []
    for number, one in enumerate(lifting.reading.standings):
        if (
            number == besides
            or one.sealed
            or one.level != "B-T"
            or not one.found.integrity.intact
            or one.found.signer is None
        ):
            continue
        try:
            require_free(lifting.reading, [number])
        except SignerError:
            continue
        if lifting.can_keep(number):
            found.append(number)
    return found
