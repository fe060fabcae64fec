"""Lifts signatures to B-LT and B-LTA: gathers evidence, has a timestamp made, appends revisions. Never uses a key.

`lift` serves a signature that was just made, and `extend` any signed PDF, whoever signed it:

1. The signatures are found and must hold; a broken one has nothing to keep.
2. B-T: a signature without a timestamp gets a document timestamp over all that is there (EN 319 142-1 §5.4.3), since
   its own bytes are not ours to change.
3. B-LT: certificates and revocation data of all signers and authorities go into /DSS (§5.4.2).
4. B-LTA: a document timestamp over all of it, and its own evidence behind it. Of a document that is at B-LTA already,
   3 and 4 are the renewal.

Each revision is read back before the next (`signer.lifting`). An authority or responder that is away ends the lift: at
the level reached so far where the order allows it, else with an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader

from signer import longterm
from signer import timestamp as timestamps
from signer.errors import LevelNotHigher, NothingToExtend, OrderInvalid, SignatureBroken, TimestampUnavailable
from signer.lifting import TIMESTAMP_DIGEST, Output
from signer.longterm import Entry
from signer.model import LEVELS, Extended, Level
from signer.selfcheck import require
from verify import pdf, pdf_signatures, pdf_store
from verify import timestamp as tokens
from verify.document import Limits
from verify.errors import VerifyError
from verify.fetcher import Fetcher
from verify.found import Evidence, Findings, FoundSignature, FoundTimestamp
from verify.gather import EvidenceAgainst, EvidenceUnavailable, Gathered, Gatherer
from verify.policy import Policy, Unlisted
from verify.timestamp import TimestampToken
from verify.trust import Trust

PENDING = "PENDING_FRESHNESS"
"""Warning: the policy wants revocation data issued after the signature's timestamp, and there is none yet."""
DEGRADED = "LEVEL_DEGRADED"
"""Warning: an authority or responder was away, and the level is lower than was ordered."""


@dataclass(frozen=True)
class Grounds:
    """What evidence is checked against: anchors, policy and the time."""

    trust: Trust
    policy: Policy
    at: datetime


@dataclass(frozen=True)
class Authorities:
    """Whom to ask for document timestamps. `nonce`: each request of a lift has its own, counted up from this."""

    urls: tuple[str, ...]
    policy: str | None
    nonce: int
    fetcher: Fetcher


@dataclass(frozen=True)
class Target:
    """One signature to be lifted. `proven` is the time of its earliest timestamp; `tokens` are those that prove it."""

    contents: bytes
    certificate: bytes
    pool: tuple[bytes, ...]
    tokens: tuple[TimestampToken, ...]
    proven: datetime


@dataclass
class Lift:
    """One file on its way up. `level`, `timestamp`, `until` and `warnings` say how far it came."""

    output: Output
    grounds: Grounds
    authorities: Authorities
    gatherer: Gatherer
    level: Level
    password: str | None = None
    timestamp: datetime | None = None
    until: datetime | None = None
    warnings: list[str] = field(default_factory=list)
    _stored: Evidence = field(default_factory=Evidence)
    _asked: int = 0

    def keep(self, targets: Sequence[Target], *, later: Sequence[TimestampToken] = ()) -> bool:
        """3. Evidence for these, and for document timestamps `later`, into /DSS; whether there was anything to add."""
        entries, pending = [], Gathered()
        for target in targets:
            found = self._gather(target, later=later)
            entries.append(Entry(target.contents, found.evidence))
            pending = pending.with_(Gathered(pending=found.pending))
        for token in later:
            found = self.gatherer.timestamp(token, proven=_next_after(token, later))
            entries.append(Entry(None, found.evidence))
            pending = pending.with_(Gathered(pending=found.pending))
        added = self._store(entries)
        self._rise("B-LT")
        if pending.pending and PENDING not in self.warnings:
            self.warnings.append(PENDING)
        return added

    def can_keep(self, target: Target) -> bool:
        """Whether there is evidence for a signature now."""
        try:
            self._gather(target)
        except (EvidenceUnavailable, EvidenceAgainst):
            return False
        return True

    def _gather(self, target: Target, *, later: Sequence[TimestampToken] = ()) -> Gathered:
        found = self.gatherer.signature(target.certificate, pool=target.pool, proven=target.proven)
        for token in target.tokens:
            found = found.with_(self.gatherer.timestamp(token, proven=_next_after(token, later)))
        return found

    def stamp(self, *, to: Level) -> TimestampToken:
        """2 and 4. A document timestamp over everything that is there."""
        with pdf.refusing():
            revision = longterm.timestamp(self.reader(), size=self.output.size, sha256=self.output.sha256)
        token = self.output.stamp(revision, obtain=self._obtain)
        self.timestamp = token.time
        self.until = end_of(token, self.grounds.policy)
        self._rise(to)
        return token

    def archive(self) -> None:
        """4. The timestamp over the evidence, and what proves the timestamp, where that is not stored already."""
        token = self.stamp(to="B-LTA")
        self._store([Entry(None, self.gatherer.timestamp(token).evidence)])

    def _store(self, entries: Iterable[Entry]) -> bool:
        known = self._stored
        wanted = [entry for entry in entries if entry.contents is not None or not _holds(known, entry.evidence)]
        if not wanted:
            return False
        with pdf.refusing():
            revision = longterm.store(self.reader(), size=self.output.size, entries=wanted, sha256=self.output.sha256)
        if revision is not None:
            self.output.append(revision)
        with pdf.refusing():
            self._stored = pdf_store.evidence(self.reader())
        require(all(_holds(self._stored, entry.evidence) for entry in wanted), step=6)
        return revision is not None

    def reader(self) -> PdfFileReader:
        """The document as far as it is written."""
        return pdf.open_reader(self.output.file, limits=Limits(), password=self.password)

    def _obtain(self, digest: bytes) -> TimestampToken:
        self._asked += 1
        return timestamps.obtain(
            imprint=digest,
            digest=TIMESTAMP_DIGEST,
            authorities=self.authorities.urls,
            nonce=(self.authorities.nonce + self._asked) & (1 << 64) - 1,
            policy=self.authorities.policy,
            fetcher=self.authorities.fetcher,
            earliest=self.grounds.at,
        )

    def _rise(self, level: Level) -> None:
        self.level = max(self.level, level, key=LEVELS.index)


