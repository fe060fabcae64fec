"""The page at `/inbox` in a real browser, before a whole appliance: an official signs in, sees what waits, and signs without
a token in the link."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance import Appliance, running
from tests.browser import Tab, browser
from tests.cli_support import kyso
from tests.documents import pages
from tests.hsm_support import need_softhsm
from tests.integration.web.signing import axe

pytestmark = pytest.mark.web

LONG = 200


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    need_softhsm()
    with running(tmp_path_factory.mktemp("inbox") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as found:
        yield found


def official(appliance: Appliance) -> str:
    """An API key of the demo's first official: what a browser signs in with where there is no issuer."""
    people = json.loads(kyso("directory", "list", "people", "--format", "json", home=appliance.home).out)
    (person,) = (one["id"] for one in people if one["code"] == "DEMO-01")
    asked = ("--name", "mau", "--role", "official", "--person", person, "--format", "json")
    return str(json.loads(kyso("caller", "create", *asked, home=appliance.home).out)["api_key"])


def ask(appliance: Appliance, document: Path, *, title: str, **more: object) -> str:
    """A session for the same official; its id."""
    asked = {"documents": [{"document": document.name, "title": title}], "person": "DEMO-01", **more}
    files = {
        "session": (None, json.dumps(asked), "application/json"),
        "document": (document.name, document.read_bytes(), "application/pdf"),
    }
    answer = appliance.client.post("/v1/sessions", files=files)
    assert 201 == answer.status_code, answer.text
    return str(answer.json()["id"])


def test_what_waits_is_opened_and_signed_without_a_token(appliance: Appliance, tab: Tab, tmp_path: Path):
    """Signed out one is led to sign in and back. Nothing waits, and that is said; then a session of two hundred pages waits,
    is opened by its official, scrolled to its end with few pictures in memory, and signed."""
    tab.open(f"{appliance.url}/inbox?lang=vi")
    assert tab.run("location.pathname + location.search").startswith("/login?lang=vi&next=%2Finbox")
    tab.run(
        f"document.querySelector('#api_key').value = {official(appliance)!r}; document.querySelector('main button').click()"
    )
    tab.wait("location.pathname === '/inbox' && window.deep && deep('.empty')")
    assert "Không có tài liệu nào chờ ký" in tab.run("deep('.empty').innerText")
    assert [] == axe(tab)
    session = ask(appliance, pages(tmp_path / "long.pdf", LONG), title="Báo cáo dài (demo)")
    tab.run("deep('kyso-inbox').shadowRoot.querySelector('button').click()")
    tab.wait("deep('li.session')")
    assert "Báo cáo dài (demo)" in tab.run("deep('li.session').innerText")
    assert [] == axe(tab)
    tab.run("deep('li.session a').click()")
    tab.wait(f"location.pathname === '/sign/{session}' && window.deep && deep('image')")
    assert LONG == tab.run("deepAll('figure').length")
    tab.run("deepAll('figure').at(-1).scrollIntoView()")
    tab.wait("deepAll('figure').at(-1).querySelector('image')")
    tab.run("deepAll('figure')[99].scrollIntoView()")
    tab.wait("deepAll('figure')[99].querySelector('image')")
    assert tab.run("deepAll('image').length") <= 20
    tab.run("deep('#certificates input:not([disabled])').click()")
    tab.run("deep('#consent').click()")
    tab.wait("deep('nav .good')")
    assert [] == tab.complaints()
