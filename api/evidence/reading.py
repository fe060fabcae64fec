"""Opens a ZIP of evidence that may come from anybody.

Nothing is unpacked (`verify.zips`), nothing written but the document and its detached contents, to files without names; no certificate, list or
document is parsed here: their octets go to a document worker.

    with open_(file) as opened:
        worker.verify(opened.document, trust=opened.trust, policy=opened.policy, at=opened.manifest.validated_at, …)
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import msgspec

from api.evidence import ledger as ledgers
from api.evidence import manifest as manifests
from api.evidence.collecting import LARGEST
from api.evidence.ledger import ProvenLedger
from api.evidence.manifest import DETACHED, DOCUMENT, HOWTO, LEDGER, MANIFEST, POLICY, REPORTS, SUMS, Manifest
from api.refusals import EvidenceUnusable
from verify import zips
from verify.fetcher import FetchFailed, FetchRequest
from verify.policy import LARGEST as LARGEST_POLICY
from verify.trust import Anchor, Trust
from verify.zips import Entry, ZipRefused

HEAD = 1024
_SMALL = 4 << 20
_NEEDED = (*REPORTS, *HOWTO.values(), POLICY)


@dataclass(frozen=True)
class Replay:
    """A fetcher that gives what was answered when the report was made, and reaches nobody."""

    answers: Mapping[tuple[str, str, str | None], bytes]

    def fetch(self, request: FetchRequest, /) -> bytes:
        body = None if request.body is None else hashlib.sha256(request.body).hexdigest()
        answer = self.answers.get((request.kind, request.url[:4000], body))
        if answer is None:
            raise FetchFailed("not in the evidence", url=request.url, reason="offline")
        return answer


@dataclass(frozen=True)
class Opened:
    """Evidence whose parts are whole. `trust` is what was believed when the report was made, `helpers` the same without
    anchors: certificates, lists and answers that nobody needs to believe."""

    manifest: Manifest
    document: BinaryIO
    trust: Trust
    helpers: Trust
    policy: str
    fetcher: Replay
    detached: Mapping[str, BinaryIO]
    """What signatures in XML refer to by name."""
    ledger: ProvenLedger | None = None
    """The ledger's lines about the signature."""


