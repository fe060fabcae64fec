"""Profiles: how a signature has to look, as data in TOML files beside this module, one table a look.

A profile holds its whole text, so that it can be shipped to a process that opens no file; `find` takes the name of one
that comes with the program, or the text of an office's own. Keys that are not known are refused: a misspelt rule would
be no rule.

    look = find("dang", "sao-y")
    look.shows, look.place, look.lines           # ("seal", "top-right", ("SAO Y", "{signer}", "{time_iso}"))

| key | is |
|---|---|
| `title` | what the look is called, `vi` and `en` |
| `shows` | `none`, `signature` (the hand, blue) or `seal` (red, in true size) |
| `place` | `given` by the order; `top-right` of page 1; `over-signature`: over the left third of the person's picture |
| `lines` | text with {placeholders}; a line is left out where all of its placeholders are empty |
| `requires` | values that the order must bring: `number`, `date`, `title`, `note` |
| `width_mm` | how wide the look is at most where the place is its own; text is wrapped there |
| `margin_mm` | from the page's edges, right and top |
| `seal_mm` | true width of the seal where neither picture nor order state it |
| `font_size`, `smallest` | points; text that does not fit at the latter is refused |
| `colour` | `black`, `blue` or `red` |
| `align` | `left`, `centre` or `right` |
| `border` | `none` or `thin` |
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal, get_args

from signer.errors import ProfileInvalid, ProfileUnknown

Shows = Literal["none", "signature", "seal"]
Rule = Literal["given", "top-right", "over-signature"]
Colour = Literal["black", "blue", "red"]
Align = Literal["left", "centre", "right"]
Border = Literal["none", "thin"]
Reader = Callable[[Any, str], Any]

SHIPPED = ("dang", "nha-nuoc")
ASKED = ("number", "date", "title", "note")
"""Placeholders that the order fills."""
KNOWN = (*ASKED, "signer", "organisation", "reason", "time_iso", "time_vi")
"""All placeholders; the others come from the certificate, the order's reason and the clock."""
LARGEST = 64 * 1024
_MOST_LOOKS, _MOST_LINES, _LONGEST = 100, 20, 200


