"""A visit to the page of a signing session, as a browser far away makes it: when the first page of a document can be read,
and what had to come until then.

    seen = visit(link, line=line)
    seen.seconds, seen.received, seen.packets_bytes
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.browser import Tab, browser
from tests.thin_line.line import Line

PATIENCE = 180.0
"""Seconds until a visit has failed."""

WATCH = """
window.readable = 0;
(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (;;) {
    await frame();
    const picture = window.deep?.("kyso-pages")?.shadowRoot?.querySelector("image[href], img[src]");
    if (!picture) continue;
    try { await picture.decode?.(); } catch { continue; }
    await frame();
    await frame();
    window.readable = performance.now();
    return;
  }
})();
"""
"""Runs before the page does. Time counts from the navigation's beginning; the picture is there once the frame after the one
that it was decoded for has begun."""


@dataclass(frozen=True)
class Resource:
    """One answer, with its headers, as the browser counts it."""

    kind: str
    bytes: int
    from_cache: bool


@dataclass(frozen=True)
class Visit:
    """What a visit took, until the first page could be read."""

    seconds: float
    resources: tuple[Resource, ...]
    packets: int | None
    """Bytes of all IP packets that arrived, what was sent again and handshakes included; None without a line."""

    @property
    def received(self) -> int:
        return sum(one.bytes for one in self.resources)

    @property
    def requests(self) -> int:
        return sum(not one.from_cache for one in self.resources)


def visit(
    link: str, *, line: Line | None = None, profile: Path | None = None, options: Sequence[str] = (), **look: Any
) -> Visit:
    """With a new browser: its cache is empty, unless it comes back to a profile."""
    inside = () if line is None else line.inside
    with browser(inside=inside, profile=profile, options=options) as tab:
        tab.look(**look)
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        tab.events.clear()
        before = 0 if line is None else line.down.bytes
        tab.call("Page.navigate", url=link)
        seconds = _readable(tab)
        packets = None if line is None else line.down.bytes - before
        return Visit(seconds, _resources(tab), packets)


def _readable(tab: Tab) -> float:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := tab.run("window.readable ?? 0"):
            return found / 1000
        time.sleep(0.05)
    raise TimeoutError(f"no page could be read within {PATIENCE} s: {tab.complaints()}")


def _resources(tab: Tab) -> tuple[Resource, ...]:
    """What has come by now, whole or not."""
    addresses: dict[str, str] = {}
    sizes: dict[str, int] = {}
    cached: set[str] = set()
    for event in list(tab.events):
        facts = event.get("params", {})
        number = facts.get("requestId", "")
        match event.get("method"):
            case "Network.requestWillBeSent" if facts["request"]["url"].startswith("http"):
                addresses[number] = facts["request"]["url"]
            case "Network.responseReceived" if number in addresses:
                sizes[number] = int(facts["response"]["encodedDataLength"])
                if facts["response"].get("fromDiskCache"):
                    cached.add(number)
            case "Network.dataReceived" if number in addresses:
                sizes[number] = sizes.get(number, 0) + facts["encodedDataLength"]
            case "Network.loadingFinished" if number in addresses:
                sizes[number] = int(facts["encodedDataLength"])
            case "Network.requestServedFromCache":
                cached.add(number)
    return tuple(
        Resource(kind_of(address), 0 if number in cached else sizes.get(number, 0), number in cached)
        for number, address in addresses.items()
    )


def kind_of(address: str) -> str:
    """What an address is, without ids.

    >>> kind_of("http://h/v1/sessions/ses_1/documents/d1/pages/1?width=800")
    'picture of page 1'
    """
    parts = urlsplit(address).path.strip("/").split("/")
    if parts[0] == "sign":
        return "the page"
    if parts[:2] == ["v1", "sessions"]:
        return f"picture of page {parts[6]}" if len(parts) == 7 else "the session" if len(parts) == 3 else parts[-1]
    return parts[-1]
