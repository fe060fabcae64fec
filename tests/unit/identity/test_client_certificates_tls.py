"""Certificates of clients on real TLS sockets: who gets through the handshake, and how long a certificate counts."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn

from api import tls
from api.identity.peers import showing
from tests.identity_support import Clients

pytestmark = pytest.mark.appliance


async def application(scope, _receive, send) -> None:
    """Answers what it is told of the client's certificate."""
    told = scope.get("extensions", {}).get("tls")
    body = json.dumps(told and {"chain": list(told["client_cert_chain"]), "error": told["client_cert_error"]}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Server:
    """A server that knows clients, the files it reads, and the clock by which it looks at them."""

    clients: Clients
    clock: Clock = field(default_factory=Clock)
    port: int = 0

    def connect(
        self, *certificate: Path, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.clients.server_ca)
        context.maximum_version = newest
        if certificate:
            context.load_cert_chain(*certificate)
        return http.client.HTTPSConnection("localhost", self.port, context=context, timeout=10)

    def told(self, *certificate: Path, **more):
        connection = self.connect(*certificate, **more)
        try:
            return ask(connection)[0]
        finally:
            connection.close()


def ask(connection: http.client.HTTPSConnection):
    """What the application was told, and whether the connection stays."""
    connection.request("GET", "/")
    answer = connection.getresponse()
    return json.loads(answer.read()), not answer.will_close


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    clients = Clients(tmp_path)
    crl = clients.revoke() if getattr(request, "param", "") == "crl" else None
    made = Server(clients)
    known = tls.Clients(clients.ca, crl)
    identity = tls.Identity(clients.server_certificate, clients.server_key, clients=known, monotonic=made.clock)
    listener = socket.create_server(("127.0.0.1", 0))
    made.port = listener.getsockname()[1]
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=showing(identity),
        ws="none",
        lifespan="off",
        log_config=None,
        ssl_context_factory=lambda *_: identity.listening(),
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield made
    running.should_exit = True
    thread.join()


def test_a_verified_certificate_stands_in_the_scope(server: Server) -> None:
    """The application gets the client's certificate as ASGI's TLS extension has it; who shows none is told apart."""
    an = server.clients.issue("an")
    told = server.told(*an)
    assert an[0].read_text().strip() == told["chain"][0].strip()
    assert server.told() is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["expired", "future", "stranger", "self-signed", "for-servers"])
def test_a_certificate_that_does_not_verify_ends_the_handshake(server: Server, kind: str, version) -> None:
    """Expired, not yet valid, of another CA, self-signed, or for servers alone: none of them reaches HTTP."""
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        server.told(*server.clients.bad(kind), newest=version)
    assert server.told() is None  # the server lives


@pytest.mark.parametrize("server", ["crl"], indirect=True)
def test_a_revoked_certificate_ends_the_handshake(server: Server) -> None:
    """With a CRL given, revoked is refused and others pass; a CRL whose time is over lets nobody in."""
    an, binh = server.clients.issue("an"), server.clients.issue("binh")
    assert server.told(*an)["chain"]
    server.clients.revoke(an[0])
    server.clock.now += 6
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.told(*an)
    assert server.told(*binh)["chain"]
    server.clients.revoke(until=datetime.now(UTC) - timedelta(minutes=1))
    server.clock.now += 6
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.told(*binh)


@pytest.mark.parametrize("server", ["crl"], indirect=True)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_revoked_client_does_not_come_back_by_resuming_its_session(server: Server, version) -> None:
    """Resumption skips the verification, so a session from before the renewed CRL must not be resumed."""
    an = server.clients.issue("an")
    context = ssl.create_default_context(cafile=server.clients.server_ca)
    context.maximum_version = version
    context.load_cert_chain(*an)

    def greet(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            socket.create_connection(("localhost", server.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("no answer")
            return connection.session

    session = greet(None)
    server.clients.revoke(an[0])
    server.clock.now += 6
    with pytest.raises((ssl.SSLError, ConnectionError)):
        greet(session)


def test_renewed_cas_count_at_once_and_end_what_stood(server: Server) -> None:
    """A connection from before the CAs were replaced shows no certificate any more, is told why, and ends."""
    an = server.clients.issue("an")
    standing = server.connect(*an)
    told, stays = ask(standing)
    assert (True, True) == (bool(told["chain"]), stays)
    server.clients.replace_ca()
    server.clock.now += 6
    told, stays = ask(standing)
    assert ([], "stale", False) == (told["chain"], told["error"], stays)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.told(*an)
    assert server.told(*server.clients.issue("binh"))["chain"]


def test_a_ca_file_that_cannot_be_read_leaves_the_former(server: Server) -> None:
    """A slip while the file is renewed locks nobody out and lets nobody in."""
    an = server.clients.issue("an")
    server.clients.ca.write_text("not a certificate")
    server.clock.now += 6
    assert server.told(*an)["chain"]
