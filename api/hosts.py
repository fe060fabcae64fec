"""Whose name a request may call the service by: its Host header, checked before anything else is looked at.

A page on the Web can give a name of its own this machine's address (DNS rebinding) and have its visitors' browsers ask
us in their name; and a made-up Host would otherwise reach whatever builds addresses from it. Addresses in numbers cannot
be rebound and are what probes and load balancers use, so they pass; names pass that the operator named.

>>> served = Hosts(("ky.example.gov.vn", ".noi-bo.example"))
>>> served.serves(b"ky.example.gov.vn:8443"), served.serves(b"a.noi-bo.example"), served.serves(b"10.0.0.7")
(True, True, True)
>>> served.serves(b"evil.example")
False
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from api.errors import ApiError, RequestInvalid
from api.refusals import HostNotServed

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
"""uri-host and port (RFC 9110 §7.2) of what can be served: a name, an IPv4 or an IPv6 address."""


class Hosts:
    """The names served: those given (`.suffix` for all below it), localhost, and every address in numbers."""

    def __init__(self, names: Iterable[str]) -> None:
        lowered = [name.lower() for name in (*names, "localhost") if name]
        self._names = frozenset(name for name in lowered if not name.startswith("."))
        self._suffixes = tuple(name for name in lowered if name.startswith("."))
        self.serves = lru_cache(maxsize=256)(self._serves)

    def refusal(self, scope: Mapping[str, Any]) -> ApiError | None:
        """Why this request is not for us; None if it is."""
        given = [value for name, value in scope["headers"] if name == b"host"]
        if not given and scope["http_version"] == "1.0":  # knows no Host, and no browser speaks it
            return None
        if len(given) != 1:  # RFC 9112 §3.2
            return RequestInvalid("Host: exactly one is needed", field="Host")
        return None if self.serves(given[0]) else HostNotServed()

    def _serves(self, value: bytes) -> bool:
        found = _HOST.fullmatch(value)
        if found is None:
            return False
        host = found[1].decode().lower().removesuffix(".")
        if host in self._names or host.endswith(self._suffixes):
            return True
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True
