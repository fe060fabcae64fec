"""A thousand bad requests before a real keeper: what they cost the token, the keeper's log and the ledger."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from api.app import compose
from api.settings import Settings
from api.store import callers
from api.workflows import refusals
from tests.documents import pdf
from tests.hsm_support import a_faulty_box, build_shim, calls, eventually, signed_attributes
from tests.http_support import Authorities, House, LocalDocuments, SoftToken

pytestmark = pytest.mark.appliance

ORDERS = (
    {"key": "seal", "level": "B-B"},  # its key has no certificate
    {"key": "no-such-key", "level": "B-B"},
    {"key": "seal", "level": "B-B", "mechanism": "ecdsa_sha256"},
    {"key": "seal", "level": "B-B", "field": "no such field"},
    {"key": "seal", "level": "B-Z"},
    {"key": "seal", "level": "B-T"},
    {"key": "\u0000"},
    {"key": "seal", "level": "B-B", "head": "00" * 32},
)


def served(folder: Path, secret: bytes, token: object) -> House:
    """A service before that keeper."""
    services = compose(Settings(home=folder), permit_secret=secret, tokens={"box": token}, fetcher=Authorities())
    documents = LocalDocuments()
    services = replace(services, documents=documents)
    api_key = services.database.write(callers.create, name="client", role="client", keys=("*",))
    return House(services, SoftToken({}), documents, Authorities(), {"client": api_key}, {})


def test_a_thousand_bad_requests_cost_no_try_of_the_pin(tmp_path: Path) -> None:
    """One login before and after, no use in the keeper's log, refusals in the ledger at their bounded rate; and the
    keeper, started anew, finds nothing wrong with its PIN."""
    document = pdf(tmp_path / "a.pdf").read_bytes()
    with a_faulty_box(build_shim(tmp_path)) as (box, _):
        box.make_token()
        token = box.start()
        eventually(lambda: token.status().state == "operational")
        box.create("seal", "rsa2048")
        tbs, mechanism = signed_attributes(b"before"), "rsassa_pkcs1v15_sha256"
        box.sign(token, tbs, key="seal", mechanism=mechanism, number=1)
        logins, uses = calls(box, "C_Login"), token.uses(0).total
        home = served(tmp_path / "home", box.secret, token)
        size, began = home.services.ledger.state().size, time.monotonic()

        statuses = [_bad(home, document, number) for number in range(1000)]

        seconds = time.monotonic() - began
        assert {400, 401, 404, 405, 409, 413, 415, 422} >= set(statuses), set(statuses)
        assert (logins, uses) == (calls(box, "C_Login"), token.uses(0).total)
        assert {"REFUSED"} >= set(home.kinds()[size:])
        lines = home.services.ledger.state().size - size
        assert 0 < lines <= refusals.BURST + refusals.RATE * seconds + 1

        box.sign(token, signed_attributes(b"after"), key="seal", mechanism=mechanism, number=2)
        box.stop()
        again = box.start()
        eventually(lambda: again.status().state == "operational")
        assert logins + 1 == calls(box, "C_Login")


def _bad(home: House, document: bytes, number: int) -> int:
    """The status of one of them."""
    turn, order = number % 5, json.dumps(ORDERS[number // 5 % len(ORDERS)])
    if turn == 0:
        headers = {"Authorization": f"Bearer kyso_{number:012x}_{number:048x}"}
        return home.ask("GET", "/v1/keys", name=None, headers=headers).status_code
    if turn == 1:
        return home.ask("POST", "/v1/signatures", content=b"{" * number).status_code
    if turn == 2:
        return home.ask("POST", "/v1/keys", json={"pin": "000000"}).status_code
    data = document if turn == 3 else document[: len(document) // 2]
    return home.ask(
        "POST", "/v1/signatures", files={"document": ("a.pdf", data, "application/pdf")}, data={"order": order}
    ).status_code
