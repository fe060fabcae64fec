"""Reports for people and programs: the summary sentence, the JSON with it, and plain text for a terminal.

Not here: HTML, PDF and ETSI XML, and any judgement; a report is told as it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from api import locale
from api.locale import Language
from verify.report import Report, SignatureReport, to_json

VIETNAM = timezone(timedelta(hours=7))
"""The zone where no other is configured."""


def report_json(report: Report, *, zone: tzinfo = VIETNAM) -> dict[str, Any]:
    """The report, `summary` included, in its order of members; every time is told in `zone`."""
    shape = to_json(_in_zone(report, zone))
    return {
        "document": shape.pop("document"),
        "verdict": shape.pop("verdict"),
        "summary": {language: summary(report, language=language) for language in locale.LANGUAGES},
        **shape,
    }


def summary(report: Report, *, language: Language) -> str:
    """One plain sentence on the whole document.

    With several signatures it names the first that decides the verdict, and how many are like it.
    """
    table = locale.words(language)["summary"]
    if not report.signatures:
        return str(
            table[report.verdict if report.verdict in ("NO_SIGNATURE", "UNREADABLE") else "SIGNATURE_UNREADABLE"]
        )
    deciding = [one for one in report.signatures if one.indication == report.verdict] or list(report.signatures)
    first, count = deciding[0], len(report.signatures)
    form = "one" if count == 1 else "many"
    return locale.fill(
        table[f"{report.verdict}_{form}"],
        {
            "signer": _signer(first) or table["unknown_signer"],
            "reason": reason(first, language=language),
            "count": count,
            "failed": len(deciding),
        },
    )


def reason(signature: SignatureReport, *, language: Language) -> str:
    """Why the signature is not valid, as a clause without a full stop."""
    table: dict[str, str] = locale.words(language)["reasons"]
    code = signature.sub_indication or ("MODIFIED" if signature.changes.modified else "GENERIC")
    return table.get(code, table["GENERIC"])


def report_text(report: Report, *, language: Language, zone: tzinfo = VIETNAM) -> str:
    """The report for a terminal: the sentence first, then each signature; every time is told in `zone`."""
    return "\n".join(_lines(_in_zone(report, zone), language)) + "\n"


def time_text(moment: datetime) -> str:
    """As people here write a time, with its offset: 22/11/2026 09:00:00 +07:00."""
    return f"{moment:%d/%m/%Y %H:%M:%S} {moment.isoformat()[-6:]}"


def _lines(report: Report, language: Language) -> Iterator[str]:
    words = locale.words(language)["render"]
    yield summary(report, language=language)
    yield f"{words['document']}: {_plain(report.document.name)}"
    for number, signature in enumerate(report.signatures, 1):
        yield ""
        yield f"{words['signature']} {number} ({signature.format}, {signature.level or '–'})"
        for label, value in _facts(signature, words, language):
            if value:
                yield f"  {words[label]}: {_plain(value)}"
        for stamp in signature.timestamps:
            conclusion = words[stamp.indication]
            yield f"  {words['timestamp']}: {_time(stamp.time)}, {_plain(stamp.tsa or '–')} ({conclusion})"
    if report.warnings:
        yield ""
        yield f"{words['warnings']}:"
    for code, times in Counter(warning.code for warning in report.warnings).items():
        yield f"  {_warning(code, language)} ({code}{f' × {times}' if times > 1 else ''})"
    yield ""
    yield f"{words['validated_at']}: {_time(report.validated_at)} · {words['policy']}: {report.policy}"


def _warning(code: str, language: Language) -> str:
    """The sentence of a warning; an unreadable document's is that of the error."""
    table: dict[str, str] = locale.words(language)["warnings"]
    return table.get(code) or locale.problem(code, language=language).title


def _facts(one: SignatureReport, words: dict[str, str], language: Language) -> Iterator[tuple[str, str | None]]:
    conclusion = f"{words[one.indication]} ({one.indication}{f' / {one.sub_indication}' if one.sub_indication else ''})"
    yield "indication", conclusion
    if one.indication != "TOTAL_PASSED":
        yield "reason", reason(one, language=language)
    yield "signer", _signer(one)
    if one.signer is not None:
        yield "organization", one.signer.organization
        yield "issuer", one.signer.issuer
        yield "validity", f"{_time(one.signer.not_before)} – {_time(one.signer.not_after)}"
    yield "integrity", words["intact" if one.intact else "broken"]
    yield "claimed_time", _time(one.claimed_time)
    yield "best_signature_time", _time(one.best_signature_time)
    yield "changes", words[f"changes_{one.changes.kind}"]
    if one.algorithms is not None:
        yield "algorithms", f"{one.algorithms.signature} {one.algorithms.key_size}, {one.algorithms.digest}"


def _signer(signature: SignatureReport) -> str | None:
    return None if signature.signer is None else _plain(signature.signer.common_name or signature.signer.subject)


def _time(moment: datetime | None) -> str:
    return "–" if moment is None else time_text(moment)


def _in_zone(value: Any, zone: tzinfo) -> Any:
    """The same value with every time in `zone`."""
    if isinstance(value, datetime):
        return value.astimezone(zone)
    if isinstance(value, tuple):
        return tuple(_in_zone(item, zone) for item in value)
    if isinstance(value, dict):
        return {name: _in_zone(item, zone) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _in_zone(getattr(value, item.name), zone) for item in fields(value)})
    return value


def _plain(text: str) -> str:
    """Without control characters: a document must not steer the terminal that shows its report."""
    return "".join(char if char.isprintable() else "?" for char in text)
