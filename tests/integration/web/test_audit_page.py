"""The auditor's page in a real browser without scripts, before a whole appliance: sign in, follow, prove, check, leave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.appliance import Appliance, running
from tests.browser import Tab, browser
from tests.hsm_support import need_softhsm

pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    need_softhsm()
    with running(tmp_path_factory.mktemp("audit") / "home") as found:
        yield found


def click(tab: Tab, selector: str) -> None:
    """As a mouse does, since the page runs no script."""
    tab.run(f"document.querySelector({selector!r}).scrollIntoView()")
    place = f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect(); return [b.x + 5, b.y + 5]; }})()"
    x, y = tab.run(place)
    for kind in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def write(tab: Tab, selector: str, text: str) -> None:
    tab.run(f"document.querySelector({selector!r}).focus()")
    tab.call("Input.insertText", text=text)


def text(tab: Tab) -> str:
    return str(tab.run("document.body.innerText"))


def test_an_auditor_follows_a_document_and_proves_a_line(appliance: Appliance) -> None:
    """From the sign-in to a proof against a signed checkpoint, and out again; the page is refused nothing that it asks."""
    form = (appliance.home / "demo" / "giay-gioi-thieu.pdf").read_bytes()
    signed = appliance.sign(form, field="o1_chi_uy", stamp={}).json()["id"]
    assert 200 == appliance.client.get(f"/v1/signatures/{signed}/evidence").status_code  # makes a checkpoint
    with browser() as tab:
        tab.scripts(on=False)
        tab.open(f"{appliance.url}/audit?lang=en")
        write(tab, "#api_key", (appliance.home / "demo" / "client.key").read_text().strip())
        click(tab, "button")
        tab.wait("document.querySelector('#refused')")
        write(tab, "#api_key", (appliance.home / "demo" / "auditor.key").read_text().strip())
        click(tab, "main button")
        tab.wait("document.querySelector('table')")
        tab.open(f"{appliance.url}/audit?lang=en&signature={signed}")
        assert 3 == tab.run("document.querySelectorAll('tbody tr').length")
        click(tab, "tbody tr th a")
        tab.wait("document.querySelector('#proof-title')")
        assert "stands in the ledger" in text(tab)
        assert "That root is signed: checkpoint of kyso.demo/ledger" in text(tab)
        (refusal,) = tab.complaints()  # of the client's API key; nothing that the page loads was refused
        assert "403" in refusal
        click(tab, ".session button")
        tab.wait("document.body?.innerText.includes('signed out')")
        tab.open(f"{appliance.url}/audit?lang=en")
        assert tab.run("document.querySelector('#api_key') !== null")
