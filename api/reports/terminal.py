"""A report for a terminal: the sentence first, then each signature, with colours where there are some.

Names lose control characters on the way (`text.clean`): a document must not steer the terminal that shows its report.

    for line in lines(report, language="vi", zone=zone):
        console.print(*(Text(piece.text, piece.style) for piece in line), sep="")
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from api import locale, render
from api.locale import Language
from api.reports import content
from api.reports.text import clean, moment
from verify.report import Report, SignatureReport, Verdict

SYMBOLS = {"good": "✓", "bad": "✗", "unsure": "?", "plain": "–"}
STYLES = {"good": "green", "bad": "red", "unsure": "yellow", "plain": ""}
STRONG = {tone: f"bold {style}".strip() for tone, style in STYLES.items()}


WORST_FIRST: tuple[Verdict, ...] = ("TOTAL_FAILED", "UNREADABLE", "INDETERMINATE", "NO_SIGNATURE", "TOTAL_PASSED")


@dataclass(frozen=True)
class Piece:
    """A piece of a line; `style` is one of rich's."""

    text: str
    style: str = ""


def report_text(report: Report, *, language: Language, zone: tzinfo = render.VIETNAM) -> str:
    """The report without colours: the sentence is the first line."""
    told = list(lines(report, language=language, zone=zone))
    first = "".join(piece.text for piece in told[0][1:])
    return "\n".join([first, *("".join(piece.text for piece in line).rstrip() for line in told[1:])]) + "\n"


def lines(report: Report, *, language: Language, zone: tzinfo) -> Iterator[tuple[Piece, ...]]:
    """The report line by line; the first piece of the first line is the verdict's symbol."""
    report = render.in_zone(report, zone)
    words = locale.words(language)["report"]
    tone = content.TONES.get(report.verdict, "plain")
    yield Piece(f"{SYMBOLS[tone]} ", STRONG[tone]), Piece(render.summary(report, language=language), STRONG[tone])
    yield Piece(f"  {words['document']}: ", "dim"), Piece(clean(report.document.name))
    labels = {one.id: words["signature"].format(number=number) for number, one in enumerate(report.signatures, 1)}
    for one in report.signatures[: content.MOST]:
        yield ()
        yield from _signature(one, report, labels=labels, language=language)
    if len(report.signatures) > content.MOST:
        yield (Piece("  " + words["more_signatures"].format(count=len(report.signatures) - content.MOST)),)
    counted = Counter(warning.code for warning in report.warnings)
    if counted:
        yield ()
        yield (Piece(f"  {words['warnings']}:", "yellow"),)
    for code, times in counted.items():
        how_often = f" × {times}" if times > 1 else ""
        yield Piece(f"    {render.warning(code, language=language)} "), Piece(f"({code}{how_often})", "dim")
    yield ()
    at, policy = moment(report.validated_at), clean(report.policy)
    yield (Piece(f"  {words['validated_at']}: {at} · {words['policy']}: {policy}", "dim"),)


def tally(verdicts: Sequence[Verdict], *, language: Language) -> tuple[Piece, ...]:
    """One line on many documents: how many of each verdict, the worst first."""
    words = locale.words(language)
    counted = Counter(verdicts)
    parts = [
        Piece(
            f"{SYMBOLS[content.TONES.get(one, 'plain')]} {counted[one]} {words['verdicts'][one].lower()}",
            STRONG[content.TONES.get(one, "plain")],
        )
        for one in WORST_FIRST
        if counted[one]
    ]
    before, after = words["report"]["tally"].format(count=len(verdicts), parts="\0").split("\0")
    joined = [piece for part in parts for piece in (Piece(", "), part)][1:]
    return Piece(before, "bold"), *joined, Piece(after)


def _signature(
    one: SignatureReport, report: Report, *, labels: dict[str, str], language: Language
) -> Iterator[tuple[Piece, ...]]:
    tables = locale.words(language)
    words = tables["report"]
    tone = content.TONES[one.indication]
    heading = content.heading(one, labels=labels, words=words)
    yield (
        Piece(f"  {SYMBOLS[tone]} ", STRONG[tone]),
        Piece(heading, "bold"),
        Piece(f" – {tables['verdicts'][one.indication].lower()}", STYLES[tone]),
    )
    codes = clean(one.indication + (f" / {one.sub_indication}" if one.sub_indication else ""))
    level = clean(one.level or one.format)
    if one.indication == "TOTAL_PASSED":
        yield (Piece(f"    {codes}, {level}", "dim"),)
    else:
        reason = render.reason(one, language=language)
        yield Piece(f"    {reason[:1].upper()}{reason[1:]}. "), Piece(f"({codes}, {level})", "dim")
        code = render.reason_code(one)
        yield (Piece(f"    {tables['advice'].get(code) or tables['advice']['GENERIC']}"),)
    told = [*content.lines_of(one, now=report.validated_at, language=language)][1:]
    told += content.timestamp_lines(one.timestamps, language=language)
    width = max((_width(line.label) for line in told), default=0)
    for line in told:
        space = " " * (width - _width(line.label) + 2)
        yield Piece(f"    {line.label}{space}", "dim"), Piece(line.value, STYLES[line.tone])


def _width(text: str) -> int:
    """Columns of a terminal; Vietnamese is narrow, and so is all that labels are made of."""
    return sum(1 for char in text if not unicodedata.combining(char))
