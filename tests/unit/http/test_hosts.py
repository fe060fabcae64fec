"""The Host header: names of the service pass, others are refused before anything is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.hosts import Hosts
from api.settings import load
from tests.http_support import House, house

pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> House:
    return house(tmp_path_factory.mktemp("hosts") / "home")


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"localhost:8080", b"LOCALHOST", b"127.0.0.1:8080", b"10.1.2.3", b"[::1]:8080", b"ky.example", b"ky.example.",
     b"a.b.noi-bo.example"],
)  # fmt: skip
def test_names_of_the_service_pass(host: bytes):
    """Loopback, addresses in numbers, and what the operator named, in any case and with any port."""
    assert Hosts(("ky.example", ".noi-bo.example")).serves(host)


@pytest.mark.parametrize(
    "host",
    [b"evil.example", b"ky.example.evil.example", b"xky.example", b"noi-bo.example", b"", b"ky.example:port", b"ky.example/x",
     b"user@ky.example", b"ky.example, evil.example", b"localhost\x00", "ký.example".encode(), b"a" * 5000, b"[::1", b"1.2.3.4.5"],
)  # fmt: skip
def test_any_other_name_is_refused(host: bytes):
    """Names that a stranger made up, also ones that look alike."""
    assert not Hosts(("ky.example", ".noi-bo.example")).serves(host)


@pytest.mark.parametrize("path", ["/", "/health/alive", "/v1/keys", "/nothing-here"])
def test_a_rebound_name_gets_nothing(home: House, path: str):
    """A page under its own name, led to this address, learns nothing: 421 with a code, whatever it asks for."""
    answer = home.ask("GET", path, headers={"Host": "evil.example"})
    assert (421, "host-not-served") == (answer.status_code, answer.json()["code"])
    assert "evil.example" not in answer.text


def test_the_refused_body_is_not_read(home: House):
    """Nothing of an upload is kept for a host that is not served."""
    answer = home.ask("POST", "/v1/verifications", headers={"Host": "evil.example"}, files={"document": b"x"})
    assert 421 == answer.status_code


def test_a_request_names_exactly_one_host(home: House):
    """RFC 9112 §3.2: none or several are 400."""
    hosts = Hosts(())
    scope = {"http_version": "1.1", "headers": []}
    assert "request-invalid" == hosts.refusal(scope).code
    scope["headers"] = [(b"host", b"localhost"), (b"host", b"localhost")]
    assert "request-invalid" == hosts.refusal(scope).code
    assert hosts.refusal({"http_version": "1.0", "headers": []}) is None


def test_the_origin_and_allowed_hosts_are_the_names(tmp_path: Path):
    """`[server] origin` names the service already; further names stand in `allowed_hosts`."""
    (tmp_path / "kyso.toml").write_text(
        '[server]\norigin = "https://Ky.Example.gov.vn:8443"\nallowed_hosts = ["noi-bo.example"]\n'
    )
    hosts = Hosts(load(tmp_path).served_hosts)
    assert hosts.serves(b"ky.example.gov.vn")
    assert hosts.serves(b"noi-bo.example:8080")
    assert not hosts.serves(b"example.gov.vn")


def test_strict_transport_security_over_tls_alone(home: House):
    """Over plain HTTP the header would be noise that browsers must ignore (RFC 6797 §8.1)."""
    assert "strict-transport-security" not in home.ask("GET", "/health/alive").headers
    assert "max-age=" in home.ask("GET", "https://localhost/health/alive").headers["strict-transport-security"]
