"""A real browser's passkey: Chromium's virtual authenticator enrols and agrees, a real keeper believes it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.cli.activation import options
from api.schema_activation import parse_assertion
from hsm.activation import Party, Registration
from hsm.launch import KeyConfig
from tests.browser import Tab, browser
from tests.hsm_support import a_box, signed_attributes

pytestmark = pytest.mark.appliance

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
CREATE = """navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(%s)})
.then(found => JSON.stringify(found.toJSON()))"""
GET = """navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(%s)})
.then(found => JSON.stringify(found.toJSON()))"""


class Page(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>-</title>")

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.fixture
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


def run(tab: Tab, script: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = tab.call("Runtime.evaluate", expression=script % json.dumps(given), awaitPromise=True, userGesture=True)
    assert "exceptionDetails" not in answer, answer
    return json.loads(answer["result"]["value"])


def octets(told: str) -> bytes:
    return base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))


def test_what_a_browser_makes_activates_a_persons_key(origin: str) -> None:
    """Registration and assertion as Chromium spells them, from enrolment to the signature."""
    tbs = signed_attributes(b"agreed to in a browser")
    person = KeyConfig(holder="person", party=Party("localhost", (origin,)))
    with browser() as tab, a_box(keys={"person": person}) as box:
        tab.open(origin + "/")
        tab.call("WebAuthn.enable")
        tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)
        box.make_token()
        box.start()
        box.create("person", "p256")
        with box.admin as admin, box.token as token:
            invited = admin.begin_enrolment("person")
            made = run(tab, CREATE, options(invited))["response"]
            answer = Registration(octets(made["clientDataJSON"]), octets(made["attestationObject"]))
            admin.enrol("person", code=invited.code, registration=answer)
            asked = token.begin_activation("person", (("ecdsa_sha256", hashlib.sha256(tbs).digest()),))

            def text(one: bytes) -> str:
                return base64.urlsafe_b64encode(one).rstrip(b"=").decode()

            request = {
                "challenge": text(asked.challenge),
                "rpId": asked.rp_id,
                "allowCredentials": [{"type": "public-key", "id": text(one)} for one in asked.credentials],
                "userVerification": "required",
            }
            agreed = parse_assertion(json.dumps(run(tab, GET, request)).encode())
            activation = token.activate(agreed)
            allowed = box.permit(tbs, key="person", mechanism="ecdsa_sha256")
            assert token.sign(key="person", mechanism="ecdsa_sha256", tbs=tbs, permit=allowed, activation=activation.id)
