"""Gives XAdES signatures timestamps and validation data: B-T, B-LT, B-LTA and renewal, in one document on its way up.

1. B-T: a SignatureTimeStamp over ds:SignatureValue (EN 319 132-1 §5.3), where there is none.
2. B-LT: CertificateValues and RevocationValues for the signer's path (§5.4), TimeStampValidationData for those of the
   timestamps (§5.5.1). What the signature holds is not said again; what comes later for a signer whose values are there
   goes into AnyValidationData.
3. B-LTA: an ArchiveTimeStamp (§5.5.2) over all of it, and behind it what proves the timestamp itself, where that is not
   there already. Of a signature that is at B-LTA, 2 and 3 are the renewal.

A counter-signature stands inside what its parent's ArchiveTimeStamp covers: it is finished before. Which signatures are
there is for `signer.xades.standing` to say, when to begin and what may go wrong for `signer.xades.extending`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Final, Literal

from signer import extending
from signer import timestamp as timestamps
from signer.errors import TimestampUnavailable
from signer.extending import PENDING, Authorities, Grounds
from signer.model import LEVELS, Level
from signer.xades.splicing import Edit
from signer.xades.standing import Reading, Stamp, Standing, without
from signer.xades.unsigned import Insertion, Tag, timestamp, validation_data, values
from verify.found import Evidence
from verify.gather import EvidenceAgainst, EvidenceUnavailable, Gatherer
from verify.xml import timestamps as imprints
from verify.xml.canonical import METHODS
from verify.xml.names import C14N_EXCLUSIVE

_EXCLUSIVE: Final = METHODS[C14N_EXCLUSIVE]
Kind = Literal["SignatureTimeStamp", "ArchiveTimeStamp"]


@dataclass
class Lift:
    """`reading` is the document so far; `timestamp`, `until` and `warnings` say what came of it."""

    reading: Reading
    grounds: Grounds
    authorities: Authorities
    gatherer: Gatherer
    timestamp: datetime | None = None
    until: datetime | None = None
    warnings: list[str] = field(default_factory=list)
    added: set[int] = field(default_factory=set)
    """To which signatures validation data was added."""
    made: set[bytes] = field(default_factory=set)
    """The timestamps that were made (DER)."""
    _asked: int = 0

    def raise_(self, numbers: Iterable[int], *, to: Level) -> None:
        """1 and 2, for the signatures with these numbers; what was had before somebody was away is in the document.

        Raises TimestampUnavailable, EvidenceUnavailable, EvidenceAgainst."""
        with self._writing() as written:
            for number in numbers:
                self._raise_one(number, written[number], to=to)

    def _raise_one(self, number: int, tags: list[Tag], *, to: Level) -> None:
        standing = self.reading.standings[number]
        # 1
        if standing.level == "B-B":
            stamp = self._stamp(standing, "SignatureTimeStamp", tags)
            standing = replace(standing, stamps=(*standing.stamps, stamp))
        # 2
        if LEVELS.index(to) >= LEVELS.index("B-LT"):
            tags.extend(self._evidence(standing, number))

    def can_keep(self, number: int) -> bool:
        """Whether there is evidence for a signature, which has its timestamp, now."""
        try:
            list(self._evidence(self.reading.standings[number], None))
        except (EvidenceUnavailable, EvidenceAgainst):
            return False
        return True

    def archive(self, numbers: Iterable[int]) -> None:
        """3, counter-signatures first. Raises TimestampUnavailable, TimestampNotTrusted, EvidenceUnavailable."""
        depths = [(-self.reading.standings[number].depth, number) for number in numbers]
        for _, group in groupby(sorted(depths), key=lambda one: one[0]):
            with self._writing() as written:
                for _, number in group:
                    self._archive_one(number, written[number])

    def _archive_one(self, number: int, tags: list[Tag]) -> None:
        standing = self.reading.standings[number]
        stamp = self._stamp(standing, "ArchiveTimeStamp", tags)
        found = self.gatherer.timestamp(stamp.token).evidence
        tags.extend(validation_data("TimeStampValidationData", standing.lacks(found), of=stamp.id))
        end = extending.end_of(stamp.token, self.grounds.policy)
        self.until = min((one for one in (self.until, end) if one is not None), default=None)

    @contextmanager
    def _writing(self) -> Iterator[dict[int, list[Tag]]]:
        """Collects properties by signature, and puts them into the document; also when somebody is away."""
        written: dict[int, list[Tag]] = defaultdict(list)
        try:
            yield written
        except (TimestampUnavailable, EvidenceUnavailable):
            self._write(written)
            raise
        self._write(written)

    def _write(self, written: Mapping[int, Sequence[Tag]]) -> None:
        if not any(written.values()):
            return
        edits, text, detached = self._edits(written), self.reading.text, self.reading.references.detached
        del self.reading  # a worker has room for one tree of a large document, and for its octets once beside it
        data = text.splice(edits)
        del text
        self.reading = Reading.of(data, detached=detached)

    def _edits(self, written: Mapping[int, Sequence[Tag]]) -> list[Edit]:
        standings, text = self.reading.standings, self.reading.text
        return [Insertion.of(standings[number].element, text).edit(tags) for number, tags in written.items() if tags]

    def _evidence(self, standing: Standing, number: int | None) -> Iterator[Tag]:
        """2. Proof for each timestamp, then for the signer; each object once."""
        assert standing.found.signer is not None  # `extending` and `pipeline` have seen it
        proven = min(one.token.time for one in standing.stamps)
        pool = standing.found.evidence.certificates
        own = self.gatherer.signature(standing.found.signer, pool=pool, proven=proven)
        pending, known = [*own.pending], standing.lacks(own.evidence)
        signers = tuple(validation_data("AnyValidationData", known) if standing.has_values else values(known))
        for one in sorted(standing.stamps, key=lambda stamp: stamp.place):
            found = self.gatherer.timestamp(one.token, proven=one.next_after(standing.stamps))
            pending.extend(found.pending)
            lacking = without(standing.lacks(found.evidence), known)
            known = known.with_(lacking)
            yield from validation_data("TimeStampValidationData", lacking, of=one.id)
        yield from signers
        if number is None:
            return
        if known != Evidence():
            self.added.add(number)
        if pending and PENDING not in self.warnings:
            self.warnings.append(PENDING)

    def _stamp(self, standing: Standing, kind: Kind, tags: list[Tag]) -> Stamp:
        """A timestamp over the signature as it is in the document, added to `tags`, of which there are none yet."""
        octets = _Hasher(standing.digest)
        write = imprints.signature_timestamp if kind == "SignatureTimeStamp" else imprints.archive_timestamp
        write(self.reading.subject(standing), method=_EXCLUSIVE, sink=octets)
        self._asked += 1
        token = timestamps.obtain(
            imprint=octets.digest(),
            digest=standing.digest,
            authorities=self.authorities.urls,
            nonce=(self.authorities.nonce + self._asked) & (1 << 64) - 1,
            policy=self.authorities.policy,
            fetcher=self.authorities.fetcher,
            earliest=self.grounds.at,
        )
        id_ = f"ts-{octets.digest().hex()[:32]}"
        tags.append(timestamp(kind, token.der, id_=id_))
        self.made.add(token.der)
        self.timestamp = token.time
        return Stamp(token, id_, is_archive=kind == "ArchiveTimeStamp", place=standing.end)


class _Hasher:
    """A digest as a sink of canonical octets."""

    def __init__(self, name: str) -> None:
        state = hashlib.new(name)
        self.write, self.digest = state.update, state.digest
