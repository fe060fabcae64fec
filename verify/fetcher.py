"""What the core may ask of the outside, and how it is told that there is no answer.

The core never opens a connection. Whoever runs it hands it a `Fetcher`: in a document worker a pipe to `api.fetch`,
where host, size and time rules decide; in a test a dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from verify.errors import VerifyError

FetchKind = Literal["timestamp", "ocsp", "crl", "certificate"]


@dataclass(frozen=True)
class FetchRequest:
    """One request: GET without a body, POST with one. Equal requests have equal answers within one run."""

    kind: FetchKind
    url: str
    body: bytes | None = None


class FetchFailed(VerifyError):
    """The address did not answer, answered badly, or may not be asked."""

    code = "fetch-failed"
    actor = "operator"


class Fetcher(Protocol):
    """Blocking; raises FetchFailed. Whoever implements it sees to limits of time and size."""

    def fetch(self, request: FetchRequest, /) -> bytes: ...


class Offline:
    """The fetcher that reaches nothing."""

    def fetch(self, request: FetchRequest, /) -> bytes:
        raise FetchFailed("offline", url=request.url, reason="offline")
