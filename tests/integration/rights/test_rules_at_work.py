"""Rules where they count: orders are refused with a code, a sentence and a line; limits hold everywhere."""

from __future__ import annotations

import base64
import hashlib
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import Request

from api.errors import NotAuthenticated
from api.rights import counting
from tests.http_support import House, house
from tests.integration.rights.conftest import World, open_world
from tests.pki import Authority

pytestmark = pytest.mark.appliance


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def intents(world: World) -> list[dict]:
    return [dict(line.facts) for line in world.home.services.ledger.read(kind="INTENT", limit=1000)]


def test_the_rule_in_force_stands_in_the_intent(world: World) -> None:
    """With each use of a key the digest of the rule's text; without a rule there is none."""
    world.sign("client")
    world.rule("thu", levels=["B-B"])
    world.sign("client")
    kept = world.ask("GET", "/v1/rights/thu", "auditor").json()[0]
    assert [None, kept["sha256"]] == [facts.get("rights") for facts in intents(world)]
    changes = [dict(line.facts) for line in world.home.services.ledger.read(kind="CHANGED", limit=100)]
    assert {"what": "rights-set", "rule": "thu", "rights": kept["sha256"]}.items() <= changes[-1].items()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"levels": ["B-T"]}, (403, "right-level")),
        ({"formats": ["XAdES"]}, (403, "right-format")),
        ({"mechanisms": ["ecdsa_*"]}, (403, "right-mechanism")),
        ({"document_bytes": 100}, (403, "right-size")),
        ({"procedures": ["chuyen-*"]}, (403, "right-procedure")),
        ({"valid_to": "2020-01-01T00:00:00+07:00"}, (403, "right-period")),
        ({"levels": ["B-B"], "formats": ["PAdES"], "mechanisms": ["rsassa_*"]}, (201, "")),
        ({"keys": "other", "levels": ["B-T"]}, (201, "")),
        ({"callers": "role:clerk", "levels": ["B-T"]}, (201, "")),
    ],
)
def test_an_order_that_a_rule_does_not_allow(world: World, rule: dict, expected: tuple) -> None:
    """403 and the family's code, a REFUSED line, no use of the key; what no rule narrows is signed."""
    world.rule("thu", **rule)
    answer = world.sign("client")
    assert expected == code(answer)
    refused = [line.facts["code"] for line in world.home.services.ledger.read(kind="REFUSED", limit=10)]
    assert ([expected[1]] if expected[1] else []) == refused
    assert int(answer.status_code == 201) == world.home.token.signed == len(intents(world))
    if expected[1]:
        assert "`thu`" in answer.json()["detail"]


