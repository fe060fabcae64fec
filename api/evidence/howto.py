"""The page in a ZIP of evidence that tells a person how to check it with programs that anybody has.

The commands are the same in both languages, run in the unpacked ZIP by any POSIX shell, and every one ends with status 0
if, and only if, things are as the report says. They hold names of files and numbers, never a text from the document.

    page(howto(report, …), language="en")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from itertools import pairwise

import jinja2

from api import render
from api.evidence import xmlsec
from api.evidence.collecting import Collected
from api.evidence.manifest import HOWTO, SignaturePart
from api.evidence.standing import StandingPart
from api.locale import Language
from api.reports.text import clean, moment
from verify.dissected import Dissected, Node, Spoken
from verify.report import Material, Report, SignatureReport, TimestampReport

ALONE = "-partial_chain -no-CApath -no-CAstore"
"""Only what stands in the ZIP is believed, not what this machine trusts."""
OTHERS = "work/certificates.pem"
_NOT_IN_NSS = frozenset({"rsassa_pss", "ed25519"})
"""Schemes that the library behind pdfsig does not know in a CMS."""


@dataclass(frozen=True)
class Block:
    """Commands that belong together; `kind` finds the words, `facts` fill them."""

    kind: str
    commands: tuple[str, ...]
    facts: Mapping[str, object]


@dataclass(frozen=True)
class HowTo:
    """Everything that the page says."""

    report: Report
    document: str
    anchors: tuple[tuple[str, str], ...]
    """File and name of each anchor that a path ends at."""
    blocks: tuple[Block, ...]
    certificates: bool
    ledger: bool
    checkpoint: tuple[str, ...] = ()
    """How openssl checks the signature of the ledger's checkpoint."""
    standing: tuple[StandingPart, ...] = ()
    """By which post and delegation somebody signed."""

    @property
    def programs(self) -> str:
        """What must be there beside a shell."""
        every = " ".join(command for block in self.blocks for command in block.commands)
        return ", xmlsec1" if "xmlsec1" in every else ", pdfsig (poppler-utils)" if pdfsig(self.report) else ""


def howto(
    report: Report,
    collected: Collected,
    dissected: Dissected,
    *,
    parts: Sequence[SignaturePart],
    sizes: Mapping[str, int],
    ledger: bool,
    checkpoint: tuple[str, ...] = (),
    standing: tuple[StandingPart, ...] = (),
    detached: Mapping[str, str],
) -> HowTo:
    """What can be checked of this report. `parts` are of its signatures in their order, `sizes` of the files, `detached`
    the files of contents by their names."""
    document = "document.pdf" if report.document.format == "PDF" else "document.xml"
    nodes = {one.value: one for one in dissected.nodes}
    writer = _Writer(report, collected, parts, sizes, nodes, detached)
    used = {one.file: one.name or one.title for one in collected.trust.anchors if one.used}
    blocks = (*writer.signatures(), *writer.document_timestamps(dissected), *writer.revocation(dissected))
    anchors = tuple((file, clean(name)) for file, name in used.items())
    certificates = any(one.kind == "certificate" for one in collected.objects)
    return HowTo(report, document, anchors, blocks, certificates, ledger, checkpoint, standing)


def pairs_of(report: Report) -> tuple[tuple[str, str], ...]:
    """Each certificate of a path with its issuer's, as ids, once, in a fixed order."""
    found: dict[tuple[str, str], None] = {}
    for one in report.signatures:
        for material in (one.material, *(stamp.material for stamp in one.timestamps)):
            found |= dict.fromkeys(pairwise(material.path))
    for stamp in report.timestamps:
        found |= dict.fromkeys(pairwise(stamp.material.path))
    return tuple(found)


