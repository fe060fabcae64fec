"""Which timestamp authorities fail, remembered by all api processes together: a small file for each that failed last.

One that answers costs an attempt to remove a file that is not there, a few microseconds; nothing is written while all is
well. The count of failures in a row is of this process and what the file had, good enough for an alarm.

>>> import tempfile
>>> seen = Outcomes(Path(tempfile.mkdtemp()))
>>> seen.failed("http://tsa.example/", code="timeout"); seen.failed("http://tsa.example/", code="timeout")
>>> [(one.url, one.failures, one.code) for one in seen.failing()]
[('http://tsa.example/', 2, 'timeout')]
>>> seen.answered("http://tsa.example/"); seen.failing()
()
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec


class Failing(msgspec.Struct, frozen=True):
    """`since` is the Unix time of the first failure in this row."""

    url: str
    failures: int
    since: float
    code: str


class Outcomes:
    """Below `folder`, which is made anew at each start of the service. Safe for threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._paths: dict[str, str] = {}

    def answered(self, url: str) -> None:
        with suppress(OSError):
            os.unlink(self._path(url))  # noqa: PTH108 - for each timestamp, without a Path's cost

    def failed(self, url: str, *, code: str) -> None:
        path = self._path(url)
        with self._lock, suppress(OSError):
            before = _read(path)
            now = Failing(url, 1, time.time(), code)
            if before is not None:
                now = msgspec.structs.replace(now, failures=before.failures + 1, since=before.since)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            fresh = f"{path}.{os.getpid()}"
            Path(fresh).write_bytes(msgspec.json.encode(now))
            Path(fresh).replace(path)

    def failing(self) -> tuple[Failing, ...]:
        found = (_read(str(path)) for path in sorted(self._folder.glob("*.json")))
        return tuple(one for one in found if one is not None)

    def _path(self, url: str) -> str:
        known = self._paths.get(url)
        if known is None:
            name = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:24]
            known = self._paths[url] = str(self._folder / f"{name}.json")
        return known


def _read(path: str) -> Failing | None:
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Failing)
    except (OSError, msgspec.DecodeError):
        return None
