"""HTTP/1.1 as uvicorn speaks it, with bounds on what a client may hold back or pile up before anybody knows who it is.

uvicorn's own bounds begin when a request's head is complete. Before that a connection could send headers without end,
or none at all, and stay for good. Here the head has a size and a time, and a body must keep coming; how large a body
may be is the application's (`api.edge`, `api.uploads`), and how slowly it comes is nobody's: lines are thin.

    uvicorn.Config(app, http=Bounded)
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""Request line and headers together."""
HEAD_SECONDS = 20.0
"""From a connection's or a request's beginning to the end of its head."""
SILENCE = 60.0
"""Seconds for which a body that is awaited may stand still."""


class Bounded(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _head_bytes = 0
    _fields_bytes = 0
    _messages = 0
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        message = self._messages
        super().data_received(data)
        if self._in_head and message == self._messages:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._turn_away(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes, self._fields_bytes = True, 0, 0
        self._messages += 1
        self._within(HEAD_SECONDS)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A head that came in one piece is complete before `data_received` could count it."""
        self._fields_bytes += len(name) + len(value) + 4  # and ": " and the end of the line
        if self._fields_bytes > HEAD_BYTES:
            raise ValueError("the head is too large")  # the parser gives up: 400, and the connection ends
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._within(SILENCE)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._within(SILENCE)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._within(None)
        super().on_message_complete()

    def _within(self, seconds: float | None) -> None:
        """The client's next step is due so soon; None when it has none."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self._in_head:
            self._turn_away(b"408 Request Timeout")
        elif self.flow.read_paused:
            self._within(SILENCE)  # it waits for us
        else:
            self.transport.close()

    def _turn_away(self, status: bytes) -> None:
        """End the connection. There is no request yet that a problem document could answer."""
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()
