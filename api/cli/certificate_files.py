"""Certificates from files that the user names: one or more, PEM or DER. What they hold is for a worker to read."""

from __future__ import annotations

from pathlib import Path

from asn1crypto import pem

from api.cli import console
from api.cli.console import t

LARGEST = 1 << 20
"""Bytes that a file of certificates may have."""
CERTIFICATES = {None, "CERTIFICATE", "X509 CERTIFICATE"}
"""What PEM calls them; without PEM nothing has a name."""


def read_certificates(path: Path) -> list[bytes]:
    """The certificates (DER) of a file, in order, at least one. Raises CommandFailed, with status 64."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise console.usage(f"{path}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise console.usage(t(f"{path}: không phải tệp chứng thư", f"{path} is not a file of certificates"))
    found = [der for name, der in _blocks(content, path) if name in CERTIFICATES]
    if not found or not all(der.startswith(b"\x30") for der in found):
        raise console.usage(t(f"{path}: không đọc được chứng thư", f"{path}: no certificate can be read there"))
    return found


def _blocks(content: bytes, path: Path) -> list[tuple[str | None, bytes]]:
    """What stands in PEM armour, with its name; without any, all of it."""
    if not pem.detect(content):
        return [(None, content)]
    try:
        return [(name, der) for name, _, der in pem.unarmor(content, multiple=True)]
    except ValueError:
        raise console.usage(
            t(f"{path}: không đọc được chứng thư", f"{path}: no certificate can be read there")
        ) from None
