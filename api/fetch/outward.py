"""The way out: directly, or by the proxy that `[fetch]` names; and private CAs beside the system's.

Never from the environment (`http_proxy`): whoever starts the service must not be able to send its fetches elsewhere.

>>> way = Outward(http=Proxy("proxy.example", 3128), no_proxy=(".noi-bo.example",))
>>> way.proxy_for(Target("http", "ocsp.example.org", 80, "/")), way.proxy_for(Target("http", "a.noi-bo.example", 80, "/"))
(Proxy(host='proxy.example', port=3128), None)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from api import credentials
from api.fetch.rules import Target, matches
from api.settings import Settings, SettingsUnusable

DEFAULT_PORT = 3128
NONE = "direct"


@dataclass(frozen=True)
class Proxy:
    host: str
    port: int


@dataclass(frozen=True)
class Outward:
    """`no_proxy` has entries as `FetchRules.allowed`; an entry without a port counts for every port."""

    http: Proxy | None = None
    https: Proxy | None = None
    no_proxy: tuple[str, ...] = ()
    credentials: tuple[bytes, bytes] | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def proxy_for(self, target: Target) -> Proxy | None:
        chosen = self.https if target.scheme == "https" else self.http
        if chosen is None or any(_is_meant(entry.lower(), target) for entry in self.no_proxy):
            return None
        return chosen


DIRECT = Outward()


def _is_meant(entry: str, target: Target) -> bool:
    if matches(entry, target):
        return True
    has_port = entry.rpartition(":")[2].isdigit() and not entry.endswith("]")
    host = entry.removeprefix(".").strip("[]")
    return not has_port and (target.host.endswith(f".{host}") if entry.startswith(".") else target.host == host)


def outward(settings: Settings) -> Outward:
    """What `[fetch]` says. Raises SettingsUnusable when credentials or CAs cannot be read."""
    chosen = settings.fetch
    known: tuple[bytes, bytes] | None = None
    if chosen.proxy_credentials_file is not None or chosen.proxy_credential is not None:
        text = credentials.read(
            home=settings.home, file=chosen.proxy_credentials_file, credential=chosen.proxy_credential
        )
        name, _, password = text.partition(":")
        known = name.encode(), password.encode()
    ca_file = None if chosen.ca_file is None else settings.home / chosen.ca_file
    if ca_file is not None and not ca_file.is_file():
        raise SettingsUnusable(f"fetch.ca_file: there is no {ca_file}")
    return Outward(
        http=_proxy(chosen.proxy_http or chosen.proxy),
        https=_proxy(chosen.proxy_https or chosen.proxy),
        no_proxy=chosen.no_proxy,
        credentials=known,
        ca_file=ca_file,
    )


def _proxy(url: str) -> Proxy | None:
    if url in ("", NONE):
        return None
    parts = urlsplit(url)
    return Proxy(parts.hostname or "", parts.port or DEFAULT_PORT)
