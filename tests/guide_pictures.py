"""Takes the pictures of the guides (`api/guides/pictures`) from the running product: `python -m tests.guide_pictures`.

Starts a demo with a hotline, drives a browser through the pages of each role as those people do, and cuts out what a
guide shows. `make guides` runs it and then builds the guides.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from docker.demo import home as demo
from signer.procedures.templates import build
from tests.appliance import ROOT, Appliance, free_port, running
from tests.browser import Tab, browser

HOTLINE = "0200 000 000 (demo)"
FOLDER = ROOT / "api" / "guides" / "pictures"
WIDTH, SHARP, COLOURS = 560, 2, 48
"""Pixels of the window, as wide as a phone held sideways: words stay large on 76 mm; how much finer the picture is."""
MEMBER = {
    "cap_tren": "ĐẢNG ỦY CƠ SỞ MẪU (DEMO)",
    "noi_ban_hanh": "CHI BỘ THÔN MẪU (DEMO)",
    "kinh_gui": "Đảng ủy xã Ví Dụ (demo)",
    "ho_ten": "Trần Thị Ví Dụ (demo)",
    "noi_den": "Chi bộ thôn Ví Dụ (demo)",
}
PROCEDURE = "chuyen-sinh-hoat-chinh-thuc"
LARGEST = 150 * 1024


@dataclass
class Camera:
    """One browser before one appliance."""

    tab: Tab
    appliance: Appliance
    folder: Path

    def window(self, *, width: int = WIDTH, height: int = 900) -> None:
        self.tab.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=SHARP, mobile=False
        )

    def open(self, path: str, *, until: str = "true", width: int = WIDTH) -> None:
        self.window(width=width)
        self.tab.open("about:blank")
        self.tab.open(path if path.startswith("http") else self.appliance.url + path)
        self.tab.wait(f"document.readyState === 'complete' && window.deep && ({until})")

    def take(self, name: str, *, start: str, end: str, most: float, above: float = 8, below: float = 8) -> None:
        """From the top of one element to the bottom of another, at most so many times as high as wide."""
        # Room below, so that what stands at the end of a page can be scrolled to the top.
        self.tab.run("document.body.style.paddingBottom = '60rem'")
        self.tab.run(f"scrollTo(0, scrollY + {start}.getBoundingClientRect().top - {above})")
        self.settle()
        top = self.tab.run(f"{start}.getBoundingClientRect().top") - above
        bottom = self.tab.run(f"{end}.getBoundingClientRect().bottom") + below
        width = self.tab.run("document.documentElement.clientWidth")
        high = min(bottom - top, width * most)
        # Of what is in the window: a picture of more than that lays the page out anew.
        shot = self.tab.call("Page.captureScreenshot", format="png")
        image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        assert (top + high) * SHARP <= image.height, (name, top, high, image.size)
        image = image.crop((0, round(top * SHARP), round(width * SHARP), round((top + high) * SHARP)))
        path = self.folder / f"{name}.png"
        image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        assert path.stat().st_size <= LARGEST, (name, path.stat().st_size)

    def page(self, name: str, *, larger: int, aim: str, most: float = 0.8) -> None:
        """What the frame round the pages shows: `larger` steps nearer, and `aim` in the middle."""
        self.window(height=540)
        for _ in range(larger):
            self.tab.run("deepAll('button').find((one) => one.innerText === 'Phóng to').click()")
            self.settle()
        self.tab.run(aim)
        self.settle()
        self.tab.wait("!deep('.absent')")
        self.take(name, start="deep('.view')", end="deep('.view')", most=most, above=0, below=0)
        self.window()

    def settle(self) -> None:
        """Until what is near was drawn, and nothing moves."""
        self.tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        time.sleep(1)

    def sign_in(self, path: str, role: str) -> None:
        self.open(f"{path}?lang=vi", until="document.querySelector('#api_key')")
        key = (self.appliance.home / "demo" / f"{role}.key").read_text().strip()
        self.tab.run(f"document.querySelector('#api_key').value = {json.dumps(key)}")
        self.tab.run("document.querySelector('#api_key').form.requestSubmit()")
        self.tab.wait("document.readyState === 'complete' && document.querySelector('.session')")


def ask(appliance: Appliance, document: bytes, *, person: str, step: str | None = None, **more: Any) -> dict[str, Any]:
    """A session for one document of the transfer."""
    entry: dict[str, Any] = {"document": "giay-gioi-thieu.pdf", "title": "Giấy giới thiệu sinh hoạt đảng (demo)"}
    entry |= {} if step is None else {"procedure": PROCEDURE, "step": step}
    entry |= {"order": more.pop("order")} if "order" in more else {}
    asked = {"documents": [entry], "person": person, "language": "vi", **more}
    files = {
        "session": (None, json.dumps(asked), "application/json"),
        "document": ("giay-gioi-thieu.pdf", document, "application/pdf"),
    }
    answer = appliance.client.post("/v1/sessions", files=files)
    assert 201 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


READY = "deep('#title') && (deep('image') || deep('.tree'))"
SIGNED = "deepAll('nav .good').length === deepAll('nav li').length"


FRAME = """(() => {
  const view = deep('.view'), frame = deep('.mine').getBoundingClientRect(), seen = view.getBoundingClientRect();
  view.scrollTop += frame.top + frame.height / 2 - (seen.top + seen.height / 2);
  view.scrollLeft += frame.left + frame.width / 2 - (seen.left + seen.width / 2);
})()"""
"""Where the signature goes."""
BOX_3 = """(() => {
  const view = deep('.view'), page = deepAll('figure')[1].getBoundingClientRect(), seen = view.getBoundingClientRect();
  view.scrollTop += page.top + page.height * 0.19 - (seen.top + seen.height / 2);
  view.scrollLeft += page.left + page.width * 0.27 - (seen.left + seen.width / 2);
})()"""
"""The third box stands at the top left of the letter's second page."""


