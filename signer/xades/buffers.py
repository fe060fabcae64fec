"""Reads and writes an open file past Python's buffer: what is checked is what the file holds, for one system call each.

>>> import tempfile
>>> with tempfile.TemporaryFile() as file:
...     put(file, b"<a>and more</a>", at=0)
...     put(file, b"</a>", at=3)
...     octets(file, start=0, end=7)
b'<a></a>'
"""

from __future__ import annotations

import os
from typing import BinaryIO

from signer.errors import SelfCheckFailed


def octets(file: BinaryIO, *, start: int, end: int) -> bytes:
    """What stands there; raises SelfCheckFailed if that is less."""
    file.flush()
    parts = []
    while start < end:
        parts.append(os.pread(file.fileno(), end - start, start))
        start += len(parts[-1])
        if not parts[-1]:
            raise SelfCheckFailed("the file is shorter than it should be")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def put(file: BinaryIO, data: bytes, *, at: int) -> None:
    """The file ends behind it."""
    write(file, data, at=at)
    os.ftruncate(file.fileno(), at + len(data))


def write(file: BinaryIO, data: bytes, *, at: int) -> None:
    """What stands behind it stays."""
    file.flush()
    view = memoryview(data)
    while view:
        count = os.pwrite(file.fileno(), view, at)
        view, at = view[count:], at + count
