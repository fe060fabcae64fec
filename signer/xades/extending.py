"""Lifts XAdES signatures to B-T, B-LT and B-LTA, and renews them: `lift` one just made, `extend` all of any document.

1. The signatures are found and must hold; what was signed outside the document must be at hand.
2. Each has a form with places for evidence, and adding to it breaks nothing: no other signature that covers it with all
   that is in it, nor itself. A counter-signature that its parent's ArchiveTimeStamp covers is left as it is, and so is
   one that is covered and has the level.
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
    TimestampUnavailable,
)
from signer.extending import DEGRADED, PENDING, Authorities, Grounds
from signer.model import LEVELS, Extended, Level
from signer.xades.contents import ContentMissing
from signer.xades.countersigning import SignatureCovered
from signer.xades.longterm import Lift
from signer.xades.standing import Reading, Summary
from signer.xades.unsigned import SignatureFormNotExtendable
from verify.found import Evidence
from verify.gather import EvidenceUnavailable, Gatherer


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
    lifting = start(source, grounds=grounds, authorities=authorities, detached=detached)
    before = lifting.reading.summary
    _require_sound(lifting.reading)
    # 2
    free = _free(lifting.reading, level)
    lowest = _lowest(lifting, free)
    if LEVELS.index(level) < LEVELS.index(lowest) or level == lowest in ("B-B", "B-T"):
        raise LevelNotHigher(level=lowest)
    # 3
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
    return _finish(lifting, before, out=out, numbers=free)


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
    lifting = start(out, grounds=grounds, authorities=authorities, detached=detached)
    before = lifting.reading.summary
    (own,) = (number for number, one in enumerate(before) if one[0] == id_)
    if to == "B-LTA" and before[own][1].failure == "SIGNED_DATA_NOT_FOUND":
        raise ContentMissing(id=id_)
    try:
        lifting.raise_([own, *_late(lifting, besides=own)], to=to)
        if to == "B-LTA":
            lifting.archive([own])
    except (EvidenceUnavailable, TimestampUnavailable):
        if not allow_degraded:
            raise
        lifting.warnings.append(DEGRADED)
    return _finish(lifting, before, out=out, numbers=[own])


def start(source: BinaryIO, *, grounds: Grounds, authorities: Authorities, detached: Mapping[str, BinaryIO]) -> Lift:
    """A lift of a document, with all evidence and timestamps that it holds."""
    source.seek(0)
    reading = Reading.of(source.read(), detached=detached)
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


def _finish(lifting: Lift, before: Summary, *, out: BinaryIO, numbers: Iterable[int]) -> Extended:
    """4. The document as it is now, in a file. Raises SelfCheckFailed."""
    if (broken := lifting.reading.lost(before)) is not None:
        raise SelfCheckFailed("what was sound before is so no longer", id=broken)
    if not lifting.made <= {der for one in lifting.reading.standings for der in one.sound}:
        raise SelfCheckFailed("a new timestamp is not over what it should be")
    data = lifting.reading.text.data
    out.seek(0)
    out.truncate()
    out.write(data)
    out.flush()
    return Extended(
        level=_lowest(lifting, numbers),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        timestamp=lifting.timestamp,
        archive_until=lifting.until,
        warnings=tuple(lifting.warnings),
    )


def _lowest(lifting: Lift, numbers: Iterable[int]) -> Level:
    return min((lifting.reading.standings[number].level for number in numbers), key=LEVELS.index)


def _free(reading: Reading, level: Level) -> list[int]:
    """2. The signatures that can be added to; one that cannot must have the level. Raises SignatureCovered,
    SignatureFormNotExtendable, LevelNotHigher."""
    free = []
    for number, one in enumerate(reading.standings):
        if one.sealed:
            continue
        by = reading.covering(one)
        if by is None:
            free.append(number)
        elif LEVELS.index(one.level) < LEVELS.index(level):
            raise SignatureCovered(id=one.id, by=by)
    if not free:
        raise LevelNotHigher(level=level)
    return free


def _require_sound(reading: Reading) -> None:
    """1. Raises NothingToExtend, SignatureBroken, SignatureFormNotExtendable, ContentMissing."""
    if not reading.standings:
        raise NothingToExtend
    for one in reading.standings:
        if one.found.integrity.failure == "SIGNED_DATA_NOT_FOUND":
            raise ContentMissing(id=one.id)
        if not one.found.integrity.intact:
            raise SignatureBroken(field=one.id)
        if one.found.format == "XMLDSIG":
            raise SignatureFormNotExtendable(id=one.id)
        if one.found.signer is None:
            raise SignatureBroken("nobody's certificate is there", field=one.id)
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
            if lifting.reading.covering(one) is None and lifting.can_keep(number):
                found.append(number)
        except SignatureFormNotExtendable:
            continue
    return found
