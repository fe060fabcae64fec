"""Rules where no key is used: lifting documents and judging them, by whom, how large, when and how often."""

from __future__ import annotations

import pytest

from signer.model import Extended
from tests.http_support import LocalDocuments
from tests.integration.rights.conftest import World

pytestmark = pytest.mark.appliance


@pytest.fixture(autouse=True)
def lifting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A worker that lifts anything, and to which level it was asked to."""
    asked: list[str] = []

    def extend(_self: LocalDocuments, source, out, *, order, **_: object) -> Extended:
        asked.append(order.level)
        out.write(source.read())
        return Extended(level=order.level, sha256="11" * 32, size=1, timestamp=None, archive_until=None)

    monkeypatch.setattr(LocalDocuments, "extend", extend, raising=False)
    return asked


def lift(world: World, name: str = "client", *, level: str = "B-LT") -> tuple[int, str]:
    files = {"document": ("a.pdf", world.document, "application/pdf")}
    return _code(world.ask("POST", "/v1/extensions", name, files=files, data={"level": level}))


def judge(world: World, name: str = "client") -> tuple[int, str]:
    return _code(world.ask("POST", "/v1/verifications", name, files={"document": ("a.pdf", world.document)}))


def _code(answer) -> tuple[int, str]:
    is_problem = answer.headers["content-type"].startswith("application/problem")
    return answer.status_code, answer.json()["code"] if is_problem else ""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, (200, "")),
        ({"levels": ["B-B", "B-T"]}, (403, "right-level")),
        ({"formats": ["XAdES"]}, (403, "right-format")),
        ({"document_bytes": 100}, (403, "right-size")),
        ({"procedures": ["chuyen-*"]}, (403, "right-procedure")),
        ({"valid_to": "2020-01-01T00:00:00+07:00"}, (403, "right-period")),
        ({"levels": ["B-LT"], "formats": ["PAdES"], "mechanisms": ["ecdsa_*"]}, (200, "")),
        ({"keys": "seal*", "levels": ["B-T"]}, (200, "")),
        ({"keys": "extension:*", "levels": ["B-T"]}, (403, "right-level")),
        ({"callers": "role:clerk", "levels": ["B-T"]}, (200, "")),
    ],
)
def test_a_document_is_lifted_within_the_rules(world: World, lifting: list[str], rule: dict, expected: tuple) -> None:
    """What fits the caller and is for all keys, or for extensions, narrows them as it narrows signatures: 403, a REFUSED
    line, and no worker is asked."""
    world.rule("thu", **rule)
    assert expected == lift(world)
    refused = [line.facts["code"] for line in world.home.services.ledger.read(kind="REFUSED", limit=10)]
    assert ([expected[1]] if expected[1] else []) == refused
    assert (["B-LT"] if expected[0] == 200 else []) == lifting


def test_lifting_counts_as_signing_does(world: World, lifting: list[str]) -> None:
    """Two a day, one signature and one extension: the third of either kind is refused, and comes again tomorrow. Another
    caller is counted alone."""
    world.rule("thu", per_day=2)
    assert 201 == world.sign("client").status_code
    assert [(200, ""), (429, "right-rate")] == [lift(world), lift(world)]
    assert 429 == world.sign("client").status_code
    assert (200, "") == lift(world, "administrator")
    assert 2 == len(lifting)


def test_judging_is_ruled_by_what_names_it(world: World) -> None:
    """A rule on all keys is about keys: it narrows no reading. One on verifications does, also of documents that were
    signed here, as a report or as evidence; and each caller is counted alone."""
    world.rule("tat-ca", levels=["B-B"], per_day=1, procedures=["chuyen-*"])
    assert [(200, "")] * 2 == [judge(world)] * 2
    assert 204 == world.ask("DELETE", "/v1/rights/tat-ca", "administrator").status_code
    identity = world.sign("client").json()["id"]
    world.rule("xem", keys="verification:*", per_day=2)
    assert 200 == world.ask("GET", f"/v1/signatures/{identity}/report", "client").status_code
    assert (200, "") == judge(world)
    limited = [judge(world)]
    limited += [_code(world.ask("GET", f"/v1/signatures/{identity}/{one}", "client")) for one in ("report", "evidence")]
    assert [(429, "right-rate")] * 3 == limited
    assert (200, "") == judge(world, "auditor")
    assert 201 == world.sign("client").status_code


@pytest.mark.parametrize("role", ["operator", "backup"])
def test_who_may_not_verify_is_refused_before_anything_is_read(world: World, role: str) -> None:
    """By role, whatever rules there are."""
    world.caller(role, role=role)
    assert [(403, "not-permitted")] * 2 == [judge(world, role), lift(world, role)]


def test_what_stands_for_no_key_is_none(world: World) -> None:
    """A key that is called like an extension or a verification would slip out of rules on keys: it does not exist."""
    signers = dict(world.home.token.signers)
    for name in ("verification:document", "extension:document", "certificate:00"):
        signers[name] = signers["seal"]
        world.home.token.signers = signers
        assert (404, "key-not-found") == _code(world.sign("administrator", key=name))


def test_a_rule_on_verifications_can_be_tried(world: World) -> None:
    """What an auditor would get, who signs nothing."""
    world.rule("xem", keys="verification:*", document_bytes=10)
    sample = {"caller": world.home.callers["auditor"].id, "key": "verification:document", "size": 11}
    answer = world.ask("POST", "/v1/rights/try", "auditor", json=sample).json()
    assert ["right-size"] == [one["code"] for one in answer["refusals"]]
