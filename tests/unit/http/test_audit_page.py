"""The auditor's page: who gets in, what is shown, what a proof and a check say; all without a script."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from api.store import callers
from tests.http_support import House, house

pytestmark = pytest.mark.appliance

COOKIE = re.compile(r"__Host-kyso=([^;]+); (.*)")
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture
def home(tmp_path: Path) -> House:
    """A ledger of six lines, to which a sign-in adds one, one with something that must not become markup."""
    made = house(tmp_path)
    for number in range(3):
        facts = {"key": "seal", "caller": "c1", "signature": f"sig_{number}", "document_sha256": f"{number}" * 64}
        intent = made.services.ledger.append("INTENT", facts)
        made.services.ledger.append("FAILED", {"intent": intent, "code": "<script>alert(1)</script>"})
    return made


def form(home: House, path: str, cookie: str | None = None, **fields: str):
    headers = {"Cookie": f"__Host-kyso={cookie}"} if cookie else {}
    return home.ask("POST", path, name=None, data=fields, headers=headers)


def signed_in(home: House, name: str = "auditor") -> str:
    answer = form(home, "/audit/session", api_key=home.secrets[name])
    assert 303 == answer.status_code
    found = COOKIE.fullmatch(answer.headers["set-cookie"])
    assert found is not None
    return found[1]


def page(home: House, cookie: str | None, query: str = "") -> str:
    headers = {"Cookie": f"__Host-kyso={cookie}"} if cookie else {}
    answer = home.ask("GET", f"/audit{query}", name=None, headers=headers)
    assert 200 == answer.status_code
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "no-store" == answer.headers["cache-control"]
    assert "<script" not in answer.text
    assert "built-in" not in answer.text  # a word that the template does not know by that name
    return html.unescape(answer.text)


def numbers(text: str) -> list[int]:
    """The lines in the table."""
    return [int(number) for number in re.findall(r'aria-label="Proof (\d+)"', text)]


def test_nobody_sees_the_ledger_without_signing_in(home: House) -> None:
    """A form for the API key, and nothing of the ledger; an API key in the header is no session."""
    for name in (None, "auditor"):
        text = home.ask("GET", "/audit", name=name).text
        assert 'name="api_key"' in text
        assert "sig_0" not in text
    assert 403 == form(home, "/audit", noted="1:" + "00" * 32).status_code


@pytest.mark.parametrize(
    ("name", "status"), [("auditor", 303), ("administrator", 303), ("client", 403), ("operator", 403)]
)
def test_who_may_see_the_ledger_may_sign_in(home: House, name: str, status: int) -> None:
    """By the same permission as GET /v1/audit; the others learn no more than that they may not."""
    answer = form(home, "/audit/session", api_key=home.secrets[name])
    assert status == answer.status_code
    assert (status == 303) == ("set-cookie" in answer.headers)


def test_the_cookie_is_for_this_host_alone(home: House) -> None:
    """No script reads it, no other site posts with it, no other host gets it; the API key does not stand in it."""
    answer = form(home, "/audit/session", api_key=home.secrets["auditor"])
    rules = answer.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=lax", "path=/", "secure"} <= set(rules)
    assert not any(rule.startswith("domain") for rule in rules)
    assert home.secrets["auditor"].rpartition("_")[2] not in answer.headers["set-cookie"]


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "A" * 43, "A" * 10_000, "%00"])
def test_an_invented_cookie_opens_nothing(home: House, cookie: str) -> None:
    """Whatever stands in it."""
    assert "sig_0" not in page(home, cookie)


def test_a_session_ends(home: House) -> None:
    """When the auditor signs out, which wants the page's own form, and when the API key is revoked."""
    cookie = signed_in(home)
    text = page(home, cookie)
    assert "sig_0" in text
    assert 403 == form(home, "/logout", cookie).status_code
    assert "sig_0" in page(home, cookie)
    csrf = CSRF.search(text)
    assert csrf is not None
    ended = form(home, "/logout", cookie, csrf=csrf[1])
    assert (200, True) == (ended.status_code, '__Host-kyso=""' in ended.headers["set-cookie"])
    assert "sig_0" not in page(home, cookie)
    another = signed_in(home)
    home.services.database.write(callers.revoke, home.callers["auditor"].id)
    home.services.entrance.sessions._known.clear()
    assert "sig_0" not in page(home, another)


