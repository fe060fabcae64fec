"""What tests of <kyso-sign> have in common: a story to begin with, a page that is opened, and what a reader of it presses."""

from __future__ import annotations

import json

from tests.appliance import ROOT
from tests.browser import Tab
from tests.integration.web.fake_sessions import Story, certificate, document, session

XML = b"""<?xml version="1.0"?><fees><!--{"leaves": [
 {"depth": 0, "name": "B\xc3\xa1o c\xc3\xa1o", "attributes": [["k\xe1\xbb\xb3", "2026-10"]], "text": "", "signature": false},
 {"depth": 1, "name": "T\xe1\xbb\x95ng s\xe1\xbb\x91", "attributes": [], "text": "1.250.000", "signature": false}],
 "more": false}--></fees>"""
TAKEN = {"page": 3, "box": [60, 100, 260, 180]}
PAGE_KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "PageUp": 33, "PageDown": 34}
HEARD = """
window.heard = [];
for (const name of ["kyso-ready", "kyso-consented", "kyso-document", "kyso-done", "kyso-error"])
  window.addEventListener(name, (event) => heard.push([name, event.detail]));
"""
"""Every event that the host page hears."""


def three(three_pages: bytes) -> Story:
    """A form whose place is free, one whose place is laid down, and an XML."""
    listed = [
        document(
            "d1",
            three_pages,
            title="Giấy giới thiệu (demo)",
            fields_taken=[TAKEN],
            fill=[{"name": "number", "label": "Số", "value": "12", "editable": True}],
        ),
        document(
            "d2", three_pages, title="Quyết định (demo)", place={"page": 1, "box": [300, 90, 480, 150], "fixed": True}
        ),
        document("d3", XML, title="Báo cáo thu đảng phí (demo)"),
    ]
    keys = [
        certificate("mine", "Nguyễn Văn Mẫu (demo)"),
        certificate(
            "old",
            "Nguyễn Văn Mẫu (demo, cũ)",
            usable=False,
            code="certificate-expired",
            not_after="2026-02-01T00:00:00+07:00",
        ),
    ]
    return Story({"d1": three_pages, "d2": three_pages, "d3": XML}, session(listed, keys))


def opened(tab: Tab, link: str) -> None:
    tab.open("about:blank")
    tab.open(link)
    tab.wait("deep('#title') && deep('image')")


def axe(tab: Tab) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, with the element."""
    script = ROOT / "api" / "web" / "node_modules" / "axe-core" / "axe.min.js"
    tab.run(script.read_text("utf-8") + ";0")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    told = tab.run(
        f"axe.run(document, {{ runOnly: {json.dumps(tags)} }}).then((found) => JSON.stringify("
        "found.violations.flatMap((one) => one.nodes.map((node) => one.id + ': ' + node.target.flat().join(' ') + ' '"
        " + node.failureSummary))))"
    )
    return json.loads(told)


def keys(tab: Tab, *names: str, shift: bool = False) -> None:
    for name in names:
        for kind in ("keyDown", "keyUp"):
            tab.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=PAGE_KEYS[name],
                modifiers=8 if shift else 0,
            )


def calls(story: Story, method: str, end: str) -> list[object]:
    return [body for kind, path, body in story.asked if kind == method and path.endswith(end)]
