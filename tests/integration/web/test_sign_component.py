"""<kyso-sign> in a real browser before a stand-in for the service: what an official sees and does, by mouse and by keyboard
alone; what is asked of the service; what is said when something fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from api import web
from tests.appliance import ROOT
from tests.browser import Tab
from tests.documents import pages as pdf_pages
from tests.integration.web.fake_sessions import TOKEN, Story, challenge, document, elsewhere, serving, session
from tests.integration.web.signing import HEARD, axe, calls, opened

pytestmark = pytest.mark.web

LONG = 200


def test_one_consent_signs_everything_that_was_shown(tab: Tab, story: Story):
    """Documents with their states, pages first, the one certificate that is in force chosen; consent carries the digests
    and the place; each outcome is told; the page hears of it all by its events."""
    with serving(story) as fake:
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=HEARD)
        opened(tab, fake.link)
        assert "" == tab.run("location.hash")
        assert 3 == tab.run("deepAll('nav li').length")
        assert [True, False] == tab.run("deepAll('input[type=radio]').map((one) => one.checked)")
        assert "Đã hết hạn" in tab.run("deep('#certificates').innerText")
        tab.run("deep('#put').click()")
        tab.wait("deep('.mine')")
        tab.run(
            "deep('#fill-0').value = '15'; deep('#fill-0').dispatchEvent(new Event('input')); deep('#consent').click()"
        )
        tab.wait("heard.some(([name]) => name === 'kyso-done')")
        (consent,) = calls(story, "POST", "/consent")
        assert {"key", "documents"} == set(consent)
        digests = [(one["id"], one["sha256"]) for one in story.session["documents"]]
        assert digests == [(one["id"], one["sha256"]) for one in consent["documents"]]
        assert ({"number": "15"}, 3) == (consent["documents"][0]["fill"], consent["documents"][0]["place"]["page"])
        assert "place" not in consent["documents"][1]
        assert 3 == tab.run("deepAll('nav .good').length")
        names = tab.run("heard.map(([name]) => name)")
        assert ["kyso-ready", "kyso-consented", "kyso-document", "kyso-document", "kyso-document", "kyso-done"] == names
        assert [] == tab.complaints()
        assert all(url.startswith((fake.origin, "data:", "blob:")) for url in tab.asked())


def test_nothing_is_found_by_axe(tab: Tab, story: Story):
    """WCAG 2.2 AA and what is good practice besides: on a desk, on a phone, at 320 pixels, in the dark, and when something failed."""
    story.failing = {"d2": "certificate-revoked"}
    with serving(story) as fake:
        for look in ({}, {"width": 390, "height": 844, "phone": True}, {"width": 320, "height": 640}, {"dark": True}):
            tab.look(**look)
            opened(tab, fake.link)
            tab.run("deep('#put')?.click()")
            tab.wait("deep('.mine')")
            assert [] == axe(tab)
            assert tab.run("document.documentElement.scrollWidth") <= look.get("width", 1280)
        tab.run("deep('#consent').click()")
        tab.wait("deep('#progress') && deep('nav .bad')")
        tab.run("deep('nav .bad').click()")
        tab.wait("deep('#title').textContent.includes('Quyết định')")
        assert "0200 000 000" in tab.run("deep('kyso-sign').shadowRoot.textContent")
        assert [] == axe(tab)


def test_what_could_deceive_is_told_before_consent(tab: Tab, story: Story):
    """Beside the document and in the list that is consented to; not any more once it is signed. What the page does not know
    yet goes by its code."""
    story.session["documents"][0]["warnings"] = ["HIDDEN_CONTENT", "SOMETHING_NEW"]
    with serving(story) as fake:
        opened(tab, fake.link)
        told = tab.run("deep('#cautions').innerText")
        assert "Tài liệu có nội dung bị ẩn" in told
        assert "SOMETHING_NEW" in told
        assert "hãy trả lại tài liệu" in told
        listed = tab.run("deepAll('.about li').map((one) => one.innerText.includes('Lưu ý trước khi ký: '))")
        assert [True, False, False] == listed
        assert [] == axe(tab)
        tab.run("deep('#next').click()")
        tab.wait("!deep('#cautions')")
        tab.run("deep('#former').click(); deep('#consent').click()")
        tab.wait("deepAll('nav .good').length === 3")
        assert tab.run("!deep('#cautions')")


def test_signatures_that_are_there_are_told(tab: Tab, story: Story):
    """In the words of the report, once a page is to be seen: who signed when; of a bad one why. A document without any says
    nothing, and where it cannot be found out, that is said."""
    good = {
        "name": "Trần Thị Ví Dụ (demo)",
        "time": "2026-11-22T09:00:00+07:00",
        "indication": "TOTAL_PASSED",
        "reason": None,
    }
    why = {"vi": "chứng thư đã bị thu hồi", "en": "revoked"}
    bad = good | {"name": "<b>Lê</b>", "indication": "TOTAL_FAILED", "reason": why}
    summary = {"vi": "Có chữ ký số không hợp lệ.", "en": "A signature is not valid."}
    story.standings["d1"] = {"verdict": "TOTAL_FAILED", "summary": summary, "signatures": [good, bad]}
    story.refusals["d2/signatures"] = (403, "right-refused")
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.wait("deep('#standing')")
        told = tab.run("deep('#standing').innerText")
        assert "Có chữ ký số không hợp lệ." in told
        assert re.search(r"Trần Thị Ví Dụ \(demo\) · .*09:00.*\n", told)
        assert re.search(r"<b>Lê</b> · .* · chứng thư đã bị thu hồi", told)
        assert [] == axe(tab)
        tab.run("deep('#next').click()")
        tab.wait("deep('kyso-document').shadowRoot.textContent.includes('Chưa kiểm tra được chữ ký số')")
        tab.run("deep('#next').click()")
        tab.wait("deep('.tree')")
        assert tab.run("!deep('#standing')")
        assert 3 == len(calls(story, "GET", "/signatures"))


def test_every_caution_has_a_sentence():
    """Of those that preparing a signature of a PDF may give."""
    sources = (ROOT / "verify" / "content.py", ROOT / "signer" / "admission.py")
    codes = set(
        re.findall(
            r"\b[A-Z]+_[A-Z_]+\b",
            "".join(re.findall(r'""".*?"""', source.read_text("utf-8"), re.DOTALL)[0] for source in sources),
        )
    )
    assert {"HIDDEN_CONTENT", "SIGNATURE_BROKEN"} <= codes
    words = (ROOT / "api" / "web" / "src" / "words" / "vi.ts").read_text("utf-8")
    assert codes <= set(re.findall(r"^      ([A-Z_]+): ", words, re.MULTILINE))


def test_without_events_the_page_asks(tab: Tab, story: Story):
    """Where streams do not come through, the outcome still arrives."""
    story.has_events = False
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#consent').click()")
        tab.wait("deepAll('nav .good').length === 3")


def test_signing_is_stopped_and_goes_on_after_the_page_was_closed(tab: Tab, story: Story):
    """What is signed stays so; the page that is opened again finds the state, and goes on."""
    story.pause = 0.6
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#consent').click()")
        tab.wait("deep('#stop')")
        tab.run("deep('#stop').click()")
        tab.wait("deep('#go')")
        tab.open("about:blank")
        story.pause = 0.05
        tab.open(f"{fake.origin}/sign/ses_1?lang=en")
        tab.wait("deep('#go')")
        tab.run("deep('#go').click()")
        tab.wait("deepAll('nav .good').length === 3")


def test_a_document_is_sent_back_with_a_reason(tab: Tab, story: Story):
    """And is no longer among those that are about to be signed."""
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run(
            "deep('#returning').open = true; deep('#reason').value = 'Sai tên'; deep('#returning form button').focus();"
            " deep('#returning form button').click()"
        )
        tab.wait("deepAll('.about li').length === 2")
        tab.wait("focused()?.id === 'title'")
        assert [{"reason": "Sai tên"}] == calls(story, "POST", "/d1/return")
        assert "Đã trả lại: Sai tên" in tab.run("deep('section').innerText")


def test_a_document_is_passed_on_to_a_colleague(tab: Tab, story: Story):
    """Chosen from the people of one's own office, with a reason; a blank is none. What was typed for one document is not
    there for another."""
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#passing-on').open = true")
        tab.wait("deepAll('#person option').length === 3")
        assert "Trần Thị Ví Dụ (demo) – Phó Bí thư" in tab.run("deep('#person').innerText")
        tab.run("deep('#person').value = 'per_2'; deep('#reason-on').value = '  '")
        tab.run("deep('#passing-on form button').click()")
        assert [] == calls(story, "POST", "/d1/reassign")
        tab.run("deep('#reason-on').value = 'Đi công tác'; deep('#reason-on').dispatchEvent(new Event('input'))")
        tab.run("deepAll('nav button')[1].click()")
        tab.wait("deep('#title').textContent.includes('Quyết định') && deep('#reason-on').value === ''")
        tab.run("deep('#passing-on').open = true; deep('#person').value = 'per_2'")
        tab.run("deep('#reason-on').value = 'Đi công tác'; deep('#passing-on form button').click()")
        tab.wait("deepAll('.about li').length === 2")
        assert [{"person": "per_2", "reason": "Đi công tác"}] == calls(story, "POST", "/d2/reassign")
        assert "Đã chuyển người khác (Trần Thị Ví Dụ (demo)): Đi công tác" in tab.run("deep('section').innerText")


def test_a_persons_key_is_used_with_a_passkey(tab: Tab, story: Story):
    """The challenge goes to the authenticator, its answer to the service; without an answer nothing is signed."""
    authenticator = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tab.call("WebAuthn.enable")
    made = tab.call("WebAuthn.addVirtualAuthenticator", options=authenticator)["authenticatorId"]
    with serving(story) as fake:
        opened(tab, fake.link)
        told = tab.run(CREATE)
        story.activation = {**challenge(b"x"), "credential_ids": [told]}
        tab.run("deep('#consent').click()")
        tab.wait("deepAll('nav .good').length === 3")
        (answer,) = calls(story, "PUT", "/activation")
        assert {"clientDataJSON", "authenticatorData", "signature"} == set(answer["response"])
        assert (told, "public-key") == (answer["id"], answer["type"])
    tab.call("WebAuthn.removeVirtualAuthenticator", authenticatorId=made)
    tab.call("WebAuthn.disable")


CREATE = """
navigator.credentials.create({ publicKey: { challenge: new Uint8Array(32), rp: { id: "localhost", name: "Kyso" },
  user: { id: new Uint8Array(8), name: "demo", displayName: "demo" }, pubKeyCredParams: [{ type: "public-key", alg: -7 }],
  authenticatorSelection: { userVerification: "required" } } }).then((one) => one.id)
