"""Every regular expression means the same to every Python from 3.11 on.

Up to 3.11.4 a possessive repetition of a group, and an atomic group, match what they must not once the group has failed
halfway (python/cpython#106052): Debian 12 has 3.11.2. Of single characters they are sound.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest

from tests.appliance import ROOT

parser = pytest.importorskip("re._parser")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("api", "hsm", "signer", "verify")
    for path in (ROOT / package).rglob("*.py")
    if "re.compile(" in path.read_text("utf-8")
)


def unsound(pattern: str | bytes) -> bool:
    """Whether it has a group that must not be given back."""
    return any(_groups(parser.parse(pattern)))


def _groups(parsed: object) -> Iterator[bool]:
    for operation, argument in parsed:  # type: ignore[attr-defined]  # the parser is CPython's own
        if operation is parser.ATOMIC_GROUP:
            yield True
        elif operation is parser.POSSESSIVE_REPEAT:
            (only, _), *others = argument[2]
            yield bool(others) or only not in (parser.IN, parser.LITERAL, parser.NOT_LITERAL, parser.ANY)
        parts = argument if isinstance(argument, tuple | list) else (argument,)
        for part in parts:
            for inner in part if isinstance(part, list) else (part,):
                if isinstance(inner, parser.SubPattern):
                    yield from _groups(inner)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (rb"(?:ab?c)*+", True),
        ("x(?:(?>ab|a)b)?", True),
        ("(?=(?:ab|b)++)", True),
        ("(a|(?:bc)?+)", True),
        (r"[ \t]*+a++[^b]?+.*+", False),
        ("(?:ab?c)*", False),
    ],
)
def test_what_is_unsound_is_told(pattern: str | bytes, found: bool) -> None:
    assert unsound(pattern) == found


@pytest.mark.parametrize("module", MODULES)
def test_no_pattern_is_unsound(module: str) -> None:
    patterns = {name: one for name, one in vars(importlib.import_module(module)).items() if isinstance(one, re.Pattern)}
    assert [name for name, one in patterns.items() if unsound(one.pattern)] == []


def test_they_are_looked_at() -> None:
    """Those that read what anybody sends are among them."""
    assert {"verify.pdf_sections", "verify.pdf_reader", "signer.xades.splicing", "signer.xades.placing"} <= set(MODULES)
