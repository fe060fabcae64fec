"""Questions to an issuer: its discovery document, its keys, a code for tokens. JSON, small, soon, and nowhere else.

By the rules of `api.fetch` (no redirect, every address checked where the connection is made, size and time bounded), with
two differences: the hosts are those that the operator configured for this issuer, so they may have private addresses;
and an answer of the token endpoint is read whatever its status, as it says what was wrong.

    outgoing = Outgoing(issuer, tls=trusting(None), outward=outward(settings))
    keys = outgoing.get_json("https://sso.tinh-mau.example/jwks")
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore

from api.errors import FetchRefused
from api.fetch.connection import CheckedBackend, Deadline, Resolver, resolve
from api.fetch.fetcher import pool_for
from api.fetch.outward import DIRECT, Outward
from api.fetch.rules import DEFAULT_PORTS, FetchRules, parse, refused
from api.settings.identity import LOOPBACK, Issuer
from verify.fetcher import FetchFailed

SECONDS = 5.0
LARGEST = 256 * 1024
"""Bytes of an answer: a set of a hundred RSA keys is smaller."""
FORM = "application/x-www-form-urlencoded"


class Outgoing:
    """Asks the hosts of one issuer. Raises FetchRefused by rule, FetchFailed when there is no good answer."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        tls: Callable[[], ssl.SSLContext],
        outward: Outward = DIRECT,
        resolver: Resolver = resolve,
        seconds: float = SECONDS,
    ) -> None:
        hosts = tuple(_entry(one) for one in (issuer.issuer, issuer.jwks_uri, *issuer.hosts) if one)
        self._rules = FetchRules(allowed=hosts, private=hosts, max_bytes=LARGEST, seconds=seconds)
        self._tls, self._outward, self._resolver = tls, outward, resolver

    def get_json(self, url: str) -> dict[str, Any]:
        """The JSON object of a 200 answer."""
        status, body = self._ask("GET", url)
        if status != 200:
            raise _failed(url, "status", status=status)
        return _object(url, body)

    def post_form(self, url: str, form: str, *, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of the answer to a form that is encoded already."""
        status, body = self._ask("POST", url, content=form.encode(), headers=tuple(headers.items()))
        return status, _object(url, body)

    def _ask(
        self, method: str, url: str, *, content: bytes | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> tuple[int, bytes]:
        target = self._rules.target(url)
        if target.scheme != "https" and target.host not in LOOPBACK:
            raise refused("scheme-not-allowed", url, scheme=target.scheme)
        deadline = Deadline(self._rules.seconds)
        address = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        sent = [
            ("Host", target.netloc),
            ("User-Agent", "kyso"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *(one for one in headers if one[0].lower() not in ("host", "accept", "content-length")),
            *([] if content is None else [("Content-Length", str(len(content)))]),
        ]
        proxy = self._outward.proxy_for(target)
        if proxy is not None:
            self._rules.check_literal(target)
        try:
            with (
                pool_for(
                    CheckedBackend(self._rules, target, deadline, resolver=self._resolver, proxy=proxy),
                    tls=self._tls() if target.scheme == "https" else None,
                    proxy=proxy,
                    credentials=self._outward.credentials,
                ) as pool,
                pool.stream(method, address, headers=sent, content=content) as response,
            ):
                if 300 <= response.status < 400:
                    raise refused("redirect", url, status=response.status)
                return response.status, self._read(url, response)
        except httpcore.TimeoutException:
            raise _failed(url, "timeout", seconds=int(self._rules.seconds)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise _failed(url, "no-answer", what=str(error)[:200]) from None

    def _read(self, url: str, response: httpcore.Response) -> bytes:
        body = b""
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > self._rules.max_bytes:
                raise refused("answer-too-large", url, limit=self._rules.max_bytes)
        return body


def trusting(*files: Path | None) -> Callable[[], ssl.SSLContext]:
    """A maker of TLS contexts that trust the CAs in the first file that is given; without one, those of the machine."""

    @cache
    def context() -> ssl.SSLContext:
        found = ssl.create_default_context(cafile=next((file for file in files if file is not None), None))
        found.minimum_version = ssl.TLSVersion.TLSv1_2
        return found

    return context


def _entry(given: str) -> str:
    """`host:port` of a URL, or of a host that stands alone."""
    if "://" not in given:
        return given if urlsplit(f"//{given}").port else f"{given}:{DEFAULT_PORTS['https']}"
    target = parse(given)
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}"


def _object(url: str, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _failed(url, "not-json") from None
    if not isinstance(found, dict):
        raise _failed(url, "not-an-object")
    return found


def _failed(url: str, reason: str, **facts: str | int) -> FetchFailed:
    return FetchFailed(f"{reason}: {url[:200]}", url=url[:200], reason=reason, **facts)


UNANSWERED = (FetchFailed, FetchRefused)
"""What keeps an issuer from being understood."""
