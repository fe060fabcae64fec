"""The approval file names tests as proof: each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.appliance

TESTS = Path(__file__).parents[2]
APPROVAL = (TESTS.parent / "api" / "APPROVAL.md").read_text("utf-8")
NAMED = re.compile(r"`((?:unit|integration|acceptance|interop)/[\w/]+\.py)((?:::\w+)*)`")


def names(path: Path) -> set[str]:
    """What a file of tests has, as pytest names it."""
    found = set()
    for one in ast.parse(path.read_text("utf-8")).body:
        if isinstance(one, ast.ClassDef):
            found |= {f"::{one.name}::{within.name}" for within in one.body if isinstance(within, ast.FunctionDef)}
        elif isinstance(one, ast.FunctionDef):
            found.add(f"::{one.name}")
    return found


def test_every_test_that_the_approval_file_names_exists() -> None:
    """A renamed test takes its line of the file along."""
    named = NAMED.findall(APPROVAL)
    assert len(named) > 100
    assert [] == [
        f"{path}{name}"
        for path, name in named
        if not (TESTS / path).is_file() or (name and name not in names(TESTS / path))
    ]


def test_every_line_of_a_table_names_its_test_or_says_that_there_is_none() -> None:
    """No clause and no threat stands there with a promise alone."""
    rows = [line for line in APPROVAL.splitlines() if line.startswith("| ") and not line.startswith("| Yêu cầu /")]
    assert [] == [row[:80] for row in rows if "::" not in row and "[CHƯA CÓ]" not in row and "Nguy cơ /" not in row]
