"""The verdict on one certificate for a terminal: the sentence first, then the path, then what did not pass.

for line in lines(verdict, at=at, policy="default", language="vi", zone=zone):
    console.out.print(*(Text(piece.text, piece.style) for piece in line), sep="")
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, tzinfo

from api import locale, render
from api.locale import Language
from api.reports.steps import step
from api.reports.terminal import STRONG, STYLES, SYMBOLS, Piece
from api.reports.text import clean, moment
from api.workflows.documents import CertificateVerdict
from verify.report import Check

_UNSURE = frozenset({"NO_CERTIFICATE_CHAIN_FOUND", "NO_CERTIFICATE_CHAIN_FOUND_NO_POE", "TRY_LATER"})
"""More information could still make it good. A person is told of the others what they are: not valid, as of that time."""
_OUTCOMES = {"PASSED": "good", "FAILED": "bad", "WARNING": "unsure"}


def lines(
    verdict: CertificateVerdict, *, at: datetime, policy: str, language: Language, zone: tzinfo
) -> Iterator[tuple[Piece, ...]]:
    """The verdict line by line; steps that passed are told by their names, others with all that is known."""
    words = locale.words(language)["certificate"]
    passed = verdict.indication == "TOTAL_PASSED"
    reason = words["reasons"].get(verdict.sub_indication or "", "")
    unsure = not reason or verdict.sub_indication in _UNSURE
    tone = "good" if passed else "unsure" if unsure else "bad"
    told = words["TOTAL_PASSED" if passed else "INDETERMINATE" if unsure else "TOTAL_FAILED"]
    told += f": {reason}" if reason else ""
    yield Piece(f"{SYMBOLS[tone]} ", STRONG[tone]), Piece(f"{told}.", STRONG[tone])
    codes = verdict.indication + (f" / {verdict.sub_indication}" if verdict.sub_indication else "")
    yield (Piece(f"  {codes}", "dim"),)
    if verdict.path:
        yield ()
        yield (Piece(f"  {words['path']}:"),)
        for depth, subject in enumerate(verdict.path):
            branch = "  " * depth + ("└ " if depth else "")
            anchored = f"  ({words['anchor']})" if depth == len(verdict.path) - 1 else ""
            yield Piece(f"    {branch}", "dim"), Piece(clean(subject)), Piece(anchored, "dim")
    yield ()
    yield (Piece(f"  {words['steps']}:"),)
    for check in verdict.checks:
        yield from _step(check, language=language, zone=zone)
    if verdict.warnings:
        yield ()
        yield (Piece(f"  {words['warnings']}:", "yellow"),)
    for warning in verdict.warnings:
        named = warning.facts.get("url") or warning.facts.get("subject") or ""
        yield (
            Piece(f"    {render.warning(warning.code, language=language)} "),
            Piece(f"({warning.code}{' ' if named else ''}{clean(str(named))})", "dim"),
        )
    yield ()
    known = f"{words['judged_at']}: {moment(at.astimezone(zone))} · {words['policy']}: {clean(policy)}"
    yield (Piece(f"  {known}", "dim"),)


def _step(check: Check, *, language: Language, zone: tzinfo) -> Iterator[tuple[Piece, ...]]:
    whom = clean(str(check.facts.get("subject") or ""))
    facts = {name: value for name, value in check.facts.items() if name != "subject"}
    told = step(replace(check, facts=facts), language=language, zone=zone)
    tone = _OUTCOMES.get(check.outcome, "plain")
    yield (
        Piece(f"    {SYMBOLS[tone]} ", STYLES[tone]),
        Piece(told.title),
        Piece(f": {whom}" if whom else ""),
        Piece(f"  ({check.clause})", "dim"),
    )
    if check.outcome != "PASSED":
        yield (Piece(f"      {told.sentence or told.outcome_word}"),)
        if told.facts:
            yield (Piece(f"      {'; '.join(told.facts)}", "dim"),)
