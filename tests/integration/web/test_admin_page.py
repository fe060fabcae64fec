"""The administrator's page in a real browser without scripts, before a whole appliance with its demo keys."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker.demo import home as demo
from tests.appliance import ROOT, Appliance, laid_out, running
from tests.browser import Tab, browser
from tests.hsm_support import need_softhsm

pytestmark = pytest.mark.appliance

TWO = '\n[changes]\ntwo_administrators = ["rights", "keys"]\n'


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    need_softhsm()
    home = tmp_path_factory.mktemp("admin") / "home"
    port = laid_out(home)
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "kyso.toml").write_text(demo.kyso_toml(port=port) + TWO)
    with running(home, port=port) as found:
        yield found


@pytest.fixture(scope="module")
def second(appliance: Appliance) -> str:
    """The API key of another administrator, made on the machine, with a name that would be markup."""
    command = [
        Path(sys.executable).with_name("kyso"),
        "caller",
        "create",
        "--role",
        "administrator",
        "--name",
        "<b>Hai",
    ]
    environment = {**os.environ, "KYSO_HOME": str(appliance.home)}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return re.search(r"kyso_[0-9a-f]{12}_[0-9a-f]{48}", made.stdout)[0]


def click(tab: Tab, selector: str) -> None:
    """As a mouse does, since the page runs no script."""
    tab.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
    place = f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect(); return [b.x + 5, b.y + 5]; }})()"
    x, y = tab.run(place)
    for kind in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def write(tab: Tab, selector: str, text: str) -> None:
    tab.run(f"document.querySelector({selector!r}).focus()")
    tab.call("Input.insertText", text=text)


def arrive(tab: Tab, condition: str) -> None:
    """On a page with this, and all of its styles: what is clicked stays where it is."""
    tab.wait(f"document.readyState === 'complete' && ({condition})")


def sign_in(tab: Tab, appliance: Appliance, api_key: str) -> None:
    """Out first, where somebody is in."""
    tab.open(f"{appliance.url}/admin?lang=en")
    if tab.run("document.querySelector('.session button') !== null"):
        click(tab, ".session button")
        arrive(tab, "document.body.innerText.includes('signed out')")
        tab.open(f"{appliance.url}/admin?lang=en")
    write(tab, "#api_key", api_key)
    click(tab, "main button")
    arrive(tab, "document.querySelector('h1') && document.querySelector('.session')")


def text(tab: Tab) -> str:
    return str(tab.run("document.body.innerText"))


def key_of(appliance: Appliance, role: str) -> str:
    return (appliance.home / "demo" / f"{role}.key").read_text().strip()


def signs(appliance: Appliance, form: bytes, *, wanted: bool) -> bool:
    """Whether the key comes to sign, or to be refused as disabled: each process remembers that for two seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = appliance.sign(form, key="demo-official-2", field="o1_chi_uy", stamp={})
        if answer.is_success == wanted and (wanted or answer.json()["code"] == "key-disabled"):
            return True
        time.sleep(0.5)
    return False


def decide(tab: Tab) -> None:
    click(tab, ".approve")
    arrive(tab, "document.querySelector('#did')")
    assert "was approved and done" in text(tab)


def test_two_administrators_disable_a_key_and_take_it_back(appliance: Appliance, second: str) -> None:
    """Proposed by one, approved by another, undone by both, by clicks alone; the key signs, signs not, and signs again."""
    form = (appliance.home / "demo" / "giay-gioi-thieu.pdf").read_bytes()
    with browser() as tab:
        tab.scripts(on=False)
        sign_in(tab, appliance, key_of(appliance, "administrator"))
        click(tab, "nav a[href*='/admin/keys']")
        arrive(tab, "document.querySelector('a[href*=demo-official-2]')")
        click(tab, "a[href*=demo-official-2]")
        arrive(tab, "document.querySelector('#act')")
        write(tab, "#f-reason", "thiết bị thất lạc")
        click(tab, "#act button")
        arrive(tab, "document.querySelector('#did')")
        assert "waits for approval" in text(tab)
        assert "Another administrator has to approve it" in text(tab)
        assert tab.run("document.querySelector('.approve') === null")
        assert signs(appliance, form, wanted=True)

        sign_in(tab, appliance, second)
        assert "<b>Hai" in text(tab)
        click(tab, "nav a[href*='/admin/changes']")
        arrive(tab, "document.querySelector('.approve')")
        assert "thiết bị thất lạc" in text(tab)
        decide(tab)
        assert signs(appliance, form, wanted=False)
        click(tab, ".undo summary")
        arrive(tab, "document.querySelector('.undo').open")
        write(tab, "#f-reason", "đã tìm thấy")
        click(tab, ".undo button")
        arrive(tab, "document.body.innerText.includes('to take it back is on record')")

        sign_in(tab, appliance, key_of(appliance, "administrator"))
        click(tab, "nav a[href*='/admin/changes']")
        arrive(tab, "document.querySelector('.approve')")
        decide(tab)
        assert [] == tab.complaints()
    assert signs(appliance, form, wanted=True)


def test_a_clients_key_sees_a_refusal(appliance: Appliance) -> None:
    """The page says who may, and has nothing else."""
    with browser() as tab:
        tab.scripts(on=False)
        sign_in(tab, appliance, key_of(appliance, "client"))
        assert "Your role (client) may not see it" in text(tab)
        assert tab.run("document.querySelector('nav') === null && document.querySelector('table') === null")
        assert ["403" in one for one in tab.complaints()] == [True]


@pytest.mark.parametrize("width", [320, 390])
def test_no_room_is_wider_than_a_phone(appliance: Appliance, second: str, width: int) -> None:
    """Tables scroll within themselves (WCAG 2.2, 1.4.10); nothing that a page asks for is refused."""
    with browser() as tab:
        tab.look(width=width, height=800, phone=True)
        sign_in(tab, appliance, second)
        for room in ("", "/keys", "/tokens", "/trust", "/rules", "/changes", "/callers", "/queue", "/ledger"):
            tab.open(f"{appliance.url}/admin{room}?lang=vi")
            assert tab.run("document.querySelector('.stands') !== null"), room
            assert 0 == tab.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"), room
        assert [] == tab.complaints()
