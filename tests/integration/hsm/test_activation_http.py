"""A person's key over HTTP: prepared, agreed to with a passkey, signed by a real keeper, completed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api.errors import RequestInvalid
from api.workflows import activations
from api.workflows.keys import Keys
from api.workflows.keyuse import KeyUser
from hsm.activation import Assertion, Party
from hsm.errors import ActivationMismatch, HsmError
from hsm.launch import KeyConfig
from tests import readers
from tests.authenticator import Passkey, text
from tests.documents import pdf
from tests.hsm_support import Box, a_box, key_named
from tests.http_support import House, house
from tests.pki import Authority

pytestmark = pytest.mark.appliance

KEY, ORIGIN = "seal-person", "http://localhost:8080"
ACTIVATION = {"rp_id": "localhost", "origins": [ORIGIN]}


@dataclass
class Office:
    """A service whose one person has a key in a real keeper, and a passkey."""

    house: House
    box: Box
    passkey: Passkey
    document: bytes

    def post(self, document: bytes | None = None, **headers: str) -> Any:
        files = {"document": ("a.pdf", document or self.document, "application/pdf")}
        order = json.dumps({"key": KEY, "level": "B-B", "format": "PAdES"})
        return self.house.ask("POST", "/v1/signatures", files=files, data={"order": order}, headers=headers)

    def put(self, identity: str, assertion: Assertion, *, accept: str = "application/json") -> Any:
        path = f"/v1/signatures/{identity}/activation"
        return self.house.ask("PUT", path, json=browser_json(assertion), headers={"Accept": accept})

    def agree(self, activation: dict[str, Any]) -> Assertion:
        assert hashlib.sha256(activation["text"].encode()).digest() == octets(activation["challenge"])
        assert text(self.passkey.id) in activation["credential_ids"]
        return self.passkey.get(octets(activation["challenge"]), origin=ORIGIN)


def browser_json(assertion: Assertion) -> dict[str, Any]:
    """As `PublicKeyCredential.toJSON()` spells it."""
    response = {
        "clientDataJSON": text(assertion.client_data),
        "authenticatorData": text(assertion.authenticator_data),
        "signature": text(assertion.signature),
        "userHandle": None,
    }
    identity = text(assertion.credential)
    more = {"authenticatorAttachment": "platform", "clientExtensionResults": {}}
    return {"id": identity, "rawId": identity, "type": "public-key", "response": response, **more}


def octets(told: str) -> bytes:
    return base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    with a_box(keys={KEY: KeyConfig(holder="person", party=Party("localhost", (ORIGIN,)))}) as box:
        box.make_token()
        box.start()
        box.create(KEY, "p256")
        passkey = Passkey("localhost")
        with box.admin as admin:
            issuing = Authority.root().authority()
            certificate = issuing.certify("Lê Thị Mẫu (demo)", load_der_public_key(key_named(admin, KEY).public_key))
            admin.import_certificate(KEY, certificate.public_bytes(_pem()), (issuing.der,))
            invited = admin.begin_enrolment(KEY)
            admin.enrol(KEY, code=invited.code, registration=passkey.create(invited.challenge, origin=ORIGIN))
        made = house(folder, keys={KEY: {"holder": "person", "activation": ACTIVATION}})
        services = made.services
        keys = Keys({"box": box.token})
        services = replace(services, keys=keys, key_user=KeyUser(services.ledger, keys, lambda: box.secret))
        yield Office(replace(made, services=services), box, passkey, pdf(folder / "a.pdf").read_bytes())


def _pem():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


@pytest.fixture(autouse=True)
def unlocked(office: Office) -> None:
    with office.box.admin as admin:
        admin.lift_lock(KEY)


def lines(office: Office, identity: str) -> list[Any]:
    return [one for one in office.house.services.ledger.read(limit=1000) if one.facts.get("signature") == identity]


def test_a_person_signs_in_two_phases(office: Office, tmp_path: Path) -> None:
    """202 with a challenge; the assertion completes it; the ledger names the activation; the document is signed."""
    prepared = office.post()
    assert 202 == prepared.status_code, prepared.text
    told = prepared.json()
    assert ("prepared", "localhost", "required") == (
        told["status"],
        told["activation"]["rp_id"],
        told["activation"]["user_verification"],
    )
    signed = office.put(told["id"], office.agree(told["activation"]), accept="application/pdf")
    assert 200 == signed.status_code, signed.text
    (tmp_path / "signed.pdf").write_bytes(signed.content)
    assert [(True, True)] == readers.pyhanko(tmp_path / "signed.pdf")
    found = lines(office, told["id"])
    assert ["PREPARED", "INTENT", "DONE", "COMPLETED"] == [line.kind for line in found]
    with office.box.token as token:
        use = token.use(found[1].number)
        shown = token.activation(found[1].facts["activation"])
    assert use is not None
    assert (use.activation, use.credential) == (shown.id, text(office.passkey.id))
    assert use.tbs_sha256 in shown.text.decode()


def test_the_same_assertion_again_repeats_the_answer(office: Office) -> None:
    """Who lost the answer sends it again: one use of the key, the same signature."""
    told = office.post().json()
    assertion = office.agree(told["activation"])
    first, again = office.put(told["id"], assertion), office.put(told["id"], assertion)
    assert (200, 200) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    assert 1 == [line.kind for line in lines(office, told["id"])].count("INTENT")


def test_an_idempotency_key_gives_the_same_signature_a_new_challenge(office: Office) -> None:
    """And so does POST …/activation; the answer to any of them completes it."""
    headers = {"Idempotency-Key": "person-1"}
    first, second = (office.post(**headers).json() for _ in range(2))
    assert first["id"] == second["id"]
    assert first["activation"]["challenge"] != second["activation"]["challenge"]
    third = office.house.ask("POST", f"/v1/signatures/{first['id']}/activation").json()
    assert 200 == office.put(first["id"], office.agree(third)).status_code


def test_what_is_wrong_with_an_activation_has_codes_of_its_own(office: Office) -> None:
    """Forged, replayed, for another document, malformed: each its code and status, and no use of the key."""
    one, two = office.post().json(), office.post().json()
    stranger = Passkey("localhost", id=office.passkey.id)

    def code(identity: str, assertion: Assertion) -> tuple[int, str]:
        answer = office.put(identity, assertion)
        return answer.status_code, answer.json()["code"]

    challenge = octets(one["activation"]["challenge"])
    assert (422, "activation-refused") == code(one["id"], stranger.get(challenge, origin=ORIGIN))
    assert (409, "activation-unknown") == code(one["id"], office.agree(one["activation"]))
    assert (409, "activation-mismatch") == code(one["id"], office.agree(two["activation"]))
    assert (409, "activation-unknown") == code(two["id"], office.agree(two["activation"]))
    path = f"/v1/signatures/{one['id']}/activation"
    for body in (b"", b"{}", b'{"id":"*","response":{}}', b"[1]", b'{"id":"AA","response":{"clientDataJSON":"x"}}'):
        assert "request-invalid" == office.house.ask("PUT", path, content=body).json()["code"]
    assert {"PREPARED", "REFUSED"} >= {line.kind for line in lines(office, one["id"])}


def test_no_other_way_signs_with_a_persons_key(office: Office) -> None:
    """A value from elsewhere is not taken, another caller finds nothing, and the library's own door asks for more."""
    told = office.post().json()
    body = {"value": base64.b64encode(b"x").decode(), "algorithm": "ecdsa_sha256"}
    answer = office.house.ask("PUT", f"/v1/signatures/{told['id']}/value", json=body)
    assert "not-prepared" == answer.json()["code"]
    for method in ("POST", "PUT"):
        path = f"/v1/signatures/{told['id']}/activation"
        sent = browser_json(office.agree(told["activation"])) if method == "PUT" else None
        assert 404 == office.house.ask(method, path, name="stranger", json=sent).status_code
    services = office.house.services
    with pytest.raises(HsmError) as refused:
        services.key_user.once(
            services.keys.find(KEY), mechanism="ecdsa_sha256", tbs=b"\x31\x00", facts={"caller": "client"}
        )
    assert "activation-required" == refused.value.code


