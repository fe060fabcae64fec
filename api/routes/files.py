"""Answers that are files: a stored document, or a work file without a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response, StreamingResponse

from api.store.blobs import Blobs

AT_ONCE = 1 << 20
"""Bytes that are sent together, each such piece by a thread."""


@dataclass(frozen=True)
class Stored:
    """A document in the store. It is found and readable when `size` was asked for."""

    blobs: Blobs
    blob: str

    @cached_property
    def size(self) -> int:
        """Bytes. Raises BlobMissing, StorageDamaged."""
        return self.blobs.size(self.blob)

    def whole(self) -> bytes:
        return b"".join(self.blobs.pieces(self.blob))

    def answer(self, status: int, headers: Mapping[str, str], kind: str) -> Response:
        """Piece by piece. One that turns out to be damaged ends the answer before the length that was told."""
        return StreamingResponse(self._large(), status, {**headers, "Content-Length": str(self.size)}, kind)

    def _large(self) -> Iterator[bytes]:
        gathered: list[bytes] = []
        length = 0
        for piece in self.blobs.pieces(self.blob):
            gathered.append(piece)
            length += len(piece)
            if length >= AT_ONCE:
                yield b"".join(gathered)
                gathered, length = [], 0
        yield b"".join(gathered)


def of_open(file: BinaryIO, *, headers: Mapping[str, str], kind: str) -> Response:
    """A work file, closed when it was sent. It has no name: the kernel's own link to the descriptor serves as one."""
    file.flush()
    link = f"/proc/self/fd/{file.fileno()}"
    return FileResponse(link, 200, dict(headers), kind, background=BackgroundTask(file.close))
