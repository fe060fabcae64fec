"""Signing in with a real browser, at a real provider, over sockets: the cookies that Chromium takes, and the way out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from api.protocol import Bounded
from tests.browser import Tab, browser
from tests.http_support import House, house
from tests.oidc_support import AUDIENCE, CLIENT, SECRET, Provider, provider

pytestmark = pytest.mark.appliance
RULES = [{"when": [{"claim": "groups", "is": ["kyso-auditors"]}], "role": "auditor", "whole_appliance": True}]


@contextmanager
def serving(home: House, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(home.app, http=Bounded, ws="none", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Provider, str]]:
    folder: Path = tmp_path_factory.mktemp("served")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        with provider(redirect_uri=f"{url}/login/callback") as op:
            (folder / "client.secret").write_text(SECRET)
            (folder / "client.secret").chmod(0o600)
            login = {"client_id": CLIENT, "client_secret_file": "client.secret", "title": "SSO (demo)"}
            issuer = {"issuer": op.url, "audience": [AUDIENCE], "grants": RULES, "login": login}
            home = house(folder, identity={"issuers": {"tinh": issuer}}, server={"origin": url})
            with serving(home, listener):
                yield home, op, url


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as made:
        yield made


def test_an_auditor_signs_in_at_the_provider_and_out_again(served: tuple[House, Provider, str], tab: Tab) -> None:
    """From the page to the provider and back with a session; the cookie is out of reach of scripts; out, here and there."""
    home, _, url = served
    tab.open(f"{url}/audit?lang=en")
    tab.run("document.querySelector('a.button').click()")
    tab.wait("document.querySelector('.session')")
    assert f"{url}/audit" == tab.run("location.origin + location.pathname")
    assert "An (demo)" in tab.run("document.body.innerText")
    assert "" == tab.run("document.cookie")
    assert ["__Host-kyso"] == names(tab)
    tab.run("document.querySelector('.session button').click()")
    tab.wait("location.pathname === '/end'")  # the provider's own page
    assert [] == names(tab)
    tab.open(f"{url}/audit?lang=en")
    assert tab.run("document.querySelector('.session') === null")
    assert [] == tab.complaints()
    whats = [line.facts["what"] for line in home.services.ledger.read(kind="SESSION", limit=10)]
    assert ["begun", "ended"] == whats


def test_a_page_of_another_site_changes_nothing(served: tuple[House, Provider, str], tab: Tab) -> None:
    """A form on the provider's site that posts to /logout of a signed-in browser: the session goes on."""
    _, op, url = served
    tab.open(f"{url}/login?lang=en")
    tab.wait("document.querySelector('.session')")
    tab.open(f"{op.url}/end")
    tab.run(
        "(() => { const f = document.createElement('form'); f.method = 'post';"
        f" f.action = '{url}/logout'; document.body.append(f); f.submit(); }})()"
    )
    tab.wait(f"location.origin === '{url}'")
    tab.open(f"{url}/audit?lang=en")
    assert tab.run("document.querySelector('.session') !== null")


def names(tab: Tab) -> list[str]:
    """The cookies that the browser holds for the service."""
    found = tab.call("Network.getAllCookies")["cookies"]
    assert all(one["secure"] and one["httpOnly"] and one["path"] == "/" for one in found)
    return [one["name"] for one in found]
