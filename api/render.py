"""A report's sentences and its JSON: the summary, the reason why a signature is not valid, what a warning means.

Not here: pages, PDF and the terminal (`api.reports`), ETSI XML, and any judgement; a report is told as it stands.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from api import locale
from api.locale import Language
from api.reports.text import clean
from verify.report import Report, SignatureReport, to_json

VIETNAM = timezone(timedelta(hours=7))
"""The zone where no other is configured."""


def report_json(report: Report, *, zone: tzinfo = VIETNAM) -> dict[str, Any]:
    """The report, `summary` included, in its order of members; every time is told in `zone`."""
    shape = to_json(in_zone(report, zone))
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
    deciding = [one for one in report.signatures if one.indication == report.verdict]
    if not deciding:  # all that could be read are better than the verdict: another could not be read
        return str(table["SIGNATURE_UNREADABLE"])
    first, count = deciding[0], len(report.signatures)
    form = "one" if count == 1 else "many"
    whole = report.document.format != "XML" or any(one.scope == "FULL" for one in deciding)
    verdict = report.verdict if report.verdict != "TOTAL_PASSED" or whole else "TOTAL_PASSED_PARTIAL"
    return locale.fill(
        table[f"{verdict}_{form}"],
        {
            "signer": signer(first) or table["unknown_signer"],
            "reason": reason(first, language=language),
            "count": count,
            "failed": len(deciding),
        },
    )


def reason(signature: SignatureReport, *, language: Language) -> str:
    """Why the signature is not valid, as a clause without a full stop."""
    table: dict[str, str] = locale.words(language)["reasons"]
    return table.get(reason_code(signature), table["GENERIC"])


def reason_code(signature: SignatureReport) -> str:
    """The sub-indication; but a document that was changed after signing is called that, not wrongly built."""
    if signature.changes.modified and signature.sub_indication in (None, "FORMAT_FAILURE"):
        return "MODIFIED"
    return signature.sub_indication or "GENERIC"


def warning(code: str, *, language: Language) -> str:
    """The sentence of a warning, without a capital or a full stop; an unreadable document's is that of the error."""
    table: dict[str, str] = locale.words(language)["warnings"]
    return table.get(code) or locale.problem(code, language=language).title


def signer(signature: SignatureReport) -> str | None:
    """The signer's name, fit to be shown; None where nobody is known to have signed."""
    return None if signature.signer is None else clean(signature.signer.common_name or signature.signer.subject)


def in_zone(value: Any, zone: tzinfo) -> Any:
    """The same value with every time in `zone`; at the ends of the calendar (a certificate without end, RFC 5280 §4.1.2.5)
    as it is."""
    if isinstance(value, datetime):
        try:
            return value.astimezone(zone)
        except OverflowError:
            return value
    if isinstance(value, tuple):
        return tuple(in_zone(item, zone) for item in value)
    if isinstance(value, dict):
        return {name: in_zone(item, zone) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: in_zone(getattr(value, item.name), zone) for item in fields(value)})
    return value
