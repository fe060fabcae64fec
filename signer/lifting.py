"""The output file while revisions are appended to it: each is written, read back and checked before the next.

It knows bytes and digests, and what a document timestamp's gap must look like; what the revisions say is
`signer.longterm`'s. What was there before is never touched; memory does not grow with the document.

    output = Output.read(file)
    output.append(revision)
    output.stamp(revision_with_gap, obtain=lambda digest: token)
    output.sha256
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from signer.errors import OrderInvalid, SelfCheckFailed, SignerError
from signer.selfcheck import BYTE_RANGE, FULL_BELOW, absorb, chunks, require
from verify import timestamp as tokens
from verify.errors import VerifyError
from verify.timestamp import TimestampToken

if TYPE_CHECKING:
    from hashlib import _Hash

TIMESTAMP_DIGEST = "sha256"


@dataclass(frozen=True)
class Revision:
    """Bytes to append; of a document timestamp also where its gap lies in the whole file, delimiters included."""

    appended: bytes
    gap_start: int = 0
    gap_end: int = 0


class Output:
    """A file of `size` bytes with the running SHA-256 `whole` over them."""

    def __init__(self, file: BinaryIO, *, size: int, whole: _Hash) -> None:
        self.file = file
        self.size = size
        self._whole = whole

    @classmethod
    def read(cls, file: BinaryIO) -> Output:
        """The file as it is; read once."""
        size = file.seek(0, 2)
        return cls(file, size=size, whole=absorb(hashlib.sha256(), file, start=0, end=size))

    @property
    def sha256(self) -> str:
        """Of the whole file, in hex."""
        return self._whole.copy().hexdigest()

    def append(self, revision: Revision) -> None:
        """Write one revision behind what is there. Raises SelfCheckFailed."""
        self._write(revision.appended)
        self._settle(revision.appended)

    def stamp(self, revision: Revision, *, obtain: Callable[[bytes], TimestampToken]) -> TimestampToken:
        """Write a document timestamp; `obtain` gets the digest (TIMESTAMP_DIGEST) of all but the gap.

        Nothing is left behind when `obtain` raises. Raises OrderInvalid when the token does not fit, SelfCheckFailed.
        """
        first, last = revision.gap_start - self.size, revision.gap_end - self.size
        imprint = self._whole.copy()
        imprint.update(revision.appended[:first])
        imprint.update(revision.appended[last:])
        token = obtain(imprint.digest())
        contents, room = token.der.hex().encode("ascii"), last - first - 2
        if len(contents) > room:
            raise OrderInvalid("the timestamp does not fit its gap", reason="gap-too-small", room=room)
        filled = b"".join((revision.appended[: first + 1], contents.ljust(room, b"0"), revision.appended[last - 1 :]))
        self._write(filled)
        try:
            self._check_stamp(revision, filled, imprint=imprint.digest())
        except SelfCheckFailed:
            raise
        except (SignerError, VerifyError, ValueError, TypeError, KeyError, IndexError) as error:
            raise SelfCheckFailed(f"{type(error).__name__}: {error}") from error
        self._settle(filled)
        return token

    def _write(self, appended: bytes) -> None:
        self.file.seek(self.size)
        self.file.write(appended)
        self.file.flush()

    def _settle(self, appended: bytes) -> None:
        """What the file holds is what was there, and the revision, no byte more. Small files are read in full."""
        end = self.file.seek(0, 2)
        require(end == self.size + len(appended), step=1)
        require(b"".join(chunks(self.file, start=self.size, end=end)) == appended, step=1)
        if end < FULL_BELOW:
            found = absorb(hashlib.sha256(), self.file, start=0, end=self.size)
            require(found.digest() == self._whole.copy().digest(), step=1)
        self._whole.update(appended)
        self.size = end

    def _check_stamp(self, revision: Revision, filled: bytes, *, imprint: bytes) -> None:
        """The revision as a reader finds it: its byte range leaves out the value alone, and the token is about it."""
        end = self.size + len(filled)
        ranges = [tuple(map(int, found.groups())) for found in BYTE_RANGE.finditer(filled)]
        require(ranges == [(0, revision.gap_start, revision.gap_end, end - revision.gap_end)], step=2)
        contents = filled[revision.gap_start - self.size : revision.gap_end - self.size]
        require(contents[:1] == b"<" and contents[-1:] == b">", step=2)
        padded = bytes.fromhex(contents[1:-1].decode("ascii"))
        der = padded[: _length(padded)]
        require(not padded[len(der) :].strip(b"\0"), step=3)
        token = tokens.read(der)
        tokens.check(token)
        require(token.imprint_algorithm == TIMESTAMP_DIGEST and token.imprint == imprint, step=4)


def _length(der: bytes) -> int:
    """Octets of the DER element that `der` begins with; SEQUENCEs of more than 127 octets only."""
    octets = der[1] & 0x7F
    return 2 + octets + int.from_bytes(der[2 : 2 + octets], "big") if der[1] & 0x80 else 2 + der[1]
