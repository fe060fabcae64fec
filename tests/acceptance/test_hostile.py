"""A hostile client: garbage, half requests, floods. Nothing answers 5xx, nothing stays open, the service goes on."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.appliance import Appliance
from tests.documents import pdf

pytestmark = pytest.mark.spine

METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST", "TRACE")
RAW = {
    "noise": bytes(range(256)) * 8,
    "headers without end": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 60_000,
    "an address without end": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length below zero": b"POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a length and chunks": b"POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "garbage behind a request": b"GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + b"\x00\xff" * 50,
    "bytes that are no text": b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\nAccept: \xff\r\nAccept-Language: \xc3\x28\r\n"
    b"Authorization: Bearer \xff\r\nConnection: close\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


def descriptors(appliance: Appliance) -> int:
    """Open descriptors of the api processes."""
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in appliance.processes("api.serve"))  # noqa: PTH208 - names of numbers


def settled(appliance: Appliance) -> bool:
    """Whether no api process is still starting, which opens files."""
    now = descriptors(appliance)
    time.sleep(1)
    return descriptors(appliance) == now


def left(appliance: Appliance) -> list[str]:
    return [path.name for path in (appliance.home / "tmp").rglob("*") if path.is_file()]


def eventually(check) -> None:
    """The check holds within a few seconds: a connection's end is noticed in its own time."""
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_http_is_turned_away(appliance: Appliance, name: str):
    """Bytes that are no request, or one that can be read in two ways, get 4xx or no answer, and the next is served."""
    said = b""
    with closing(socket.create_connection(("127.0.0.1", appliance.port), timeout=1)) as connection:
        try:
            connection.sendall(RAW[name])
            while chunk := connection.recv(65536):
                said += chunk
        except (ConnectionError, TimeoutError):
            pass
    assert b"HTTP/1.1 5" not in said
    assert 200 == appliance.client.get("/health/alive").status_code


def test_every_method_on_every_path_has_an_answer(appliance: Appliance):
    """Whatever is called with whatever method, type and range: no 5xx, and an error is a problem document."""
    paths = [
        "/",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/nowhere",
        *appliance.client.get("/openapi.json").json()["paths"],
    ]
    odd = {"Accept": "image/png", "Content-Type": "text/plain", "Range": "bytes=0-1"}
    for path in paths:
        for method in METHODS:
            body = b"x" if method in ("PUT", "PATCH", "POST") else None
            answer = appliance.client.request(method, path, headers=odd, content=body)
            assert answer.status_code < 500, (method, path, answer.text)
            if answer.status_code >= 400:
                assert "application/problem+json" == answer.headers["content-type"], (method, path)
    assert 200 == appliance.client.head("/docs").status_code


def test_uploads_that_break_off_leave_nothing(appliance: Appliance, plain: bytes):
    """Neither a file nor a descriptor stays of senders that go away in the middle."""
    eventually(lambda: settled(appliance))
    before = descriptors(appliance)
    token = appliance.client.headers["Authorization"]
    body = b'--x\r\nContent-Disposition: form-data; name="document"; filename="a.pdf"\r\n\r\n' + plain
    head = (
        f"POST /v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body) + 100}\r\n\r\n"
    ).encode()
    held = []
    for cut in range(0, len(body), len(body) // 30):
        connection = socket.create_connection(("127.0.0.1", appliance.port))
        connection.sendall(head + body[:cut])
        held.append(connection)
    assert 201 == appliance.sign(plain).status_code
    for connection in held:
        connection.close()
    # A few may be new: of the database, of workers. One for each sender would be twice as many as this.
    eventually(lambda: not left(appliance) and descriptors(appliance) <= before + len(held) // 2)


def test_one_key_of_twenty_equal_requests_signs_once(appliance: Appliance, plain: bytes):
    """Twenty at the same moment with one Idempotency-Key: one signature, and the others get it or are told to wait."""
    key, together = str(uuid.uuid4()), threading.Barrier(20)

    def one(_: int) -> httpx.Response:
        together.wait()
        return appliance.sign(plain, headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(20)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}, statuses
    assert 1 == len({answer.json()["id"] for answer in answers if answer.status_code == 201})


def test_a_flood_of_signatures_and_of_garbage_is_worked_off(appliance: Appliance, plain: bytes):
    """A hundred signatures at once, beside garbage for the timestamp authority: each gets its answer."""

    def sign(number: int) -> int:
        return appliance.sign(plain, level="B-T" if number % 2 else "B-B").status_code

    def garbage(number: int) -> int:
        header = {"Content-Type": "application/timestamp-query"}
        return httpx.post(f"{appliance.url}/tsa", content=os.urandom(number * 37), headers=header).status_code

    with ThreadPoolExecutor(50) as pool:
        signed = pool.map(sign, range(100))
        answered = pool.map(garbage, range(100))
        assert {201: 100} == Counter(signed)
        assert set(answered) <= {200, 413}
    assert 200 == appliance.client.get("/health/ready").status_code


@pytest.mark.parametrize(
    "order",
    [
        b'{"key": "demo-official", "level": "B-B", "place": {"page": 1e400, "box": [1e308, 1e309, -1e309, 0]}}',
        b'{"key": "demo-official", "level": "B-B", "place": {"page": 1, "box": [NaN, 0, 1, 1]}}',
        b'{"key": "demo-official", "level": "B-B", "reason": "\\ud800"}',
        json.dumps({"key": "demo-official", "level": "B-B", "reason": "a" * 5_000_000}).encode(),
        b"[" * 50_000 + b"]" * 50_000,
        json.dumps({"key": "demo-official\u202e", "level": "B-B"}).encode(),
    ],
    ids=["numbers too large", "no number", "half a character", "five megabytes", "deep", "a turned name"],
)
def test_orders_made_to_hurt(appliance: Appliance, plain: bytes, order: bytes):
    """Numbers, texts and depths that no order needs are refused by their form."""
    answer = appliance.client.post("/v1/signatures", files={"document": ("a.pdf", plain)}, data={"order": order})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"]


def test_ten_thousand_parts(appliance: Appliance, plain: bytes):
    """A form of ten thousand fields is refused, not counted."""
    parts = {f"f{number}": "1" for number in range(10_000)}
    answer = appliance.client.post("/v1/signatures", files={"document": ("a.pdf", plain)}, data=parts)
    assert 400 == answer.status_code
    assert "request-invalid" == answer.json()["code"]
