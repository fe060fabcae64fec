"""The page at `/` in a real browser, before a whole appliance: files are dropped, verdicts read, reports saved."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tests.appliance import Appliance, running
from tests.browser import Tab, browser
from tests.cli_support import kyso
from tests.documents import pdf
from tests.hsm_support import need_softhsm
from tests.integration.web.signing import axe

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    need_softhsm()
    with running(tmp_path_factory.mktemp("web") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def good(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample form, signed with a stamp and a timestamp."""
    document = (appliance.home / "demo" / "giay-gioi-thieu.pdf").read_bytes()
    answer = appliance.sign(document, headers={"Accept": "application/pdf"}, level="B-T", field="o1_chi_uy", stamp={})
    assert 201 == answer.status_code, answer.text
    path = tmp_path_factory.mktemp("documents") / "good.pdf"
    path.write_bytes(answer.content)
    return path


@pytest.fixture(scope="module")
def tampered(good: Path) -> Path:
    """The same, with a name written over the page afterwards."""
    writer = IncrementalPdfFileWriter(io.BytesIO(good.read_bytes()))
    leaf = writer.root["/Pages"]["/Kids"][0]
    drawn = generic.StreamObject(stream_data=b"1 1 1 rg 150 640 260 22 re f\n")
    contents = leaf["/Contents"]
    former = list(contents) if isinstance(contents, generic.ArrayObject) else [leaf.raw_get("/Contents")]
    leaf[pdf_name("/Contents")] = generic.ArrayObject([*former, writer.add_object(drawn)])
    writer.update_container(leaf)
    out = io.BytesIO()
    writer.write(out)
    path = good.with_name("tampered.pdf")
    path.write_bytes(out.getvalue())
    return path


@pytest.fixture(scope="module")
def broken(good: Path) -> Path:
    path = good.with_name("broken.pdf")
    path.write_bytes(b"%PDF-1.7\nnothing\n")
    return path


@pytest.fixture(scope="module")
def shared_tab() -> Iterator[Tab]:
    with browser() as tab:
        yield tab


@pytest.fixture
def tab(shared_tab: Tab) -> Tab:
    """A tab as a desktop has it, its events forgotten."""
    shared_tab.scripts(on=True)
    shared_tab.look()
    shared_tab.events.clear()
    return shared_tab


def test_a_dropped_file_is_judged_and_its_report_read(tab: Tab, appliance: Appliance, good: Path):
    """The visitor drops a signed form and reads: valid, by whom, where on the page. Nothing else is asked for."""
    tab.open(f"{appliance.url}/?lang=vi")
    tab.drop("#drop", [good])
    tab.wait("deep('#list .good .actions')")
    assert "Hợp lệ" == tab.run("deep('#shown .word').textContent.trim()")
    text = tab.run("deep('#shown').innerText")
    assert "Nguyễn Văn Mẫu (demo)" in text
    assert "Chi bộ thôn Mẫu (demo)" in text
    assert 1 == tab.run("deepAll('#shown rect.mark.signature').length")
    assert "solid" == tab.run("getComputedStyle(deep('#shown .verdict')).borderLeftStyle")
    assert [] == tab.complaints()
    assert all(url.startswith((appliance.url, "data:", "blob:")) for url in tab.asked())


def test_several_files_each_get_their_verdict(tab: Tab, appliance: Appliance, good: Path, tampered: Path, broken: Path):
    """One good, one tampered, one that is no document: three lines in the order given, each with its colour."""
    tab.look(width=390, height=844, phone=True)
    tab.open(f"{appliance.url}/?lang=en")
    tab.give("#document", [good, tampered, broken])
    tab.wait("deepAll('#list .actions').length === 3")
    assert ["good", "bad", "bad"] == tab.run("[...deepAll('#list li')].map(one => one.className)")
    states = tab.run("[...deepAll('#list .state')].map(one => one.textContent)")
    assert states[0].startswith("Valid. The signature of Nguyễn Văn Mẫu (demo) is valid")
    assert "changed after signing" in states[1]
    assert "cannot be read" in states[2]
    assert tab.run("document.documentElement.scrollWidth") <= 390
    tab.run("deepAll('#list li')[1].querySelector('button').click()")
    assert 2 == tab.run("deepAll('#shown .pair svg').length")
    assert 1 == tab.run("deepAll('#shown .pair .mark.change').length")
    for look in ({"width": 390, "height": 844, "phone": True}, {"width": 320, "height": 640}, {"dark": True}):
        tab.look(**look)
        assert [] == axe(tab)
        assert tab.run("document.documentElement.scrollWidth") <= look.get("width", 1280)


def test_the_keyboard_is_enough(tab: Tab, appliance: Appliance, good: Path):
    """From the top: skip link, name, language, file field; then the report's button by Enter. Focus goes to the report."""
    tab.open(f"{appliance.url}/?lang=en")
    stops = []
    for _ in range(4):
        tab.press("Tab", 9)
        stops.append(tab.run("focused().id || focused().className || 'link'"))
    assert ["skip", "brand", "link", "document"] == stops
    tab.give("#document", [good])
    tab.wait("deep('#list .actions')")
    tab.run("deep('#list .actions button').focus()")
    tab.press("Enter", 13)
    tab.wait("focused().id === 'shown'")


