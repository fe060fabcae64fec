"""Somebody before the administrator's page: a browser's session without the browser."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from api.store import callers
from tests.http_support import House

TWO = {"two_administrators": ("trust", "policy", "rights", "keys")}
ROOMS = ("", "/keys", "/tokens", "/trust", "/rules", "/changes", "/callers", "/queue", "/ledger")


@dataclass
class Somebody:
    """Asks with a cookie, and sends the forms of the pages that were answered."""

    home: House
    cookie: str = ""
    csrf: str = field(default="", repr=False)

    def get(self, path: str, *, lang: str = "en") -> httpx.Response:
        return self._ask("GET", f"{path}{'&' if '?' in path else '?'}lang={lang}")

    def post(self, path: str, *, csrf: str | None = None, files: Any = None, **form: str) -> httpx.Response:
        sent = {**form, "csrf": self.csrf if csrf is None else csrf}
        return self._ask("POST", f"{path}?lang=en", data=sent, files=files)

    def propose(self, *, document: bytes = b"", **form: str) -> httpx.Response:
        """As the room's form sends it: that of a new anchor has a place for a file, which may be empty."""
        place = {"document": ("", document, "application/octet-stream")}
        return self.post("/admin/proposals", files=place if form["kind"] == "trust-add" else None, **form)

    def follow(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 303, answer.text
        return self._ask("GET", answer.headers["location"])

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Accept-Language": "en"} | ({"Cookie": self.cookie} if self.cookie else {})

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.home.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(ask())


def signed_in(home: House, name: str) -> Somebody:
    """A session begun with the API key of a caller."""
    found = Somebody(home)
    begun = found.post("/login", api_key=home.secrets[name], next="/admin")
    found.cookie = begun.headers["set-cookie"].split(";")[0]
    page = found.get("/admin").text
    found.csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    return found


def administrator(home: House, name: str, **more: Any) -> Somebody:
    """Another administrator, signed in."""
    home.secrets[name] = home.services.database.write(callers.create, name=name, role="administrator", keys=(), **more)
    return signed_in(home, name)
