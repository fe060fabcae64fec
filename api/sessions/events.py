"""What happens in a session, as a stream of Server-Sent Events, or asked for: both from the same rows.

A stream resumes after `Last-Event-ID`, on any node. Streams are bounded in number and in time: browsers come again by
themselves (HTML Living Standard §9.2), and whoever is refused one asks for the session instead.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from api.draining import Drain
from api.rooms import Room
from api.services import Services
from api.sessions import ending, store
from api.sessions.errors import TooManyStreams
from api.sessions.model import ENDED
from api.store.callers import Caller

EVERY = 0.5
"""Seconds between two looks."""
BEAT = 15.0
"""Seconds after which a comment is sent, so that proxies keep the connection."""
LONGEST = 300.0
"""Seconds that a stream lasts."""
OF_ONE = 4
"""Streams of one session that a process keeps open."""


@dataclass
class Streams:
    """How many are open in this process."""

    most: int

    def __post_init__(self) -> None:
        self._open: dict[str, int] = {}

    def begin(self, session: str) -> None:
        """Raises TooManyStreams."""
        here = self._open.get(session, 0)
        if here >= OF_ONE or sum(self._open.values()) >= self.most:
            raise TooManyStreams
        self._open[session] = here + 1

    def end(self, session: str) -> None:
        self._open[session] -= 1
        if not self._open[session]:
            del self._open[session]


def listed(services: Services, caller: Caller, identity: str, *, after: int) -> dict[str, Any]:
    """Events after a number, and the number to ask after next."""
    session = ending.seen(services, caller, identity)
    found = services.database.read(store.told, session.id, after=after)
    return {
        "events": [{"number": number, **json.loads(text)} for number, text in found],
        "last": found[-1][0] if found else after,
    }


async def stream(
    services: Services, session: str, *, after: int, room: Room, streams: Streams, drain: Drain
) -> AsyncIterator[bytes]:
    """The caller was let in, and `streams.begin` counted it; it is counted out here."""
    try:
        yield b"retry: 2000\n\n"
        until, beat = time.monotonic() + LONGEST, time.monotonic() + BEAT
        while time.monotonic() < until and not drain.is_on:
            found = await room.run(_told, services, session, after)
            for number, text in found:
                after = number
                yield f"id: {number}\nevent: {json.loads(text)['type']}\ndata: {text}\n\n".encode()
            if found and _is_over(found[-1][1]):
                return
            if time.monotonic() >= beat:
                beat = time.monotonic() + BEAT
                yield b": still here\n\n"
            await asyncio.sleep(EVERY)
    finally:
        streams.end(session)


def _told(services: Services, session: str, after: int) -> list[tuple[int, str]]:
    return services.database.read(store.told, session, after=after)


def _is_over(text: str) -> bool:
    event = json.loads(text)
    return event["type"] == "state" and event["state"] in ENDED
