"""What a report tells a person, line by line, before it becomes HTML or PDF: words chosen, times in one zone, names made
fit to be shown. Not here: looks, and any judgement.

Its order is that of reading: one sentence and one colour; each signature with who, for whom, when, integrity, the
certificate at signing time, who issued it and for how long; the pages; the steps with their clauses; technical data.

    told = told(report, language="vi", zone=zone, portrait=portrait)
    told.verdict, told.tone, told.sentence
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from api import locale, render
from api.locale import Language
from api.reports import certificate, steps, xml
from api.reports.pictures import Comparison, Picture, comparisons_of, pages_of
from api.reports.steps import Steps
from api.reports.text import clean, moment
from api.sandbox.calls import Portrait
from verify.report import Report, SignatureReport, TimestampReport

Tone = Literal["good", "bad", "unsure", "plain"]

MOST = 100
"""Signatures that are told one by one; a hostile document may hold many more."""
DEEPEST = 3
"""Signatures on signatures that are moved in."""
PLACES = 8
"""Places of changes that are named."""
CHANGED = ("suspicious", "forbidden")
TONES: dict[str, Tone] = {"TOTAL_PASSED": "good", "TOTAL_FAILED": "bad", "INDETERMINATE": "unsure", "UNREADABLE": "bad"}
_INTEGRITY: dict[str, Tone] = {
    "integrity_full": "good",
    "integrity_covered": "good",
    "integrity_missing": "unsure",
    "integrity_allowed": "good",
    "integrity_suspicious": "unsure",
    "integrity_modified": "bad",
    "integrity_broken": "bad",
}


@dataclass(frozen=True)
class Line:
    """A label and what stands beside it; `exact` is for digests and codes."""

    label: str
    value: str
    tone: Tone = "plain"
    exact: bool = False


@dataclass(frozen=True)
class Signature:
    """One signature as a person sees it."""

    heading: str
    tone: Tone
    verdict: str
    sentence: str
    meaning: str
    depth: int
    """How many signatures it stands in: 0 for one of the document, 1 for one that confirms such a signature."""
    lines: tuple[Line, ...]
    timestamps: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Told:
    """The whole report. `words` are the fixed words of its headings."""

    language: Language
    words: dict[str, str]
    tone: Tone
    verdict: str
    sentence: str
    validated_at: str
    at: str
    """The same in ISO 8601, for programs."""
    document: tuple[Line, ...]
    warnings: tuple[str, ...]
    signatures: tuple[Signature, ...]
    left_out: str
    timestamps: tuple[Line, ...]
    pages: tuple[Picture, ...]
    pages_notes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    steps: tuple[Steps, ...]
    technical: tuple[Table, ...]


def told(
    report: Report, *, language: Language, zone: tzinfo = render.VIETNAM, portrait: Portrait | None = None
) -> Told:
    """The report in words; `portrait` brings the pictures of the pages, if there are any."""
    report = render.in_zone(report, zone)
    tables = locale.words(language)
    words = tables["report"]
    shown = report.signatures[:MOST]
    labels = {one.id: words["signature"].format(number=number) for number, one in enumerate(report.signatures, 1)}
    left = len(report.signatures) - len(shown)
    return Told(
        language=language,
        words=words,
        tone=TONES.get(report.verdict, "plain"),
        verdict=tables["verdicts"][report.verdict],
        sentence=render.summary(report, language=language),
        validated_at=moment(report.validated_at),
        at=report.validated_at.isoformat(),
        document=tuple(_document(report, words)),
        warnings=tuple(warnings(report, language=language)),
        signatures=tuple(_signature(one, report, labels=labels, language=language) for one in shown),
        left_out=words["more_signatures"].format(count=left) if left else "",
        timestamps=tuple(timestamp_lines(report.timestamps, language=language)),
        pages=pages_of(portrait, labels=labels, words=words),
        pages_notes=tuple(_pages_notes(portrait, shown, labels=labels, words=words)),
        comparisons=comparisons_of(portrait, labels=labels, words=words),
        steps=tuple(_steps(report, shown, labels=labels, language=language, zone=zone)),
        technical=tuple(_technical(one, heading=labels[one.id], language=language) for one in shown),
    )


def warnings(report: Report, *, language: Language) -> Iterator[str]:
    """A sentence for each kind of warning, with how often it was raised."""
    words = locale.words(language)["report"]
    for code, count in Counter(warning.code for warning in report.warnings).items():
        sentence = render.warning(code, language=language)
        sentence = sentence[:1].upper() + sentence[1:]
        yield words["warning_times"].format(sentence=sentence, count=count) if count > 1 else sentence


def heading(one: SignatureReport, *, labels: dict[str, str], words: dict[str, str]) -> str:
    """`Signature 2: Nguyễn Văn An`."""
    label = labels.get(one.id, "")
    if one.parent is not None:
        number = label.rsplit(" ", 1)[-1]
        label = words["counter_signature"].format(number=number, parent=labels.get(one.parent, clean(one.parent)))
    return f"{label}: {certificate.signer_name(one) or words['unknown_signer']}"


def _document(report: Report, words: dict[str, str]) -> Iterator[Line]:
    document = report.document
    yield Line(words["document_name"], clean(document.name))
    yield Line(words["document_size"], words["bytes"].format(count=f"{document.size:,}".replace(",", "\u00a0")))
    if document.sha256:
        yield Line(words["document_sha256"], document.sha256, exact=True)
    yield Line(words["validated_at"], moment(report.validated_at))
    yield Line(words["policy"], clean(report.policy), exact=True)


def _signature(one: SignatureReport, report: Report, *, labels: dict[str, str], language: Language) -> Signature:
    tables = locale.words(language)
    verdict = tables["verdicts"][one.indication]
    passed = one.indication == "TOTAL_PASSED"
    code = xml.passed_code(one) if passed else render.reason_code(one)
    return Signature(
        heading=heading(one, labels=labels, words=tables["report"]),
        tone=TONES[one.indication],
        verdict=verdict,
        sentence="" if passed else _capital(render.reason(one, language=language)) + ".",
        meaning=tables["advice"].get(code) or tables["advice"]["GENERIC"],
        depth=_depth(one, report),
        lines=tuple(lines_of(one, now=report.validated_at, language=language)),
        timestamps=tuple(timestamp_lines(one.timestamps, language=language)),
    )


def _depth(one: SignatureReport, report: Report) -> int:
    above = {each.id: each.parent for each in report.signatures}
    depth, parent = 0, one.parent
    while parent is not None and depth < DEEPEST:
        depth, parent = depth + 1, above.get(parent)
    return depth


def lines_of(one: SignatureReport, *, now: datetime, language: Language) -> Iterator[Line]:
    """What the rules ask a verification to show of each signature."""
    words = locale.words(language)["report"]
    yield Line(words["signer"], certificate.signer_name(one) or words["unknown_signer"])
    if one.signer is not None and one.signer.organization:
        yield Line(words["organization"], clean(one.signer.organization))
    yield Line(words["signing_time"], certificate.signing_time(one, now=now, words=words))
    key = integrity(one)
    yield Line(words["integrity"], words[key], _INTEGRITY[key])
    if one.changes.kind in CHANGED and one.changes.places:
        yield Line(words["changed_places"], "; ".join(_places(one, language=language)))
    covered = xml.coverage(one, language=language)
    if covered is not None:
        yield Line(words["covers"], covered, "plain" if one.scope == "FULL" or one.parent is not None else "unsure")
    elif one.scope == "PARTIAL":
        yield Line(words["integrity"], words["integrity_partial"], "unsure")
    if (missing := xml.missing(one, language=language)) is not None:
        yield Line(words["missing"], missing, "unsure")
    for label, value in xml.claims(one, language=language):
        yield Line(label, value)
    if one.signer is not None:
        then = certificate.then(one, now=now, words=words)
        yield Line(words["validity_then"], then.value, then.tone)
        yield Line(words["authority"], certificate.authority(one.signer.issuer))
        begin, end = moment(one.signer.not_before), moment(one.signer.not_after)
        yield Line(words["period"], words["period_value"].format(begin=begin, end=end))


def _places(one: SignatureReport, *, language: Language) -> Iterator[str]:
    """Where later revisions touched the document, each page and kind once."""
    words = locale.words(language)["report"]
    found = dict.fromkeys((place.page, place.what) for place in one.changes.places)
    for page, what in list(found)[:PLACES]:
        yield words["changed_place"].format(page=page, what=clean(steps.explain(what, language=language)))
    if len(found) > PLACES:
        yield "…"


def integrity(one: SignatureReport) -> str:
    """Which sentence says what became of the signed content."""
    if not one.intact:
        return "integrity_missing" if one.sub_indication == "SIGNED_DATA_NOT_FOUND" else "integrity_broken"
    if one.format in xml.FORMATS:
        return "integrity_full" if one.scope == "FULL" else "integrity_covered"
    if one.changes.modified:
        return "integrity_modified"
    kinds = {"none": "integrity_full", "allowed": "integrity_allowed", "suspicious": "integrity_suspicious"}
    return kinds.get(one.changes.kind, "integrity_modified")


def timestamp_lines(stamps: Sequence[TimestampReport], *, language: Language) -> Iterator[Line]:
    """A line for each timestamp: what it is of, its time, who made it, what it is worth."""
    tables = locale.words(language)
    words = tables["report"]
    for stamp in stamps[:MOST]:
        value = words["timestamp_value"].format(
            time=moment(stamp.time) if stamp.time else words["time_unknown"],
            authority=certificate.short_name(stamp.tsa) if stamp.tsa else words["then_unknown"],
            verdict=tables["verdicts"][stamp.indication].lower(),
        )
        yield Line(words[f"timestamp_{stamp.type}"], value, TONES[stamp.indication])


def _steps(
    report: Report, shown: Sequence[SignatureReport], *, labels: dict[str, str], language: Language, zone: tzinfo
) -> Iterator[Steps]:
    words = locale.words(language)["report"]
    for one in shown:
        what = labels[one.id][:1].lower() + labels[one.id][1:]
        yield steps.steps(words["steps_of"].format(what=what), one.checks, language=language, zone=zone)
        for stamp in one.timestamps:
            yield _stamp_steps(stamp, what=what, language=language, zone=zone)
    for stamp in report.timestamps[:MOST]:
        yield _stamp_steps(stamp, what="", language=language, zone=zone)


def _stamp_steps(stamp: TimestampReport, *, what: str, language: Language, zone: tzinfo) -> Steps:
    words = locale.words(language)["report"]
    name = words[f"timestamp_{stamp.type}"]
    if stamp.time:
        name += f" {moment(stamp.time)}"
    return steps.steps(f"{name} ({what})" if what else name, stamp.checks, language=language, zone=zone)


def _technical(one: SignatureReport, *, heading: str, language: Language) -> Table:
    words = locale.words(language)["report"]
    return Table(heading, tuple(_technical_lines(one, words)))


def _technical_lines(one: SignatureReport, words: dict[str, str]) -> Iterator[Line]:
    conclusion = one.indication + (f" / {one.sub_indication}" if one.sub_indication else "")
    yield Line(words["indication"], clean(conclusion), exact=True)
    yield Line(words["format"], one.format, exact=True)
    if one.level:
        yield Line(words["level"], _level(one.level, words), exact=True)
    yield Line(words["identifier_xml" if one.format in xml.FORMATS else "identifier"], clean(one.id), exact=True)
    if one.algorithms is not None:
        used = one.algorithms
        yield Line(words["algorithms"], clean(f"{used.signature} {used.key_size}, {used.digest}"), exact=True)
    if one.signer is not None:
        yield Line(words["subject"], clean(one.signer.subject), exact=True)
        yield Line(words["issuer"], clean(one.signer.issuer), exact=True)
        yield Line(words["serial"], clean(one.signer.serial), exact=True)
    if one.claimed_time is not None:
        yield Line(words["claimed_time"], moment(one.claimed_time))
    if one.best_signature_time is not None:
        yield Line(words["best_signature_time"], moment(one.best_signature_time))
    yield Line(words["changes"], words[f"change_{one.changes.kind}"])


def _level(level: str, words: dict[str, str]) -> str:
    """The name of a level, and what it means where it is one of the four of EN 319 1x2."""
    meaning = words.get(f"level_{level.rsplit('-', 1)[-1]}") if "BASELINE" in level else None
    return clean(level) if meaning is None else f"{clean(level)} – {meaning}"


def _pages_notes(
    portrait: Portrait | None, shown: Sequence[SignatureReport], *, labels: dict[str, str], words: dict[str, str]
) -> Iterator[str]:
    if portrait is None:
        return
    if not portrait.pictures:
        yield words["no_pictures"]
        return
    yield words["pages_note"]
    if portrait.pages > len(portrait.pictures):
        yield words["pages_left"].format(count=portrait.pages)
    if portrait.complete:
        seen = {mark.id for picture in portrait.pictures for mark in picture.marks}
        unseen = [labels[one.id] for one in shown if one.id not in seen]
        if unseen:
            yield words["invisible"].format(signatures=", ".join(unseen))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