"""


def test_the_pdf_itself_is_drawn_on_demand(tab: Tab, story: Story):
    """pdf.js and its worker come from here, under the page's policy; other bytes than those to be signed are not shown."""
    with serving(story) as fake:
        opened(tab, fake.link)
        assert not any("pdf" in url and "/web/" in url for url in tab.asked())
        tab.run("deep('#real').click()")
        tab.wait("deep('kyso-document').shadowRoot.textContent.includes('mã băm SHA-256 đúng')")
        tab.wait("deep('image')")
        assert [] == tab.complaints()
        story.documents["d2"] = story.documents["d2"] + b"\n"
        tab.run("deepAll('nav button')[1].click()")
        tab.wait(
            "deep('kyso-document').document.id === 'd2' && deep('#real').getAttribute('aria-disabled') === 'false'"
        )
        tab.run("deep('#real').click()")
        tab.wait("deep('kyso-document').shadowRoot.textContent.includes('không đúng mã băm')")


def test_a_refusal_says_what_to_do_and_whom_to_call(tab: Tab, story: Story):
    """The service's sentence, the code, the support code, the hotline; a link without its token says so."""
    story.refusals = {"/consent": (409, "document-changed")}
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#consent').click()")
        tab.wait("deep('#problem')")
        said = tab.run("deep('#problem').innerText")
        for part in ("Lỗi document-changed", "Hãy làm theo", "req-1", "0200 000 000"):
            assert part in said
        tab.run("sessionStorage.clear()")
        tab.open("about:blank")
        tab.open(f"{fake.origin}/sign/ses_1?lang=en")
        tab.wait("deep('#problem')")
        assert "lacks the code" in tab.run("deep('#problem').innerText")
        assert f"{fake.origin}/login?lang=en&next=%2Fsign%2Fses_1%3Flang%3Den" == tab.run("deep('#problem a').href")