@dataclass(frozen=True)
class Look:
    """One look, read and checked; lengths in millimetres, sizes of text in points."""

    name: str
    title: Mapping[str, str]
    shows: Shows = "none"
    place: Rule = "given"
    lines: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    width_mm: float = 60.0
    margin_mm: tuple[float, float] = (10.0, 10.0)
    seal_mm: float | None = None
    font_size: float = 10.0
    smallest: float = 4.0
    colour: Colour = "black"
    align: Align = "left"
    border: Border = "none"

    def text(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The lines with `values` in them. A value is never read for placeholders again."""
        shown = []
        for line in self.lines:
            parts = [(text, name) for text, name, _, _ in string.Formatter().parse(line)]
            names = [name for _, name in parts if name]
            if names and not any(values.get(name) for name in names):
                continue
            shown.append("".join(text + (values.get(name, "") if name else "") for text, name in parts))
        return tuple(shown)


@dataclass(frozen=True)
class Profile:
    """Looks by name, and the whole text that they were read from."""

    name: str
    source: str
    title: Mapping[str, str]
    looks: Mapping[str, Look]
    text: str


def preload() -> None:
    """Read all profiles that come with the program: `find` may then run where no file can be opened."""
    for name in SHIPPED:
        load(name)


def find(profile: str, look: str) -> Look:
    """A look of a profile, by its name or its whole text. Raises ProfileUnknown, ProfileInvalid."""
    whole = parse(profile) if "\n" in profile else load(profile)
    try:
        return whole.looks[look]
    except KeyError:
        raise ProfileUnknown(profile=f"{whole.name}/{look}", known=", ".join(whole.looks)) from None


@cache
def load(name: str) -> Profile:
    """A profile that comes with the program. Raises ProfileUnknown."""
    if name not in SHIPPED:
        raise ProfileUnknown(profile=name, known=", ".join(SHIPPED))
    return parse(resources.files(__name__).joinpath(f"{name}.toml").read_text("utf-8"))


@lru_cache(maxsize=16)
def parse(text: str) -> Profile:
    """A profile from its text. Raises ProfileInvalid, with the place (`where`) of what is wrong."""
    if len(text) > LARGEST:
        raise ProfileInvalid("the profile is too long", where="size")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProfileInvalid("the profile is not TOML", where=str(error)[:_LONGEST]) from error
    _require_keys(table, {"name", "source", "title", "looks"}, where="")
    name = table.get("name")
    if not isinstance(name, str) or not _is_name(name):
        raise ProfileInvalid("a profile has a name", where="name")
    looks = table.get("looks")
    if not isinstance(looks, dict) or not 0 < len(looks) <= _MOST_LOOKS:
        raise ProfileInvalid("a profile has looks", where="looks")
    return Profile(
        name,
        _text(table.get("source", ""), where="source"),
        _titles(table.get("title"), where="title"),
        {key: _look(key, value) for key, value in looks.items()},
        text,
    )


def _look(name: str, table: Any) -> Look:
    where = f"looks.{name}"
    if not isinstance(table, dict) or not _is_name(name):
        raise ProfileInvalid("a look is a table", where=where)
    _require_keys(table, set(_READERS), where=where)
    read = {key: _READERS[key](value, f"{where}.{key}") for key, value in table.items()}
    if "title" not in read:
        raise ProfileInvalid("a look has a title", where=f"{where}.title")
    look = Look(name, **read)
    for line in look.lines:
        _require_placeholders(line, where=f"{where}.lines")
    if not set(look.requires) <= set(ASKED):
        raise ProfileInvalid("an order cannot bring this", where=f"{where}.requires")
    if look.smallest > look.font_size:
        raise ProfileInvalid("the smallest size is the larger one", where=f"{where}.smallest")
    if look.shows == "none" and not look.lines:
        raise ProfileInvalid("the look shows nothing", where=where)
    if look.place == "top-right" and look.shows == "signature":
        raise ProfileInvalid("a hand stands where the order says", where=f"{where}.place")
    if look.place == "over-signature" and (look.shows != "seal" or look.lines):
        raise ProfileInvalid("a seal alone stands over a signature", where=f"{where}.place")
    return look


def _require_placeholders(line: str, *, where: str) -> None:
    """Names alone: a format or a conversion would run code of the value's."""
    try:
        parts = list(string.Formatter().parse(line))
    except ValueError as error:
        raise ProfileInvalid("a brace stands alone", where=where) from error
    for _, name, layout, conversion in parts:
        if name is not None and (name not in KNOWN or layout or conversion):
            raise ProfileInvalid("a placeholder is not known", where=where)


def _require_keys(table: Mapping[str, Any], known: set[str], *, where: str) -> None:
    if odd := [key for key in table if key not in known]:
        raise ProfileInvalid("a key is not known", where=".".join(filter(None, (where, odd[0][:60]))))


def _titles(value: Any, *, where: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or set(value) != {"vi", "en"}:
        raise ProfileInvalid("a title in vi and en", where=where)
    return {key: _text(one, where=where) for key, one in value.items()}


def _text(value: Any, *, where: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ProfileInvalid("a short text", where=where)
    return value


def _number(value: Any, least: float, most: float, *, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ProfileInvalid(f"a number from {least} to {most}", where=where)
    return float(value)


def _one_of(value: Any, known: tuple[str, ...], *, where: str) -> str:
    if value not in known:
        raise ProfileInvalid(f"one of {', '.join(known)}", where=where)
    return str(value)


def _choice(kind: Any) -> Reader:
    return lambda value, where: _one_of(value, get_args(kind), where=where)


def _between(least: float, most: float) -> Reader:
    return lambda value, where: _number(value, least, most, where=where)


def _list(most: int) -> Reader:
    def read(value: Any, where: str) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise ProfileInvalid("a short list", where=where)
        return tuple(_text(one, where=where) for one in value)

    return read


def _margins(value: Any, where: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 2:
        raise ProfileInvalid("two margins", where=where)
    return tuple(_number(one, 0, 200, where=where) for one in value)


_READERS: dict[str, Reader] = {
    "title": lambda value, where: _titles(value, where=where),
    "shows": _choice(Shows),
    "place": _choice(Rule),
    "lines": _list(_MOST_LINES),
    "requires": _list(len(ASKED)),
    "width_mm": _between(10, 210),
    "margin_mm": _margins,
    "seal_mm": _between(10, 60),
    "font_size": _between(4, 40),
    "smallest": _between(4, 40),
    "colour": _choice(Colour),
    "align": _choice(Align),
    "border": _choice(Border),
}


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 40 and text.strip("abcdefghijklmnopqrstuvwxyz0123456789-") == ""
