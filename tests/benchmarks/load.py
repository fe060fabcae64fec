"""A small load generator: threads that post the same document over kept-alive loopback connections, bounded in time.

It speaks HTTP by hand, since it shares two cores with what it measures: one send and one read a request.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, field

_BOUNDARY = b"kyso-benchmark-boundary"


@dataclass
class Outcome:
    """What came back: answers by status, seconds of each that was a success, and how long it all took."""

    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


def request(host: str, *, api_key: str, order: dict[str, object], document: bytes) -> bytes:
    """One POST /v1/signatures, ready to be sent."""
    part = b"--" + _BOUNDARY + b"\r\nContent-Disposition: form-data; name="
    body = (
        part + b'"order"\r\nContent-Type: application/json\r\n\r\n' + json.dumps(order).encode() + b"\r\n"
        + part + b'"document"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n' + document + b"\r\n"
        + b"--" + _BOUNDARY + b"--\r\n"
    )  # fmt: skip
    head = (
        f"POST /v1/signatures HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run(port: int, message: bytes, *, connections: int, seconds: float) -> Outcome:
    """Send `message` again and again on several connections for so many seconds."""
    outcome, lock, start = Outcome(), threading.Lock(), time.perf_counter()

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            while time.perf_counter() - start < seconds:
                begun = time.perf_counter()
                connection.sendall(message)
                status = _status(connection)
                with lock:
                    outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                    if status == 201:
                        outcome.latencies.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.seconds = time.perf_counter() - start
    return outcome


def _status(connection: socket.socket) -> int:
    """Read one answer to its end and return its status."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    left = int(headers[b"content-length"]) - len(body)
    while left > 0:
        left -= len(connection.recv(65536))
    return int(head[9:12])
