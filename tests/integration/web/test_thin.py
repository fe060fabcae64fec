"""Thin lines: what the page for signing asks for first, and uploads over a line that loses packets and breaks.

The figures are `make thin-line`'s; here is that the means to them work, without a clock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from api import resuming
from api.protocol import Bounded
from tests.browser import browser
from tests.documents import pages as pdf_pages
from tests.http_support import House, house
from tests.integration.web.fake_sessions import Story, certificate, document, serving, session
from tests.thin_line.line import Line, NoLine, Quality
from tests.thin_line.sending import send

pytestmark = pytest.mark.web

LOSSY = Quality(512_000, 0.2, 0.02)


def test_the_first_page_is_asked_for_before_the_element_is_there(tmp_path: Path) -> None:
    """While the element's script is held back, the session and a picture of the first page are asked for already; the
    element takes these answers, and asks for neither again."""
    paper = pdf_pages(tmp_path / "a.pdf", 3).read_bytes()
    story = Story({"d1": paper}, session([document("d1", paper, title="Giấy (demo)")], [certificate("mine", "Mẫu")]))
    with browser() as tab, serving(story) as fake:
        tab.look(width=800)
        tab.call("Fetch.enable", patterns=[{"urlPattern": "*/web/sign-*"}])
        tab.call("Page.navigate", url=fake.link)
        deadline = time.monotonic() + 60
        while len(first := asked(story)) < 2 and time.monotonic() < deadline:
            tab.run("0")
        assert ["", "/documents/d1/pages/1"] == sorted(first)
        assert not tab.run("customElements.get('kyso-sign')")
        tab.call("Fetch.disable")
        tab.wait("deep('image')")
        assert 1 == asked(story).count("")
        assert 1 == asked(story).count("/documents/d1/pages/1")
        assert [] == tab.complaints()


def asked(story: Story) -> list[str]:
    """What was asked of the session, below its address."""
    return [path for method, path, _ in story.asked if method == "GET"]


@pytest.fixture
def line() -> Iterator[Line]:
    try:
        with Line(LOSSY) as made:
            yield made
    except NoLine as reason:
        pytest.skip(f"no thin line can be laid here: {reason}")


def test_an_upload_over_a_lossy_line_goes_on_where_it_was_cut(line: Line, tmp_path: Path) -> None:
    """2 % of the packets are lost, and every connection is ended after some seconds: the file arrives whole, and what had
    arrived is not sent again."""
    home, data = house(tmp_path / "home"), os.urandom(250_000)
    with listening(home, line.here) as port:
        sent = send(f"http://{line.here}:{port}", home.secrets["client"], data, line=line, cut_after=2)
    assert sent.cuts > 0
    assert line.down.lost + line.up.lost > 0
    (upload,) = home.services.database.read(
        lambda found: found.exec_driver_sql("SELECT id FROM upload").scalars().all()
    )
    with resuming.opened(home.services, home.callers["client"].id, upload) as whole:
        assert data == whole.file.read()


class listening:  # noqa: N801 - a context, as its callers read it
    """The service at an address of this machine; its port."""

    def __init__(self, home: House, address: str) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(home.app, host=address, port=0, http=Bounded, ws="none", log_config=None, lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> int:
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.05)
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
