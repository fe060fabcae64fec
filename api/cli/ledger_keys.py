"""The public keys of ledgers on the command line: as their one line of text, or as a file with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.cli import console
from api.ledger.note import VerifierKey


def read(given: Sequence[str], *, option: str) -> tuple[VerifierKey, ...]:
    """Raises CommandFailed for what is no verifier key."""
    return tuple(_read(text, option) for text in given)


def _read(text: str, option: str) -> VerifierKey:
    try:
        if "+" not in text or Path(text).is_file():
            text = Path(text).read_text("utf-8")
        return VerifierKey.parse(text)
    except (OSError, ValueError) as error:
        raise console.usage(f"{option}: {error}") from None
