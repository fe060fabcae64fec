"""A letter of introduction through all hands, as people do it: each opens a link, looks, agrees, touches a passkey.

    python -m tests.integration.web.flow FOLDER        pictures of every step, for a desk, a phone, and in the dark

`Journey` goes the steps with a mouse, or with the keyboard alone; `Album` takes the pictures. The tests in `test_flow.py`
go the same ways without an album.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from signer.procedures.templates import build
from tests.browser import Tab
from tests.integration.web.office import (
    CELL,
    CLERK,
    COMMITTEE,
    RECEIVING,
    RECEIVING_CELL,
    RECEIVING_CLERK,
    House,
    Signer,
    office,
)

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "desk": {},
    "dark": {"dark": True},
    "phone": {"width": 390, "height": 844, "phone": True},
}
MEMBER = {"ho_ten": "Trần Thị Ví Dụ (demo)"}
DAY = "22/11/2026"


@cache
def letter(name: str = "Trần Thị Ví Dụ (demo)") -> bytes:
    """The letter as the workflow sends it: filled, nothing signed."""
    return build("giay-gioi-thieu", values={"ho_ten": name})


@dataclass(frozen=True)
class Leg:
    """One signature on the way: who makes it, as which step, and what a clerk fills in."""

    step: str
    who: Signer
    fill: tuple[str, ...] = ()


WAY = (
    Leg("o1-ky", CELL),
    Leg("o3-ky", COMMITTEE),
    Leg("o3-dau", CLERK, ("15-GT/ĐU", DAY)),
    Leg("o6-ky", RECEIVING),
    Leg("o6-dau", RECEIVING_CLERK, ("7-GT/ĐU", DAY)),
    Leg("o7-ky", RECEIVING_CELL),
)
"""Boxes 2, 4 and 5 are of levels that do not exist here."""


@dataclass
class Album:
    """Pictures of steps, numbered as they come; without a folder none."""

    folder: Path | None = None
    number: int = 0

    def take(self, tab: Tab, name: str) -> None:
        if self.folder is None:
            return
        self.number += 1
        for look, how in LOOKS.items():
            tab.look(**how)
            tab.run("scrollTo(0, 0)")
            settled(tab)
            (self.folder / f"{self.number:02}-{name}-{look}.png").write_bytes(tab.picture())
        tab.look()


def settled(tab: Tab) -> None:
    """Until the pages that are near are there, and two frames were drawn."""
    tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    tab.wait("!deep('kyso-pages') || deep('image') || deep('.absent')")
    time.sleep(0.3)


@dataclass
class Journey:
    """The way of one letter. `signatures` are those made so far, in order."""

    house: House
    album: Album = field(default_factory=Album)
    hands: str = "mouse"
    signatures: list[str] = field(default_factory=list)

    @property
    def tab(self) -> Tab:
        return self.house.tab

    def go(self, leg: Leg, *, document: bytes | None = None) -> dict[str, Any]:
        """One leg; the session as it was asked for."""
        told = self.house.ask(document or self.newest, who=leg.who, step=leg.step)
        self.open(told)
        if self.signatures:
            self.tab.wait("deep('#standing.good')")  # those before are judged, and told
        self.use("#show-place")
        self.album.take(self.tab, f"{leg.step}-asked")
        self.choose(leg.who.key)
        for number, text in enumerate(leg.fill):
            self.write(f"#fill-{number}", text)
        if leg.fill:
            self.album.take(self.tab, f"{leg.step}-filled")
        self.agree()
        self.tab.wait("deep('#standing.good')")
        self.album.take(self.tab, f"{leg.step}-signed")
        self.signatures.append(self.house.signature(told))
        return told

    @property
    def place(self) -> dict[str, Any]:
        """Where the frame is: page, and box in points."""
        told: dict[str, Any] = json.loads(self.tab.run("JSON.stringify(deep('kyso-pages').place)"))
        return told

    def agree(self) -> None:
        """The one consent, until something came of it."""
        self.use("#consent")
        self.tab.wait("deepAll('nav .good').length || deep('#problem') || deepAll('nav .bad').length")

    @property
    def newest(self) -> bytes | str:
        return self.signatures[-1] if self.signatures else letter()

    def open(self, told: Mapping[str, Any]) -> None:
        self.tab.open("about:blank")
        self.tab.open(told["url"])
        self.tab.wait("deep('#title') && (deep('image') || deep('.tree'))")

    # --- hands ---------------------------------------------------------------------------------------------------------

    def choose(self, key: str) -> None:
        """The certificate of this key; the only one is chosen already."""
        chosen = f"deep('#key-{key}').checked"
        if not self.tab.run(chosen) and self.hands == "mouse":
            self.use(f"#key-{key}")
        elif not self.tab.run(chosen):
            self.reach("input[type=radio]")
            for _ in range(20):  # a group of radio buttons is one stop of Tab; arrows choose within it
                self.tab.press("ArrowDown", 40)
                if self.tab.run(chosen):
                    break
        self.tab.wait(f"deep('#key-{key}').checked && !deep('#consent').disabled")

    def use(self, selector: str) -> None:
        """A click, or Tab until it is there and Enter."""
        self.tab.wait(f"deep({selector!r}) && !deep({selector!r}).disabled")
        if self.hands == "mouse":
            self.tab.click(selector)
            return
        self.reach(selector)
        self.tab.press("Enter", 13)

    def reach(self, selector: str) -> None:
        """With Tab alone, in the order that the page has."""
        for _ in range(200):
            if self.tab.run(f"focused() === deep({selector!r})"):
                return
            self.tab.press("Tab", 9)
        raise AssertionError(f"{selector} is not reached with Tab")

    def write(self, selector: str, text: str) -> None:
        self.tab.wait(f"deep({selector!r})")
        if self.hands == "mouse":
            self.tab.click(selector)
        else:
            self.reach(selector)
        self.tab.type(text)


def papers(journey: Journey) -> None:
    """Two papers without boxes: one is sent back, the other signed where the official puts it."""
    tab, take = journey.tab, journey.album.take
    told = journey.house.ask(
        letter(), who=COMMITTEE, keys=[COMMITTEE.key], title="Tờ trình (demo)", others=["Tờ trình sai (demo)"]
    )
    journey.open(told)
    journey.use("#put")
    tab.wait("deep('.mine')")
    take(tab, "placed")
    journey.use("#documents + ul li:nth-child(2) button")
    journey.use("#returning summary")
    journey.write("#reason", "Sai họ tên (demo)")
    take(tab, "returning")
    journey.use("#returning button")
    tab.wait("deepAll('.about li').length === 1")
    take(tab, "returned")
    journey.agree()
    take(tab, "placed-signed")


def withdrawn(journey: Journey) -> None:
    told = journey.house.ask(letter(), who=COMMITTEE, keys=[COMMITTEE.key])
    journey.open(told)
    journey.house.client.delete(f"/v1/sessions/{told['id']}").raise_for_status()
    journey.use("#consent")
    journey.tab.wait("deep('#problem')")
    journey.album.take(journey.tab, "withdrawn")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kyso-flow-") as made, office(Path(made)) as house:
        journey = Journey(house, Album(folder))
        for leg in WAY:
            journey.go(leg)
        papers(journey)
        withdrawn(journey)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
