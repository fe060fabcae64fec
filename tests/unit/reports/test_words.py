"""No code reaches a person alone: whatever the verifier can say has words in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import locale
from api.reports import steps
from verify.report import Check

pytestmark = pytest.mark.judging

VERIFY = Path(__file__).parents[3] / "verify"
STANDARD = frozenset(
    [
        "FORMAT_FAILURE",
        "HASH_FAILURE",
        "SIG_CRYPTO_FAILURE",
        "REVOKED",
        "EXPIRED",
        "NOT_YET_VALID",
        "SIG_CONSTRAINTS_FAILURE",
        "CHAIN_CONSTRAINTS_FAILURE",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "CRYPTO_CONSTRAINTS_FAILURE",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
        "POLICY_PROCESSING_ERROR",
        "SIGNATURE_POLICY_NOT_AVAILABLE",
        "TIMESTAMP_ORDER_FAILURE",
        "NO_SIGNING_CERTIFICATE_FOUND",
        "NO_CERTIFICATE_CHAIN_FOUND",
        "NO_CERTIFICATE_CHAIN_FOUND_NO_POE",
        "REVOKED_NO_POE",
        "REVOKED_CA_NO_POE",
        "OUT_OF_BOUNDS_NOT_REVOKED",
        "OUT_OF_BOUNDS_NO_POE",
        "REVOCATION_OUT_OF_BOUNDS_NO_POE",
        "NO_POE",
        "TRY_LATER",
        "SIGNED_DATA_NOT_FOUND",
        "CUSTOM",
    ]
)
"""EN 319 102-1 §5.1.3, all of them."""


def first_arguments(called: str) -> Iterator[str]:
    """The string that each call of this name in the verifier's sources starts with."""
    for path in VERIFY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == called and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_every_sub_indication_of_the_standard_has_a_reason_and_an_advice(language):
    """A clause that says why, and a sentence that says what it means and what to do."""
    known = STANDARD | set(first_arguments("Problem"))
    words = locale.words(language)
    assert set() == known - set(words["reasons"])
    assert set() == known - set(words["advice"])
    assert all(sentence.endswith(".") for sentence in words["advice"].values())


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_every_check_of_the_verifier_has_a_title_and_a_sentence(language):
    """For an outcome that a check can have, there is a sentence; the title stands for those that it never has."""
    codes = set(first_arguments("Check"))
    assert len(codes) > 10
    table = locale.words(language)["checks"]
    assert set() == codes - set(table), "add [checks.CODE] to api/locale/*.report.toml"
    assert all(table[code].get("title") and len(table[code]) > 1 for code in codes)


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_every_kind_of_change_has_words(language):
    """What was added to a page, changed on it or taken from it."""
    codes = {f"{noun}-{verb}" for noun in ("field", "annotation") for verb in ("added", "changed", "removed")}
    codes |= {"signature-added", "page-added", "page-removed", "page-differs", "content-covered", "not-drawn"}
    assert set() == codes - set(locale.words(language)["details"])


def test_both_languages_have_the_same_words():
    """What is said in one can be said in the other."""

    def names(table, prefix=""):
        for name, value in table.items():
            yield from names(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]

    vi, en = (set(names(locale.words(language))) for language in ("vi", "en"))
    assert set() == vi ^ en


def test_a_code_without_words_is_shown_as_it_is():
    """A newer verifier's check is told by its code, its outcome and its facts."""
    from tests.unit.reports.samples import AT

    told = steps.step(Check("BRAND_NEW", "§9", "FAILED", {"why": "x-y"}), language="en", zone=AT.tzinfo)
    assert ("BRAND_NEW", "", "Failed", ("why: x-y",)) == (told.title, told.sentence, told.outcome_word, told.facts)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("message-digest", "the digest of the content does not match"),
        ("revision 2: not-compared KeyError", "revision 2: could not be compared (KeyError)"),
        ("algorithm-refused md5", "the algorithm is not accepted (md5)"),
        ("expired,no-path", "expired, no path leads to a trusted authority"),
        ("never-heard-of", "never-heard-of"),
    ],
)
def test_reasons_are_told_in_words(code: str, words: str):
    """Codes of reasons, alone, with more behind them, and several."""
    assert words == steps.explain(code, language="en")