def start(
    output: Output,
    *,
    grounds: Grounds,
    authorities: Authorities,
    level: Level,
    known: Evidence | None = None,
    archive: Iterable[FoundTimestamp] = (),
    password: str | None = None,
) -> Lift:
    """A lift that begins at `level`, with what the document is known to hold."""
    gatherer = Gatherer(
        trust=grounds.trust,
        policy=grounds.policy,
        fetcher=authorities.fetcher,
        now=grounds.at,
        known=known,
        archive=archive,
    )
    return Lift(output, grounds, authorities, gatherer, level, password, _stored=known or Evidence())


def lift(lifting: Lift, target: Target, *, to: Level, allow_degraded: bool) -> None:
    """Bring a signature that has its timestamp to B-LT or B-LTA; earlier signatures whose evidence was late come along.

    Raises EvidenceUnavailable, EvidenceAgainst, TimestampUnavailable, SelfCheckFailed."""
    try:
        lifting.keep([target, *_late(lifting, besides=target.contents)])
        if to == "B-LTA":
            lifting.archive()
    except (EvidenceUnavailable, TimestampUnavailable):
        if not allow_degraded:
            raise
        lifting.warnings.append(DEGRADED)


def extend(
    output: Output,
    level: Level,
    *,
    grounds: Grounds,
    authorities: Authorities,
    allow_degraded: bool = False,
    only_new: bool = False,
    password: str | None = None,
) -> Extended:
    """Steps 1 to 4 of the module for a signed PDF; with `only_new` nothing is written unless there is newer evidence,
    or a higher level. Raises SignerError, VerifyError; then the file is to be thrown away."""
    # 1
    findings = pdf_signatures.find(output.file, limits=Limits(), password=password)
    _require_sound(findings)
    known = Evidence()
    for found in findings.signatures:
        known = known.with_(found.evidence)
    archive = [token for one in findings.timestamps if (token := sound(one, known=known)) is not None]
    covering = {token.der: one.covers for one in findings.timestamps for token in archive if token.der == one.der}
    signatures = [_Standing.of(found, archive=archive, covering=covering, known=known) for found in findings.signatures]
    lowest = min((one.level for one in signatures), key=LEVELS.index)
    if LEVELS.index(level) < LEVELS.index(lowest) or level == lowest in ("B-B", "B-T"):
        raise LevelNotHigher(level=lowest)
    lifting = start(
        output,
        grounds=grounds,
        authorities=authorities,
        level=lowest,
        known=known,
        archive=findings.timestamps,
        password=password,
    )
    try:
        # 2
        if any(not one.tokens for one in signatures):
            token = lifting.stamp(to="B-T")
            archive.append(token)
            signatures = [one if one.tokens else _Standing(one.found, (token,), one.level) for one in signatures]
        # 3
        if level in ("B-LT", "B-LTA"):
            added = lifting.keep([one.target() for one in signatures], later=sorted(archive, key=lambda one: one.time))
            if not added and level == lowest == "B-LT" and PENDING not in lifting.warnings:
                raise LevelNotHigher(level=lowest)
        # 4
        if level == "B-LTA" and (added or lowest != "B-LTA" or not only_new):
            lifting.archive()
    except (EvidenceUnavailable, TimestampUnavailable):
        if not allow_degraded:
            raise
        lifting.warnings.append(DEGRADED)
    return Extended(
        level=lifting.level,
        sha256=output.sha256,
        size=output.size,
        timestamp=lifting.timestamp,
        archive_until=lifting.until,
        warnings=tuple(lifting.warnings),
    )


