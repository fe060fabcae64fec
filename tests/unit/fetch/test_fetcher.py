"""Fetches against real servers on loopback."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.errors import FetchRefused
from api.fetch import FetchRules, HttpFetcher
from verify.fetcher import FetchFailed, FetchRequest

pytestmark = pytest.mark.spine

Answer = Callable[[socket.socket, bytes], None]


def simple(body: bytes, *, status: str = "200 OK", headers: str = "Content-Type: application/pkix-crl\r\n") -> Answer:
    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return answer


class Server:
    """Accepts on loopback, reads one request, hands the raw connection to `answer`; keeps what it was asked."""

    def __init__(self, answer: Answer, *, family: int = socket.AF_INET, tls: ssl.SSLContext | None = None) -> None:
        self.answer, self.tls = answer, tls
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1" if family == socket.AF_INET else "::1", 0), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    if not (chunk := connection.recv(65536)):
                        return
                    request += chunk
                self.requests.append(request)
                self.answer(connection, request)
        except OSError:
            pass


@contextmanager
def serving(answer: Answer, **options: object) -> Iterator[Server]:
    server = Server(answer, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)  # close alone does not wake the thread that accepts
        server.listener.close()


def fetcher_for(server: Server, *, host: str = "localhost", **rules: object) -> HttpFetcher:
    place = f"{host}:{server.port}"
    options: dict[str, object] = {"allowed": (place,), "private": (place,), "seconds": 3.0, **rules}
    return HttpFetcher(FetchRules(**options), resolver=lambda *_: ("127.0.0.1",))  # type: ignore[arg-type]


def crl(server: Server, host: str = "localhost") -> FetchRequest:
    return FetchRequest("crl", f"http://{host}:{server.port}/g2.crl?x=1")


def test_a_crl_arrives_as_it_was_sent() -> None:
    """GET with the name in the Host header; the body comes back byte by byte."""
    with serving(simple(b"0\x82crl")) as server:
        assert fetcher_for(server).fetch(crl(server)) == b"0\x82crl"
    head = server.requests[0].lower()
    assert head.startswith(b"get /g2.crl?x=1 http/1.1\r\n")
    assert f"host: localhost:{server.port}\r\n".encode() in head


def test_an_ocsp_request_is_posted_with_its_type() -> None:
    """The body arrives whole, with the type of RFC 6960."""
    with serving(simple(b"0ocsp", headers="Content-Type: application/ocsp-response\r\n")) as server:
        request = FetchRequest("ocsp", f"http://localhost:{server.port}/", b"0request")
        assert fetcher_for(server).fetch(request) == b"0ocsp"
    assert server.requests[0].startswith(b"POST / HTTP/1.1\r\n")
    assert b"Content-Type: application/ocsp-request\r\n" in server.requests[0]


def test_a_redirect_is_not_followed() -> None:
    """A 302 is a refusal, and its target hears nothing."""
    with serving(simple(b"secret")) as inner:
        there = f"Location: http://localhost:{inner.port}/\r\n"
        with serving(simple(b"", status="302 Found", headers=there)) as server:
            with pytest.raises(FetchRefused) as caught:
                fetcher_for(server, allowed=(f"localhost:{server.port}", f"localhost:{inner.port}")).fetch(crl(server))
            assert caught.value.facts["reason"] == "redirect"
        assert inner.requests == []


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_of_eleven_megabytes_is_cut_off(announced: bool) -> None:
    """More than 10 MB is refused, announced by Content-Length or not, and reading stops there."""
    sent = 0

    def flood(connection: socket.socket, _request: bytes) -> None:
        nonlocal sent
        length = f"Content-Length: {11 << 20}\r\n" if announced else "Connection: close\r\n"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())
        for _ in range(64 if not announced else 11):
            connection.sendall(bytes(1 << 20))
            sent += 1

    with serving(flood) as server:
        with pytest.raises(FetchRefused) as caught:
            fetcher_for(server).fetch(crl(server))
        assert caught.value.facts["reason"] == "answer-too-large"
        time.sleep(0.05)
    assert sent < 20


@pytest.mark.parametrize("part", ["head", "body", "nothing"])
def test_a_server_that_sends_a_byte_now_and_then_has_no_more_time_than_others(part: str) -> None:
    """The limit is for the whole fetch: drops of bytes do not prolong it, in the headers or in the body."""

    def drip(connection: socket.socket, _request: bytes) -> None:
        if part == "body":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        elif part == "head":
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):
            if part != "nothing":
                connection.sendall(b"a")
            time.sleep(0.1)

    with serving(drip) as server:
        begun = time.monotonic()
        with pytest.raises(FetchFailed) as caught:
            fetcher_for(server, seconds=0.6).fetch(crl(server))
        assert caught.value.facts["reason"] == "timeout"
        assert time.monotonic() - begun < 8


def test_timestamps_have_a_time_limit_of_their_own() -> None:
    """A slow authority is waited for although other fetches would have ended."""

    def slow(connection: socket.socket, request: bytes) -> None:
        time.sleep(0.5)
        simple(b"0token", headers="Content-Type: application/timestamp-reply\r\n")(connection, request)

    with serving(slow) as server:
        url = f"http://localhost:{server.port}/tsa"
        fetcher = fetcher_for(server, allowed=(), authorities=(url,), seconds=0.2, timestamp_seconds=5.0)
        assert fetcher.fetch(FetchRequest("timestamp", url, b"0query")) == b"0token"
        strict = fetcher_for(server, allowed=(), authorities=(url,), seconds=0.2, timestamp_seconds=0.3)
        with pytest.raises(FetchFailed) as caught:
            strict.fetch(FetchRequest("timestamp", url, b"0query"))
        assert caught.value.facts["reason"] == "timeout"


def test_a_name_that_resolves_to_loopback_is_refused() -> None:
    """An allowed public name whose address is private is not connected to, not even beside a public address."""
    with serving(simple(b"secret")) as server:
        rules = FetchRules(allowed=(f"good.test:{server.port}",))
        for addresses in (("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::ffff:127.0.0.1",), ("::1",)):
            with pytest.raises(FetchRefused) as caught:
                HttpFetcher(rules, resolver=lambda *_, found=addresses: found).fetch(crl(server, "good.test"))
            assert caught.value.facts["reason"] == "address-private"
        assert server.requests == []


def test_a_name_is_looked_up_once_and_connected_to_where_it_was_checked() -> None:
    """A resolver that answers differently the second time (DNS rebinding) is not asked a second time."""
    answers = iter([("127.0.0.1",), ("127.0.0.2",)])
    with serving(simple(b"0crl")) as server:
        place = f"good.test:{server.port}"
        fetcher = HttpFetcher(FetchRules(allowed=(place,), private=(place,)), resolver=lambda *_: next(answers))
        assert fetcher.fetch(crl(server, "good.test")) == b"0crl"
    assert next(answers) == ("127.0.0.2",)
    assert f"Host: {place}\r\n".encode() in server.requests[0]


def test_a_slow_resolver_does_not_hold_the_caller() -> None:
    """The look-up counts towards the time limit."""
    begun = time.monotonic()
    fetcher = HttpFetcher(FetchRules(allowed=("good.test",), seconds=0.3), resolver=lambda *_: time.sleep(10) or ())
    with pytest.raises(FetchFailed) as caught:
        fetcher.fetch(FetchRequest("crl", "http://good.test/"))
    assert caught.value.facts["reason"] == "timeout"
    assert time.monotonic() - begun < 8


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """`localhost` often resolves to ::1 first, where nobody listens."""
    with serving(simple(b"0crl")) as server:
        fetcher = fetcher_for(server)
        fetcher._resolver = lambda *_: ("::1", "127.0.0.1")
        assert fetcher.fetch(crl(server)) == b"0crl"


def test_ipv6_literals_work_where_they_are_configured() -> None:
    """A bracketed address is connected to and named in the Host header with its brackets."""
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    probe.close()
    with serving(simple(b"0crl"), family=socket.AF_INET6) as server:
        place = f"[::1]:{server.port}"
        fetcher = HttpFetcher(FetchRules(allowed=(place,), private=(place,)))
        assert fetcher.fetch(FetchRequest("crl", f"http://{place}/")) == b"0crl"
        assert f"Host: {place}\r\n".encode() in server.requests[0]


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTTP_PROXY variable does not divert a fetch."""
    with serving(simple(b"0crl")) as server, serving(simple(b"proxied")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert fetcher_for(server).fetch(crl(server)) == b"0crl"
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (simple(b"no", status="404 Not Found"), "status"),
        (simple(b"no", status="500 Internal Server Error"), "status"),
        (simple(b""), "empty"),
        (simple(b"<html>", headers="Content-Type: text/html; charset=utf-8\r\n"), "content-type"),
        (simple(b"\x1f\x8b", headers="Content-Encoding: gzip\r\n"), "content-encoding"),
        (lambda connection, _: connection.sendall(b"garbage\r\n\r\n"), "no-answer"),
        (lambda connection, _: None, "no-answer"),
        (lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "no-answer"),
    ],
)
def test_what_is_no_answer_is_a_failure_with_its_reason(answer: Answer, reason: str) -> None:
    """Nothing but a whole, plain 200 with a body is handed on."""
    with serving(answer) as server, pytest.raises(FetchFailed) as caught:
        fetcher_for(server).fetch(crl(server))
    assert caught.value.facts["reason"] == reason


