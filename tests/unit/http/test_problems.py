"""Every error of the four packages has a status and words in both languages."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import api
import hsm
import signer
import verify
from api import locale, problems
from api.refusals import InternalError
from hsm.errors import KeyNotFound
from signer.errors import OrderInvalid, SelfCheckFailed

pytestmark = pytest.mark.spine


def error_classes() -> list[type[Exception]]:
    """All subclasses of the four bases, after importing every module that could define one."""
    for package in (api, hsm, signer, verify):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: list[type[Exception]] = []
    waiting = list(problems.KNOWN_BASES)
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(one.__subclasses__())
    return [one for one in found if one.__module__.split(".")[0] in ("api", "hsm", "signer", "verify")]


CLASSES = {one.code: one for one in error_classes()}


@pytest.mark.parametrize("code", sorted(CLASSES))
def test_every_code_has_a_status_and_two_sentences(code: str):
    """A code without a status or a word in either language would leave somebody without help."""
    assert code in problems.STATUS, f"{CLASSES[code].__qualname__}: no status"
    for language in locale.LANGUAGES:
        entry = locale.words(language)["problems"].get(code)
        assert entry, f"{CLASSES[code].__qualname__}: no words in {language}"
        assert len(entry["detail"]) > 20
        locale.problem(code, language=language)


def test_both_languages_say_the_same_things():
    """No sentence exists in one language alone, and both fill the same placeholders."""
    vi, en = (locale.words(language) for language in locale.LANGUAGES)
    for table in vi.keys() | en.keys():
        assert vi[table].keys() == en[table].keys()


def test_callers_errors_are_never_5xx_and_operators_never_look_like_the_callers():
    """Who must act decides the family of the status: what a caller can mend is 4xx, what nobody outside can is 5xx."""
    for code, one in CLASSES.items():
        if one.actor == "caller":
            assert 400 <= problems.STATUS[code] < 500, code
        if one.actor == "developer" and code != "claim-lost":
            assert 500 <= problems.STATUS[code] < 600, code


def test_a_problem_says_what_to_do_in_the_callers_language():
    """Title, detail, code, actor, facts and the request's id are there; the detail is filled from the facts."""
    vi = problems.problem(KeyNotFound(key="con-dau"), language="vi", request_id="r1")
    assert 404 == vi.status
    assert "con-dau" in vi.body["detail"]
    assert ("key-not-found", "caller", {"key": "con-dau"}) == (vi.body["code"], vi.body["actor"], vi.body["facts"])
    assert "urn:kyso:request:r1" == vi.body["instance"]


def test_what_nobody_expected_tells_nothing():
    """A bug's text stays inside."""
    found = problems.problem(RuntimeError("/secret/path"), language="en", request_id="r1")
    assert 500 == found.status
    assert "secret" not in str(found.body)
    assert InternalError.code == found.body["code"]
    assert "r1" in found.body["detail"]


def test_developers_facts_stay_inside_and_callers_reasons_go_out():
    """Why the self-check failed is for the log; which part of the order is wrong is for the caller."""
    inside = problems.problem(SelfCheckFailed("bytes differ", at=3), language="en", request_id="r")
    assert {} == inside.body["facts"]
    outside = problems.problem(OrderInvalid("the box is empty", field="place"), language="en", request_id="r")
    assert {"field": "place", "reason": "the box is empty"} == outside.body["facts"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "vi"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("fr", "vi"),
        ("en;q=0.1, vi", "vi"),
        ("en;q=x", "vi"),
        ("en;q=0", "vi"),
    ],
)
def test_the_language_is_negotiated(header: str | None, language: str):
    """Vietnamese unless the caller prefers English."""
    assert language == locale.choose(header, default="vi")