def _late(lifting: Lift, *, besides: bytes) -> tuple[Target, ...]:
    """Earlier signatures of the document with a timestamp and no entry in /VRI, for which evidence can be had now.

    A lift of their own would fork a document that has gone to its next signer, so that this one brings it."""
    with pdf.refusing():
        missing = longterm.without_entry(lifting.reader()) - {besides}
    if not missing:
        return ()
    findings = pdf_signatures.find(lifting.output.file, limits=Limits(), password=lifting.password)
    targets = []
    for found in findings.signatures:
        if found.contents not in missing or not found.integrity.intact or found.signer is None:
            continue
        standing = _Standing.of(found, archive=(), covering={}, known=found.evidence)
        if standing.tokens and lifting.can_keep(standing.target()):
            targets.append(standing.target())
    return tuple(targets)


@dataclass(frozen=True)
class _Standing:
    """A signature of the document as it is found, and the timestamps that prove it."""

    found: FoundSignature
    tokens: tuple[TimestampToken, ...]
    level: Level

    @classmethod
    def of(
        cls,
        found: FoundSignature,
        *,
        archive: Sequence[TimestampToken],
        covering: dict[bytes, int],
        known: Evidence,
    ) -> _Standing:
        own = [
            token
            for one in found.timestamps
            if one.type == "signature" and (token := sound(one, known=known)) is not None
        ]
        over = [token for token in archive if covering[token.der] > found.covers]
        archived = found.archived_at
        level: Level = "B-T" if own or over else "B-B"
        if archived is not None and level == "B-T":
            level = "B-LTA" if any(covering[token.der] >= archived for token in over) else "B-LT"
        return cls(found, (*own, *over), level)

    def target(self) -> Target:
        assert self.found.signer is not None  # `_require_sound` has seen it
        return Target(
            contents=self.found.contents,
            certificate=self.found.signer,
            pool=self.found.evidence.certificates,
            tokens=self.tokens,
            proven=min(token.time for token in self.tokens),
        )


def _require_sound(findings: Findings) -> None:
    if not findings.signatures:
        raise NothingToExtend
    for found in findings.signatures:
        if not found.integrity.intact or found.signer is None or found.changes.modified:
            raise SignatureBroken(field=found.id)
    if any(warning.code == "SIGNATURE_UNREADABLE" for warning in findings.warnings):
        raise SignatureBroken("a signature of the document cannot be read", field="")


def sound(found: FoundTimestamp, *, known: Evidence) -> TimestampToken | None:
    """The token, if it is intact and about the right bytes."""
    if found.fault is not None:
        return None
    try:
        token = tokens.read(found.der, known=known.certificates)
        tokens.check(token)
        return token if tokens.matches(token, found.digest_of) else None
    except (VerifyError, ValueError):
        return None


def _next_after(token: TimestampToken, later: Sequence[TimestampToken]) -> datetime | None:
    """When a further document timestamp proves that `token` was there."""
    return min((one.time for one in later if one.time > token.time), default=None)


def _holds(stored: Evidence, wanted: Evidence) -> bool:
    return (
        set(wanted.certificates) <= set(stored.certificates)
        and set(wanted.ocsps) <= set(stored.ocsps)
        and set(wanted.crls) <= set(stored.crls)
    )


def end_of(token: TimestampToken, policy: Policy) -> datetime | None:
    """Until when the token proves something: the end of its certificate, or of its algorithms if that comes first."""
    assert token.tsa is not None  # it was checked
    ends: list[datetime | None] = [x509.Certificate.load(token.tsa).not_valid_after]
    try:
        ends += [policy.digest_until(name) for name in (token.imprint_algorithm, token.digest_algorithm)]
    except Unlisted as error:
        raise OrderInvalid("the policy does not know the timestamp's algorithm", reason=str(error)) from error
    return min((end for end in ends if end is not None), default=None)
