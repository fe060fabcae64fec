"""Rules: which one counts, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.errors import RequestInvalid
from api.rights.rule import Rule, Use, chosen, subjects
from api.rights.text import RuleText, parse
from api.store.callers import Caller, CallerId

pytestmark = pytest.mark.appliance

ZONE = timezone(timedelta(hours=7))
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=ZONE)
CALLER = Caller(CallerId("c1"), "c", "client", ("*",), organisation="org_1")


def rule(name: str = "r", *, callers: str = "*", keys: str = "*", **narrows: object) -> Rule:
    return RuleText(callers=callers, keys=keys, **narrows).rule(name, zone=ZONE)


def codes(one: Rule, use: Use, *, at: datetime = MONDAY) -> list[str]:
    return [error.code for error in one.refusals(use, at=at)]


@pytest.mark.parametrize(
    ("rules", "wins"),
    [
        ([("*", "seal-1"), ("role:client", "*")], "role:client *"),
        ([("role:client", "seal-1"), ("organisation:org_1", "*")], "organisation:org_1 *"),
        ([("organisation:org_1", "seal-1"), ("caller:c1", "*")], "caller:c1 *"),
        ([("*", "*"), ("*", "seal-*")], "* seal-*"),
        ([("*", "seal-*"), ("*", "seal-?")], "* seal-?"),
        ([("*", "seal-[0-9]"), ("*", "seal-1")], "* seal-1"),
        ([("role:clerk", "*"), ("caller:c2", "*"), ("organisation:org_2", "*"), ("*", "x*")], None),
        ([], None),
    ],
)
def test_the_most_specific_rule_counts(rules: list[tuple[str, str]], wins: str | None) -> None:
    """First the narrower choice of callers, then the narrower pattern; without one that fits, nothing is narrowed."""
    made = [rule(f"{callers} {keys}", callers=callers, keys=keys) for callers, keys in rules]
    for order in (made, made[::-1]):
        found = chosen(order, subjects=subjects(CALLER), key="seal-1")
        assert wins == (found.name if found else None)


def test_rules_of_equal_narrowness_are_decided_by_name() -> None:
    """So that every process decides alike."""
    made = [rule(name, keys="seal-*") for name in ("b", "c", "a")]
    found = chosen(made, subjects=subjects(CALLER), key="seal-1")
    assert found is not None
    assert "c" == found.name


@pytest.mark.parametrize(
    ("narrows", "use", "code"),
    [
        ({"levels": ("B-T",)}, {"level": "B-B"}, "right-level"),
        ({"formats": ("PAdES",)}, {"format": "XAdES"}, "right-format"),
        ({"packaging": ("detached",)}, {"packaging": "enveloped"}, "right-packaging"),
        ({"mechanisms": ("ecdsa_*",)}, {"mechanism": "rsassa_pss_sha256"}, "right-mechanism"),
        ({"procedures": ("chuyen-*",)}, {"procedure": "thu-dang-phi"}, "right-procedure"),
        ({"procedures": ("chuyen-*",)}, {}, "right-procedure"),
        ({"document_bytes": 100}, {"size": 101}, "right-size"),
        ({}, {"is_bare": True}, "right-bare-digest"),
        ({"valid_from": datetime(2026, 11, 23, 9, 1, tzinfo=ZONE)}, {}, "right-period"),
        ({"valid_to": datetime(2026, 11, 23, 2, 0, tzinfo=UTC)}, {}, "right-period"),
        ({"hours": ("09:01-17:00",)}, {}, "right-hours"),
        ({"hours": ("07:00-09:00",)}, {}, "right-hours"),
        ({"weekdays": ("tue", "sun")}, {}, "right-hours"),
    ],
)
def test_what_a_rule_narrows_is_refused(narrows: dict, use: dict, code: str) -> None:
    """Each refusal has a code of its own, and names the rule."""
    found = rule("r", **narrows).refusal(Use("seal", **use), at=MONDAY)
    assert found is not None
    assert (code, "r", "caller") == (found.code, found.facts["rule"], found.actor)


@pytest.mark.parametrize(
    ("narrows", "use"),
    [
        ({}, {"level": "B-LTA", "size": 10**12, "procedure": "any"}),
        ({"levels": ("B-B", "B-T")}, {"level": "B-T"}),
        ({"packaging": ("detached",)}, {"format": "PAdES"}),
        ({"mechanisms": ("ecdsa_*",)}, {"mechanism": "ecdsa_sha384"}),
        ({"procedures": ("chuyen-*",)}, {"procedure": "chuyen-chinh-thuc"}),
        ({"document_bytes": 100}, {"size": 100}),
        ({"bare_digests": True}, {"is_bare": True}),
        ({"valid_from": MONDAY, "valid_to": MONDAY + timedelta(seconds=1)}, {}),
        ({"hours": ("07:00-08:00", "09:00-24:00"), "weekdays": ("mon",)}, {}),
    ],
)
def test_what_is_within_a_rule_passes(narrows: dict, use: dict) -> None:
    """Ends are excluded, starts are not."""
    assert [] == codes(rule("r", **narrows), Use("seal", **use))


def test_every_reason_is_told() -> None:
    """A trial shows all that is wrong, not the first alone."""
    narrow = rule("r", levels=("B-T",), formats=("XAdES",), document_bytes=1)
    assert ["right-level", "right-format", "right-size"] == codes(narrow, Use("k", level="B-B", format="PAdES", size=2))


def test_closing_time_tells_when_it_opens() -> None:
    """After Friday's last hour: Monday morning, in the service's zone, and in how many seconds."""
    office = rule("r", hours=("07:30-11:30", "13:00-17:00"), weekdays=("mon", "tue", "wed", "thu", "fri"))
    friday = datetime(2026, 11, 27, 17, 0, tzinfo=ZONE)
    found = office.refusal(Use("k"), at=friday)
    assert found is not None
    assert "2026-11-30T07:30:00+07:00" == found.facts["opens"]
    assert 2 * 86_400 + 14.5 * 3600 + 1 == found.facts["retry_after"]
    lunch = office.refusal(Use("k"), at=friday.replace(hour=12))
    assert lunch is not None
    assert "2026-11-27T13:00:00+07:00" == lunch.facts["opens"]


@pytest.mark.parametrize(
    "text",
    [
        '{"keys": "*"}',
        '{"callers": "*", "keys": ""}',
        '{"callers": "everybody", "keys": "*"}',
        '{"callers": "role:king", "keys": "*"}',
        '{"callers": "*", "keys": "*", "levels": ["B-Z"]}',
        '{"callers": "*", "keys": "*", "hours": ["17:00-07:00"]}',
        '{"callers": "*", "keys": "*", "hours": ["7-9"]}',
        '{"callers": "*", "keys": "*", "hours": ["24:00-24:00"]}',
        '{"callers": "*", "keys": "*", "weekdays": ["monday"]}',
        '{"callers": "*", "keys": "*", "per_minute": 0}',
        '{"callers": "*", "keys": "*", "valid_from": "2026-11-22T00:00:00"}',
        '{"callers": "*", "keys": "*", "valid_from": "2026-11-22T00:00:00Z", "valid_to": "2026-11-22T07:00:00+07:00"}',
        '{"callers": "*", "keys": "*", "unknown": 1}',
        "[]",
        "{",
        "",
    ],
)
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    """Nothing half understood is put in force."""
    with pytest.raises(RequestInvalid):
        parse(text)


def test_a_rule_has_one_spelling() -> None:
    """Order and defaults do not change its digest; its meaning does."""
    first = parse('{"callers": "*", "keys": "seal-*", "levels": ["B-T"], "bare_digests": false}')
    second = parse('{"levels": ["B-T"], "keys": "seal-*", "callers": "*"}')
    other = parse('{"levels": ["B-LT"], "keys": "seal-*", "callers": "*"}')
    assert first.rule("a").sha256 == second.rule("b").sha256
    assert first.rule("a").sha256 != other.rule("a").sha256
    assert first == parse(first.canonical())
