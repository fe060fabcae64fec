"""Proofs of existence, EN 319 102-1 §5.6.2.3: which object of a document provably existed when.

Everything that lies before us exists now; a timestamp that was found valid proves everything it covers for its own time.
Which timestamps are valid is for `verify.timing` to say, what they cover for the reader of the format.

>>> from datetime import UTC, datetime
>>> proofs = Proofs(datetime(2030, 1, 1, tzinfo=UTC))
>>> proofs.extract("Timestamp1", datetime(2027, 1, 1, tzinfo=UTC), covers={identify(b"a list")})
>>> proofs.time(b"a list").year, proofs.time(b"another").year
(2027, 2030)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from verify.found import Evidence, identify
from verify.report import ProofOfExistence


@dataclass
class Proofs:
    """The set of POEs of one judgement; it only grows, and of several proofs of an object the earliest counts."""

    now: datetime
    _known: dict[str, ProofOfExistence] = field(default_factory=dict)
    version: int = 0
    """Grows with each timestamp that was added: what was concluded from an older set may be concluded anew."""

    def extract(self, timestamp: str, time: datetime, *, covers: Iterable[str]) -> None:
        """Adds what a valid timestamp (its id and its time) proves."""
        proof = ProofOfExistence(time, timestamp)
        for identity in covers:
            known = self._known.get(identity)
            if known is None or time < known.time:
                self._known[identity] = proof
        self.version += 1

    def of(self, identity: str) -> ProofOfExistence:
        return self._known.get(identity) or ProofOfExistence(self.now)

    def time(self, octets: bytes) -> datetime:
        """The earliest time for which the object with these octets is proven."""
        return min(self.of(identify(octets)).time, self.now)

    def time_of(self, evidence: Evidence) -> datetime:
        """The same for revocation data, of which all parts are needed."""
        return max((self.time(one) for one in (*evidence.ocsps, *evidence.crls)), default=self.now)