def test_many_documents_take_one_touch(office: Office, tmp_path: Path) -> None:
    """A batch: one challenge over all, one assertion, each signed; not in another order and not a part of them."""
    made = [office.post(pdf(tmp_path / f"{n}.pdf", ballast=n * 100).read_bytes()).json()["id"] for n in range(5)]
    services, caller = office.house.services, office.house.callers["client"]
    asked = activations.challenge(services, caller, made)
    with pytest.raises(ActivationMismatch):
        activations.complete(services, caller, made[:4], office.passkey.get(asked.challenge, origin=ORIGIN))
    asked = activations.challenge(services, caller, made)
    outcomes = activations.complete(services, caller, made, office.passkey.get(asked.challenge, origin=ORIGIN))
    assert ["signed"] * 5 == [one.record.state for one in outcomes]
    assert 1 == len({lines(office, one)[1].facts["activation"] for one in made})
    with pytest.raises(RequestInvalid):
        activations.challenge(services, caller, [])


def test_a_keeper_that_was_started_anew_asks_again(office: Office) -> None:
    """The challenge is gone, the preparation is not: a new challenge completes it."""
    told = office.post().json()
    office.box.kill()
    office.box.start()
    assert "activation-unknown" == office.put(told["id"], office.agree(told["activation"])).json()["code"]
    fresh = office.house.ask("POST", f"/v1/signatures/{told['id']}/activation").json()
    assert 200 == office.put(told["id"], office.agree(fresh)).status_code