def test_nobody_listening_is_a_failure() -> None:
    """A closed port is told at once."""
    with serving(simple(b"")) as server:
        pass
    with pytest.raises(FetchFailed) as caught:
        fetcher_for(server).fetch(crl(server))
    assert caught.value.facts["reason"] == "no-answer"


@pytest.mark.parametrize(
    "request_",
    [
        FetchRequest("crl", "http://good.test/", b"body"),
        FetchRequest("certificate", "http://good.test/", b"body"),
        FetchRequest("timestamp", "http://good.test/"),
        FetchRequest("ocsp", "http://good.test/", bytes(65_537)),
    ],
)
def test_requests_that_their_kind_does_not_make_are_refused(request_: FetchRequest) -> None:
    """A CRL is not posted, a timestamp not got, and a body is small."""
    with pytest.raises(FetchRefused):
        HttpFetcher(FetchRules(allowed=("good.test",))).fetch(request_)


def test_equal_questions_are_asked_once_in_a_while() -> None:
    """CRL and OCSP answers and certificates are remembered for their short time; timestamps never."""
    now = 0.0
    with serving(simple(b"0answer", headers="")) as server:
        place = f"localhost:{server.port}"
        rules = FetchRules(allowed=(place,), private=(place,), cache_seconds=60.0)
        fetcher = HttpFetcher(rules, resolver=lambda *_: ("127.0.0.1",), clock=lambda: now)
        url = f"http://{place}/"
        for _ in range(3):
            fetcher.fetch(FetchRequest("crl", url))
            fetcher.fetch(FetchRequest("ocsp", url, b"1"))
            fetcher.fetch(FetchRequest("certificate", url))
        fetcher.fetch(FetchRequest("ocsp", url, b"2"))
        assert len(server.requests) == 4
        for _ in range(2):
            fetcher.fetch(FetchRequest("timestamp", url, b"1"))
        assert len(server.requests) == 6
        now = 61.0
        fetcher.fetch(FetchRequest("crl", url))
        assert len(server.requests) == 7