def agree(camera: Camera, key: str) -> None:
    camera.tab.run(f"deep('#key-{key}').checked || deep('#key-{key}').click()")
    camera.tab.wait("!deep('#consent').disabled")


def official(camera: Camera) -> None:
    """Practice: a letter and a report, looked at, agreed to, signed."""
    camera.open("/sign/demo?lang=vi", until=READY)
    camera.page("official-read", larger=0, aim=FRAME, most=0.62)
    for number in (1, 0):
        camera.tab.run(f"deepAll('nav li button')[{number}].click()")
        camera.settle()
    agree(camera, "demo-official")
    camera.take("official-consent", start="deep('#certificates')", end="deep('#consent')", most=0.9, below=14)
    camera.tab.run("deep('#consent').click()")
    camera.tab.wait(SIGNED)
    camera.take("official-signed", start="deep('#progress')", end="deep('nav')", most=0.7)


def locked(camera: Camera) -> None:
    """Somebody whose key lies in the token that is locked: what is told, and whom to call."""
    letter = (camera.appliance.home / "demo" / "giay-gioi-thieu.pdf").read_bytes()
    order = {"field": "o1_chi_uy", "profile": "dang/nguoi-ky"}
    told = ask(camera.appliance, letter, person="DEMO-11", organisation="CB-THON-MAU", order=order)
    camera.open(told["url"], until=READY)
    agree(camera, "demo-locked")
    camera.tab.run("deep('#consent').click()")
    camera.tab.wait("deepAll('nav .bad').length")
    camera.take("official-locked", start=LOCKED, end=LOCKED, most=0.6)


LOCKED = "deepAll('.box.bad').at(-1)"


def sign(camera: Camera, told: dict[str, Any], key: str) -> bytes:
    """One session to its end; what was signed."""
    camera.open(told["url"], until=READY)
    agree(camera, key)
    camera.tab.run("deep('#consent').click()")
    camera.tab.wait(SIGNED)
    return signed(camera, told)


def signed(camera: Camera, told: dict[str, Any]) -> bytes:
    client = camera.appliance.client
    (document,) = client.get(f"/v1/sessions/{told['id']}").json()["documents"]
    return client.get(f"/v1/signatures/{document['outcome']['signature']}/document").raise_for_status().content


