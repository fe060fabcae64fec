"""TLS of the server: its least version, certificates renewed while it serves, and what a bad renewal must not do."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from api import probe, settings, tls
from api.protocol import Bounded

pytestmark = [pytest.mark.appliance, pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")]


async def application(scope, _receive, send) -> None:
    """Answers 200 with the scheme."""
    body = scope["scheme"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def write_identity(folder: Path, name: str, *, kind: str = "ec", password: bytes | None = None) -> None:
    """A self-signed certificate called `name` and its key, in place of former ones."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    protection = NoEncryption() if password is None else BestAvailableEncryption(password)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


@dataclass
class Clock:
    """A monotonic clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Server:
    """A server with its files, and the clock by which it looks at them."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    port: int = 0

    def greet(self, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, name: str | None = None) -> tuple[str, str]:
        """Version and subject's common name that a client meets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as connection,
        ):
            der = connection.getpeercert(binary_form=True)
            return connection.version(), x509.load_der_x509_certificate(der).subject.rfc4514_string()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """uvicorn with the event loop and the protocol of the service, and TLS as it sets it up."""
    write_identity(tmp_path, "first")
    made = Server(tmp_path)
    identity = tls.Identity(tmp_path / "certificate.pem", tmp_path / "key.pem", monotonic=made.clock)
    config = uvicorn.Config(
        application,
        http=Bounded,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        ssl_context_factory=lambda *_: identity.listening(),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    made.port = listener.getsockname()[1]
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield made
    running.should_exit = True
    thread.join()


@pytest.mark.parametrize("name", ["ky.example.gov.vn", None], ids=["with a name", "without"])
def test_tls_1_3_and_1_2_are_spoken(server: Server, name: str | None):
    """Newer clients get 1.3, older ones 1.2, with and without a server name."""
    assert ("TLSv1.3", "CN=first") == server.greet(name=name)
    assert ("TLSv1.2", "CN=first") == server.greet(newest=ssl.TLSVersion.TLSv1_2, name=name)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_nothing_older_is_spoken(server: Server, newest: ssl.TLSVersion):
    """TLS 1.0 and 1.1 end in an alert."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.greet(newest=newest)


def test_the_probe_asks_over_tls(server: Server):
    """The supervisor and a container's engine see that the service answers, whatever its certificate; plain HTTP does not."""
    assert probe.answers("127.0.0.1", server.port, tls=True)
    assert not probe.answers("127.0.0.1", server.port)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_renewed_certificate_counts_without_a_restart(server: Server, kind: str):
    """New connections meet the new certificate seconds later, also one with a key of another kind."""
    server.greet()
    write_identity(server.folder, "second", kind=kind)
    assert "CN=first" == server.greet()[1]  # the files are not looked at again so soon
    server.clock.now += tls.LOOK_EVERY
    assert "CN=second" == server.greet()[1]
    assert "CN=second" == server.greet(newest=ssl.TLSVersion.TLSv1_2)[1]


@pytest.mark.parametrize("damage", ["half written", "another's key", "gone", "key with a password"])
def test_a_bad_renewal_leaves_the_former_certificate(server: Server, damage: str, caplog: pytest.LogCaptureFixture):
    """Whatever lies in the files, the service goes on as before; once the files are right, they count."""
    match damage:
        case "half written":
            (server.folder / "certificate.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB")
        case "another's key":
            former = (server.folder / "certificate.pem").read_bytes()
            write_identity(server.folder, "other")
            (server.folder / "certificate.pem").write_bytes(former)
        case "gone":
            (server.folder / "key.pem").unlink()
        case _:
            write_identity(server.folder, "second", password=b"secret")
    server.clock.now += tls.LOOK_EVERY
    assert "CN=first" == server.greet()[1]
    write_identity(server.folder, "third")
    server.clock.now += tls.LOOK_EVERY
    assert "CN=third" == server.greet()[1]


def test_certificate_and_key_go_together(tmp_path: Path):
    """One without the other is a slip of the pen, not plain HTTP."""
    (tmp_path / "kyso.toml").write_text('[server]\ntls_certificate = "certificate.pem"\n')
    with pytest.raises(settings.SettingsUnusable, match="go together"):
        settings.load(tmp_path)


def test_paths_are_relative_to_home(tmp_path: Path):
    """Files below KYSO_HOME by their short names, others by their whole paths."""
    (tmp_path / "kyso.toml").write_text('[server]\ntls_certificate = "tls/c.pem"\ntls_key = "/etc/kyso/k.pem"\n')
    assert (tmp_path / "tls/c.pem", Path("/etc/kyso/k.pem")) == settings.load(tmp_path).tls_files
