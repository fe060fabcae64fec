"""What a key is called: names that stay, whatever else comes onto the token.

1. A key that has a name keeps it, known again by its public key: while the token is locked (its public objects may be
   labelled otherwise: a PIV card's SIGN key shows as SIGN pubkey), and when a second key of its label is added.
2. Else its label, if no other key there is called or labelled so.
3. Else `LABEL#ID`, the id in hexadecimal; `#ID` where there is no label.
4. Keys that share label and id cannot be told apart on the token: they get no name, and so are not used.

Names are kept in a file beside the log of uses. Without it they are given anew by 2 and 3, so that the worst is a name
that is not found; never one that means another key.

>>> Names(None).give([Entry(b"1", "seal", b"\\1"), Entry(b"2", "seal", b"\\2"), Entry(b"3", "", b"\\3")])
['seal#01', 'seal#02', '#03']
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

_log = logging.getLogger("kyso.keeper")


@dataclass(frozen=True)
class Entry:
    """A key as the token shows it; `public_key` is DER."""

    public_key: bytes
    label: str
    key_id: bytes


class Names:
    """The names given on one token; `file` remembers them, None forgets them with the process."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known: dict[str, str] = {}
        if file is not None and file.exists():
            try:
                self._known = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
            except (OSError, msgspec.MsgspecError):
                _log.error("names of keys cannot be read", extra={"facts": {"file": str(file)}})

    def give(self, entries: Sequence[Entry], *, remember: bool = True) -> list[str | None]:
        """A name for each, in the same order; None where 4 applies. `remember` where all keys are seen (logged in)."""
        marks = [hashlib.sha256(e.public_key).hexdigest() for e in entries]
        once = {mark for mark, count in Counter(marks).items() if count == 1}
        given = [self._known.get(mark) if mark in once else None for mark in marks]
        taken = {name for name in given if name}
        labels = Counter(e.label for e in entries)
        places = Counter((e.label, e.key_id) for e in entries)
        for i, entry in enumerate(entries):
            if places[entry.label, entry.key_id] > 1:
                _log.error("keys share label and id", extra={"facts": {"label": entry.label}})
                given[i] = None
            elif given[i] is None:
                plain = entry.label if entry.label and labels[entry.label] == 1 else ""
                name = plain if plain and plain not in taken else f"{entry.label}#{entry.key_id.hex()}"
                given[i] = None if name in taken else name
                taken.add(name)
        if remember:
            self._keep({mark: name for mark, name in zip(marks, given, strict=True) if name and mark in once})
        return given

    def _keep(self, names: dict[str, str]) -> None:
        if names == self._known:
            return
        self._known = names
        if self._file is None:
            return
        fresh = self._file.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(names))
            fresh.replace(self._file)
        except OSError as e:
            _log.error("names of keys cannot be kept", extra={"facts": {"why": str(e.strerror)}})
