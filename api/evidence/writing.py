"""Writes a ZIP of evidence: the same report gives the same octets.

write(out, document, told=Told(report, collected, dissected, …))
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import BinaryIO

import msgspec

from api import render
from api.evidence import activating
from api.evidence import howto as howtos
from api.evidence import ledger as ledgers
from api.evidence import manifest as manifests
from api.evidence import standing as standings
from api.evidence.collecting import Collected
from api.evidence.ledger import LedgerPart
from api.evidence.manifest import (
    DETACHED,
    DOCUMENT,
    FORMAT,
    HOWTO,
    MANIFEST,
    POLICY,
    SUMS,
    DetachedPart,
    DocumentPart,
    Manifest,
    SignaturePart,
)
from api.locale import LANGUAGES
from api.refusals import EvidenceTooLarge
from api.reports import content, etsi, html
from api.sandbox.calls import Portrait
from verify import zips
from verify.dissected import Dissected
from verify.document import sha256_of, size_of
from verify.report import Report
from verify.zips import ZipRefused


@dataclass(frozen=True)
class Told:
    """Everything that goes into a ZIP beside the document. `ledger` are the lines about the
    signature, where it was made here."""

    report: Report
    collected: Collected
    dissected: Dissected
    zone: tzinfo
    portrait: Portrait | None = None
    ledger: LedgerPart | None = None
    detached: Mapping[str, BinaryIO] = field(default_factory=dict)
    """What signatures in XML refer to by name."""
    standing: tuple[standings.StandingPart, ...] = ()
    activations: tuple[activating.ActivationPart, ...] = ()


def write(out: BinaryIO, document: BinaryIO, *, told: Told) -> None:
    """The ZIP, with the document from an open file. Raises EvidenceTooLarge."""
    report, name = told.report, DOCUMENT[told.report.document.format or "PDF"]
    parts, signed = _signatures(told)
    signed |= _stamped(told)
    ledger = ledgers.files(told.ledger) if told.ledger is not None else {}
    files = {
        **dict(_pages(told, parts, signed)),
        **told.collected.files,
        **signed,
        **ledger,
        **standings.files(told.standing),
        **activating.files(told.activations),
    }
    beside = {DETACHED.format(number=number): one for number, one in enumerate(told.detached.items(), 1)}
    digests = {name: report.document.sha256}
    digests |= {file: sha256_of(one, size=size_of(one)) for file, (_, one) in beside.items()}
    digests |= {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    encoded = Manifest(
        format=FORMAT,
        validated_at=report.validated_at.astimezone(told.zone),
        policy=report.policy,
        verdict=report.verdict,
        document=DocumentPart(name, report.document.name[:300], report.document.sha256),
        signatures=parts,
        objects=tuple(told.collected.objects),
        trust=told.collected.trust,
        fetched=tuple(told.collected.fetched),
        files=digests,
        detached=tuple(DetachedPart(file, known_as) for file, (known_as, _) in beside.items()),
    ).encoded()
    sums = manifests.sums({MANIFEST: hashlib.sha256(encoded).hexdigest(), **digests})
    content_: list[tuple[str, bytes | BinaryIO]] = [(MANIFEST, encoded), (SUMS, sums), (name, document)]
    content_ += [(file, one) for file, (_, one) in beside.items()]
    try:
        zips.write(out, (*content_, *files.items()))
    except ZipRefused as error:
        raise EvidenceTooLarge(f"no ZIP: {error}", reason=error.reason) from error


def _signatures(told: Told) -> tuple[tuple[SignaturePart, ...], dict[str, bytes]]:
    """Of each signature its value, and its CMS where one stands in the document by itself."""
    values = {one.id: one.data for one in told.report.objects if one.kind == "signature"}
    cuts = {cut.id: cut for cut in told.dissected.cuts}
    parts: list[SignaturePart] = []
    files: dict[str, bytes] = {}
    for number, one in enumerate(told.report.signatures, 1):
        cut, value = cuts.get(one.id), values.get(one.material.object, b"")
        of_value = f"signatures/{number}.value" if value else None
        of_cms = f"signatures/{number}.p7s" if cut is not None and cut.cms and one.parent is None else None
        if of_value is not None:
            files[of_value] = value
        if of_cms is not None and cut is not None:
            files[of_cms] = cut.cms
        parts.append(SignaturePart(one.id[:300], of_value, of_cms, cut.byte_range if of_cms and cut else None))
    return tuple(parts), files


def _stamped(told: Told) -> dict[str, bytes]:
    """What the signature timestamps of an XML document are over: not its octets, but their canonical form."""
    contents = {token: octets for node in told.dissected.nodes for token, octets in node.stamps}
    stamps = (stamp for one in told.report.signatures for stamp in one.timestamps)
    return {
        howtos.stamp_file(stamp): contents[stamp.material.object]
        for stamp in stamps
        if stamp.material.object in contents
    }


def _pages(told: Told, parts: tuple[SignaturePart, ...], signed: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """What people read, and the same for programs."""
    report = told.report
    sizes = {name: len(data) for name, data in (*told.collected.files.items(), *signed.items())}
    guide = howtos.howto(
        report,
        told.collected,
        told.dissected,
        parts=parts,
        sizes=sizes,
        ledger=told.ledger is not None,
        checkpoint=ledgers.commands(told.ledger),
        standing=told.standing,
        detached={name: DETACHED.format(number=number) for number, name in enumerate(told.detached, 1)},
    )
    for language in LANGUAGES:
        yield HOWTO[language], howtos.page(guide, language=language)
    shape = msgspec.json.encode(render.report_json(report, zone=told.zone))
    yield "report.json", msgspec.json.format(shape, indent=2) + b"\n"
    yield "report.xml", etsi.report_xml(report)
    for language in LANGUAGES:
        page = html.page(content.told(report, language=language, zone=told.zone, portrait=told.portrait))
        yield f"report.{language}.html", page.encode()
    yield POLICY, (report.policy_details.text if report.policy_details is not None else "").encode()


def pairs(told: Collected, report: Report) -> tuple[tuple[bytes, bytes], ...]:
    """The certificates of `howtos.pairs_of`; nothing for what is not in the ZIP."""
    found: Mapping[str, bytes] = told.data
    return tuple((found.get(one, b""), found.get(issuer, b"")) for one, issuer in howtos.pairs_of(report))
