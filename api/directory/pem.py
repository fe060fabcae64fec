"""A certificate as a cell gives it: PEM, DER in base64, or the name of a file that lies beside the one that names it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

LARGEST = 64 * 1024
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")


def certificate_in(cell: str, *, folder: Path | None, is_file: bool) -> bytes:
    """The octets of the first certificate. Raises ValueError."""
    if not is_file:
        return _octets(cell)
    if folder is None:
        raise ValueError("files cannot be named here: give the certificate itself")
    path = (folder / cell).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("the file lies outside of the folder")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    if len(data) > LARGEST:
        raise ValueError("too large for a certificate")
    return _octets(data.decode("ascii")) if b"-----BEGIN" in data else data


def _octets(text: str) -> bytes:
    """Of several certificates in PEM the first: the holder's own comes before those above it."""
    body = _ARMOUR.split(text)
    base64_ = next((part for part in body if part.strip()), "")
    return base64.b64decode("".join(base64_.split()), validate=True)