def test_remembered_answers_are_bounded() -> None:
    """The oldest answers go when all together are too large."""
    with serving(simple(bytes(range(256)) * 40)) as server:
        fetcher = fetcher_for(server, cache_bytes=25_000)
        for number in (1, 2, 3, 3, 1):
            fetcher.fetch(FetchRequest("crl", f"http://localhost:{server.port}/{number}"))
        assert [request.split(b" ")[1] for request in server.requests] == [b"/1", b"/2", b"/3", b"/1"]


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts of a server called `name`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())


def test_over_tls_the_name_is_checked_though_the_address_is_pinned(tmp_path: Path) -> None:
    """The server hears the name (SNI), and a certificate of another name is refused."""
    server_side, client_side = certificate_for("good.test", tmp_path)
    heard: list[str | None] = []
    server_side.sni_callback = lambda _socket, name, _context: heard.append(name)
    with serving(simple(b"0crl"), tls=server_side) as server:
        for name, works in (("good.test", True), ("other.test", False)):
            place = f"{name}:{server.port}"
            fetcher = HttpFetcher(
                FetchRules(allowed=(place,), private=(place,)),
                resolver=lambda *_: ("127.0.0.1",),
                tls=lambda: client_side,
            )
            request = FetchRequest("crl", f"https://{place}/")
            if works:
                assert fetcher.fetch(request) == b"0crl"
            else:
                with pytest.raises(FetchFailed) as caught:
                    fetcher.fetch(request)
                assert caught.value.facts["reason"] == "no-answer"
    assert heard == ["good.test", "other.test"]
