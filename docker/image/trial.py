"""What the trials of image and unit bring along: homes for keepers and service with what `kyso setup` is to be answered, and a
certification authority for a day.

The authority's one list of revoked certificates is served on loopback, so that the verdict rests on all that it should.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

IN_CONTAINER, KEEPERS_IN_CONTAINER = "/var/lib/kyso", "/var/lib/kyso-keepers"
LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
_ANSWERS = """\
module = "trial"
library = "{library}"
token = "kyso-trial"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}
pin = "{pin}"
storage_kept_by = "Người giữ khóa thử"
port = {port}

[[keys]]
ref = "trial"
purpose = "documents"
algorithm = "{algorithm}"
subject = "CN=Người ký thử"
"""
_FETCH = """
[fetch]
allowed = ["127.0.0.1:{crl_port}"]
private = ["127.0.0.1:{crl_port}"]
"""
_SOFTHSM2_CONF = """\
directories.tokendir = {home}/tokens
objectstore.backend = file
slots.removable = false
"""


@dataclass(frozen=True)
class Authority:
    """A root that certifies one key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    crl_url: str

    @classmethod
    def new(cls, crl_url: str) -> Authority:
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("CA thử nghiệm một ngày")
        builder = _builder(name, name, key.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
        return cls(key, builder.add_extension(_usage(ca=True), critical=True).sign(key, hashes.SHA256()), crl_url)

    def certify(self, request: bytes) -> bytes:
        """The certificate (PEM) for a PKCS#10 request (PEM)."""
        asked = x509.load_pem_x509_csr(request)
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(self.crl_url)], None, None, None)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(asked.subject, self.certificate.subject, asked.public_key())
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(issuer_key, critical=False)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def revoked(self) -> bytes:
        """A list (DER) of nobody."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, now, now + timedelta(days=1))
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer_key, critical=False).add_extension(x509.CRLNumber(1), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def make_homes(
    home: Path,
    keepers: Path,
    *,
    port: int,
    at: str | Path = KEEPERS_IN_CONTAINER,
    pin: str = "file",
    algorithm: str = "rsa2048",
) -> None:
    """What is there before `kyso setup`: an empty home for the service; in the keepers', which they see as `at`, a token's
    empty folder, the PINs and the answers. The answers lie with the service's as well."""
    home.mkdir(mode=0o700, parents=True)
    for folder in (keepers, keepers / "tokens"):
        folder.mkdir(mode=0o700, parents=True)
    (keepers / "softhsm2.conf").write_text(_SOFTHSM2_CONF.format(home=at))
    for name in ("user.pin", "so.pin"):
        file = keepers / name
        file.touch(mode=0o600)
        file.write_text(f"{secrets.randbelow(10**8):08d}")
    for folder in (home, keepers):
        text = _ANSWERS.format(library=LIBRARY, pin=pin, port=port, algorithm=algorithm)
        (folder / "answers.toml").write_text(text)
    keepers.chmod(0o710)


def permit_crl(home: Path, *, crl_port: int) -> None:
    """Let the service, once it is set up, ask for the authority's list, which is served on loopback."""
    with (home / "kyso.toml").open("a") as file:
        file.write(_FETCH.format(crl_port=crl_port))


@contextmanager
def crl_server() -> Iterator[tuple[int, dict[str, bytes]]]:
    """A loopback HTTP server: its port, and the mapping from paths to what they give."""
    offered: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = offered.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], offered
        finally:
            server.shutdown()
            thread.join()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, ca: bool) -> x509.KeyUsage:
    signer = not ca
    return x509.KeyUsage(signer, signer, False, False, False, ca, ca, False, False)


def _builder(subject: x509.Name, issuer: x509.Name, key: object) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
