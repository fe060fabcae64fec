"""Certificates of clients as callers: by digest, subject or name, from the handshake or a trusted proxy, from none else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509

from api.settings import Settings
from api.store import callers
from tests.http_support import House, house
from tests.identity_support import Clients
from tests.oidc_support import AUDIENCE, Provider, provider

pytestmark = pytest.mark.appliance
PROXY, STRANGER = "10.9.8.7", "203.0.113.5"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return Clients(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def op() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, clients: Clients, op: Provider) -> House:
    an = clients.issue("an")[0]
    names = x509.SubjectAlternativeName([x509.DNSName("backend.xa-mau.example")])
    clients.issue("named", names=names)
    clients.issue("binh")
    clients.issue("nobody")
    rules = [
        {"sha256": hashlib.sha256(der(an)).hexdigest(), "role": "auditor", "whole_appliance": True},
        {"subject": "CN=binh,O=Xã Mẫu (demo),C=VN", "role": "client", "keys": ["seal"], "organisation": "xa-mau"},
        {"san": "dns:backend.xa-mau.example", "role": "client", "keys": ["seal*"], "whole_appliance": True},
    ]
    when = [{"claim": "groups", "is": ["a"]}]
    issuer = {
        "issuer": op.url,
        "audience": [AUDIENCE],
        "grants": [{"when": when, "role": "auditor", "whole_appliance": True}],
    }
    return house(
        tmp_path_factory.mktemp("home"),
        identity={"certificates": rules, "certificate_header": "Client-Cert", "issuers": {"tinh": issuer}},
        server={"origin": "https://ky.demo.test", "trusted_proxies": [PROXY]},
    )


def der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def ask(
    home: House,
    path: str = "/v1/keys",
    *,
    certificate: Path | None = None,
    error: str | None = None,
    peer: str = STRANGER,
    method: str = "GET",
    **headers: str,
) -> httpx.Response:
    """A request over a connection that has shown this certificate, or none."""
    told = {"client_cert_chain": () if certificate is None else (certificate.read_text(),), "client_cert_error": error}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await home.app({**scope, "extensions": {"tls": told}}, receive, send)

    async def ask_() -> httpx.Response:
        transport = httpx.ASGITransport(application, raise_app_exceptions=False, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
            return await client.request(
                method, path, headers={name.replace("_", "-"): v for name, v in headers.items()}
            )

    return asyncio.run(ask_())


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def file(clients: Clients, name: str) -> Path:
    return clients.folder / f"{name}.pem"


def test_a_certificate_is_a_caller_by_digest_subject_or_name(home: House, clients: Clients) -> None:
    """Each rule gives what it says; a certificate that no rule names is proved and gets nothing."""
    assert 200 == ask(home, "/v1/audit", certificate=file(clients, "an")).status_code
    assert 403 == ask(home, "/v1/audit", certificate=file(clients, "binh")).status_code
    assert ["seal"] == [key["ref"] for key in ask(home, certificate=file(clients, "named")).json()]
    assert (403, "identity-not-mapped") == code(ask(home, certificate=file(clients, "nobody")))
    assert (401, "not-authenticated") == code(ask(home))


def test_a_renewed_certificate_goes_on_by_its_name_and_not_by_its_digest(home: House, clients: Clients) -> None:
    """The same subject under the same CA is the same caller; another digest is nobody."""
    an, binh = file(clients, "an").read_text(), file(clients, "binh").read_text()
    clients.issue("an")
    clients.issue("binh")
    assert (403, "identity-not-mapped") == code(ask(home, certificate=file(clients, "an")))
    assert 200 == ask(home, certificate=file(clients, "binh")).status_code
    file(clients, "an").write_text(an)
    file(clients, "binh").write_text(binh)


def test_a_certificate_that_expired_meanwhile_is_refused(home: House, clients: Clients) -> None:
    """A connection may outlive the certificate that was shown on it."""
    way = home.services.entrance.all[-1]
    way._now = lambda: datetime.now(UTC) + timedelta(days=2)
    try:
        assert (401, "client-certificate-required") == code(ask(home, certificate=file(clients, "an")))
    finally:
        way._now = lambda: datetime.now(UTC)


def test_a_stale_connection_must_be_made_anew(home: House) -> None:
    """After the CAs or CRLs were replaced, with a code that says what to do."""
    assert (401, "client-certificate-stale") == code(ask(home, error="stale"))


def test_a_header_is_believed_from_a_trusted_proxy_alone(home: House, clients: Clients) -> None:
    """RFC 9440 and escaped PEM from the proxy; the very same from anybody else is as if it were not there."""
    an = file(clients, "an")
    forms = (f":{base64.b64encode(der(an)).decode()}:", quote(an.read_text()))
    for value in forms:
        assert 200 == ask(home, "/v1/audit", peer=PROXY, Client_Cert=value).status_code
        assert (401, "not-authenticated") == code(ask(home, "/v1/audit", peer=STRANGER, Client_Cert=value))
        assert (401, "not-authenticated") == code(
            ask(home, "/v1/audit", peer=STRANGER, Client_Cert=value, X_Forwarded_For=PROXY, Forwarded=f"for={PROXY}")
        )


def test_who_the_proxy_speaks_for_does_not_matter(home: House, clients: Clients) -> None:
    """The address in X-Forwarded-For is the client's; it is the proxy at the other end that is believed."""
    value = f":{base64.b64encode(der(file(clients, 'an'))).decode()}:"
    answer = ask(home, "/v1/audit", peer=PROXY, Client_Cert=value, X_Forwarded_For=STRANGER)
    assert 200 == answer.status_code