def test_what_is_loaded_before_the_first_page_is_small():
    """Without pdf.js: script and what it imports, compressed."""
    found = web.entry("sign")
    names = [found.script, *found.imports]
    total = sum(len(web.file(name).compressed or b"") for name in names if name)
    assert 0 < total <= 60_000, total
    assert not any("pdf" in name for name in names if name)


def test_two_hundred_pages_are_scrolled_through(tab: Tab, tmp_path: Path):
    """Each page has its place from the start and comes as it is scrolled to; few are in memory. One goes to a page by its
    number, and is told which one is looked at."""
    long = pdf_pages(tmp_path / "long.pdf", LONG).read_bytes()
    story = Story({"d1": long}, session([document("d1", long, title="Báo cáo dài (demo)")], []))
    with serving(story) as fake:
        opened(tab, fake.link)
        assert LONG == tab.run("deepAll('figure').length")
        assert tab.run("deepAll('image').length") < 10
        view = "deep('.view')"
        tab.run(f"{view}.scrollTop = {view}.scrollHeight")
        tab.wait(f"deepAll('figure')[{LONG - 1}].querySelector('image') && deep('#page').value === '{LONG}'")
        for page in (100, 50, 150, 10):
            tab.run(f"deep('#page').value = '{page}'; deep('#page').dispatchEvent(new Event('change'))")
            tab.wait(f"deepAll('figure')[{page - 1}].querySelector('image') && deep('#page').value === '{page}'")
        assert tab.run("deepAll('image').length") <= 20
        pictures = [path for _, path, _ in story.asked if "/pages/" in path]
        assert pictures[0].endswith("/d1/pages/1")
        assert len(pictures) < LONG / 2


