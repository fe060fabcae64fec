"""Which addresses may be asked: of a URL before its name is looked up, and of each address after.

>>> rules = FetchRules(allowed=("ocsp.example.org", ".ca.gov.vn"), private=("localhost:8081",))
>>> rules.target("http://crl.ca.gov.vn/g2.crl")
Target(scheme='http', host='crl.ca.gov.vn', port=80, path='/g2.crl')
>>> rules.check_address(rules.target("http://ocsp.example.org/"), "8.8.8.8")
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from api.errors import FetchRefused

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_URL = 2048

# RFC 3986 characters, as they must stand: urlsplit would silently drop a tab or newline and keep a backslash.
_URL = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Not "global" in every Python version's table, or they carry an IPv4 address to wherever that leads.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # RFC 6890 protocol assignments
        "192.88.99.0/24",  # RFC 7526 6to4 relays
        "64:ff9b::/96",  # RFC 6052 NAT64
        "64:ff9b:1::/48",  # RFC 8215 local NAT64
        "2001::/23",  # RFC 2928, Teredo among them
        "2002::/16",  # RFC 3056 6to4
        "fec0::/10",  # RFC 3879 site-local
        "::/96",  # RFC 4291 IPv4-compatible
    )
)


@dataclass(frozen=True)
class Target:
    """A URL that may be asked; `host` is a lower-case name, or an IP address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """For the Host header (RFC 9112 §3.2): without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class FetchRules:
    """`allowed`: `host` (on the scheme's own port), `host:port`, or `.suffix` for every name below it.
    `private`: `host:port` whose addresses may be private or loopback. `authorities`: URLs of timestamp authorities,
    allowed as they stand, for timestamps. Sizes in bytes, times in seconds, for a whole fetch. Raises ValueError when
    an entry is none of these."""

    allowed: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    max_bytes: int = 10 * 1024 * 1024
    seconds: float = 5.0
    timestamp_seconds: float = 120.0
    cache_seconds: float = 60.0
    cache_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for entry in (*self.allowed, *self.private):
            host, port = split(entry.removeprefix("."))
            if not (_is_host(host) and (port is None or 0 < port < 65536)) or (entry in self.private and port is None):
                raise ValueError(f"not a host, host:port or .suffix: {entry!r}")

    def target(self, url: str, *, timestamp: bool = False) -> Target:
        """Where a URL leads, if it may be asked at all. Raises FetchRefused."""
        target = parse(url)
        if not (self._allows(target) or (timestamp and url in self.authorities)):
            raise refused("host-not-allowed", url, host=target.host, port=target.port)
        return target

    def check_address(self, target: Target, address: str) -> None:
        """Raise FetchRefused unless this address, to which the target's name resolved, may be connected to."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            raise refused("address-not-readable", target.host, address=address) from None
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        ip = mapped or ip
        if ip.is_multicast or ip.is_unspecified:
            raise refused("address-not-usable", target.host, address=address)
        if any(split(entry.lower()) == (target.host, target.port) for entry in self.private):
            return
        if (
            not ip.is_global
            or ip.is_reserved
            or any(ip in network for network in _NEVER if network.version == ip.version)
        ):
            raise refused("address-private", target.host, address=address)

    def check_literal(self, target: Target) -> None:
        """`check_address` for a host that is an address itself: what can be said before a proxy looks names up."""
        if _is_ip(target.host):
            self.check_address(target, target.host)

    def _allows(self, target: Target) -> bool:
        return any(matches(entry.lower(), target) for entry in self.allowed)


def parse(url: str) -> Target:
    """An http or https URL in its plain form; all the odd ones are refused. Raises FetchRefused."""
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise refused("url-malformed", url)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        raise refused("url-malformed", url) from None
    if parts.scheme not in DEFAULT_PORTS:
        raise refused("scheme-not-allowed", url, scheme=parts.scheme)
    if "@" in parts.netloc:
        raise refused("userinfo", url)
    if not _is_host(host):
        raise refused("host-malformed", url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, path)


def refused(reason: str, subject: str, **facts: str | int) -> FetchRefused:
    """The refusal, with the URL or host shortened for facts and logs."""
    return FetchRefused(f"{reason}: {subject[:200]}", url=subject[:200], reason=reason, **facts)


def _is_host(host: str) -> bool:
    """A name, or an IP address in its one usual form. `127.1`, `0x7f000001` and `2130706433` are neither."""
    host = host.lower()
    if ":" in host:
        return _is_ip(host)
    if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):  # what resolvers and browsers take for an IPv4 number
        return _is_ip(host)
    return bool(_NAME.fullmatch(host))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry; the brackets of IPv6 removed."""
    if match := re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?|([^:\[\]]*)(?::([0-9]{1,5}))?", entry):
        port = match[2] or match[4]
        return match[1] or match[3] or "", int(port) if port else None
    return "", None


def matches(entry: str, target: Target) -> bool:
    host, port = split(entry.removeprefix("."))
    if target.port != (DEFAULT_PORTS[target.scheme] if port is None else port):
        return False
    return target.host.endswith(f".{host}") if entry.startswith(".") else target.host == host