def test_a_proxys_own_certificate_is_not_its_clients(home: House, clients: Clients) -> None:
    """A proxy that shows a certificate itself and hands none on speaks for nobody."""
    assert (401, "not-authenticated") == code(ask(home, "/v1/audit", peer=PROXY, certificate=file(clients, "an")))


@pytest.mark.parametrize(
    "value", ["x", "::", ":AAAA:", ":%%%:", "-----BEGIN CERTIFICATE-----", ":" + "A" * 20_000 + ":"]
)
def test_a_broken_header_is_refused(home: House, value: str) -> None:
    """What a proxy writes that is no certificate."""
    assert 401 == ask(home, peer=PROXY, Client_Cert=value).status_code


def test_pages_of_others_do_nothing_with_a_browsers_certificate(home: House, clients: Clients) -> None:
    """A browser shows it to whatever page asks: a change that another site asked for is refused, a program passes."""
    an = file(clients, "an")
    for foreign in ({"Origin": "https://evil.test"}, {"Sec_Fetch_Site": "cross-site"}):
        answer = ask(home, "/v1/logins/x", certificate=an, method="DELETE", **foreign)
        assert (403, "csrf-refused") == code(answer)
    assert (403, "not-permitted") == code(ask(home, "/v1/logins/x", certificate=an, method="DELETE"))
    own = {"Origin": "https://ky.demo.test", "Sec_Fetch_Site": "same-origin"}
    assert (403, "not-permitted") == code(ask(home, "/v1/logins/x", certificate=an, method="DELETE", **own))


def test_what_is_said_by_authorization_comes_first(home: House, clients: Clients) -> None:
    """A bad API key or token is refused and does not fall back on the certificate beside it."""
    an = file(clients, "an")
    assert 200 == ask(home, "/v1/audit", certificate=an).status_code
    for bad in ("Bearer kyso_000000000000_" + "0" * 48, "Bearer a.b.c", "Basic eDp5", "Bearer "):
        assert 401 == ask(home, "/v1/audit", certificate=an, Authorization=bad).status_code
    assert 401 == ask(home, "/v1/audit", certificate=an, Cookie="__Host-kyso=x").status_code


