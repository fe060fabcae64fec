"""Files that the command line writes: whole or not at all.

The content goes to a hidden file beside the target, which is renamed once it is on the disk. When anything fails before
that, the target is as it was.

    with atomic(Path("out.pdf")) as file:
        file.write(…)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from api.cli import console
from api.cli.console import t

_READABLE = 0o666


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well. Raises CommandFailed where it cannot be written."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes it private; what the user asked for gets the mode that the user's umask gives.
        part.chmod(_READABLE & ~_umask())
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        part.unlink(missing_ok=True)


def _not_written(path: Path, error: OSError) -> console.CommandFailed:
    sentence = t(f"không ghi được {path}: {error.strerror}", f"{path} cannot be written: {error.strerror}")
    return console.CommandFailed("output-not-written", sentence, status=console.NOT_AVAILABLE)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
