"""What may be asked, decided without a network."""

from __future__ import annotations

import pytest

from api.errors import FetchRefused
from api.fetch.rules import FetchRules, Target, parse

pytestmark = pytest.mark.spine


def reason_of(rules: FetchRules, url: str, **options: bool) -> str:
    with pytest.raises(FetchRefused) as caught:
        rules.target(url, **options)
    return str(caught.value.facts["reason"])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "scheme-not-allowed"),
        ("gopher://localhost:25/_MAIL", "scheme-not-allowed"),
        ("ldap://localhost/cn=crl", "scheme-not-allowed"),
        ("ftp://localhost/crl", "scheme-not-allowed"),
        ("//localhost/crl", "scheme-not-allowed"),
        ("http://good.test@localhost/", "userinfo"),
        ("http://user:word@good.test/", "userinfo"),
        ("http://good.test\\@localhost/", "url-malformed"),
        ("http://good.test/\r\nHost: localhost", "url-malformed"),
        ("http://good.test/a b", "url-malformed"),
        ("http://go\tod.test/", "url-malformed"),
        ("http://góod.test/", "url-malformed"),
        ("http://good.test:99999/", "url-malformed"),
        ("http://good.test:0/", "host-not-allowed"),
        ("http://[::1/", "url-malformed"),
        ("http://[fe80::1%25eth0]/", "host-malformed"),
        ("http://good%2etest/", "host-malformed"),
        ("http:///crl", "host-malformed"),
        ("http://2130706433/", "host-malformed"),
        ("http://0x7f000001/", "host-malformed"),
        ("http://0x7f.0.0.1/", "host-malformed"),
        ("http://0177.0.0.1/", "host-malformed"),
        ("http://127.1/", "host-malformed"),
        ("http://good.test/" + "a" * 2048, "url-malformed"),
    ],
)
def test_odd_urls_are_refused_before_anything_is_looked_up(url: str, reason: str) -> None:
    """Whatever is not a plain http URL is refused with its own reason."""
    assert reason_of(FetchRules(allowed=("good.test", "localhost")), url) == reason


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://GOOD.test./g2.crl?a=b#c", Target("http", "good.test", 80, "/g2.crl?a=b")),
        ("https://good.test", Target("https", "good.test", 443, "/")),
        ("http://other.test:8081/x", Target("http", "other.test", 8081, "/x")),
        ("http://a.b.suffix.test/", Target("http", "a.b.suffix.test", 80, "/")),
        ("http://[::1]:8082/", Target("http", "::1", 8082, "/")),
    ],
)
def test_configured_hosts_may_be_asked(url: str, target: Target) -> None:
    """Exact host, host with port, suffix and IPv6 literal are found, whatever the case and with a final dot."""
    rules = FetchRules(allowed=("good.test", "other.test:8081", ".Suffix.test", "[::1]:8082"))
    assert rules.target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://good.test:8080/",  # another port
        "http://other.test/",  # only 8081 is allowed
        "http://suffix.test/",  # the suffix stands for what is below it
        "http://evilsuffix.test/",
        "http://good.test.evil.test/",
        "http://127.0.0.1/",
    ],
)
def test_other_hosts_may_not_be_asked(url: str) -> None:
    """Nothing but what was configured, port included."""
    rules = FetchRules(allowed=("good.test", "other.test:8081", ".suffix.test"))
    assert reason_of(rules, url) == "host-not-allowed"


def test_timestamp_authorities_are_allowed_for_timestamps_alone() -> None:
    """The URL of a configured authority is asked for a timestamp, not for a CRL, and no other path of its host is."""
    rules = FetchRules(authorities=("http://tsa.test:8080/tsa",))
    assert rules.target("http://tsa.test:8080/tsa", timestamp=True).port == 8080
    assert reason_of(rules, "http://tsa.test:8080/tsa") == "host-not-allowed"
    assert reason_of(rules, "http://tsa.test:8080/admin", timestamp=True) == "host-not-allowed"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fe80::1%2",
        "fec0::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2001:db8::1",
    ],
)
def test_private_addresses_are_refused_unless_host_and_port_are_configured(address: str) -> None:
    """Loopback, private, link-local and every IPv6 form that carries such an IPv4 address."""
    target = parse("http://good.test:8081/")
    with pytest.raises(FetchRefused) as caught:
        FetchRules(allowed=("good.test:8081",), private=("good.test:8082", "localhost:8081")).check_address(
            target, address
        )
    assert caught.value.facts["reason"] == "address-private"
    FetchRules(allowed=("good.test:8081",), private=("good.test:8081",)).check_address(target, address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:0.0.0.0", "not an address"])
def test_addresses_that_are_nobodys_are_always_refused(address: str) -> None:
    """Unspecified and multicast addresses are refused even where private ones are configured."""
    target = parse("http://good.test:8081/")
    with pytest.raises(FetchRefused):
        FetchRules(private=("good.test:8081",)).check_address(target, address)


@pytest.mark.parametrize("address", ["8.8.8.8", "203.162.4.190", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_accepted(address: str) -> None:
    """A public address needs no configuration of its own."""
    FetchRules(allowed=("good.test",)).check_address(parse("http://good.test/"), address)


@pytest.mark.parametrize(
    "rules",
    [
        {"allowed": ("http://good.test",)},
        {"allowed": ("",)},
        {"allowed": (".",)},
        {"allowed": ("good.test/path",)},
        {"allowed": ("good.test:0",)},
        {"allowed": ("127.1",)},
        {"private": ("localhost",)},
    ],
)
def test_rules_that_mean_nothing_are_refused(rules: dict[str, tuple[str, ...]]) -> None:
    """A slip in the configuration is found at start, not as an address that is never allowed."""
    with pytest.raises(ValueError, match="not a host"):
        FetchRules(**rules)
