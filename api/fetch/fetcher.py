"""One fetch: from a request of the core to bytes, or to a failure with a reason.

Built on httpcore, the engine inside httpx: there a connection can be pinned to an address by its public interface, and
there are no redirects, cookies, environment variables or decoders to be switched off, and a proxy is one that was set. Every fetch has a
connection of its own: an answer is asked for rarely enough, and no stale connection ever fails one. What is costly to
make, the TLS context, is shared.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import httpcore

from api.fetch.connection import CheckedBackend, Deadline, Resolver, resolve
from api.fetch.outward import DIRECT, Outward, Proxy
from api.fetch.rules import FetchRules, Target, refused
from verify.fetcher import FetchFailed, FetchKind, FetchRequest

CACHED: frozenset[FetchKind] = frozenset({"ocsp", "crl", "certificate"})
CONTENT_TYPES: dict[FetchKind, str] = {
    "timestamp": "application/timestamp-query",  # RFC 3161 §3.4
    "ocsp": "application/ocsp-request",  # RFC 6960 §A.1
}
"""Kinds that may carry a body, and its type."""
ACCEPTED = {"timestamp": "application/timestamp-reply", "ocsp": "application/ocsp-response"}
NEVER_RIGHT = ("text/html", "application/xhtml", "application/json", "application/xml", "text/xml", "multipart/")
PICTURES = ("image/", "audio/", "video/", "font/")
"""Types of pages for people: a portal's log-in page or an error page with status 200. Many responders in the field send
wrong types (PEM as text/plain, CRL as octet-stream), so that only what cannot be right is refused."""
LARGEST_BODY = 64 * 1024


@cache
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """The system's CAs, and private ones beside them."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class HttpFetcher:
    """The `verify.fetcher.Fetcher` that reaches the network. Safe for threads; one for a process.

    `resolver` and `tls` are injected in tests."""

    def __init__(
        self,
        rules: FetchRules,
        *,
        resolver: Resolver = resolve,
        tls: Callable[[], ssl.SSLContext] | None = None,
        outward: Outward = DIRECT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = rules
        self._resolver = resolver
        self._outward = outward
        self._tls = tls or partial(_tls, outward.ca_file)
        self._answers = _Answers(seconds=rules.cache_seconds, size=rules.cache_bytes, clock=clock)

    def fetch(self, request: FetchRequest, /) -> bytes:
        """The body of a 200 answer. Raises FetchRefused by rule, FetchFailed when there is no good answer."""
        _check_form(request)
        target = self.rules.target(request.url, timestamp=request.kind == "timestamp")
        if request.kind in CACHED and (known := self._answers.get(request)) is not None:
            return known
        answer = self._ask(request, target)
        if request.kind in CACHED:
            self._answers.put(request, answer)
        return answer

    def submit(self, url: str, body: bytes) -> bytes:
        """POST of text to one of `authorities`, which here are witnesses of a log; raises as `fetch`."""
        request = FetchRequest("certificate", url, body)
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        return self._ask(request, self.rules.target(url, timestamp=True), headers)

    def post(self, url: str, body: bytes, headers: Sequence[tuple[str, str]]) -> bytes:
        """POST to one of `authorities`, which here is an address of the operator's own: a collector of traces, a webhook.
        An empty answer is one. Raises as `fetch`."""
        request = FetchRequest("certificate", url, body)
        more = [*headers, ("Content-Length", str(len(body)))]
        return self._ask(request, self.rules.target(url, timestamp=True), more, accepts=range(200, 300))

    def _ask(
        self,
        request: FetchRequest,
        target: Target,
        more: Sequence[tuple[str, str]] | None = None,
        *,
        accepts: range | None = None,
    ) -> bytes:
        rules = self.rules
        seconds = rules.timestamp_seconds if request.kind == "timestamp" else rules.seconds
        deadline = Deadline(seconds)
        proxy = self._outward.proxy_for(target)
        if proxy is not None:
            self.rules.check_literal(target)
        backend = CheckedBackend(rules, target, deadline, resolver=self._resolver, proxy=proxy)
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        try:
            with (
                pool_for(
                    backend,
                    tls=self._tls() if target.scheme == "https" else None,
                    proxy=proxy,
                    credentials=self._outward.credentials,
                ) as pool,
                pool.stream(
                    "GET" if request.body is None else "POST",
                    url,
                    headers=[*_headers(request, target), *(_content(request) if more is None else more)],
                    content=request.body,
                ) as response,
            ):
                if accepts is not None and response.status in accepts:
                    return _read(request, response, rules.max_bytes, may_be_empty=True)
                _check_head(request, response)
                return _read(request, response, rules.max_bytes)
        except httpcore.TimeoutException:
            raise _failed(request, "timeout", seconds=int(seconds)) from None
        except httpcore.ProxyError as error:  # its text is the proxy's status line
            raise _failed(request, "proxy", what=str(error)[:200]) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise _failed(request, "no-answer", what=str(error)[:200]) from None


def pool_for(
    backend: CheckedBackend, *, tls: ssl.SSLContext | None, proxy: Proxy | None, credentials: tuple[bytes, bytes] | None
) -> httpcore.ConnectionPool:
    """One connection, by the proxy if there is one: absolute-form for http, CONNECT for https (RFC 9112 §3.2)."""
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=tls, network_backend=backend, max_connections=1)
    address = httpcore.URL(scheme=b"http", host=proxy.host.encode(), port=proxy.port, target=b"/")
    return httpcore.HTTPProxy(
        address, proxy_auth=credentials, ssl_context=tls, network_backend=backend, max_connections=1
    )


