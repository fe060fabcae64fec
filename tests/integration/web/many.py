"""Many documents under one consent, through everything that interrupts people: an answer that never arrives, a passkey's
answer that never went out, a tab that is closed while it signs, a line that is away for a while.

    python -m tests.integration.web.many [COUNT]        200 documents, and what came of each interruption

`Morning` goes the steps; `test_many` goes them with fewer documents.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.browser import Tab
from tests.documents import pdf
from tests.integration.web.office import AUTHENTICATOR, CELL, House, office

COUNT = 200
PATIENCE = 300.0
AWAY = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


@dataclass
class Morning:
    """One official, many documents, one link."""

    house: House
    folder: Path
    count: int
    told: dict[str, Any] = field(default_factory=dict)
    intents: int = 0
    """How often the key was to be used before."""

    @property
    def tab(self) -> Tab:
        return self.house.tab

    def ask(self) -> None:
        """The system asks for all of them, each another document."""
        documents = [
            (f"ho-so-{n}.pdf", pdf(self.folder / f"{n}.pdf", ballast=n).read_bytes()) for n in range(self.count)
        ]
        entries = [{"document": name, "title": f"Hồ sơ {n} (demo)"} for n, (name, _) in enumerate(documents, 1)]
        asked = {"documents": entries, "person": CELL.code, "organisation": CELL.organisation, "role": CELL.role}
        files: list[Any] = [("session", (None, json.dumps(asked).encode(), "application/json"))]
        files += [("document", (name, data, "application/pdf")) for name, data in documents]
        answer = self.house.client.post("/v1/sessions", files=files, timeout=PATIENCE)
        assert 201 == answer.status_code, answer.text
        self.told = answer.json()
        self.intents = len(self.uses("INTENT", key=CELL.key))

    # --- what the official does --------------------------------------------------------------------------------------

    def open(self) -> None:
        """The link of the message, in this tab."""
        self.tab.open("about:blank")
        self.tab.open(self.told["url"])
        self.tab.wait("deep('#title') && deep('image')")

    def consent(self) -> None:
        self.tab.wait(f"deep('#key-{CELL.key}')")
        if not self.tab.run(f"deep('#key-{CELL.key}').checked"):
            self.tab.run(f"deep('#key-{CELL.key}').click()")
        self.tab.wait("deep('#consent') && !deep('#consent').disabled")
        self.tab.run("deep('#consent').click()")

    def close(self) -> None:
        """The tab is gone; the passkeys stay, as they do in a security key."""
        known = self.tab.call("WebAuthn.getCredentials", authenticatorId=self.house.authenticator)["credentials"]
        self.tab.begin_anew()
        self.tab.call("WebAuthn.enable")
        made = self.tab.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)
        self.house.authenticator = made["authenticatorId"]
        self.house.put_passkeys(known)

    def hold(self, end: str, *, stage: str) -> None:
        """Consent, with the request to this end of an address held back: before it goes out (`Request`), or once it was
        answered (`Response`)."""
        self.tab.events.clear()
        self.tab.call("Fetch.enable", patterns=[{"urlPattern": f"*{end}", "requestStage": stage}])
        self.consent()
        self.wait(lambda: self._held() is not None)

    def lose(self) -> None:
        """What is held back never arrives."""
        self.tab.call("Fetch.failRequest", requestId=self._held(), errorReason="ConnectionClosed")
        self.tab.call("Fetch.disable")

    def _held(self) -> str | None:
        self.tab.run("0")
        found = [one for one in self.tab.events if one["method"] == "Fetch.requestPaused"]
        return str(found[-1]["params"]["requestId"]) if found else None

    # --- what is known of it -------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return self.house.state(self.told)

    @property
    def done(self) -> int:
        return int(self.state()["progress"]["done"])

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.state()
            time.sleep(0.05)

    def offline(self, *, is_offline: bool) -> None:
        self.tab.call("Network.emulateNetworkConditions", offline=is_offline, **AWAY)

    def uses(self, kind: str, **filters: str) -> list[str]:
        """The signatures that the ledger's lines of a kind (`INTENT`, `DONE`) are about, in their order."""
        found: list[dict[str, Any]] = []
        with self.house.appliance.as_role("auditor") as auditor:
            while True:
                since = found[-1]["number"] if found else 0
                asked = {"kind": kind, "since": since, "limit": 1000, **filters}
                lines = auditor.get("/v1/audit", params=asked).raise_for_status().json()["lines"]
                if not lines:
                    return [str(one["facts"].get("signature")) for one in found]
                found += lines

    def require_each_once(self) -> list[bytes]:
        """The signed documents: each has one signature of its own, and the key was used as often as there are documents.
        Raises AssertionError."""
        found = self.signed()
        identities = {identity for identity, _ in found}
        assert self.count == len(identities) == len({data for _, data in found})
        assert {1} == {data.count(b"/ByteRange") for _, data in found}
        of_key = self.uses("INTENT", key=CELL.key)[self.intents :]
        assert sorted(of_key) == sorted(identities)
        assert self.count == sum(one in identities for one in self.uses("DONE"))
        return [data for _, data in found]

    def _page(self) -> httpx.Client:
        """Calls as the page does."""
        address = f"{self.house.appliance.url}/v1/sessions/{self.told['id']}"
        return httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {self.told['token']}"}, timeout=PATIENCE
        )

    def signed(self) -> list[tuple[str, bytes]]:
        """Each document's signature with the signed bytes. Raises AssertionError unless all are there."""
        state = self.state()
        assert "done" == state["state"], Counter(one["state"] for one in state["documents"])
        with self._page() as page:
            return [
                (one["outcome"]["signature"], page.get(f"/documents/{one['id']}?signed=1").raise_for_status().content)
                for one in state["documents"]
            ]


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kyso-many-") as made, office(Path(made)) as house:
        morning = Morning(house, Path(made), count)
        began = time.monotonic()

        def say(text: str) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

        morning.ask()
        say(f"a session over {count} documents")
        morning.open()
        say("opened from its link")
        morning.hold("/consent", stage="Response")
        morning.lose()
        house.tab.wait("deep('#problem')")
        say(
            f"the consent's answer was lost: session {morning.state()['state']}, {morning.done} signed; the page says so"
        )
        morning.hold("/activation", stage="Request")
        morning.lose()
        morning.close()
        say(
            f"the same consent again; the passkey's answer never went out, and the tab was closed: {morning.state()['state']}"
        )
        morning.open()
        morning.consent()
        morning.wait(lambda: morning.done >= count // 8)
        morning.close()
        closed_at = morning.done
        say(f"reopened, touched the passkey; tab closed again while signing: {closed_at} of {count} signed")
        assert 0 < closed_at < count
        morning.open()
        morning.offline(is_offline=True)
        away_at = morning.done
        time.sleep(2)
        morning.offline(is_offline=False)
        say(f"reopened; the line was away for two seconds, from {away_at} to {morning.done} signed")
        house.tab.wait(f"deepAll('nav .good').length === {count}")
        say(f"the page shows {count} signed")
        found = morning.require_each_once()
        say(
            f"{len(found)} documents, each with one signature of its own; intents and uses of the key on the ledger: {count}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
