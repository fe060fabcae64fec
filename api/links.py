"""Addresses within the service, as the caller sees them: below the path at which a proxy serves it.

`api.edge` says at each request under which path it came; whoever writes a link, a Location or a cookie's path asks here.

>>> with below("/kyso"):
...     to("/v1/signatures/sig_1/document")
'/kyso/v1/signatures/sig_1/document'
>>> to("/v1/keys")
'/v1/keys'
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_root: ContextVar[str] = ContextVar("kyso_root", default="")


def to(path: str) -> str:
    """The address of a path of ours, from the root of the caller's host."""
    return _root.get() + path


@contextmanager
def below(root: str) -> Iterator[None]:
    """Links within the block begin with `root`."""
    mark = _root.set(root)
    try:
        yield
    finally:
        _root.reset(mark)