def is_evidence(file: BinaryIO) -> bool:
    """Whether a file is to be read as evidence: a ZIP, unless it is a PDF as well and does not begin with a manifest."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return zips.looks_like_one(head) and (zips.first_name(head) == MANIFEST or b"%PDF-" not in head)


@contextmanager
def open_(file: BinaryIO) -> Iterator[Opened]:
    """The evidence in an open file. Raises EvidenceUnusable.

    1. A ZIP of stored files without gaps, named once; the manifest can be read.
    2. The ZIP holds exactly the files that the manifest names, and all that evidence needs.
    3. Each has the digest that the manifest names.
    4. What the judgement needs is what the manifest says it is; the ledger's lines lead to the root beside them.
    """
    try:
        # 1
        entries = {entry.name: entry for entry in zips.entries(file)}
        said, digest = _manifest(file, entries)
        # 2
        _check_names(said, entries)
        # 3
        wanted = _wanted(said)
        if sum(entries[name].size for name in wanted) > LARGEST + _SMALL:
            raise EvidenceUnusable("more than a judgement needs", reason="too-large")
        kept: dict[str, bytes] = {}
        with ExitStack() as held:
            targets = {one: _nameless(held) for one in (said.document.file, *(part.file for part in said.detached))}
            for name, expected in said.files.items():
                target = targets.get(name)
                octets = _checked(file, entries[name], expected, keep=name in wanted, copy=target)
                if octets is not None:
                    kept[name] = octets
            sums = zips.read(file, entries[SUMS], limit=_SMALL)
            if sums != manifests.sums({MANIFEST: digest, **said.files}):
                raise EvidenceUnusable(f"{SUMS} says something else", reason="digest", file=SUMS)
            # 4
            proven = ledgers.read(kept[LEDGER], digests=said.files) if LEDGER in kept else None
            for target in targets.values():
                target.seek(0)
            yield replace(_opened(said, kept, targets), ledger=proven)
    except ZipRefused as error:
        raise EvidenceUnusable(f"{error.reason}: {str(error)[:80]}", reason=error.reason) from error


def _manifest(file: BinaryIO, entries: Mapping[str, Entry]) -> tuple[Manifest, str]:
    if MANIFEST not in entries:
        raise EvidenceUnusable("there is no manifest", reason="no-manifest")
    data = zips.read(file, entries[MANIFEST], limit=_SMALL)
    try:
        return manifests.decode(data), hashlib.sha256(data).hexdigest()
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise EvidenceUnusable(f"the manifest cannot be read: {str(error)[:100]}", reason="manifest") from error


def _check_names(said: Manifest, entries: Mapping[str, Entry]) -> None:
    if odd := sorted(set(said.files) ^ (set(entries) - {MANIFEST, SUMS})):
        raise EvidenceUnusable(f"{odd[0][:80]} is in the ZIP or its manifest, not in both", reason="files", file=odd[0])
    named = {
        *_NEEDED,
        said.document.file,
        *_wanted(said),
        *(one.file for one in said.detached),
        *(name for one in said.signatures for name in (one.value, one.cms) if name is not None),
    }
    if said.document.file not in DOCUMENT.values() or said.document.file in _wanted(said):
        raise EvidenceUnusable("the document has another name", reason="files", file=said.document.file)
    numbered = [DETACHED.format(number=number) for number in range(1, len(said.detached) + 1)]
    if [one.file for one in said.detached] != numbered or len({one.name for one in said.detached}) != len(numbered):
        raise EvidenceUnusable("the detached contents are not numbered", reason="files", file=numbered[0])
    if SUMS not in entries or not named <= set(said.files):
        missing = min(named - set(said.files), default=SUMS)
        raise EvidenceUnusable(f"{missing[:80]} is missing", reason="missing", file=missing)


def _wanted(said: Manifest) -> set[str]:
    """What is kept in memory. The document is not, under whatever name."""
    anchors, fetched = (one.file for one in said.trust.anchors), (one.file for one in said.fetched)
    return {*(one.file for one in said.objects), *anchors, *fetched, POLICY, *({LEDGER} & set(said.files))}


def _checked(file: BinaryIO, entry: Entry, expected: str, *, keep: bool, copy: BinaryIO | None) -> bytes | None:
    """Step 3 for one file, which goes to memory, to another file, or nowhere."""
    digest, octets = hashlib.sha256(), bytearray()
    for piece in zips.contents(file, entry):
        digest.update(piece)
        if keep:
            octets += piece
        if copy is not None:
            copy.write(piece)
    if digest.hexdigest() != expected:
        raise EvidenceUnusable(
            f"{entry.name} is not the file that the manifest names", reason="digest", file=entry.name
        )
    return bytes(octets) if keep else None


def _nameless(held: ExitStack) -> BinaryIO:
    return cast(BinaryIO, held.enter_context(tempfile.TemporaryFile()))


def _opened(said: Manifest, kept: Mapping[str, bytes], files: Mapping[str, BinaryIO]) -> Opened:
    if said.files[said.document.file] != said.document.sha256:
        raise EvidenceUnusable("the document is another", reason="digest", file=said.document.file)
    held: dict[str, list[bytes]] = {"certificate": [], "crl": [], "ocsp": [], "timestamp": []}
    for one in said.objects:
        octets = _certificate(kept, one.file) if one.kind == "certificate" else kept[one.file]
        if hashlib.sha256(octets).hexdigest() != one.id:
            raise EvidenceUnusable(f"{one.file} is another object", reason="digest", file=one.file)
        held[one.kind].append(octets)
    helpers = Trust(
        intermediates=tuple(held["certificate"]),
        crls=tuple(held["crl"]),
        ocsps=tuple(held["ocsp"]),
        distrusted=said.trust.distrusted,
    )
    named = tuple(
        Anchor(_certificate(kept, one.file), one.name, one.purposes, one.since, one.until, one.title)
        for one in said.trust.anchors
    )
    own = Trust(
        anchors=tuple(dict.fromkeys(one.certificate for one in named)),
        intermediates=helpers.intermediates,
        crls=helpers.crls,
        ocsps=helpers.ocsps,
        named=named,
        distrusted=said.trust.distrusted,
    )
    answers: dict[tuple[str, str, str | None], bytes]
    answers = {(one.kind, one.url, one.body): kept[one.file] for one in said.fetched}
    detached = {one.name: files[one.file] for one in said.detached}
    document = files[said.document.file]
    return Opened(said, document, own, helpers, _policy(kept[POLICY]), Replay(answers), detached)


def _certificate(kept: Mapping[str, bytes], file: str) -> bytes:
    try:
        return manifests.der(kept[file])
    except ValueError as error:
        raise EvidenceUnusable(f"{file}: {error}", reason="certificate", file=file) from error


def _policy(octets: bytes) -> str:
    try:
        return octets[: 4 * LARGEST_POLICY].decode()
    except UnicodeDecodeError as error:
        raise EvidenceUnusable(f"{POLICY} cannot be read", reason="policy", file=POLICY) from error
