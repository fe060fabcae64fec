"""Kinds of organisations, forms of signing, ranks and roles: data (`rules.toml`), and the words by which people write them.

>>> form("T/M"), form("thừa ủy quyền"), kind("Đảng ủy cơ sở"), rank("Phó")
('TM', 'TUQ', 'dang-uy-co-so', 'deputy')
>>> plain(" Mã  đơn_vị ")
'ma don vi'
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from api.directory.model import Form, Rank

Table = Literal["kinds", "forms", "ranks", "roles"]
_APART = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class FormRule:
    """What a form of signing rests on; see `rules.toml`."""

    ranks: tuple[str, ...]
    delegated: bool
    collective: bool
    within: bool
    ends: bool


@cache
def _tables() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    return tomllib.loads((files(__package__) / "rules.toml").read_text("utf-8"))


@cache
def _spellings(table: Table) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for code, entry in _tables()[table].items():
        for word in (code, entry["vi"], entry["en"], *entry.get("also", ())):
            found.setdefault(plain(word), code)
    return found


def plain(text: str) -> str:
    """A word without diacritics, case and punctuation: how headers and choices are compared."""
    apart = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "d"))
    letters = "".join(char for char in apart if not unicodedata.combining(char))
    return _APART.sub(" ", letters).strip().lower()


def code_of(table: Table, text: str) -> str | None:
    """The code that a word stands for; None for a word that is not known."""
    return _spellings(table).get(plain(text))


def codes(table: Table) -> tuple[str, ...]:
    return tuple(_tables()[table])


def word(table: Table, code: str, language: str) -> str:
    """The code in words; the code itself where the table has no such entry."""
    entry = _tables()[table].get(code)
    return code if entry is None else str(entry[language])


def kind(text: str) -> str | None:
    return code_of("kinds", text)


def form(text: str) -> Form | None:
    return cast("Form | None", code_of("forms", text))


def rank(text: str) -> Rank | None:
    return cast("Rank | None", code_of("ranks", text))


def is_collective(kind: str) -> bool:
    """Whether bodies of this kind decide together."""
    entry = _tables()["kinds"].get(kind)
    return entry is not None and bool(entry["collective"])


@cache
def form_rule(form: Form) -> FormRule:
    entry = _tables()["forms"][form]
    return FormRule(
        tuple(entry["ranks"]),
        entry.get("delegated", False),
        entry.get("collective", False),
        entry.get("within", False),
        entry.get("ends", False),
    )
