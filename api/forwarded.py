"""What a reverse proxy says about a request: who asks, by which protocol, under which name. And the path it serves us at.

1. Only addresses in `[server] trusted_proxies` are believed; from everybody else these headers mean nothing.
2. `Forwarded` (RFC 7239) or `X-Forwarded-For`, `-Proto`, `-Host`: both at once is refused, for a proxy that sets one hands
   on what the caller wrote into the other.
3. Addresses are read from the right, where the nearest proxy wrote; who asks is the first that is no trusted proxy.
4. The name goes through the same check as any Host (`api.hosts`).
5. A path below `root_path` is taken as if it were not; one without it as well, since many proxies cut it off.

>>> entrance = Entrance(trusted=("10.0.0.7",), root_path="/kyso")
>>> scope = {"client": ("10.0.0.7", 1), "path": "/kyso/v1/keys", "scheme": "http",
...          "headers": [(b"host", b"10.0.0.1"), (b"x-forwarded-for", b"6.6.6.6, 203.0.113.9")]}
>>> entrance.refusal(scope); scope["client"][0], scope["path"]
('203.0.113.9', '/v1/keys')
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from api.errors import ApiError, RequestInvalid

_NAMES = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
_PAIR = re.compile(r'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,"\s]*))\s*(?:;|$)')
LONGEST = 2000
MOST = 20
"""Hops that are looked at."""


class Entrance:
    """Changes the scope of requests in place."""

    def __init__(self, *, trusted: Iterable[str], root_path: str) -> None:
        self._trusted = tuple(ipaddress.ip_network(one) for one in trusted)
        self.root_path = root_path

    def refusal(self, scope: MutableMapping[str, Any]) -> ApiError | None:
        """Take over what is believed; why the request cannot be answered, if so."""
        if self.root_path:
            self._cut(scope)
        client = scope.get("client")
        if not self._trusted or client is None or not self._is_trusted(client[0]):
            return None
        scope["kyso.proxy"] = True  # for what else only a trusted proxy may say (`api.identity.certificates`)
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            if name in _NAMES:
                given.setdefault(name, []).append(value)
        if not given:
            return None
        if b"forwarded" in given and len(given) > 1:  # 2
            return RequestInvalid("Forwarded and X-Forwarded-… at once", field="Forwarded")
        joined = {name: b",".join(values)[:LONGEST].decode("latin-1") for name, values in given.items()}
        hops = _forwarded(joined[b"forwarded"]) if b"forwarded" in joined else _x_forwarded(joined)
        self._take(scope, hops)
        return None

    def _cut(self, scope: MutableMapping[str, Any]) -> None:
        path = scope["path"]
        if path == self.root_path:
            scope["path"] = "/"
        elif path.startswith(f"{self.root_path}/"):
            scope["path"] = path[len(self.root_path) :]

    def _take(self, scope: MutableMapping[str, Any], hops: list[dict[str, str]]) -> None:
        """3. The element of the outermost proxy that is trusted."""
        chosen: dict[str, str] = {}
        for hop in reversed(hops[-MOST:]):
            chosen = {**chosen, **hop}
            if not self._is_trusted(_address(hop.get("for", ""))):
                break
        if address := _address(chosen.get("for", "")):
            scope["client"] = (address, 0)
        if chosen.get("proto") in ("http", "https"):
            scope["scheme"] = chosen["proto"]
        if host := chosen.get("host"):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *others]

    def _is_trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        ip = mapped or ip
        return any(ip in network for network in self._trusted if network.version == ip.version)


def _forwarded(text: str) -> list[dict[str, str]]:
    """RFC 7239 §4: elements between commas, each of pairs."""
    hops = []
    for element in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', text):
        pairs = {m[1].lower(): m[3] if m[2] is None else re.sub(r"\\(.)", r"\1", m[2]) for m in _PAIR.finditer(element)}
        hops.append(pairs)
    return hops


def _x_forwarded(given: dict[bytes, str]) -> list[dict[str, str]]:
    """Addresses are a list; protocol and host are what the nearest proxy wrote, the last of them."""
    hops = [{"for": one.strip()} for one in given.get(b"x-forwarded-for", "").split(",") if one.strip()] or [{}]
    for name, part in ((b"x-forwarded-proto", "proto"), (b"x-forwarded-host", "host")):
        if name in given:
            value = given[name].rpartition(",")[2].strip()
            hops = [{**hop, part: value} for hop in hops]
    return hops


def _address(node: str) -> str:
    """The IP address of a node (RFC 7239 §6), without port and brackets; empty for names and `unknown`."""
    found = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|([0-9.]+)(?::\d+)?|([0-9A-Fa-f:]+)", node)
    if found is None:
        return ""
    try:
        return str(ipaddress.ip_address(found[1] or found[2] or found[3]))
    except ValueError:
        return ""
