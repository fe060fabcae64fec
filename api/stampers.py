"""Who asks `POST /tsa`, which takes no credential, and how often: a stranger must not fill the ledger or tire the token.

An address may have so many timestamps a minute; loopback, where our own signatures ask, and networks that the operator
names are not counted. Counted per api process, as `api.visitors` does.

>>> stampers = Stampers(1, ("192.0.2.0/24",))
>>> with stampers.admit("192.0.2.7"), stampers.admit("192.0.2.7"), stampers.admit("203.0.113.9"):
...     pass
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from api.visitors import Visitors


class Stampers:
    """Admits requests for timestamps. Safe to share between threads; 0 a minute is no limit."""

    def __init__(self, per_minute: int = 0, unlimited: Iterable[str] = ()) -> None:
        self._visitors = Visitors(per_minute=per_minute, at_a_time=0)
        self._unlimited = tuple(ipaddress.ip_network(one) for one in unlimited)
        self._is_counted = lru_cache(maxsize=1000)(self._counts)

    def admit(self, address: str | None) -> AbstractContextManager[None]:
        """Room for one request; raises TooManyRequests on entry. None is a socket of this machine."""
        return self._visitors.admit(address or "") if self._is_counted(address) else nullcontext()

    def _counts(self, address: str | None) -> bool:
        if address is None:
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return True
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        one = mapped or found
        return not one.is_loopback and not any(one in network for network in self._unlimited)
