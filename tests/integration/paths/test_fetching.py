"""Missing issuers, lists and responses over a real connection, by the fetch rules, into a locked-down worker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli_support import Ran, kyso
from tests.unit.verify.forge import NOW, Forged, access, forge, listing, points
from tests.unit.verify.test_issuers import bundle

pytestmark = pytest.mark.judging


class Site:
    """A server of a CA: what lies under which path, and what was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                page = site.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"localhost:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def asked(site: Site, tmp_path: Path, *, allowed: bool) -> tuple[Ran, list[str]]:
    """The verdict on a leaf without its issuer, in a home whose rules know the site or do not."""
    root = forge("Root", ca=True)
    above = points(f"http://{site.place}/root.crl")
    issuing = forge("Issuing CA", issuer=root, ca=True, extensions=[above])
    leaf = forge(
        "Nguyễn Văn A",
        issuer=issuing,
        extensions=[access(f"http://{site.place}/issuing.p7c"), points(f"http://{site.place}/issuing.crl")],
    )
    site.pages = {
        "/issuing.p7c": bundle(issuing),
        "/issuing.crl": listing(issuing),
        "/root.crl": listing(root),
    }
    home = tmp_path / "home"
    home.mkdir()
    rules = f'allowed = ["{site.place}"]\nprivate = ["{site.place}"]\n' if allowed else "allowed = []\n"
    (home / "kyso.toml").write_text(f"[fetch]\n{rules}")
    one, other = written(tmp_path / "leaf.crt", leaf), written(tmp_path / "root.crt", root)
    ran = kyso("cert", "verify", one, "--trust", other, "--at", NOW.isoformat(), "--format", "json", home=home)
    assert ran.out, ran.err
    return ran, site.asked


def written(path: Path, one: Forged) -> Path:
    path.write_bytes(one.der)
    return path


def test_a_leaf_alone_passes_where_its_ca_may_be_asked(site: Site, tmp_path: Path) -> None:
    """The issuer as a PKCS#7 bundle, then the lists of both, each once."""
    ran, addresses = asked(site, tmp_path, allowed=True)
    answer = json.loads(ran.out)
    assert (ran.status, answer["indication"], len(answer["path"])) == (0, "TOTAL_PASSED", 3), answer
    assert sorted(addresses) == ["/issuing.crl", "/issuing.p7c", "/root.crl"]


def test_nobody_is_asked_who_is_not_allowed(site: Site, tmp_path: Path) -> None:
    """The address in a certificate is anybody's; a rule decides, and the report says what was missing."""
    ran, addresses = asked(site, tmp_path, allowed=False)
    answer = json.loads(ran.out)
    assert (ran.status, answer["sub_indication"]) == (2, "NO_CERTIFICATE_CHAIN_FOUND")
    assert [one["code"] for one in answer["warnings"]] == ["ISSUER_UNREACHABLE"]
    assert addresses == []
