"""What proxies say is believed from those that are trusted, and the path they serve us at is in every link."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import draining, links
from api.forwarded import Entrance
from tests.http_support import house

pytestmark = pytest.mark.appliance

PROXY, STRANGER = "10.0.0.7", "203.0.113.9"


def entered(*headers: tuple[str, str], client: str = PROXY, path: str = "/v1/keys", root: str = "") -> dict:
    scope = {
        "client": (client, 5),
        "path": path,
        "scheme": "http",
        "headers": [(b"host", b"inside"), *((name.encode(), value.encode()) for name, value in headers)],
    }
    scope["refusal"] = Entrance(trusted=(PROXY, "10.1.0.0/16"), root_path=root).refusal(scope)
    return scope


@pytest.mark.parametrize(
    "headers",
    [
        [("x-forwarded-for", STRANGER), ("x-forwarded-proto", "https"), ("x-forwarded-host", "ky.example.vn")],
        [("forwarded", f'for={STRANGER};proto=https;host="ky.example.vn"')],
        [("forwarded", f'for="1.2.3.4", for={STRANGER};proto=https;host=ky.example.vn, for=10.1.2.3;proto=http')],
    ],
)
def test_a_trusted_proxy_says_who_asks_by_which_protocol_and_name(headers: list[tuple[str, str]]):
    """RFC 7239 and the headers before it; a chain is read from the right as far as it is trusted."""
    scope = entered(*headers)
    assert (STRANGER, "https") == (scope["client"][0], scope["scheme"])
    assert (b"host", b"ky.example.vn") == scope["headers"][0]
    assert 1 == sum(name == b"host" for name, _ in scope["headers"])


def test_nobody_else_is_believed():
    """A caller who writes these headers changes nothing."""
    scope = entered(("x-forwarded-for", "127.0.0.1"), ("x-forwarded-host", "evil.example"), client=STRANGER)
    assert (STRANGER, "http", (b"host", b"inside")) == (scope["client"][0], scope["scheme"], scope["headers"][0])


def test_what_the_caller_wrote_before_the_proxy_is_not_believed():
    """The nearest trusted hop counts, not the leftmost address."""
    assert STRANGER == entered(("x-forwarded-for", f"127.0.0.1, {STRANGER}"))["client"][0]
    assert STRANGER == entered(("forwarded", f"for=127.0.0.1, for={STRANGER}"))["client"][0]


def test_both_kinds_at_once_are_refused():
    """A proxy that sets one hands on what the caller wrote into the other."""
    scope = entered(("x-forwarded-for", STRANGER), ("forwarded", "for=127.0.0.1"))
    assert "request-invalid" == scope["refusal"].code


@pytest.mark.parametrize("node", ["unknown", "_hidden", "", "999.1.1.1", "<script>", '"[::1'])
def test_a_node_that_is_no_address_leaves_the_proxys(node: str):
    """Limits then count for the proxy, which is safe."""
    assert PROXY == entered(("forwarded", f"for={node}"))["client"][0]


def test_ipv6_with_brackets_and_port():
    """As RFC 7239 §6 writes it."""
    assert "2001:db8::1" == entered(("forwarded", 'for="[2001:db8::1]:4711"'))["client"][0]


@pytest.mark.parametrize(("path", "seen"), [("/kyso/v1/keys", "/v1/keys"), ("/kyso", "/"), ("/v1/keys", "/v1/keys"), ("/kysox", "/kysox")])  # fmt: skip
def test_the_path_of_the_proxy_is_cut_off_once(path: str, seen: str):
    """Whether the proxy hands it on or not."""
    assert seen == entered(path=path, root="/kyso")["path"]


def test_links_locations_and_openapi_lie_below_the_path(tmp_path: Path):
    """A page, its style, a form, OpenAPI's server, a redirection: all below /kyso."""
    found = house(tmp_path, server={"root_path": "/kyso"})
    for path in ("/kyso/", "/kyso/audit"):
        page = found.ask("GET", path, name=None, headers={"Accept": "text/html"})
        assert 200 == page.status_code
        for mark in ('href="/', 'src="/', 'action="/'):
            for piece in page.text.split(mark)[1:]:
                assert piece.startswith("kyso/"), (path, mark + piece[:40])
    assert [{"url": "/kyso"}] == found.ask("GET", "/kyso/openapi.json").json()["servers"]
    session = found.ask("POST", "/kyso/audit/session", name=None, data={"api_key": found.secrets["auditor"]})
    assert session.headers["location"].startswith("/kyso/audit")


def test_a_link_outside_a_request_has_no_path_before_it():
    """The command line writes what the service would at its root."""
    assert "/v1/keys" == links.to("/v1/keys")


def test_who_may_read_the_documentation_is_a_setting(tmp_path: Path):
    """Everybody, callers, or nobody: then it does not exist."""
    for number, (chosen, stranger, caller) in enumerate(
        [("open", 200, 200), ("callers", 401, 200), ("off", 404, 404)], start=1
    ):
        found = house(tmp_path / str(number), server={"documentation": chosen})
        for path in ("/docs", "/openapi.json"):
            assert stranger == found.ask("GET", path, name=None).status_code, (chosen, path)
            assert caller == found.ask("GET", path).status_code, (chosen, path)


def test_a_service_that_ends_refuses_what_is_new_and_answers_health(tmp_path: Path):
    """503 with Retry-After for work, not ready for load balancers, alive for engines."""
    found = house(tmp_path)
    assert found.app.state.drain.begin()
    refused = found.ask("GET", "/v1/keys")
    assert (503, "service-ending", "5") == (refused.status_code, refused.json()["code"], refused.headers["retry-after"])
    ready = found.ask("GET", "/health/ready", name=None)
    assert (503, True) == (ready.status_code, ready.json()["draining"])
    assert 200 == found.ask("GET", "/health/alive", name=None).status_code
    assert 200 == found.ask("GET", "/metrics", name=None).status_code


def test_draining_is_over_when_nothing_goes_on_or_time_is_up():
    """Not before load balancers had their notice."""
    now = [0.0]
    drain = draining.Drain(seconds=10, notice=2, monotonic=lambda: now[0])
    assert not drain.is_over()
    drain.going_on = 1
    assert drain.begin()
    assert not drain.begin()
    now[0] = 3.0
    assert not drain.is_over()
    drain.going_on = 0
    assert drain.is_over()
    drain.going_on = 1
    now[0] = 12.0
    assert drain.is_over()
