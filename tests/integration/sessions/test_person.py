"""A person's key in a session: one challenge over all documents, one touch, and the keeper signs exactly these."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from api.evidence import activating
from api.workflows import carrying
from api.workflows.keys import Keys
from api.workflows.keyuse import KeyUser
from hsm.activation import Assertion, Party
from hsm.launch import KeyConfig
from tests.authenticator import Passkey, text
from tests.hsm_support import Box, a_box, key_named
from tests.pki import Authority
from tests.session_support import Desk, desk

pytestmark = pytest.mark.web

KEY, NAME, ORIGIN = "seal-person", "Lê Thị Mẫu (demo)", "http://localhost:8080"


@dataclass
class Office:
    """A desk whose person has a key in a real keeper, and a passkey."""

    desk: Desk
    box: Box
    passkey: Passkey

    def ask(self, count: int) -> str:
        return self.desk.asked(self.desk.papers(count), person=NAME, keys=[KEY])

    def agree(self, activation: dict[str, Any]) -> dict[str, Any]:
        challenge = activation["challenge"]
        octets = base64.urlsafe_b64decode(challenge + "=" * (-len(challenge) % 4))
        return browser_json(self.passkey.get(octets, origin=ORIGIN))


def browser_json(assertion: Assertion) -> dict[str, Any]:
    """As `PublicKeyCredential.toJSON()` spells it."""
    response = {
        "clientDataJSON": text(assertion.client_data),
        "authenticatorData": text(assertion.authenticator_data),
        "signature": text(assertion.signature),
    }
    return {"id": text(assertion.credential), "type": "public-key", "response": response}


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
            certificate = issuing.certify(NAME, load_der_public_key(key_named(admin, KEY).public_key))
            admin.import_certificate(KEY, certificate.public_bytes(Encoding.PEM), (issuing.der,))
            invited = admin.begin_enrolment(KEY)
            admin.enrol(KEY, code=invited.code, registration=passkey.create(invited.challenge, origin=ORIGIN))
        activation = {"rp_id": "localhost", "origins": [ORIGIN]}
        made = desk(folder, keys={KEY: {"holder": "person", "activation": activation}})
        services = made.house.services
        keys = Keys({"box": box.token})
        services = replace(services, keys=keys, key_user=KeyUser(services.ledger, keys, lambda: box.secret))
        yield Office(replace(made, house=replace(made.house, services=services)), box, passkey)


@pytest.fixture(autouse=True)
def unlocked(office: Office) -> None:
    with office.box.admin as admin:
        admin.lift_lock(KEY)


def run(office: Office) -> None:
    while office.desk.work():
        pass


def test_one_touch_signs_all_and_is_in_the_evidence(office: Office):
    """202 with a challenge over all; after the assertion all are signed under one activation, which the ZIP holds."""
    session = office.ask(3)
    (shown,) = office.desk.show(session)["certificates"]
    assert (KEY, NAME, True, "person", "webauthn") == (
        shown["ref"],
        shown["name"],
        shown["usable"],
        shown["holder"],
        shown["activation"],
    )
    answer = office.desk.consent(session, KEY)
    assert (202, "consented") == (answer.status_code, answer.json()["state"]), answer.text
    activation = answer.json()["activation"]
    assert ("required", "localhost") == (activation["user_verification"], activation["rp_id"])
    assert 3 == len(json.loads(activation["text"])["documents"])
    given = {"assertion": office.agree(activation)}
    assert 202 == office.desk.page("PUT", session, "/activation", json=given).status_code
    run(office)
    shown = office.desk.show(session)
    assert "done" == shown["state"], shown["documents"]
    services = office.desk.house.services
    lines = [line for line in services.ledger.read(limit=1000) if line.facts.get("session") == session]
    assert 1 == len({line.facts["activation"] for line in lines if line.kind == "INTENT"})
    assert 3 == sum(1 for line in lines if line.kind == "PREPARED")
    signature = shown["documents"][0]["outcome"]["signature"]
    (carried,) = carrying.activations_of(services, carrying.ledger_of(services, signature))
    client_data = json.loads(base64.b64decode(carried.client_data))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(carried.text.encode()).digest()).rstrip(b"=").decode()
    assert (challenge, ORIGIN) == (client_data["challenge"], client_data["origin"])
    assert ["activations.json"] == list(activating.files((carried,)))
    again = office.desk.page("PUT", session, "/activation", json=given)
    assert (202, "done") == (again.status_code, again.json()["state"])


def test_what_is_wrong_with_an_assertion_has_its_code_and_signs_nothing(office: Office):
    """Forged, of another session, again: the keeper's codes come through; failures in a row lock; a lock says so."""
    session, other = office.ask(1), office.ask(2)
    first = office.desk.consent(session, KEY).json()["activation"]
    second = office.desk.consent(other, KEY).json()["activation"]

    def put(assertion: dict[str, Any]) -> tuple[int, str]:
        answer = office.desk.page("PUT", session, "/activation", json=assertion)
        return answer.status_code, answer.json()["code"]

    assert (409, "activation-mismatch") == put(office.agree(second))
    assert (409, "activation-unknown") == put(office.agree(second))
    stranger = Passkey("localhost", id=office.passkey.id)
    codes = []
    for _ in range(12):
        answer = office.desk.page("POST", session, "/continue")
        if answer.status_code != 202:
            codes.append(answer.json()["code"])
            break
        challenge = answer.json()["activation"]["challenge"]
        octets = base64.urlsafe_b64decode(challenge + "=" * (-len(challenge) % 4))
        codes.append(put(browser_json(stranger.get(octets, origin=ORIGIN)))[1])
    assert {"activation-refused", "activation-locked"} >= set(codes)
    assert "activation-locked" == codes[-1]
    assert "consented" == office.desk.show(session)["state"]
    assert first["challenge"] != second["challenge"]
    assert 0 == sum(1 for one in office.desk.show(session)["documents"] if one["state"] == "signed")


def test_another_persons_key_is_refused(office: Office):
    """The certificate's name is not the one that the session asks."""
    session = office.desk.asked(person="Người khác", keys=[KEY])
    assert [(False, "certificate-of-another-person")] == [
        (one["usable"], one["code"]) for one in office.desk.show(session)["certificates"]
    ]
    answer = office.desk.consent(session, KEY)
    assert (403, "certificate-of-another-person") == (answer.status_code, answer.json()["code"])


def test_a_keeper_started_anew_asks_for_another_touch(office: Office):
    """Twenty agreed to, the keeper gone in between: what is left is asked for again, and each is signed once."""
    session = office.ask(4)
    activation = office.desk.consent(session, KEY).json()["activation"]
    assertion = office.agree(activation)
    assert 202 == office.desk.page("PUT", session, "/activation", json=assertion).status_code
    office.box.kill()
    office.box.start()
    run(office)
    assert "partly" == office.desk.show(session)["state"]
    left = office.desk.page("POST", session, "/continue").json()
    assert "consented" == left["state"], left
    assert 202 == office.desk.page("PUT", session, "/activation", json=office.agree(left["activation"])).status_code
    run(office)
    assert "done" == office.desk.show(session)["state"]