def test_the_other_forms_are_asked_for_as_of_the_same_time(tab: Tab, appliance: Appliance, good: Path):
    """What is downloaded as JSON is the report that was read: judged at the same moment."""
    tab.open(f"{appliance.url}/?lang=en")
    tab.run(
        "window.saved = []; URL.createObjectURL = (blob) => { saved.push(blob); return 'data:,'; };"
        "HTMLAnchorElement.prototype.click = function () { saved.push(this.download); }; 0"
    )
    tab.give("#document", [good])
    tab.wait("deep('#list .actions')")
    shown = tab.run("deep('#shown .when').textContent")
    for label, ending in (("JSON", "json"), ("PDF", "pdf"), ("HTML", "html")):
        tab.run("saved.length = 0")
        tab.run(f"[...deepAll('#list button')].find(b => b.textContent.includes('{label}')).click()")
        tab.wait("saved.length === 2")
        assert f"good.pdf.report.{ending}" == tab.run("saved[1]")
        content = tab.run("saved[0].text()")
        if ending == "json":
            at = json.loads(content)["validated_at"]
            assert at[11:19] in shown
        assert content.startswith({"json": "{", "pdf": "%PDF-", "html": "<!doctype html>"}[ending])


def test_a_large_file_goes_on_where_the_line_broke(tab: Tab, appliance: Appliance, tmp_path: Path):
    """It goes in pieces; after one that got lost the page asks how far it came and goes on from there; what was sent is
    removed once it is judged."""
    large = tmp_path / "lớn.pdf"
    document = pdf(tmp_path / "a.pdf", ballast=9_000_000).read_bytes()
    large.write_bytes(appliance.sign(document, headers={"Accept": "application/pdf"}).content)
    tab.open(f"{appliance.url}/?lang=vi")
    key = (appliance.home / "demo" / "client.key").read_text().strip()
    tab.run(f"document.querySelector('kyso-verify').apiKey = {key!r}")
    tab.call("Fetch.enable", patterns=[{"urlPattern": "*/v1/uploads/upl_*"}])
    tab.drop("#drop", [large])
    tab.call("Fetch.continueRequest", requestId=held(tab, 1))
    tab.call("Fetch.failRequest", requestId=held(tab, 2), errorReason="ConnectionClosed")
    tab.call("Fetch.disable")
    tab.wait("deep('#list .actions')")
    assert "Hợp lệ" in tab.run("deep('#list').innerText")
    asked = [
        (
            event["params"]["request"]["method"],
            event["params"]["request"]["url"].rpartition("/v1/")[2].partition("/upl_")[0],
        )
        for event in tab.events
        if event["method"] == "Network.requestWillBeSent" and "/v1/" in event["params"]["request"]["url"]
    ]
    assert ("POST", "uploads") == asked[0]
    assert 4 == asked.count(("PATCH", "uploads"))  # three pieces, and the one that got lost
    assert ("HEAD", "uploads") in asked
    (upload,) = {url for url in tab.asked() if "/upl_" in url}
    deadline = time.monotonic() + 60
    while appliance.client.get(upload).status_code != 404:
        assert time.monotonic() < deadline, "the upload is still there"
        time.sleep(0.1)


def held(tab: Tab, number: int) -> str:
    """The request that is held back as the first, the second, …"""
    deadline = time.monotonic() + 60
    while len(found := [one for one in tab.events if one["method"] == "Fetch.requestPaused"]) < number:
        assert time.monotonic() < deadline, "nothing is held back"
        tab.run("0")
    return str(found[number - 1]["params"]["requestId"])


def test_without_a_script_the_form_still_answers_a_page(tab: Tab, appliance: Appliance, tampered: Path):
    """The form posts one file and the answer is the report itself, which may load and run nothing."""
    tab.scripts(on=False)
    tab.open(f"{appliance.url}/?lang=vi")
    tab.give("#document", [tampered])
    tab.press("Tab", 9)
    tab.run("document.querySelector('#verify button').click()")
    tab.wait("document.querySelector('main.report .word') && document.readyState === 'complete'")
    assert "Không hợp lệ" == tab.run("document.querySelector('.word').textContent.trim()")
    assert [] == tab.complaints()


def test_reports_come_from_locked_down_workers_in_every_form(appliance: Appliance, tampered: Path, tmp_path: Path):
    """HTML and PDF with pictures over HTTP, without an API key, and the same on the command line."""
    with httpx.Client(base_url=appliance.url, timeout=60) as visitor, tampered.open("rb") as file:
        answer = visitor.post(
            "/v1/verifications",
            files={"document": file},
            headers={"Accept": "application/pdf", "Accept-Language": "vi"},
        )
    assert (200, "application/pdf") == (answer.status_code, answer.headers["content-type"])
    with pikepdf.open(io.BytesIO(answer.content)) as document:
        pictures = [
            one for one in document.objects if isinstance(one, pikepdf.Stream) and one.get("/Subtype") == "/Image"
        ]
        assert len(pictures) >= 2  # before and after; the page as it is now is the latter again
    target = tmp_path / "report.html"
    ran = kyso("verify", tampered, "--format", "html", "-o", target, "--lang", "en", home=appliance.home)
    assert (1, []) == (ran.status, ran.err)
    page = target.read_text("utf-8")
    assert "the document was changed after signing" in page
    assert 3 == page.count("data:image/png;base64,")
