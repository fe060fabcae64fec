"""Gathers what one judgement rested on: its objects, its trust, and everything that was fetched for it.

Judges and parses nothing. What the report left out for its size is taken from where it came from: the trust, the
fetches; what stood in the document stands there still.

    recorder = Recorder(fetcher)
    report = worker.verify(…, fetcher=recorder)
    collected = collect(report, trust=trust, fetched=recorder.answers)
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from api.evidence.manifest import AnchorPart, FetchedPart, ObjectPart, TrustPart, pem
from api.refusals import EvidenceTooLarge
from verify.errors import TrustUnusable
from verify.fetcher import Fetcher, FetchRequest
from verify.report import Report
from verify.trust import Trust, unarmour

LARGEST = 40 << 20
"""Octets of everything that a judgement needs beside the document: it must go to a worker in one call."""

Kind = Literal["certificate", "crl", "ocsp", "timestamp"]
_FOLDERS: dict[str, tuple[str, str]] = {
    "certificate": ("certificates", "pem"),
    "crl": ("crls", "crl"),
    "ocsp": ("ocsps", "ocsp"),
    "timestamp": ("timestamps", "tst"),
}


class Recorder:
    """A fetcher that keeps what was answered; timestamps are not evidence of a judgement and are not kept."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self.answers: dict[FetchRequest, bytes] = {}

    def fetch(self, request: FetchRequest, /) -> bytes:
        answer = self._fetcher.fetch(request)
        if request.kind != "timestamp":
            with self._lock:
                self.answers[request] = answer
        return answer


@dataclass
class Collected:
    """Files by name in their order; `file_of` finds the one that holds an object (by its id)."""

    files: dict[str, bytes] = field(default_factory=dict)
    file_of: dict[str, str] = field(default_factory=dict)
    objects: list[ObjectPart] = field(default_factory=list)
    data: dict[str, bytes] = field(default_factory=dict)
    """DER of each object, by id."""
    anchors: dict[str, str] = field(default_factory=dict)
    """Files of the anchors, by the id of their certificate."""
    trust: TrustPart = field(default_factory=lambda: TrustPart(()))
    fetched: list[FetchedPart] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: Kind, octets: bytes) -> str:
        """The file of an object, which is there only once."""
        identity = _sha256(octets)
        if identity not in self.file_of:
            folder, suffix = _FOLDERS[kind]
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            name = f"{folder}/{number}.{suffix}"
            self.files[name] = pem(octets) if kind == "certificate" else octets
            self.file_of[identity] = name
            self.data[identity] = octets
            self.objects.append(ObjectPart(identity, kind, name))
        return self.file_of[identity]


def collect(report: Report, *, trust: Trust, fetched: Mapping[FetchRequest, bytes]) -> Collected:
    """1. The report's objects. 2. What was fetched. 3. The trust. Raises EvidenceTooLarge."""
    found = Collected()
    # 1
    elsewhere = {
        _sha256(one): one
        for one in (*trust.anchors, *trust.intermediates, *trust.crls, *trust.ocsps, *fetched.values())
    }
    for one in report.objects:
        octets = one.data or elsewhere.get(one.id, b"")
        if one.kind != "signature" and octets:
            found.add(one.kind, octets)
    # 2
    for request, answer in sorted(fetched.items(), key=lambda item: (item[0].kind, item[0].url, item[0].body or b"")):
        _keep(found, request, answer)
    # 3
    used = {one.material.path[-1] for one in report.signatures if one.material.path}
    stamps = (*report.timestamps, *(stamp for one in report.signatures for stamp in one.timestamps))
    used |= {stamp.material.path[-1] for stamp in stamps if stamp.material.path}
    parts = []
    for number, der in enumerate(trust.anchors, 1):
        known, identity, file = trust.anchor(der), _sha256(der), f"trust/{number}.pem"
        found.files[file] = pem(der)
        found.anchors[identity] = file
        said = (known.name[:300], known.title[:300], known.purposes, known.since, known.until)
        parts.append(AnchorPart(file, identity in used, *said))
    found.trust = TrustPart(tuple(parts), trust.distrusted)
    if sum(map(len, found.files.values())) > LARGEST:
        raise EvidenceTooLarge(limit=LARGEST)
    return found


def _keep(found: Collected, request: FetchRequest, answer: bytes) -> None:
    """An answer as it came, so that it can be given again; armoured lists also as what they hold."""
    assert request.kind != "timestamp"
    octets = [answer]
    if request.kind == "crl":
        try:
            octets = list(unarmour(answer))
        except TrustUnusable:  # an answer that nobody can read is evidence of just that
            octets = []
    if request.kind != "certificate":
        for one in octets:
            found.add(request.kind, one)
    file = found.file_of.get(_sha256(answer))
    if file is None or file.endswith(".pem"):
        file = f"fetched/{len(found.fetched) + 1}"
        found.files[file] = answer
    body = None if request.body is None else _sha256(request.body)
    found.fetched.append(FetchedPart(request.kind, request.url[:4000], file, body))


def _sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
