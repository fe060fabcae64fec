"""Certificates from files that the user names: one or more, PEM or DER."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.cli import console
from api.cli.console import t

LARGEST = 1 << 20
"""Bytes that a file of certificates may have."""


def read_certificates(path: Path) -> list[bytes]:
    """The certificates (DER) of a file, in order, at least one. Raises CommandFailed, with status 64."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise console.usage(f"{path}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise console.usage(t(f"{path}: không phải tệp chứng thư", f"{path} is not a file of certificates"))
    try:
        if b"-----BEGIN" in content:
            found = x509.load_pem_x509_certificates(content)
        else:
            found = [x509.load_der_x509_certificate(content)]
    except ValueError:
        raise console.usage(
            t(f"{path}: không đọc được chứng thư", f"{path}: no certificate can be read there")
        ) from None
    return [certificate.public_bytes(Encoding.DER) for certificate in found]
