"""Hostile XML over HTTP, to real workers: a code, no 5xx, and the service goes on."""

from __future__ import annotations

import json

import pytest

from tests.appliance import Appliance
from tests.xml_support import FEES, HOSTILE

pytestmark = pytest.mark.xades

CALLS = {
    "/v1/verifications": {},
    "/v1/signatures": {"order": json.dumps({"key": "demo-official", "level": "B-B"})},
    "/v1/extensions": {"level": "B-LT"},
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_has_a_code_and_costs_nobody_else_anything(appliance: Appliance, call: str, name: str):
    """Whatever is asked of it: the document is refused for what it is, and nothing of it is parsed or fetched."""
    document, status, code = HOSTILE[name]
    answer = appliance.client.post(call, files={"document": ("a.pdf", document)}, data=CALLS[call])
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert answer.json()["detail"]


def test_hostile_xml_beside_a_document_is_an_octet_string(appliance: Appliance):
    """A detached content that no transform asks to parse is only digested; a bomb there is bytes like any other."""
    bomb = HOSTILE["entity-bomb"][0]
    answer = appliance.client.post(
        "/v1/verifications", files=[("document", ("a.xml", FEES)), ("detached", ("bomb.xml", bomb))]
    )
    assert (200, "NO_SIGNATURE") == (answer.status_code, answer.json()["verdict"])
    assert ["DETACHED_NOT_SIGNED"] == [one["code"] for one in answer.json()["warnings"]]
