"""A connection is bounded before anybody knows who it is: the size of a request's head, its time, a body that stops."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import uvicorn

from api import protocol

pytestmark = pytest.mark.spine


async def application(_scope, receive, send) -> None:
    """Reads the body to its end and answers with its length."""
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with small bounds of time."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "SILENCE", 1.5)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, http=protocol.Bounded, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def answer(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """All that the server says until it closes, or has answered and waits."""
    said = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while chunk := connection.recv(4096):
                said += chunk
        except (ConnectionError, TimeoutError):
            pass
    return said


def test_an_ordinary_request_is_answered(port: int):
    """Bounds that nobody reaches change nothing, also where body and next request come in one piece."""
    once = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"a" * 200_000
    said = answer(port, once + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert 2 == said.count(b"HTTP/1.1 200 OK")
    assert b"\r\n\r\n200000" in said


def test_a_head_without_end_is_431(port: int):
    """Headers that keep coming do not fill the memory."""
    said = answer(port, b"GET / HTTP/1.1\r\nHost: x\r\n", *[b"X: " + b"a" * 20_000] * 40)
    assert said.startswith(b"HTTP/1.1 431 ") or said == b""  # the answer may be lost where the rest was still coming


@pytest.mark.parametrize("parts", [(b"",), (b"GET / HT",), (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n")])
def test_a_head_that_does_not_end_in_time_is_408(port: int, parts: tuple[bytes, ...]):
    """A client that sends nothing, or a header and no more, gives its place back."""
    assert answer(port, *parts, pause=0.05).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_stands_still_ends_the_connection(port: int):
    """A sender that stops is let go; one that is slow is not."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n"
    assert b"" == answer(port, head, b"abc")
    assert answer(port, head, *[b"a"] * 10, pause=0.2).startswith(b"HTTP/1.1 200 OK")
