"""Copies a part of one open file to the present position of another, without its bytes passing through this process.

>>> import tempfile
>>> with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
...     _ = source.write(b"%PDF-1.7"); source.flush()
...     copy(source, out, start=1, length=3)
...     _ = out.seek(0); out.read()
b'PDF'
"""

from __future__ import annotations

import errno
import os
from typing import BinaryIO

from signer.errors import PreparedMismatch


def copy(source: BinaryIO, out: BinaryIO, *, start: int, length: int) -> None:
    """Raises PreparedMismatch when the source ends before; both files' descriptors are used, `out` stands behind the
    copy afterwards."""
    out.flush()
    position = out.tell()
    try:
        count = _by_kernel(source, out, start=start, length=length, position=position)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EOPNOTSUPP):
            raise
        out.seek(position)
        count = _between_file_systems(source, out, start=start, length=length)
    if count < length:
        raise PreparedMismatch("the document became shorter while it was read")
    out.seek(position + length)


def _by_kernel(source: BinaryIO, out: BinaryIO, *, start: int, length: int, position: int) -> int:
    """The file system may share the blocks. Returns the bytes copied."""
    done = 0
    while done < length and (
        count := os.copy_file_range(source.fileno(), out.fileno(), length - done, start + done, position + done)
    ):
        done += count
    return done


def _between_file_systems(source: BinaryIO, out: BinaryIO, *, start: int, length: int) -> int:
    """To where `out` stands. Returns the bytes copied."""
    done = 0
    while done < length and (count := os.sendfile(out.fileno(), source.fileno(), start + done, length - done)):
        done += count
    return done