@dataclass(frozen=True)
class _Writer:
    report: Report
    collected: Collected
    parts: Sequence[SignaturePart]
    sizes: Mapping[str, int]
    nodes: Mapping[str, Node]
    detached: Mapping[str, str]

    def signatures(self) -> Iterator[Block]:
        for number, (one, part) in enumerate(zip(self.report.signatures, self.parts, strict=True), 1):
            facts = {"number": number, "signer": _name(one), "sub": one.sub_indication or ""}
            if (node := self.nodes.get(one.material.object)) is not None:
                yield self._xml(one, node, facts)
                yield from self._xml_stamps(one, part, number)
                continue
            if one.parent is not None or part.cms is None or part.byte_range is None:
                yield Block("signature_other", (), facts)
            elif not one.intact:
                yield Block("signature_broken", (), facts)
            else:
                passed = one.indication == "TOTAL_PASSED"
                content = f"work/signature-{number}.content"
                chain = f"work/signature-{number}.pem"
                commands = (
                    *self._chain(one.material, chain),
                    *_cut(part.byte_range, content),
                    _same_cms(part.byte_range, part.cms, size=self.sizes[part.cms]),
                    self._cms(one, part.cms, content, chain),
                    *(self._path(one.material, chain, at=self._time(one)) if passed else ()),
                )
                yield Block("signature" if passed else "signature_not_passed", commands, facts)
            for stamp in one.timestamps:
                data = content_of(stamp, part, number)
                if data is not None and self._provable(stamp):
                    inside = (_inside(part.cms, part.value),) if part.cms and data == part.value else ()
                    yield self._stamp(stamp, data, {"number": number}, kind="timestamp", before=inside)

    def _xml(self, one: SignatureReport, node: Node, facts: Mapping[str, object]) -> Block:
        """One signature in XML, by xmlsec1 alone; its certificate's path by openssl."""
        if not one.intact:
            return Block("signature_broken", (), facts)
        passed = one.indication == "TOTAL_PASSED"
        leaf = self.collected.file_of.get(one.material.path[0] if one.material.path else "")
        key = ("--insecure",) if leaf is None else ("--enabled-key-data", "key-name", "--pubkey-cert-pem", leaf)
        command = xmlsec.verify(node, files=self.detached, key=key) if xmlsec.is_known(one) else None
        if command is None:
            return Block("signature_other", (), facts)
        chain = f"work/signature-{facts['number']}.pem"
        path = (*self._chain(one.material, chain), *self._path(one.material, chain, at=self._time(one)))
        return Block("signature_xml" if passed else "signature_not_passed", (command, *(path if passed else ())), facts)

    def _xml_stamps(self, one: SignatureReport, part: SignaturePart, number: int) -> Iterator[Block]:
        for stamp in one.timestamps:
            data = stamp_file(stamp)
            if part.value is not None and data in self.sizes and self._provable(stamp):
                yield self._stamp(
                    stamp, data, {"number": number}, kind="timestamp", before=xmlsec.stamped(data, part.value)
                )

    def document_timestamps(self, dissected: Dissected) -> Iterator[Block]:
        ranges = {cut.id: cut.byte_range for cut in dissected.cuts}
        for number, stamp in enumerate(self.report.timestamps, 1):
            if stamp.id in ranges and self._provable(stamp):
                content = f"work/timestamp-{number}.content"
                token = self.collected.file_of[stamp.material.object]
                before = (*_cut(ranges[stamp.id], content), _same_cms(ranges[stamp.id], token, size=self.sizes[token]))
                yield self._stamp(stamp, content, {"number": number}, kind="document_timestamp", before=before)

    def revocation(self, dissected: Dissected) -> Iterator[Block]:
        pairs = pairs_of(self.report)
        for kind, said in (("ocsp", dissected.ocsps), ("crl", dissected.crls)):
            held = [one.file for one in self.collected.objects if one.kind == kind]
            told: set[tuple[str, str]] = set()
            for spoken in said:
                certificate, issuer = (self.collected.file_of.get(one) for one in pairs[spoken.pair])
                if certificate is None or issuer is None:
                    continue
                file = held[spoken.item]
                facts = {"file": file, "certificate": certificate, "issuer": issuer, "status": spoken.status}
                if kind == "ocsp" and (anchor := self._anchor_above(pairs[spoken.pair][0])) is not None:
                    yield Block("ocsp", _ocsp(spoken, file, certificate, issuer, anchor), facts)
                elif kind == "crl" and (file, issuer) not in told:
                    told.add((file, issuer))
                    signed = f"openssl crl -inform DER -in {file} -noout -CAfile {issuer} 2>&1 | grep -q 'verify OK'"
                    yield Block("crl", (signed,), facts)

    def _provable(self, stamp: TimestampReport) -> bool:
        held = stamp.material.object in self.collected.file_of and self._anchor(stamp.material) is not None
        return held and stamp.indication == "TOTAL_PASSED" and stamp.time is not None

    def _stamp(
        self, stamp: TimestampReport, data: str, facts: Mapping[str, object], *, kind: str, before: tuple[str, ...]
    ) -> Block:
        assert stamp.time is not None
        token, anchor = self.collected.file_of[stamp.material.object], self._anchor(stamp.material)
        chain = f"work/{token.replace('/', '-')}.pem"
        check = f"openssl ts -verify -token_in -in {token} -data {data} -CAfile {anchor} -untrusted {chain}"
        timed = f"{check} -partial_chain -attime {_epoch(stamp.time)}"
        made = self._chain(stamp.material, chain)
        commands = (*made, *before, timed, *self._path(stamp.material, chain, at=stamp.time))
        return Block(kind, commands, {**facts, "time": moment(stamp.time), "tsa": clean(stamp.tsa or "")})

    def _chain(self, material: Material, out: str) -> tuple[str, ...]:
        """The certificates of this path alone: openssl takes the first of those with one issuer and serial number."""
        held = [self.collected.file_of[one] for one in material.path if one in self.collected.file_of]
        return (f"cat {' '.join(held) or '/dev/null'} > {out}",)

    def _cms(self, one: SignatureReport, cms: str, content: str, chain: str) -> str:
        anchor = self._anchor(one.material)
        command = f"openssl cms -verify -binary -inform DER -in {cms} -content {content} -certfile {chain}"
        if one.indication != "TOTAL_PASSED" or anchor is None:
            return f"{command} -noverify -out /dev/null"
        profile = "-cades " if one.format == "PAdES" else ""  # it looks for the certificates that the attribute names
        at = _epoch(self._time(one))
        return f"{command} {profile}-CAfile {anchor} {ALONE} -purpose any -attime {at} -out /dev/null"

    def _path(self, material: Material, chain: str, *, at: datetime) -> tuple[str, ...]:
        anchor, leaf = self._anchor(material), self.collected.file_of.get(material.path[0] if material.path else "")
        if anchor is None or leaf is None:
            return ()
        return (f"openssl verify {ALONE} -attime {_epoch(at)} -untrusted {chain} -CAfile {anchor} {leaf}",)

    def _time(self, one: SignatureReport) -> datetime:
        return one.best_signature_time or self.report.validated_at

    def _anchor(self, material: Material) -> str | None:
        return self.collected.anchors.get(material.path[-1]) if material.path else None

    def _anchor_above(self, certificate: str) -> str | None:
        stamps = (*self.report.timestamps, *(stamp for one in self.report.signatures for stamp in one.timestamps))
        every = (*(one.material for one in self.report.signatures), *(stamp.material for stamp in stamps))
        return next((self._anchor(material) for material in every if certificate in material.path), None)


