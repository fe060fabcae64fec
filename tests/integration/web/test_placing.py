"""Where a signature goes, before a stand-in for the service: by keyboard alone, by mouse and by touch; and how it will look."""

from __future__ import annotations

import json

import pytest

from tests.browser import Tab
from tests.integration.web.fake_sessions import Story, serving
from tests.integration.web.signing import TAKEN, calls, keys, opened

pytestmark = pytest.mark.web


def test_a_place_is_found_with_the_keyboard_alone(tab: Tab, story: Story):
    """Arrows move, Shift sizes, Page Up and Down change the page; each step is announced; the frame leaves no page and
    steps over the field in its way."""
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#put').focus()")
        tab.press("Enter", 13)
        tab.wait("focused()?.classList.contains('mine')")
        place = "JSON.stringify(deep('kyso-pages').place)"
        box = json.loads(tab.run(place))["box"]
        keys(tab, *["ArrowLeft"] * 60)
        moved = json.loads(tab.run(place))["box"]
        assert (0, box[1]) == (moved[0], moved[1]) or moved[0] >= TAKEN["box"][2]
        keys(tab, *["ArrowDown"] * 60)
        keys(tab, "ArrowRight", "ArrowDown", shift=True)
        sized = json.loads(tab.run(place))["box"]
        assert sized[2] - sized[0] > box[2] - box[0]
        for _ in range(2):
            keys(tab, *["ArrowUp"] * 40, *["ArrowRight"] * 80, *["ArrowDown"] * 150, *["ArrowLeft"] * 80)
            found = json.loads(tab.run(place))
            left, bottom, right, top = found["box"]
            size = story.document("d1")["pages"][found["page"] - 1]
            assert 0 <= left < right <= size["width"]
            assert 0 <= bottom < top <= size["height"]
            taken = TAKEN["box"]
            assert left >= taken[2] or right <= taken[0] or bottom >= taken[3] or top <= taken[1]
        keys(tab, "PageUp")
        tab.wait(f"JSON.parse({place}).page === 2 && focused()?.classList.contains('mine')")
        assert "Trang 2" in tab.run("deep('kyso-pages').shadowRoot.querySelector('[role=status]').textContent")
        tab.wait("true")
        assert [] == tab.complaints()


def test_a_place_is_found_by_mouse_and_by_touch(tab: Tab, story: Story):
    """The frame follows a hand or a finger; let go over a field it goes back, and that is said. A tap on a free spot puts it
    there. What was put is told to the service."""
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#put').click()")
        tab.wait("deep('.mine')")
        place = "JSON.stringify(deep('kyso-pages').place)"
        before = json.loads(tab.run(place))
        x, y = centre(tab, "deep('.mine rect')")
        mouse(tab, (x, y), (x - 40, y - 60))
        after = json.loads(tab.run(place))
        assert after["box"][0] < before["box"][0]
        assert after["box"][1] > before["box"][1]
        mouse(tab, centre(tab, "deep('.mine rect')"), centre(tab, "deep('rect.taken')"))
        assert after == json.loads(tab.run(place))
        assert "ô khác" in tab.run("deep('kyso-pages').shadowRoot.querySelector('[role=status]').textContent")
        tab.look(width=390, height=844, phone=True)
        tab.call("Emulation.setTouchEmulationEnabled", enabled=True)
        tab.run("deep('kyso-pages').showFrame()")
        x, y = centre(tab, "deep('.mine rect')")
        touch(tab, (x, y), (x - 30, y - 30))
        assert json.loads(tab.run(place))["box"][0] < after["box"][0]
        tab.wait("true")
        tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
        tab.run("new Promise((done) => setTimeout(done, 600))")
        put = calls(story, "PUT", "/d1/place")
        assert put
        assert json.loads(tab.run(place))["box"] == pytest.approx(put[-1]["box"], abs=0.01)


def centre(tab: Tab, element: str) -> tuple[float, float]:
    x, y = tab.run(
        f"(() => {{ const b = {element}.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
    )
    return x, y


def mouse(tab: Tab, start: tuple[float, float], end: tuple[float, float]) -> None:
    for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
        tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def touch(tab: Tab, start: tuple[float, float], end: tuple[float, float]) -> None:
    for kind, points in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
        tab.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])


def test_the_signature_is_previewed_in_its_place(tab: Tab, story: Story):
    """With the chosen certificate, the place and what was filled in; whoever moves the frame sees the page as it is."""
    with serving(story) as fake:
        opened(tab, fake.link)
        tab.run("deep('#fill-0').value = '15'; deep('#fill-0').dispatchEvent(new Event('input')); deep('#put').click()")
        tab.wait("deep('#preview')")
        href = "deep('figure[data-page=\"3\"] image')?.getAttribute('href')"
        tab.run("deep('#preview').click()")
        tab.wait("deep('#preview').textContent === 'Bỏ xem trước'")
        preview = tab.run(href)
        assert preview == tab.run("deep('kyso-pages').preview.address")
        place = json.loads(tab.run("JSON.stringify(deep('kyso-pages').place)"))
        (asked,) = calls(story, "POST", "/d1/preview")
        assert ("mine", {"number": "15"}, place["page"]) == (asked["key"], asked["fill"], asked["place"]["page"])
        tab.run("deep('.mine').focus()")
        keys(tab, "ArrowUp")
        tab.wait(f"deep('#preview').textContent === 'Xem trước chữ ký' && {href} !== {preview!r}")
        assert [] == tab.complaints()
