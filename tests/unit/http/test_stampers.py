"""Strangers may have timestamps, and not without end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from api import app
from api.settings.signing import Authority as Settings
from api.stampers import Stampers
from api.visitors import TooManyRequests
from api.workflows.timestamping import TimestampService
from tests.http_support import house
from tests.pki import Authority

pytestmark = pytest.mark.appliance


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9", "::ffff:203.0.113.9", "no address"])
def test_an_address_is_counted(address: str) -> None:
    """The third within a minute is refused."""
    stampers = Stampers(2)
    for _ in range(2):
        with stampers.admit(address):
            pass
    with pytest.raises(TooManyRequests), stampers.admit(address):
        pass


@pytest.mark.parametrize("address", [None, "127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.8"])
def test_our_own_are_not(address: str | None) -> None:
    """Signatures of this machine, and of the networks that the operator names."""
    stampers = Stampers(1, ("10.0.0.0/8",))
    for _ in range(10):
        with stampers.admit(address):
            pass


def test_networks_are_networks() -> None:
    """A slip stops the start."""
    with pytest.raises(ValidationError):
        Settings(key="tsa", policy="1.3", unlimited=("10.0.0.300",))


def test_over_http_the_next_one_is_429_and_leaves_no_line(tmp_path: Path) -> None:
    """With the code and when to ask again; nothing is signed or written for it."""
    settings = Settings(key="tsa", policy="1.3", per_minute=1)
    home = house(tmp_path / "home", authority=settings.model_dump())
    signer = Authority.root().authority().signer("TSA (demo)", timestamping=True)
    home.token.signers = {**home.token.signers, "tsa": signer}
    application = app.create_app(replace(home.services, timestamps=TimestampService(settings)))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/tsa", content=b"x", headers={"Content-Type": "application/timestamp-query"})

    first, second = asyncio.run(ask()), asyncio.run(ask())
    assert 200 == first.status_code
    assert (429, "too-many-requests") == (second.status_code, second.json()["code"])
    assert second.headers["retry-after"]
    assert [] == home.kinds()