def test_lines_are_filtered_and_followed(home: House) -> None:
    """By kind, key, caller, signature, document and from a line on; odd questions show what fits them: nothing."""
    cookie = signed_in(home)
    assert [1, 2, 3, 4, 5, 6, 7] == numbers(page(home, cookie))
    assert [1, 3, 5] == numbers(page(home, cookie, "?kind=INTENT"))
    assert [1, 3, 5] == numbers(page(home, cookie, "?key=seal"))
    assert [3] == numbers(page(home, cookie, "?signature=sig_1"))
    assert [5] == numbers(page(home, cookie, f"?document={'2' * 64}"))
    assert [5, 6, 7] == numbers(page(home, cookie, "?since=4"))
    assert [1, 2, 3, 4, 5, 6, 7] == numbers(page(home, cookie, "?kind=nonsense&since=x&proof=-1"))
    assert "No line fits." in page(home, cookie, "?caller=%27%20OR%201%3D1&proof=99999999999999999999")
    followed = re.search(r'href="(/audit\?[^"]*document=1[^"]*)"', page(home, cookie))
    assert followed is not None
    assert [3] == numbers(page(home, cookie, followed[1].removeprefix("/audit")))


def test_many_lines_are_shown_in_pages(home: House) -> None:
    """Fifty at once, and a link to those behind."""
    for _ in range(60):
        home.services.ledger.append("FAILED", {})
    cookie = signed_in(home)
    first = page(home, cookie)
    assert list(range(1, 51)) == numbers(first)
    following = re.search(r'class="next" href="/audit(\?[^"]*)"', first)
    assert following is not None
    assert list(range(51, 68)) == numbers(page(home, cookie, following[1]))


def test_a_line_is_proved(home: House) -> None:
    """Its hash, the hashes beside it, the root; a ledger that was meddled with proves nothing."""
    cookie = signed_in(home)
    text = page(home, cookie, "?proof=4")
    assert "Line 4 stands in the ledger" in text
    assert home.services.ledger.state().root in text
    with home.services.database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TRIGGER ledger_no_update")
        connection.exec_driver_sql("UPDATE ledger SET leaf_hash = zeroblob(32) WHERE number = 1")
    home.services.ledger.tree._full.clear()
    assert "Line 4 does not lead to the ledger's root" in page(home, cookie, "?proof=4")


def test_what_was_noted_is_checked(home: House) -> None:
    """A state that the ledger had, one that it never had, one beyond its end, and what is neither."""
    cookie = signed_in(home)
    csrf = CSRF.search(page(home, cookie))
    assert csrf is not None
    state = home.services.ledger.state()
    home.services.ledger.append("FAILED", {})
    for noted, said in (
        (f"{state.size}:{state.root}", "begins with it"),
        (f" {state.size}:{state.root}\r\n", "begins with it"),
        (f"{state.size}:{'00' * 32}", "does not begin with it"),
        (f"99:{state.root}", "is shorter"),
        ("<b>", "neither"),
        ("kyso.test/ledger\n6\n" + "A" * 43 + "=\n\n— kyso.test/ledger AAAAAAA=\n", "not signed by this ledger"),
    ):
        answer = form(home, "/audit", cookie, noted=noted, csrf=csrf[1])
        assert said in html.unescape(answer.text), noted


def test_the_page_speaks_both_languages(home: House) -> None:
    """By ?lang, since a link cannot set a header."""
    cookie = signed_in(home)
    assert "<h1>Nhật ký ký số</h1>" in page(home, cookie, "?lang=vi")
    assert "<h1>The ledger</h1>" in page(home, cookie, "?lang=en")
