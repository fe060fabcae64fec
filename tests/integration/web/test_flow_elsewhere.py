"""The component in a plain page of another system: what it may do there, what only the service's own page may, and that a
page whose origin nobody named learns nothing."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.browser import Tab
from tests.documents import pages
from tests.integration.web.flow import WAY, Journey, letter
from tests.integration.web.office import AUTHENTICATOR, CLERK, COMMITTEE, House

pytestmark = pytest.mark.web

EVENTS = ("kyso-ready", "kyso-consented", "kyso-elsewhere", "kyso-document", "kyso-done", "kyso-error")


def page(house: House, told: dict[str, Any]) -> str:
    """What a developer of another system writes: one script, one element, and ears for what happens."""
    return f"""<!doctype html><html lang="vi"><title>Hệ thống thủ tục (demo)</title>
<link rel="icon" href="data:,">
<script type="module" src="{house.appliance.url}/web/kyso.js"></script>
<main><h1>Hồ sơ (demo)</h1><kyso-sign session="{told["id"]}" token="{told["token"]}" lang="vi"></kyso-sign></main></html>"""


SERVED: dict[str, bytes] = {}
"""Pages by path. A browser may still hold an idle connection to a server of an earlier test, which then knows them too."""


@contextmanager
def serving(origin: str, text: str, *, server: str) -> Iterator[str]:
    """The page on this origin, under a strict policy of its own."""
    policy = f"default-src 'none'; script-src {server}; connect-src {server}; frame-src {server}; img-src blob: data:"

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.send_response(200 if self.path in SERVED else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(SERVED.get(self.path, b""))

    with ThreadingHTTPServer(("127.0.0.1", urlsplit(origin).port or 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        path = f"/{secrets.token_hex(4)}"
        SERVED[path] = text.encode()
        try:
            yield f"http://{urlsplit(origin).hostname}:{http.server_address[1]}{path}"
        finally:
            http.shutdown()


def heard(tab: Tab) -> list[str]:
    """Names of events in their order; of a document there may be one for each state."""
    return list(dict.fromkeys(tab.run("heard.map(([name]) => name)")))


@pytest.fixture
def tab(house: House) -> Iterator[Tab]:
    """Which notes what the component tells its page."""
    listen = f"window.heard = []; for (const name of {json.dumps(EVENTS)})"
    listen += " addEventListener(name, (event) => heard.push([name, event.detail]));"
    added = house.tab.call("Page.addScriptToEvaluateOnNewDocument", source=listen)["identifier"]
    yield house.tab
    house.tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)


def test_a_seal_is_set_from_a_page_of_another_system(house: House, tab: Tab, tmp_path):
    """Shown, agreed to and signed there; the page hears of it; nothing is against either policy."""
    told = house.ask(pages(tmp_path / "a.pdf", 1).read_bytes(), who=CLERK)
    with serving(house.embedder, page(house, told), server=house.appliance.url) as address:
        tab.open(address)
        tab.wait("deep('#title') && deep('image')")
        assert house.embedder == tab.run("location.origin")
        Journey(house).agree()
        tab.wait("heard.some(([name]) => name === 'kyso-done')")
        assert ["kyso-ready", "kyso-consented", "kyso-document", "kyso-done"] == heard(tab)
        assert {told["id"]} == {detail["session"] for _, detail in tab.run("heard")}
        assert [] == tab.complaints()
    assert "done" == house.state(told)["state"]


def test_a_persons_key_is_used_on_the_services_own_page(house: House, tab: Tab):
    """Passkeys are the service's site's, and no other page gets them to answer: the consent stands, a link opens the
    service's page in a window of its own, the person confirms there, and the embedding page follows."""
    told = house.ask(letter(), who=WAY[0].who, step=WAY[0].step, keys=[WAY[0].who.key])
    with serving(house.embedder, page(house, told), server=house.appliance.url) as address:
        tab.open(address)
        tab.wait("deep('#title') && deep('image')")
        hands = Journey(house)
        hands.use("#consent")
        tab.wait("focused()?.id === 'elsewhere'")
        assert "consented" == house.state(told)["state"]
        assert not tab.run("deep('#returning')")  # what was agreed to is not sent back
        passkeys = house.passkeys
        tab.click("#elsewhere")
        with tab.other_window("deep('#consent')"):
            assert house.appliance.url == tab.run("location.origin")
            assert (None, "") == (tab.run("window.opener"), tab.run("location.hash"))
            tab.call("WebAuthn.enable")
            made = tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)["authenticatorId"]
            for one in passkeys:
                tab.call("WebAuthn.addCredential", authenticatorId=made, credential=one)
            hands.agree()
            assert 1 == tab.run("deepAll('nav .good').length")
            used = tab.call("WebAuthn.getCredentials", authenticatorId=made)["credentials"]
        house.put_passkeys(used)
        tab.wait("heard.some(([name]) => name === 'kyso-done')")
        assert ["kyso-ready", "kyso-elsewhere", "kyso-document", "kyso-done"] == heard(tab)
        assert [] == tab.complaints()


def test_within_a_frame_of_another_page_the_key_is_used_outside_it(house: House, tab: Tab):
    """The service's page in a frame of a page that is named: shown there, but the keeper believes no frame, so that the
    person is led to a window of their own. Nothing was tried, so that nothing counts as failed."""
    told = house.ask(letter(), who=WAY[0].who, step=WAY[0].step, keys=[WAY[0].who.key])
    text = f'<!doctype html><title>Khung</title><iframe src="{told["url"]}" width="1200" height="800"></iframe>'
    with serving(house.embedder, text, server=house.appliance.url) as address:
        tab.open(address)
        with tab.frame(house.appliance.url):
            tab.wait("deep('#consent') && !deep('#consent').disabled")
            tab.run("deep('#consent').click()")
            tab.wait("deep('#elsewhere')")
    assert "consented" == house.state(told)["state"]


def test_a_page_that_nobody_named_learns_nothing(house: House, tab: Tab):
    """Another origin: the browser keeps the answers from it, and the official is told that there is no connection."""
    told = house.ask(letter(), who=COMMITTEE, order={"level": "B-T"})
    with serving("http://la.localhost:0", page(house, told), server=house.appliance.url) as address:
        tab.open(address)
        tab.wait("deep('#problem')")
        assert ["kyso-error"] == heard(tab)
        assert all({"session": told["id"], "code": "connection"} == detail for _, detail in tab.run("heard"))
        assert told["id"] not in tab.run("deep('kyso-sign').shadowRoot.textContent")
        origin = tab.run("location.origin")
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    for headers, method in ((asked, "OPTIONS"), ({"Origin": origin}, "GET")):
        answer = httpx.request(method, f"{house.appliance.url}/v1/sessions/{told['id']}", headers=headers)
        assert "access-control-allow-origin" not in answer.headers
    named = httpx.options(f"{house.appliance.url}/v1/sessions/{told['id']}", headers=asked | {"Origin": house.embedder})
    assert house.embedder == named.headers["access-control-allow-origin"]
    assert "access-control-allow-credentials" not in named.headers
    for path in ("/v1/signatures", "/v1/keys"):
        answer = httpx.options(f"{house.appliance.url}{path}", headers=asked | {"Origin": house.embedder})
        assert "access-control-allow-origin" not in answer.headers
