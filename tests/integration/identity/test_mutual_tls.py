"""The whole service behind TLS that knows clients: certificates from openssl, callers by the rules, and none without."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from api import tls
from api.identity.peers import showing
from tests.http_support import House, house
from tests.identity_support import Clients

pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return Clients(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, clients: Clients) -> Iterator[tuple[House, str]]:
    """A service with `tls_client = "required"`, composed from its settings as `api.serve` does it."""
    rules = [
        {"subject": "CN=van-thu,O=Xã Mẫu (demo),C=VN", "role": "client", "keys": ["seal"], "whole_appliance": True}
    ]
    server = {
        "tls_certificate": clients.server_certificate,
        "tls_key": clients.server_key,
        "tls_client": "required",
        "tls_client_ca": clients.ca,
        "tls_client_crl": clients.revoke(),
    }
    home = house(tmp_path_factory.mktemp("home"), server=server, identity={"certificates": rules})
    identity = tls.of(home.services.settings)
    assert identity is not None
    config = uvicorn.Config(
        home.app,
        loop="uvloop",
        http=showing(identity),
        ws="none",
        log_config=None,
        ssl_context_factory=lambda *_: identity.listening(),
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        yield home, f"https://localhost:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join()


def client(clients: Clients, *certificate: Path, url: str) -> httpx.Client:
    context = ssl.create_default_context(cafile=clients.server_ca)
    if certificate:
        context.load_cert_chain(*certificate)
    return httpx.Client(base_url=url, verify=context, timeout=20)


def test_a_certificate_made_by_openssl_signs(served: tuple[House, str], clients: Clients, tmp_path: Path) -> None:
    """A backend with a key and certificate of openssl's making is the caller of its rule, on one connection or many."""
    _, url = served
    (tmp_path / "ca.key").write_bytes(private(clients))
    subprocess.run(
        [
            *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8"),
            *("-keyout", tmp_path / "c.key", "-out", tmp_path / "c.csr", "-subj", "/C=VN/O=Xã Mẫu (demo)/CN=van-thu"),
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [
            *("openssl", "x509", "-req", "-in", tmp_path / "c.csr", "-CA", clients.ca, "-CAkey", tmp_path / "ca.key"),
            *("-days", "1", "-out", tmp_path / "c.pem"),
        ],
        check=True,
        capture_output=True,
    )
    with client(clients, tmp_path / "c.pem", tmp_path / "c.key", url=url) as backend:
        for _ in range(3):
            assert ["seal"] == [key["ref"] for key in backend.get("/v1/keys").raise_for_status().json()]
        assert 403 == backend.get("/v1/audit").status_code


def test_without_a_certificate_only_health_answers(served: tuple[House, str], clients: Clients) -> None:
    """Also with a good API key, and whatever a header says."""
    home, url = served
    with client(clients, url=url) as stranger:
        assert 401 != stranger.get("/health/alive").status_code
        for headers in (
            {},
            {"Authorization": f"Bearer {home.secrets['administrator']}"},
            {"Client-Cert": ":AAAA:", "X-SSL-Client-Verify": "SUCCESS"},
        ):
            answer = stranger.get("/v1/keys", headers=headers)
            assert (401, "client-certificate-required") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("kind", ["expired", "stranger"])
def test_a_bad_certificate_does_not_reach_the_service(served: tuple[House, str], clients: Clients, kind: str) -> None:
    """The handshake ends; the service goes on."""
    _, url = served
    with client(clients, *clients.bad(kind), url=url) as stranger, pytest.raises(httpx.TransportError):
        stranger.get("/v1/keys")


def private(clients: Clients) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return clients.authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