def clerk(camera: Camera) -> None:
    """The cell and the committee have signed; the clerk fills in number and date, and seals."""
    letter = build("giay-gioi-thieu", values=MEMBER)
    first = ask(camera.appliance, letter, person="DEMO-01", organisation="CB-THON-MAU", step="o1-ky")
    letter = sign(camera, first, "demo-official")
    second = ask(camera.appliance, letter, person="DEMO-03", organisation="DU-CS-MAU", step="o3-ky")
    letter = sign(camera, second, "demo-official-2")
    third = ask(camera.appliance, letter, person="DEMO-04", organisation="DU-CS-MAU", role="clerk", step="o3-dau")
    camera.open(third["url"], until=READY)
    camera.page("clerk-fill", larger=1, aim=FRAME)
    for number, text in enumerate(("15-GT/ĐU", "22/11/2026")):
        camera.tab.run(f"deep('#fill-{number}').focus()")
        camera.tab.call("Input.insertText", text=text)
    agree(camera, "demo-seal")
    camera.take(
        "clerk-consent",
        start="deep('#fill-0').closest('fieldset, form, section, div')",
        end="deep('#certificates')",
        most=1.1,
    )
    camera.tab.run("deep('#consent').click()")
    camera.tab.wait(SIGNED)
    camera.open(third["url"], until=READY)
    camera.page("clerk-sealed", larger=1, aim=BOX_3)


MAIN_END = "document.querySelector('main').lastElementChild"


def administrator(camera: Camera) -> None:
    camera.sign_in("/admin", "administrator")
    for name, page in (("overview", "/admin"), ("tokens", "/admin/tokens"), ("keys", "/admin/keys")):
        camera.open(f"{page}?lang=vi", until="document.querySelector('main')", width=720)
        camera.take(
            f"administrator-{name}",
            start="document.querySelector('h1')",
            end=MAIN_END,
            most=0.82,
        )


def auditor(camera: Camera) -> None:
    camera.sign_in("/audit", "auditor")
    state = camera.tab.run("document.querySelector('.head').innerText")
    lines, root = re.search(r"(\d+)", state)[1], re.search(r"[0-9a-f]{64}", state)[0]  # type: ignore[index]
    camera.open("/audit?lang=vi&kind=DONE", width=760)
    one = camera.tab.run("document.querySelector('a[href*=\"signature=sig\"]').getAttribute('href')")
    camera.open(one, width=760)
    camera.take("auditor-lines", start="document.querySelector('#lines-title')", end=MAIN_END, most=0.8)
    camera.tab.run(f"document.querySelector('#noted').value = '{lines}:{root}'")
    camera.tab.run("document.querySelector('#noted').form.requestSubmit()")
    camera.tab.wait("document.querySelector('#check-title ~ .verdict')")
    camera.take(
        "auditor-check",
        start="document.querySelector('#check-title')",
        end="document.querySelector('#noted')",
        most=0.4,
    )
    camera.open("/?lang=vi", until="deep('input[type=file]')")
    camera.tab.give("input[type=file]", [camera.appliance.home / "demo" / "giay-gioi-thieu.all-boxes.pdf"])
    camera.tab.wait("deep('.verdict')")
    camera.take("auditor-verified", start="deep('.verdict')", end="deepAll('.verdict ~ *').at(-1)", most=0.95)


def main(names: list[str]) -> int:
    FOLDER.mkdir(exist_ok=True)
    chosen = [one for one in (official, locked, clerk, administrator, auditor) if not names or one.__name__ in names]
    with tempfile.TemporaryDirectory(prefix="kyso-guides-") as folder:
        home, port = Path(folder) / "home", free_port()
        home.mkdir(mode=0o700)
        settings = demo.kyso_toml(port=port).replace("[sessions]\n", f'[sessions]\nhotline = "{HOTLINE}"\n')
        (home / "kyso.toml").write_text(settings, "utf-8")
        with running(home, port=port) as appliance:
            for role in chosen:
                with browser() as tab:
                    role(Camera(tab, appliance, FOLDER))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
