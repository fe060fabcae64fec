"""A scanner for the text of a transparency log's checkpoint (C2SP tlog-checkpoint), as a log's own key signs it.

Three lines and nothing else: the log's origin, its size, the root of its Merkle tree (RFC 6962) in base64. Extension
lines, which the format allows, are refused: nobody can audit them. An origin is printable ASCII without blank or plus,
so that no structure of DER (which needs tag 0x06) and no markup can pass for one.

>>> check(b"kyso.example/ledger\\n2\\n" + base64.b64encode(bytes(32)) + b"\\n").size
2
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

LARGEST_SIZE: Final = 2**53 - 1
ORIGIN: Final = r"[a-z0-9][a-z0-9.:/_-]{0,199}"
"""A schema-less URL in small letters, as the format recommends."""
_TEXT: Final = re.compile(
    rb"(" + ORIGIN.encode() + rb")\n"
    rb"(0|[1-9][0-9]{0,15})\n"
    rb"([A-Za-z0-9+/]{43}=)\n"
)


class NotCheckpoint(Exception):
    """The bytes are not the text of a checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to: `root` is the Merkle root (32 bytes) over its first `size` lines."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """What is signed; `check` reads exactly this."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


def check(tbs: bytes) -> Checkpoint:
    """The checkpoint that these bytes are, whole and in its one spelling. Raises NotCheckpoint."""
    found = _TEXT.fullmatch(tbs)
    if found is None:
        raise NotCheckpoint("not origin, size and root, each on a line")
    checkpoint = Checkpoint(found[1].decode(), int(found[2]), base64.b64decode(found[3]))
    if checkpoint.size > LARGEST_SIZE or checkpoint.text != tbs:
        raise NotCheckpoint("a number or a root that is not in its one spelling")
    return checkpoint