def _check_form(request: FetchRequest) -> None:
    """GET or POST as the kind's protocol has it."""
    if request.body is None:
        if request.kind == "timestamp":
            raise refused("body-missing", request.url)
    elif request.kind not in CONTENT_TYPES:
        raise refused("body-not-expected", request.url)
    elif len(request.body) > LARGEST_BODY:
        raise refused("body-too-large", request.url)


def _headers(request: FetchRequest, target: Target) -> list[tuple[str, str]]:
    return [
        ("Host", target.netloc),
        ("User-Agent", "kyso"),
        ("Accept", ACCEPTED.get(request.kind, "*/*")),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]


def _content(request: FetchRequest) -> list[tuple[str, str]]:
    if request.body is None:
        return []
    return [("Content-Type", CONTENT_TYPES[request.kind]), ("Content-Length", str(len(request.body)))]


def _check_head(request: FetchRequest, response: httpcore.Response) -> None:
    """Status and headers, before a byte of the body is read."""
    if 300 <= response.status < 400:
        raise refused("redirect", request.url, status=response.status)
    if response.status != 200:
        raise _failed(request, "status", status=response.status)
    headers = {name.lower(): value for name, value in response.headers}
    kind = headers.get(b"content-type", b"").decode("latin-1").strip().lower()
    if kind.startswith((*NEVER_RIGHT, *PICTURES)):
        raise refused("content-type", request.url, content_type=kind[:100])
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise refused("content-encoding", request.url)


def _read(request: FetchRequest, response: httpcore.Response, limit: int, *, may_be_empty: bool = False) -> bytes:
    """The body, no more of it than `limit` bytes."""
    chunks, size = [], 0
    for chunk in response.iter_stream():
        size += len(chunk)
        if size > limit:
            raise refused("answer-too-large", request.url, limit=limit)
        chunks.append(chunk)
    if size == 0 and not may_be_empty:
        raise _failed(request, "empty")
    return b"".join(chunks)


def _failed(request: FetchRequest, reason: str, **facts: str | int) -> FetchFailed:
    return FetchFailed(f"{reason}: {request.url[:200]}", url=request.url[:200], reason=reason, **facts)


class _Answers:
    """Answers known for a short while, the oldest dropped when they grow too large together."""

    def __init__(self, *, seconds: float, size: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._limit = size
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[FetchRequest, tuple[float, bytes]] = OrderedDict()
        self._size = 0

    def get(self, request: FetchRequest) -> bytes | None:
        with self._lock:
            found = self._known.get(request)
            if found is None:
                return None
            until, answer = found
            return answer if self._clock() < until else None

    def put(self, request: FetchRequest, answer: bytes) -> None:
        cost = _cost(request, answer)
        with self._lock:
            if (before := self._known.pop(request, None)) is not None:
                self._size -= _cost(request, before[1])
            if cost > self._limit or self._seconds <= 0:
                return
            self._known[request] = (self._clock() + self._seconds, answer)
            self._size += cost
            while self._size > self._limit:
                dropped, (_, gone) = self._known.popitem(last=False)
                self._size -= _cost(dropped, gone)


def _cost(request: FetchRequest, answer: bytes) -> int:
    return len(answer) + len(request.url) + len(request.body or b"") + 500
