"""An appliance as it serves at an address of this machine's own, over HTTP or its own TLS: the supervisor and all that it
starts, in a KYSO_HOME that the demo has set up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from tests.appliance import ENDS_WITHIN, ROOT, STARTS_WITHIN
from tests.pki import NOW, Authority

COMMAND = (sys.executable, "-c", "from api.cli import main; main(['serve'])")


@contextmanager
def served(home: Path, *, address: str, port: int, tls: Path | None = None) -> Iterator[str]:
    """Where it answers. `tls` is a folder with certificate.pem and key.pem."""
    scheme = "http" if tls is None else "https"
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_PORT": str(port), "KYSO_SERVER__HOST": address}
    if tls is not None:
        environment |= {
            "KYSO_SERVER__TLS_CERTIFICATE": str(tls / "certificate.pem"),
            "KYSO_SERVER__TLS_KEY": str(tls / "key.pem"),
        }
    with (home / "log" / "thin-line.log").open("ab") as log:
        service = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        where = f"{scheme}://{address}:{port}"
        _wait(where, service)
        yield where
    finally:
        service.terminate()
        try:
            service.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()


def _wait(where: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    with httpx.Client(verify=False, timeout=10) as client:
        while time.monotonic() < deadline and service.poll() is None:
            try:
                if client.get(f"{where}/health/ready").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise RuntimeError(f"the appliance did not get ready at {where}")


def identity(folder: Path, *, address: str) -> str:
    """A server's certificate for an address, with the authority's above it as real ones have, and its key, in a folder;
    the digest of its public key, by which a browser may take it as it is."""
    authority = Authority.root("Thin line root (demo)").authority("Thin line CA (demo)")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    certificate = (
        x509.CertificateBuilder(authority.certificate.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + authority.pem)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(sha256(public).digest()).decode()
