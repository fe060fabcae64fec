"""`/v1/trust`, `/v1/policies` and the choice of a policy: what callers see, and that changes need no restart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from asn1crypto import pem

from api.refusals import AlgorithmRefused
from api.trust import TrustFolder
from api.workflows import mechanisms
from tests.documents import pdf
from tests.http_support import House, house
from tests.pki import Authority
from verify import policy

pytestmark = pytest.mark.judging

OURS = 'extends = "vietnam"\ntitle = "Ours"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("api.trust.LOOKED_AT", -1.0)
    return house(tmp_path / "home", verification={"policy": "vietnam"})


def anchor(home: House, name: str) -> bytes:
    der = Authority.root().der
    (home.services.settings.trust / f"{name}.pem").write_bytes(pem.armor("CERTIFICATE", der))
    return der


def asked_by(home: House, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> tuple[int, str]:
    """The status of a verification, and the policy that its worker was told."""
    seen: list[str] = []
    real = type(home.documents).verify

    def verify(self: object, source: object, **facts: str) -> object:
        seen.append(facts["policy"])
        return real(home.documents, source, **facts)

    monkeypatch.setattr(type(home.documents), "verify", verify)
    files = {"document": ("a.pdf", b"%PDF-1.7", "application/pdf")}
    answer = home.ask("POST", "/v1/verifications", files=files, data={"options": json.dumps(options)})
    return answer.status_code, seen[0] if seen else answer.json()["code"]


def test_trust_shows_what_is_believed_and_follows_the_folder(home: House) -> None:
    """Names, purposes, windows and pins; an anchor that was added or narrowed is there at the next call."""
    assert home.ask("GET", "/v1/trust").json()["anchors"] == []
    der = anchor(home, "national")
    (one,) = home.ask("GET", "/v1/trust").json()["anchors"]
    assert (one["name"], one["purposes"], one["until"]) == ("national", ["signing", "timestamping"], None)
    assert one["sha256"] == TrustFolder(home.services.settings.trust).current().named[0].sha256
    (home.services.settings.trust / "trust.toml").write_text('[anchors.national]\nuntil = "2030-12-31"\n')
    (one,) = home.ask("GET", "/v1/trust").json()["anchors"]
    assert one["until"].startswith("2030-12-31T23:59:59")
    assert der


def test_policies_are_offered_by_name(home: House) -> None:
    """Those for documents, with their titles and hashes; the appliance's own choice is marked; new files are there."""
    folder = home.services.settings.policies
    (folder / "ours.toml").write_text(OURS)
    (folder / "broken.toml").write_text("nonsense")
    found = {one["name"]: one for one in home.ask("GET", "/v1/policies").json()}
    assert {"default", "fresh", "vietnam", "ours"} == set(found)
    assert [name for name, one in found.items() if one["default"]] == ["vietnam"]
    assert found["ours"]["sha256"] == policy.parse(OURS, name="ours").sha256


@pytest.mark.parametrize(
    ("options", "told"), [({}, "vietnam"), ({"policy": "fresh"}, "fresh"), ({"policy": "nowhere"}, "policy-unusable")]
)
def test_a_caller_chooses_by_name(
    home: House, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], told: str
) -> None:
    """Without a choice it is the appliance's; an unknown name is refused under its code."""
    status, seen = asked_by(home, monkeypatch, options)
    assert (status, seen) == (422 if told == "policy-unusable" else 200, told)


def test_an_own_policy_is_shipped_whole(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker opens no file: it is told the text of a policy that did not come with the program."""
    (home.services.settings.policies / "ours.toml").write_text(OURS)
    status, told = asked_by(home, monkeypatch, {"policy": "ours"})
    assert status == 200
    assert policy.parse(told) == policy.parse(OURS, name="ours")


@pytest.mark.parametrize("name", ["../default", "/etc/passwd", "a.toml", "", "x" * 41])
def test_a_policy_is_no_path(home: House, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """HTTP takes names only."""
    status, _ = asked_by(home, monkeypatch, {"policy": name})
    assert status in (400, 422)


def test_a_certificate_is_judged_anew_when_trust_changes(home: House) -> None:
    """What was found good under another trust is not signed with for minutes more."""
    key = home.services.keys.find("seal")
    for _ in range(2):
        home.services.certificates.check(key, at=home.services.clock())
    assert home.documents.judged == 1
    anchor(home, "another")
    home.services.certificates.check(key, at=home.services.clock())
    assert home.documents.judged == 2


class TestSigning:
    def policy(self, home: House, text: str) -> None:
        (home.services.settings.policies / "vietnam-strict.toml").write_text(f'extends = "vietnam"\n{text}')

    def sign(self, tmp_path: Path, home: House, **more: object) -> tuple[int, str]:
        document = pdf(tmp_path / "a.pdf").read_bytes()
        order = {"key": "seal", "format": "PAdES", "level": "B-B", **more}
        files = {"document": ("a.pdf", document, "application/pdf")}
        answer = home.ask("POST", "/v1/signatures", files=files, data={"order": json.dumps(order)})
        return answer.status_code, answer.json().get("code", "")

    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            ("", (201, "")),
            ('[signatures]\nrsassa_pkcs1v15 = "refused"\n', (422, "algorithm-refused")),
            ('[signatures]\nrsassa_pkcs1v15 = { 3072 = "" }\n', (422, "algorithm-refused")),
            ('[signatures]\nrsassa_pkcs1v15 = { 2048 = "2020-12-31", 3072 = "" }\n', (422, "algorithm-refused")),
            ('[digests]\nsha256 = "refused"\n', (422, "algorithm-refused")),
        ],
    )
    def test_what_the_own_policy_would_refuse_is_not_signed(
        self, tmp_path: Path, text: str, answer: tuple[int, str]
    ) -> None:
        """Scheme, key size, end date or digest: refused before the key is used, by name of the algorithm."""
        home = house(tmp_path / "home", verification={"policy": "vietnam-strict"})
        self.policy(home, text)
        assert self.sign(tmp_path, home) == answer
        assert ("INTENT" in home.kinds()) is (answer[0] == 201)

    def test_a_key_falls_back_to_what_is_believed(self, tmp_path: Path) -> None:
        """A token that can RSASSA-PSS signs by it where PKCS#1 v1.5 is refused; asking for the latter is refused."""
        home = house(tmp_path / "home", verification={"policy": "vietnam-strict"})
        self.policy(home, '[signatures]\nrsassa_pkcs1v15 = "refused"\n')
        key = replace(home.services.keys.find("seal"), mechanisms=("rsassa_pkcs1v15_sha256", "rsassa_pss_sha256"))
        usable = mechanisms.believed(home.services, key, wanted=None)
        assert usable.mechanisms == ("rsassa_pss_sha256",)
        with pytest.raises(AlgorithmRefused):
            mechanisms.believed(home.services, key, wanted="rsassa_pkcs1v15_sha256")
        locked = replace(key, mechanisms=())
        assert mechanisms.believed(home.services, locked, wanted=None) == locked


def test_readiness_tells_of_trust(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, usable, broken: an operator sees it before the first verdict does."""
    monkeypatch.setattr("api.routes.health._workers", lambda _: {"state": "ok"})  # these workers have no sandbox
    said = []
    trusted = home.services.settings.trust
    for step in (lambda: None, lambda: anchor(home, "a"), lambda: (trusted / "trust.toml").write_text("[anchors.b]\n")):
        step()
        said.append(home.ask("GET", "/health/ready").json()["trust"]["state"])
    assert said == ["empty", "ok", "unusable"]
