"""The components are built before the pages that load them are tried; without Node there is nothing to try."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.appliance import ROOT
from tests.browser import Tab, browser
from tests.documents import pages
from tests.integration.web.fake_sessions import Story
from tests.integration.web.office import House, office
from tests.integration.web.signing import three

NOT_AVAILABLE = 69


@pytest.fixture(scope="session", autouse=True)
def components() -> None:
    done = subprocess.run([sys.executable, ROOT / "docker" / "web.py"], capture_output=True, text=True, check=False)
    if done.returncode == NOT_AVAILABLE:
        pytest.skip(done.stderr.strip()[-300:])
    assert 0 == done.returncode, done.stderr


@pytest.fixture(scope="session")
def offices(components: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A whole appliance with two offices, shared by all that need one: it takes a while to start."""
    with office(tmp_path_factory.mktemp("offices")) as made:
        yield made


@pytest.fixture
def house(offices: House) -> House:
    offices.tab.open("about:blank")
    offices.tab.look()
    offices.tab.events.clear()
    return offices


@pytest.fixture(scope="session")
def three_pages(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pages(tmp_path_factory.mktemp("pdf") / "three.pdf", 3).read_bytes()


@pytest.fixture
def story(three_pages: bytes) -> Story:
    return three(three_pages)


@pytest.fixture(scope="module")
def shared_tab() -> Iterator[Tab]:
    with browser() as tab:
        yield tab


@pytest.fixture
def tab(shared_tab: Tab) -> Tab:
    """A tab as a desktop has it, its events forgotten."""
    shared_tab.look()
    shared_tab.events.clear()
    return shared_tab
