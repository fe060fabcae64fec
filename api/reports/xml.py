"""What a report tells of a signature in XML beyond the rest: what it covers, and what its signer claims.

From the checks alone: `SCOPE` and `REFERENCE` say what was digested, `FORMAT` repeats the signed properties. What is not
proven is called a statement of the signer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from api import locale
from api.locale import Language
from api.reports.text import clean
from verify.report import SignatureReport

FORMATS = ("XAdES", "XMLDSIG")
MOST = 12
"""Parts and files that are named."""
_CLAIMS = ("roles", "place", "commitments", "policy")
_LONGEST = 120


def coverage(one: SignatureReport, *, language: Language) -> str | None:
    """What the signature covers, in words; None for another format, and where nothing could be found out."""
    words = locale.words(language)["report"]
    facts = next((check.facts for check in one.checks if check.code == "SCOPE"), None)
    if one.format not in FORMATS or facts is None:
        return None
    if one.parent is not None:
        return str(words["covers_signature"])
    found = list(dict.fromkeys(_parts(one, str(facts.get("covers") or ""), words)))
    if len(found) > MOST:
        found = [*found[:MOST], "…"]
    return "; ".join(found) or str(words["covers_nothing"])


def _parts(one: SignatureReport, covered: str, words: Mapping[str, str]) -> Iterator[str]:
    """Of each reference that matched what it names: all of the document, an element, a file."""
    for check in one.checks:
        if check.code not in ("REFERENCE", "MANIFEST_ENTRY") or check.outcome != "PASSED":
            continue
        uri = check.facts.get("uri")
        if uri is None:
            yield words["covers_unnamed"]
        elif uri in ("", "#xpointer(/)"):
            whole = one.scope == "FULL" or "/" in covered.split(", ")
            yield words["covers_all" if whole else "covers_most"]
        elif not str(uri).startswith("#"):
            yield words["covers_file"].format(name=_short(unquote(str(uri))))
        elif (name := _element(str(uri), covered)) is not None:
            inside = name.startswith("Object#")
            yield words["covers_object" if inside else "covers_part"].format(name=_short(name))


def _element(uri: str, covered: str) -> str | None:
    """How the reader calls the element of a reference, if it is content and not a part of the signature itself."""
    target = uri.removeprefix("#xpointer(id(").removesuffix("))").strip("'\"") if "xpointer" in uri else uri[1:]
    return next((one for one in covered.split(", ") if one.split(" - ")[0].endswith(f"#{target}")), None)


def missing(one: SignatureReport, *, language: Language) -> str | None:
    """What the signature refers to and is not here; None where nothing is missing."""
    words = locale.words(language)["report"]
    found = []
    for check in one.checks:
        reason, uri = check.facts.get("reason"), check.facts.get("uri")
        if check.code not in ("REFERENCE", "MANIFEST_ENTRY") or check.outcome == "PASSED":
            continue
        if reason == "detached-missing":
            found.append(words["missing_file"].format(name=_short(unquote(str(uri)))))
        elif reason == "unnamed":
            found.append(words["missing_unnamed"])
        elif reason == "id-missing":
            found.append(words["missing_part"].format(name=_short(str(uri))))
    return "; ".join(dict.fromkeys(found[:MOST])) or None


def passed_code(one: SignatureReport) -> str:
    """Which advice a valid signature gets: less than a PDF's where it covers less."""
    if one.format not in FORMATS or one.scope == "FULL":
        return "TOTAL_PASSED"
    return "TOTAL_PASSED_PARTIAL" if one.parent is None else "TOTAL_PASSED_COUNTER"


def claims(one: SignatureReport, *, language: Language) -> Iterator[tuple[str, str]]:
    """Label and value of what the signer states of role, place, purpose and policy."""
    tables = locale.words(language)
    facts = next((check.facts for check in one.checks if check.code == "FORMAT"), {})
    if one.format not in FORMATS:
        return
    for name in _CLAIMS:
        value = facts.get(name)
        if not value or value == "implied":
            continue
        text = str(value)
        if name == "commitments":
            text = ", ".join(tables["commitments"].get(_kind(each), each) for each in text.split(", "))
        yield tables["report"][f"claimed_{name}"], _short(text)


def _kind(identifier: str) -> str:
    """The word of a commitment type (EN 319 132-1 §5.2.3): by URI, or by object identifier."""
    word = identifier.rsplit("ProofOf", 1)[-1] if "ProofOf" in identifier else identifier.rsplit(".", 1)[-1]
    return {"1": "origin", "2": "receipt", "3": "delivery", "4": "sender", "5": "approval", "6": "creation"}.get(
        word, word.lower()
    )


def _short(text: str) -> str:
    shown = clean(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
