"""Words for people, in Vietnamese and English: `vi.toml` and `en.toml` beside this file; those of verification reports
in `vi.report.toml` and `en.report.toml`, those of alarms and of production in `vi.watching.toml` and `en.watching.toml`,
those of the directory in `vi.directory.toml` and `en.directory.toml`, those of the administrator's page in
`vi.admin.toml` and `en.admin.toml`.

The packages speak in codes and facts; here a code becomes a sentence that says what to do. A fact that is missing
leaves an ellipsis rather than an error, because a sentence must never be the reason for a failure.

>>> problem("document-empty", language="en").title
'The file is empty'
>>> choose("fr, en;q=0.8, vi;q=0.9", default="en")
'vi'
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True)
class Sentence:
    """`title` says what happened and is the same for each code; `detail` says what to do."""

    title: str
    detail: str


class _Facts(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "…"


@cache
def words(language: Language) -> dict[str, dict[str, Any]]:
    """All tables of one language."""
    tables: dict[str, dict[str, Any]] = {}
    for file in (
        f"{language}.toml",
        f"{language}.report.toml",
        f"{language}.watching.toml",
        f"{language}.directory.toml",
        f"{language}.identity.toml",
        f"{language}.admin.toml",
    ):
        tables |= tomllib.loads((files(__package__) / file).read_text(encoding="utf-8"))
    return tables


def fill(text: str, facts: Mapping[str, object]) -> str:
    """`text` with its {placeholders} filled from the facts."""
    return text.format_map(_Facts(facts))


def problem(code: str, *, language: Language, facts: Mapping[str, object] | None = None) -> Sentence:
    """The sentence of an error code; an unknown code gets the general one."""
    table = words(language)["problems"]
    entry = table.get(code) or table["api-error"]
    return Sentence(entry["title"], fill(entry["detail"], facts or {}))


def choose(accept_language: str | None, *, default: Language) -> Language:
    """The language that `Accept-Language` prefers among ours (RFC 9110 §12.5.4); `default` if it names neither."""
    best: tuple[float, Language] | None = None
    for part in (accept_language or "")[:200].split(","):
        tag, _, parameters = part.strip().partition(";")
        quality = _quality(parameters)
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language and quality > 0 and (best is None or quality > best[0]):
                best = (quality, language)
    return best[1] if best else default


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
