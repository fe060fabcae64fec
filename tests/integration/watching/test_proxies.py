"""Proxies on both sides, real ones: a forward proxy before timestamp authorities, nginx before Kyso at a path of its own."""

from __future__ import annotations

import base64
import selectors
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from api.errors import FetchRefused
from api.fetch import FetchRules, HttpFetcher
from api.fetch.outward import outward
from api.settings import Settings, SettingsUnusable
from tests.http_support import house
from verify.fetcher import FetchFailed, FetchRequest

pytestmark = pytest.mark.appliance

CREDENTIALS = "kyso:kanari-proxy"


@dataclass
class Proxy:
    """A forward proxy: absolute-form and CONNECT, to 127.0.0.1 whatever the name, with a password."""

    port: int = 0
    target: int = 0
    seen: list[str] = field(default_factory=list)


@contextmanager
def forward_proxy(target: int) -> Iterator[Proxy]:
    found = Proxy(target=target)
    expected = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def _allowed(self) -> bool:
            found.seen.append(f"{self.command} {self.path}")
            if self.headers.get("Proxy-Authorization") == expected:
                return True
            self.send_error(407)
            return False

        def do_POST(self) -> None:
            if self._allowed():
                body = self.rfile.read(int(self.headers["Content-Length"]))
                path = "/" + self.path.split("/", 3)[3]
                answer = httpx.post(f"http://127.0.0.1:{found.target}{path}", content=body)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

        def do_CONNECT(self) -> None:
            if not self._allowed():
                return
            with socket.create_connection(("127.0.0.1", found.target)) as behind:
                self.send_response(200)
                self.end_headers()
                with selectors.DefaultSelector() as ends:
                    ends.register(self.connection, selectors.EVENT_READ, behind)
                    ends.register(behind, selectors.EVENT_READ, self.connection)
                    while ready := ends.select(5):
                        for one, _ in ready:
                            data = one.fileobj.recv(65536)
                            if not data:
                                return
                            one.data.sendall(data)

        def log_message(self, *_: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        found.port = port
        yield found


@contextmanager
def authority(*, tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """Answers every POST with what it was asked, backwards."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[::-1])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server) as port:
        yield port


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetcher(home: Path, url: str, **fetch: object) -> HttpFetcher:
    (home / "proxy").write_text(CREDENTIALS)
    (home / "proxy").chmod(0o600)
    settings = Settings(home=home, fetch=fetch)
    return HttpFetcher(FetchRules(authorities=(url,), seconds=5, timestamp_seconds=5), outward=outward(settings))


def test_timestamps_go_by_the_proxy_with_its_password(tmp_path: Path):
    """http in absolute form; the name is the proxy's to look up, and need not exist here."""
    url = "http://tsa.example.vn/tsa"
    with authority() as port, forward_proxy(port) as proxy:
        chosen = {"proxy": f"http://127.0.0.1:{proxy.port}", "proxy_credentials_file": "proxy"}
        assert b"cba" == fetcher(tmp_path, url, **chosen).fetch(FetchRequest("timestamp", url, b"abc"))
        assert ["POST http://tsa.example.vn:80/tsa"] == proxy.seen
        with pytest.raises(FetchFailed):  # without the password
            fetcher(tmp_path, url, proxy=chosen["proxy"]).fetch(FetchRequest("timestamp", url, b"abc"))


def test_https_goes_through_the_proxy_by_connect_and_a_private_ca_is_believed(tmp_path: Path):
    """The certificate is checked for the authority's name, end to end; without the CA nobody is believed."""
    certificate, key = _self_signed(tmp_path, "tsa.noi-bo.vn")
    url = "https://tsa.noi-bo.vn/tsa"
    with authority(tls=(certificate, key)) as port, forward_proxy(port) as proxy:
        chosen = {"proxy": f"http://127.0.0.1:{proxy.port}", "proxy_credentials_file": "proxy"}
        trusting = fetcher(tmp_path, url, ca_file=certificate, **chosen)
        assert b"cba" == trusting.fetch(FetchRequest("timestamp", url, b"abc"))
        assert ["CONNECT tsa.noi-bo.vn:443"] == proxy.seen
        with pytest.raises(FetchFailed):
            fetcher(tmp_path, url, **chosen).fetch(FetchRequest("timestamp", url, b"abc"))


def test_each_scheme_has_its_proxy_and_some_hosts_have_none(tmp_path: Path):
    """`direct` and `no_proxy` go without; what is direct is checked as ever, so that a private address is refused."""
    url = "http://localhost:9/tsa"
    for chosen in ({"proxy": "http://127.0.0.1:1", "no_proxy": ("localhost",)}, {"proxy_http": "direct"}):
        with pytest.raises(FetchRefused) as refused:
            fetcher(tmp_path, url, **chosen).fetch(FetchRequest("timestamp", url, b"abc"))
        assert "address-private" == refused.value.facts["reason"]


def test_a_proxy_is_no_way_to_private_addresses_in_numbers(tmp_path: Path):
    """What can be known before the proxy looks names up is refused here."""
    url = "http://169.254.169.254/latest"
    with pytest.raises(FetchRefused):
        fetcher(tmp_path, url, proxy="http://127.0.0.1:1").fetch(FetchRequest("timestamp", url, b"abc"))


def test_a_password_that_others_can_read_or_a_missing_ca_stops_the_start(tmp_path: Path):
    """The message names the file and never what is in it."""
    (tmp_path / "proxy").write_text(CREDENTIALS)
    (tmp_path / "proxy").chmod(0o644)
    for chosen in ({"proxy_credentials_file": "proxy"}, {"ca_file": "none.pem"}):
        with pytest.raises(SettingsUnusable) as caught:
            outward(Settings(home=tmp_path, fetch=chosen))
        assert "kanari" not in str(caught.value)


def _self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a server's name, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate, key = folder / "tsa.pem", folder / "tsa.key"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /kyso/ {{
      proxy_pass http://127.0.0.1:{behind}/;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"""


def test_behind_nginx_at_a_path_of_its_own_everything_points_back_there(tmp_path: Path):
    """A signature is made, found by its `document`, and the page's parts load, all below /kyso and as if over TLS."""
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("nginx is not installed")
    server = {"root_path": "/kyso", "trusted_proxies": ("127.0.0.1/32",), "allowed_hosts": ("ky.example.vn",)}
    found = house(tmp_path / "home", server=server)
    behind, front = _free_port(), _free_port()
    config = uvicorn.Config(found.app, port=behind, log_level="error", proxy_headers=False, lifespan="off")
    service = uvicorn.Server(config)
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    folder = tmp_path / "nginx"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=front, behind=behind))
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"])
    try:
        _wait_for(behind)
        _wait_for(front)
        headers = {"Authorization": f"Bearer {found.secrets['client']}", "Host": "ky.example.vn"}
        with httpx.Client(base_url=f"http://127.0.0.1:{front}", headers=headers, timeout=30) as client:
            keys = client.get("/kyso/v1/keys")
            assert 200 == keys.status_code, keys.text
            assert "max-age" in keys.headers["strict-transport-security"]
            page = client.get("/kyso/", headers={"Accept": "text/html"}).text
            assert 'href="/kyso/page.css"' in page
            assert 200 == client.get("/kyso/page.css").status_code
            assert 421 == client.get("/kyso/v1/keys", headers={"Host": "evil.example"}).status_code
            assert [{"url": "/kyso"}] == client.get("/kyso/openapi.json").json()["servers"]
            session = client.post("/kyso/audit/session", data={"api_key": found.secrets["auditor"]})
            assert session.headers["location"].startswith("/kyso/audit")
            assert "Secure" in session.headers["set-cookie"]
    finally:
        nginx.terminate()
        nginx.wait(10)
        service.should_exit = True
        thread.join(10)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
