"""A headless Chromium for tests, driven over a pipe by its DevTools protocol: no driver, no library, no port.

    with browser() as tab:
        tab.open("http://localhost:8080/")
        tab.give("#document", [Path("a.pdf")])
        tab.wait("document.querySelector('.good')")

Skips where there is no Chromium (docker/setup.sh test installs Debian's).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60.0
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)


DEEP = """
window.deepAll = (selector, root = document) => [
  ...[...root.querySelectorAll("*")].flatMap((one) => (one.shadowRoot ? deepAll(selector, one.shadowRoot) : [])),
  ...root.querySelectorAll(selector),
];
window.deep = (selector) => deepAll(selector)[0] ?? null;
window.focused = () => {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return found;
};
"""
"""What every page gets: `deep` and `deepAll` find elements within components and then on the page, `focused` looks
into them. What a component hides stands on the page, so its own comes first."""


class Tab:
    """One page. Every call waits for its answer; events that come meanwhile are kept in `events`."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        self._begin()

    def _begin(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=DEEP)

    def begin_anew(self) -> None:
        """The tab is closed, as people close one; calls are about a new one of the same browser from here on."""
        former = self.call("Target.getTargetInfo")["targetInfo"]["targetId"]
        self._session = None
        self._begin()
        own, self._session = self._session, None
        self.call("Target.closeTarget", targetId=former)
        self._session = own

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise RuntimeError("Chromium has ended")
            self._buffer += data
        one, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(one)

    @contextmanager
    def other_window(self, condition: str = "true") -> Iterator[None]:
        """Within, calls are about the newest window that a page opened, which is closed afterwards."""
        own, deadline = self._session, time.monotonic() + PATIENCE
        self._session = None
        try:
            while not (found := self._opened()):
                assert time.monotonic() < deadline, "no window was opened"
                time.sleep(0.05)
            self._session = self.call("Target.attachToTarget", targetId=found, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "DOM", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
            self.run(DEEP + ";0")
            self.wait(condition)
            yield
        finally:
            self._session = None
            if found:
                self.call("Target.closeTarget", targetId=found)
            self._session = own

    @contextmanager
    def frame(self, url: str) -> Iterator[None]:
        """Within, scripts run in the frame of the page whose address begins so: one of another site is a target of its
        own."""
        own, deadline = self._session, time.monotonic() + PATIENCE
        self._session = None
        try:
            while not (found := [one for one in self._frames() if one["url"].startswith(url)]):
                assert time.monotonic() < deadline, f"no frame of {url}"
                time.sleep(0.05)
            self._session = self.call("Target.attachToTarget", targetId=found[0]["targetId"], flatten=True)["sessionId"]
            self.call("Runtime.enable")
            self.run(DEEP + ";0")
            yield
        finally:
            self._session = own

    def _frames(self) -> list[dict[str, Any]]:
        return [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "iframe"]

    def _opened(self) -> str | None:
        """The target that another one opened, if any."""
        listed = self.call("Target.getTargets")["targetInfos"]
        return next((str(one["targetId"]) for one in listed if one["type"] == "page" and "openerId" in one), None)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href !== 'about:blank' || {url!r} === 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; raises RuntimeError when it throws."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"].get("exception", {}).get("description")))
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until the expression is true, as JavaScript has it."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {PATIENCE} s: {condition}")
            time.sleep(0.05)

    def give(self, selector: str, files: list[Path]) -> None:
        """Choose files in a file input, as its dialogue does."""
        find = f"window.deep ? deep({selector!r}) : document.querySelector({selector!r})"
        found = self.call("Runtime.evaluate", expression=find)["result"]["objectId"]
        self.call("DOM.setFileInputFiles", objectId=found, files=[str(file) for file in files])

    def drop(self, selector: str, files: list[Path]) -> None:
        """Drag files over an element and let go."""
        self.wait(f"deep({selector!r})")
        box = self.run(
            f"(() => {{ const b = deep({selector!r}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)

    def press(self, key: str, code: int, *, shift: bool = False) -> None:
        for kind in ("keyDown", "keyUp"):
            typed = {"Enter": "\r", " ": " "}.get(key) if kind == "keyDown" else None
            more = ({"text": typed} if typed else {}) | ({"modifiers": 8} if shift else {})
            name = "Space" if key == " " else key
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=name, windowsVirtualKeyCode=code, **more)

    def type(self, text: str) -> None:
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """With the mouse, on the middle of an element, which nothing may cover."""
        x, y = self.run(
            f"(() => {{ const one = deep({selector!r}); one.scrollIntoView({{ block: 'center', behavior: 'instant' }});"
            " const b = one.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            button = "none" if kind == "mouseMoved" else "left"
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=1)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        """The size of the window, and what its owner likes."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def scripts(self, *, on: bool) -> None:
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def picture(self) -> bytes:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def complaints(self) -> list[str]:
        """What the page was refused or got wrong: exceptions, violations of its policy, failed requests."""
        self.run("0")
        found = []
        for event in self.events:
            detail = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(detail["exceptionDetails"].get("text")))
            elif event["method"] == "Log.entryAdded" and detail["entry"]["level"] == "error":
                found.append(detail["entry"]["text"])
        return found

    def asked(self) -> list[str]:
        """The addresses that pages have asked for."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def browser(*, inside: Sequence[str] = (), profile: Path | None = None, options: Sequence[str] = ()) -> Iterator[Tab]:
    """A new browser with a profile of its own, and one tab; skips where there is none.

    `inside` precedes the command (a network namespace), `profile` is one to come back to, `options` are Chromium's."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; docker/setup.sh test installs Debian's")
    command_end, commands = os.pipe()
    answers, answer_end = os.pipe()
    with tempfile.TemporaryDirectory(prefix="kyso-chromium-", ignore_cleanup_errors=True) as own:
        # The pipe's ends must be descriptors 3 and 4 in the browser.
        shell = 'exec "$0" "$@" 3<&"$KYSO_IN" 4>&"$KYSO_OUT"'
        started = subprocess.Popen(
            [*inside, "bash", "-c", shell, CHROMIUM, *OPTIONS, *options, f"--user-data-dir={profile or own}"],
            env={**os.environ, "KYSO_IN": str(command_end), "KYSO_OUT": str(answer_end)},
            pass_fds=(command_end, answer_end),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_end)
        os.close(answer_end)
        try:
            yield Tab(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
