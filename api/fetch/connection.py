"""The network below a fetch: connections that go only to checked addresses and end when the time is up.

The check sits where the connection is made, not in front of it, so that a name cannot resolve to one address for the
check and to another for the connection (DNS rebinding). The URL keeps its name: Host header, TLS server name and
certificate check are those of the name. Each read has only what is left of the whole fetch's time, so that a server
which sends a byte a second gains nothing.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import httpcore
from httpcore import NetworkBackend, NetworkStream, SyncBackend

from api.fetch.outward import Proxy
from api.fetch.rules import FetchRules, Target

Resolver = Callable[[str, int], Sequence[str]]
SocketOptions = Iterable[Any]

_lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")
"""getaddrinfo knows no time limit: it runs here, and whoever waited too long goes on without it."""


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, by the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Deadline:
    """A moment by which a whole fetch must be over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; raises httpcore.ReadTimeout when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole fetch is over")
        return left


class CheckedBackend(NetworkBackend):
    """Connects to one target, at an address that the rules allow; or to the proxy that the operator named, wherever that
    is: then the proxy looks the target up."""

    def __init__(
        self, rules: FetchRules, target: Target, deadline: Deadline, *, resolver: Resolver, proxy: Proxy | None = None
    ) -> None:
        self._proxy = proxy
        self._rules = rules
        self._target = target
        self._deadline = deadline
        self._resolver = resolver
        self._plain = SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline decides
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> NetworkStream:
        """Resolve, check every address, then try them in turn. Raises FetchRefused and httpcore's errors."""
        addresses = self._addresses(host, port)
        if self._proxy is None:
            for address in addresses:
                self._rules.check_address(self._target, address)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                stream = self._plain.connect_tcp(address, port, self._deadline.left(), local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
            else:
                return TimedStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        lookup = _lookups.submit(self._resolver, host, port)
        try:
            return lookup.result(timeout=self._deadline.left())
        except FutureTimeout:
            lookup.cancel()
            raise httpcore.ConnectTimeout(f"{host} could not be looked up in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} could not be looked up: {error}") from None


class TimedStream(NetworkStream):
    """A connection whose every operation has only what is left of the deadline."""

    def __init__(self, stream: NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
