"""The steps of a verification in words: what each check is, how it went, on what facts, and by which clause.

A code without words (a newer verifier's) is shown as it is: a report never fails over a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from api import locale
from api.locale import Language
from api.reports.text import clean, moment
from verify.report import Check, Outcome

_WORDY = frozenset({"reason", "kind", "state", "binding", "detail", "result", "status"})
"""Facts whose values are codes; those of others are names, times and numbers."""


@dataclass(frozen=True)
class Step:
    title: str
    sentence: str
    outcome: Outcome
    outcome_word: str
    clause: str
    code: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Steps:
    """The checks of one signature or timestamp."""

    heading: str
    steps: tuple[Step, ...]


def steps(heading: str, checks: Sequence[Check], *, language: Language, zone: tzinfo) -> Steps:
    return Steps(heading, tuple(step(check, language=language, zone=zone) for check in checks))


def step(check: Check, *, language: Language, zone: tzinfo) -> Step:
    """One check in words; times among its facts are told in `zone`."""
    tables = locale.words(language)
    words = tables["checks"].get(check.code, {})
    return Step(
        title=words.get("title", clean(check.code)),
        sentence=words.get(check.outcome, ""),
        outcome=check.outcome,
        outcome_word=tables["outcomes"][check.outcome],
        clause=clean(check.clause),
        code=clean(check.code),
        facts=tuple(_facts(check, language=language, zone=zone)),
    )


def _facts(check: Check, *, language: Language, zone: tzinfo) -> Iterator[str]:
    labels = locale.words(language)["facts"]
    for name, value in check.facts.items():
        if value is None or value == "":
            continue
        label = labels.get(f"{check.code}_{name}") or labels.get(name) or clean(name)
        yield f"{label}: {_value(name, value, language=language, zone=zone)}"


def _value(name: str, value: str | int | bool, *, language: Language, zone: tzinfo) -> str:
    if not isinstance(value, str):
        return str(value)
    if name in _WORDY:
        return clean(explain(value, language=language))
    return moment(at) if (at := _time(value, zone=zone)) is not None else clean(value)


def explain(value: str, *, language: Language) -> str:
    """A code of the verifier in words, with the code itself where it has none; several stand with commas between.

    >>> explain("message-digest", language="en")
    'the digest of the content does not match'
    >>> explain("revision 2: not-compared KeyError", language="en")
    'revision 2: could not be compared (KeyError)'
    """
    table: dict[str, str] = locale.words(language)["details"]
    told = []
    for part in value.split(","):
        before, colon, rest = part.strip().rpartition(": ")
        code, _, more = rest.partition(" ")
        words = table.get(code)
        text = rest if words is None else f"{words} ({more})" if more else words
        number = before.removeprefix("revision ")
        if number != before:
            before = table["revision"].format(number=number)
        told.append(f"{before}{colon}{text}")
    return ", ".join(told)


def _time(text: str, *, zone: tzinfo) -> datetime | None:
    if len(text) < len("2026-11-22T09:00:00") or text[10] != "T":
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(zone) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