def test_out_of_hours_says_when_to_come_again(world: World) -> None:
    """403 with Retry-After: a workflow system can wait."""
    now = world.home.services.clock()
    today = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[now.weekday()]
    others = [day for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun") if day != today]
    world.rule("thu", weekdays=others)
    answer = world.sign("client")
    assert (403, "right-hours") == code(answer)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (midnight - now).total_seconds() == pytest.approx(int(answer.headers["Retry-After"]), abs=30)
    assert midnight == datetime.fromisoformat(answer.json()["facts"]["opens"])


def test_a_rate_is_429_and_leaves_nothing_behind(world: World) -> None:
    """Two a day: the third order has no draft, no record and no INTENT, and says when to come again."""
    world.rule("thu", per_day=2)
    answers = [world.sign("client") for _ in range(4)]
    assert [(201, ""), (201, ""), (429, "right-rate"), (429, "right-rate")] == [code(answer) for answer in answers]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 86_400
    assert 2 == len(intents(world)) == world.home.token.signed
    assert [] == list(world.home.services.settings.tmp.iterdir())
    blobs = [path for path in world.home.services.settings.blobs.rglob("*") if path.is_file()]
    assert 2 == len(blobs)
    assert (201, "") == code(world.sign("administrator")), "each caller is counted alone"


def test_a_repeated_request_is_not_counted_twice(world: World) -> None:
    """The same Idempotency-Key is one signature."""
    world.rule("thu", in_all=1)
    sent = {"headers": {"Idempotency-Key": "k1"}}
    files = {"files": {"document": ("a.pdf", world.document)}, "data": {"order": '{"key": "seal", "level": "B-B"}'}}
    first, again = (world.ask("POST", "/v1/signatures", "client", **sent, **files) for _ in range(2))
    assert (201, first.json()["id"]) == (again.status_code, again.json()["id"])
    assert (403, "right-count") == code(world.sign("client"))


def test_a_limit_holds_across_processes_and_a_restart(tmp_path: Path, world: World) -> None:
    """Two services on one home, eight orders at once, a limit of three; a third service later finds it used up."""
    world.rule("thu", in_all=3)
    second = _beside(world)
    outcomes: list[int] = []
    start = threading.Barrier(8)

    def go(home: House) -> None:
        one = World(home, world.ids, world.document)
        start.wait()
        outcomes.append(one.sign("client").status_code)

    threads = [threading.Thread(target=go, args=(home,)) for home in (world.home, second) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [201] * 3 + [403] * 5 == sorted(outcomes)
    later = _beside(world)
    assert (403, "right-count") == code(World(later, world.ids, world.document).sign("client"))
    found = later.services.database.read(
        counting.counts, "thu", caller=world.home.callers["client"].id, at=later.services.clock()
    )
    assert 3 == found.in_all


def _beside(world: World) -> House:
    """Another process's services on the same home, which knows the first one's callers."""
    second = house(world.home.services.settings.home)
    second.token.signers = world.home.token.signers
    second.secrets.update(world.home.secrets)
    return second


def test_a_key_that_is_elsewhere_is_ruled_by_its_certificate(world: World) -> None:
    """`certificate:SHA256` is its name; the rule's digest stands in PREPARED, and preparing counts."""
    signer = Authority.root().authority().signer("Người ký (mẫu)")
    pem = signer.certificate.public_bytes(Encoding.PEM).decode()
    sha256 = hashlib.sha256(signer.der).hexdigest()
    world.rule("thu", keys=f"certificate:{sha256[:8]}*", per_day=1)
    assert [(202, ""), (429, "right-rate")] == [code(world.sign("client", certificate=pem)) for _ in range(2)]
    (prepared,) = world.home.services.ledger.read(kind="PREPARED")
    assert 64 == len(prepared.facts["rights"])
    assert (201, "") == code(world.sign("client"))


def test_a_certificate_is_asked_of_its_organisations_people(world: World) -> None:
    """An organisation's caller has its own people sign, and seals of its own; a stranger's certificate is refused."""
    signers = {name: Authority.root().authority().signer(f"Người ký {name} (mẫu)") for name in ("P1", "P2", "XA", "0")}
    pems = {name: one.certificate.public_bytes(Encoding.PEM).decode() for name, one in signers.items()}
    world.tell(
        posts=[
            {"person": "P1", "organisation": "XA", "title": "Bí thư", "rank": "chief"},
            {"person": "P2", "organisation": "KHAC", "title": "Bí thư", "rank": "chief"},
        ],
        certificates=[
            {"certificate": pems["P1"], "person": "P1"},
            {"certificate": pems["P2"], "person": "P2"},
            {"certificate": pems["XA"], "organisation": "XA"},
        ],
    )
    world.caller("xa", organisation="XA")
    holder = world.home.services.directory.person_of_certificate(hashlib.sha256(signers["P1"].der).hexdigest())
    assert holder is not None
    world.caller("official", role="official", organisation="XA", person=holder.person)
    answers = {
        name: [code(world.sign(name, certificate=pems[whose])) for whose in ("P1", "XA", "P2", "0")]
        for name in ("xa", "official")
    }
    refused = (403, "right-certificate")
    assert {"xa": [(202, ""), (202, ""), refused, refused], "official": [(202, "")] + [refused] * 3} == answers


def test_a_value_is_brought_by_who_prepared(world: World) -> None:
    """A preparation of another caller of the same organisation does not exist for one."""
    signer = Authority.root().authority().signer("Người ký (mẫu)")
    pem = signer.certificate.public_bytes(Encoding.PEM).decode()
    prepared = world.sign("client", certificate=pem).json()
    value = signer.sign(base64.b64decode(prepared["tbs"]), prepared["algorithm"])
    body = {"value": base64.b64encode(value).decode(), "algorithm": prepared["algorithm"]}
    answers = [
        world.ask("PUT", f"/v1/signatures/{prepared['id']}/value", name, json=body) for name in ("stranger", "client")
    ]
    assert [404, 200] == [answer.status_code for answer in answers]


def test_a_rule_is_tried_before_it_is_set(world: World) -> None:
    """What a sample order would get, with every reason; nothing is signed, counted or written."""
    size = world.home.services.ledger.state().size
    caller = world.home.callers["client"].id
    sample = {"caller": caller, "key": "seal", "level": "B-B", "format": "PAdES", "at": "2026-11-22T20:00:00+07:00"}
    rule = {"callers": "role:client", "keys": "seal*", "levels": ["B-T"], "hours": ["07:30-17:30"], "per_day": 5}

    def tried(**more: object) -> dict:
        answer = world.ask("POST", "/v1/rights/try", "auditor", json={**sample, **more})
        assert 200 == answer.status_code, answer.text
        return answer.json()

    free, narrowed = tried(), tried(rule=rule, name="thu")
    assert ("signed", None) == (free["outcome"], free["rule"])
    assert ("refused", "thu") == (narrowed["outcome"], narrowed["rule"]["name"])
    assert ["right-hours", "right-level"] == [one["code"] for one in narrowed["refusals"]]
    assert "signed" == tried(rule={**rule, "keys": "x*"}, name="thu")["outcome"]
    assert ["key-not-found"] == [one["code"] for one in tried(key="other")["refusals"]]
    auditor = world.home.callers["auditor"].id
    assert ["not-permitted", "key-not-found"] == [one["code"] for one in tried(caller=auditor)["refusals"]]
    assert size == world.home.services.ledger.state().size
    world.rule("thu", in_all=1)
    world.sign("client")
    used = tried()
    assert (["right-count"], 1) == ([one["code"] for one in used["refusals"]], used["counts"]["in_all"])


def test_versions_of_a_rule_stay_readable(world: World) -> None:
    """Who set what, when, and until when; the same text again is no new version."""
    for per_day in (5, 5, 7):
        world.rule("thu", per_day=per_day)
    assert 204 == world.ask("DELETE", "/v1/rights/thu", "administrator").status_code
    history = world.ask("GET", "/v1/rights/thu", "auditor").json()
    assert [(2, 7), (1, 5)] == [(one["version"], one["rule"]["per_day"]) for one in history]
    assert all(one["ended_at"] and one["ended_by"] == world.home.callers["administrator"].id for one in history)
    assert [] == world.ask("GET", "/v1/rights", "auditor").json()
    assert 404 == world.ask("DELETE", "/v1/rights/thu", "administrator").status_code
    assert 404 == world.ask("GET", "/v1/rights/none", "auditor").status_code


def test_a_thousand_wrong_keys_change_nothing(tmp_path: Path) -> None:
    """Wrong API keys, a thousand of them: 401 each, no line in the ledger, no question to a token, no write."""
    world = open_world(tmp_path / "home", b"%PDF-1.7")
    size = world.home.services.ledger.state().size
    asked = []
    world.home.token._answer = lambda: asked.append(1)  # type: ignore[method-assign]
    gate, database, writes = world.home.services.gate, world.home.services.database, []
    database.write = lambda *_args, **_more: writes.append(1)  # type: ignore[method-assign]
    for number in range(1000):
        secret = f"kyso_{number:012x}_{number:048x}" if number % 2 else f"kyso_{number}"
        request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {secret}".encode())]})
        with pytest.raises(NotAuthenticated):
            gate.find(request)
    answers = {
        world.home.ask(
            "GET", "/v1/keys", name=None, headers={"Authorization": f"Bearer kyso_{n:012x}_{n:048x}"}
        ).status_code
        for n in range(5)
    }
    assert ({401}, [], [], size) == (answers, asked, writes, world.home.services.ledger.state().size)