def test_an_xml_is_read_as_a_tree(tab: Tab, story: Story):
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deepAll('nav button')[2].click()")
        tab.wait("deep('.tree')")
        assert "1.250.000" in tab.run("deep('.tree ul').innerText")


def test_the_example_of_another_origin_embeds_the_component(tab: Tab, story: Story):
    """As the package has it: one script and one element, under that page's own strict policy; the page hears of what happens,
    and the PDF itself is drawn there, too."""
    example = ROOT / "api" / "web" / "example"
    with serving(story) as fake:
        given = {"https://kyso.example.vn": fake.origin, "ses_…": "ses_1", "kst_…": TOKEN}
        page = (example / "index.html").read_text("utf-8")
        for mark, value in given.items():
            assert mark in page
            page = page.replace(mark, value)
        with elsewhere({"index.html": page, "page.js": (example / "page.js").read_text("utf-8")}) as address:
            tab.open(address)
            tab.wait("deep('image')")
            tab.run("deep('#real').click()")
            tab.wait("deep('kyso-document').shadowRoot.textContent.includes('mã băm SHA-256 đúng')")
            tab.run("deep('#consent').click()")
            tab.wait("document.querySelector('#told').textContent === 'Phiên ký đã kết thúc: done'")
            assert "Ký số thành công." in tab.run("deep('#progress').innerText")
            assert [] == [one for one in tab.complaints() if "favicon" not in one]


def test_the_package_has_what_it_says(tmp_path: Path):
    """The script and what it loads, types, the example and the README; no address of a registry in its lock."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    listed = subprocess.run(
        ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"],
        cwd=ROOT / "api" / "web",
        env={**os.environ, "npm_config_cache": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = {one["path"] for one in json.loads(listed.stdout)[0]["files"]}
    assert {"package.json", "README.md", "kyso.d.ts", "dist/kyso.js", "dist/LICENSES.md", "example/index.html"} <= names
    assert not [name for name in names if name.endswith((".gz", ".map", "manifest.json")) or name.startswith("src")]
    assert '"resolved"' not in (ROOT / "api" / "web" / "package-lock.json").read_text("utf-8")