def content_of(stamp: TimestampReport, part: SignaturePart, number: int) -> str | None:
    """The file that a timestamp of a signature is about."""
    return {"signature": part.value, "content": f"work/signature-{number}.content"}.get(stamp.type)


def stamp_file(stamp: TimestampReport) -> str:
    """The file with what a timestamp of a signature in XML is over."""
    return f"timestamps/{stamp.material.object[:16]}.data"


def _cut(byte_range: tuple[int, int, int, int], out: str) -> tuple[str, ...]:
    """What the signature covers: everything but its own value."""
    _, first, second, last = byte_range
    return (f"{{ head -c {first} document.pdf; tail -c +{second + 1} document.pdf | head -c {last}; }} > {out}",)


def _same_cms(byte_range: tuple[int, int, int, int], cms: str, *, size: int) -> str:
    """That the CMS beside the document is the one in it, where it stands in hexadecimal."""
    inside = f"tail -c +{byte_range[1] + 2} document.pdf | head -c {2 * size} | tr A-F a-f"
    return f'test "$({inside})" = "$(od -An -v -tx1 {cms} | tr -d \' \\n\')"'


def _inside(cms: str, value: str | None) -> str:
    """That the value which was stamped is the signature's."""
    return f"od -An -v -tx1 {cms} | tr -d ' \\n' | grep -q \"$(od -An -v -tx1 {value} | tr -d ' \\n')\""


def _ocsp(spoken: Spoken, file: str, certificate: str, issuer: str, anchor: str) -> tuple[str, ...]:
    out = f"work/{file.replace('/', '-')}.txt"
    ask = f"openssl ocsp -respin {file} -issuer {issuer} -cert {certificate} -CAfile {anchor} {ALONE}"
    return (
        f"{ask} -verify_other {OTHERS} -attime {_epoch(spoken.at)} -out {out}",
        f"grep -q '^{certificate}: {spoken.status}' {out}",
    )


def pdfsig(report: Report) -> tuple[str, ...]:
    """That pdfsig finds each signature unchanged. Nothing where it cannot tell, or where one is broken: it finds some of
    these good."""
    own = [one for one in report.signatures if one.parent is None]
    known = all(one.algorithms is not None and one.algorithms.signature not in _NOT_IN_NSS for one in own)
    if report.document.format != "PDF" or not own or not known or not all(one.intact for one in own):
        return ()
    count = len(own)  # it cannot check document timestamps, and says so
    return (f'test "$(pdfsig -nocert document.pdf | grep -c "Signature is Valid")" -eq {count}',)


def page(told: HowTo, *, language: Language) -> bytes:
    """The page in one language, as Markdown."""
    text: str = _template(language).render(
        told=told,
        report=told.report,
        summary=render.summary(told.report, language=language),
        validated_at=told.report.validated_at.isoformat(),
        name=clean(told.report.document.name),
        pdfsig=pdfsig(told.report),
    )
    return text.encode()


@cache
def _template(language: Language) -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 - Markdown; names are made harmless by `inline`
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["inline"] = _inline
    return environment.from_string((files(__package__) / HOWTO[language]).read_text("utf-8"))


def _inline(text: str) -> str:
    """A name that stays a name within a line of Markdown."""
    return "".join(char if char not in "`<>[]*#|\\" else " " for char in clean(text))


def _name(one: SignatureReport) -> str:
    return "" if one.signer is None else one.signer.common_name or one.signer.subject


def _epoch(at: datetime) -> int:
    return int(at.timestamp())