def test_a_bound_token_counts_beside_its_certificate_alone(home: House, clients: Clients, op: Provider) -> None:
    """RFC 8705: with another certificate, or with none, it is refused, also once it is remembered."""
    an, binh = file(clients, "an"), file(clients, "binh")
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der(an)).digest()).rstrip(b"=").decode()
    token = f"Bearer {op.token(groups=['a'], cnf={'x5t#S256': thumbprint})}"
    for _ in range(2):
        assert (401, "token-not-bound") == code(ask(home, certificate=binh, Authorization=token))
        assert (401, "token-not-bound") == code(ask(home, Authorization=token))
        assert 200 == ask(home, certificate=an, Authorization=token).status_code


def test_a_registered_caller_by_certificate_can_be_revoked(tmp_path: Path, clients: Clients) -> None:
    """A rule names a caller of the database: what is registered of it counts, until it is revoked."""
    first = house(tmp_path)
    caller = first.callers["client"]
    rules = [{"subject": "CN=an,O=Xã Mẫu (demo),C=VN", "caller": caller.id}]
    (tmp_path / "tls").mkdir()
    server = {"tls_client": "required", "tls_client_ca": "ca", "tls_certificate": "c", "tls_key": "k"}
    second = house(tmp_path, identity={"certificates": rules}, server=server)
    assert 200 == ask(second, certificate=file(clients, "an")).status_code
    second.services.database.write(callers.revoke, caller.id)
    second.services.entrance.all[-1]._known.clear()
    assert 401 == ask(second, certificate=file(clients, "an")).status_code
    # and with `required` nothing but /health answers without one
    assert (401, "client-certificate-required") == code(ask(second, "/docs"))
    assert (401, "client-certificate-required") == code(
        ask(second, Authorization=f"Bearer {second.secrets['auditor']}")
    )
    assert 401 != ask(second, "/health/alive").status_code


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"identity": {"certificates": [{"sha256": "0" * 64, "role": "client", "whole_appliance": True}]}},
            "tls_client",
        ),
        ({"identity": {"certificate_header": "Client-Cert"}}, "trusted_proxies"),
        ({"server": {"tls_client": "optional"}}, "tls_client_ca"),
        ({"identity": {"certificates": [{"sha256": "0" * 64, "role": "client"}]}}, "whole_appliance"),
        ({"identity": {"certificates": [{"role": "client", "whole_appliance": True}]}}, "exactly one"),
        ({"identity": {"certificates": [{"subject": "CN=a", "caller": "0" * 12, "keys": ["*"]}]}}, "brings its own"),
        ({"identity": {"issuers": {"a": {"issuer": "http://sso.test", "audience": ["x"]}}}}, "https"),
        ({"identity": {"issuers": {"a": {"issuer": "https://sso.test", "audience": []}}}}, "audience"),
        (
            {"identity": {"issuers": {"a": {"issuer": "https://s.test", "audience": ["x"], "algorithms": ["HS256"]}}}},
            "algorithms",
        ),
        (
            {"identity": {"issuers": {"a": {"issuer": "https://s.test", "audience": ["x"], "algorithms": ["none"]}}}},
            "algorithms",
        ),
        (
            {
                "server": {"origin": "https://k.test"},
                "identity": {
                    "issuers": {"a": {"issuer": "https://s.test", "audience": ["x"], "login": {"client_id": "x"}}}
                },
            },
            "ID token",
        ),
        (
            {
                "identity": {
                    "issuers": {"a": {"issuer": "https://s.test", "audience": ["x"], "login": {"client_id": "p"}}}
                }
            },
            "server.origin",
        ),
    ],
)
def test_settings_that_would_let_in_too_many_or_nobody_are_refused(
    tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    """At start, with the name of what is wrong."""
    with pytest.raises(ValueError, match=said):
        Settings(home=tmp_path, **sections)
