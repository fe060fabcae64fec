"""The register of numbers: an organisation gives each number once a year in a procedure. Where it is kept is the caller's.

Taken in the transaction that begins the signature, so that two clerks cannot take the same number; given back where the
signature is not made. `InMemory` behaves as one, for tests and for practice.
"""

from __future__ import annotations

import threading
import unicodedata
from typing import Protocol

from signer.procedures.engine import Numbering
from signer.procedures.errors import NumberTaken


class Register(Protocol):
    """Numbers that were given."""

    def take(self, numbering: Numbering, *, organisation: str, procedure: str, document: str) -> None:
        """Give the number to `document`; the same document may take it again. Raises NumberTaken."""
        ...


def written(number: str) -> str:
    """How numbers are compared: without spaces at the ends, composed, in capitals.

    >>> written(" 15-gt/đu ")
    '15-GT/ĐU'
    """
    return unicodedata.normalize("NFC", number).strip().upper()


class InMemory:
    """A register that lives as long as the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[tuple[str, str, int, str], str] = {}

    def take(self, numbering: Numbering, *, organisation: str, procedure: str, document: str) -> None:
        """As `Register.take`."""
        key = (organisation, procedure, numbering.year, written(numbering.number))
        with self._lock:
            if self._given.setdefault(key, document) != document:
                raise NumberTaken(number=numbering.number, year=numbering.year, organisation=organisation)
