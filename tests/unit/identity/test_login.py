"""Signing in on pages at a real provider over HTTP: code with PKCE, and every attack on the way refused."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt

from api.errors import NotFound
from api.identity import cookies
from tests.http_support import House, house
from tests.oidc_support import AUDIENCE, CLIENT, SECRET, Person, Provider, provider

pytestmark = pytest.mark.appliance
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
RULES = [
    {"when": [{"claim": "groups", "is": ["kyso-auditors"]}], "role": "auditor", "whole_appliance": True},
    {"when": [{"claim": "groups", "is": ["kyso-admins"]}], "role": "administrator", "whole_appliance": True},
]
HTML = {"Accept": "text/html", "Accept-Language": "en"}


@pytest.fixture(scope="module")
def op() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture(autouse=True)
def _as_it_was(op: Provider) -> Iterator[None]:
    yield
    op.answers.clear()
    op.metadata.clear()
    op.tamper = lambda claims: claims
    op.person = Person("an", {"name": "An (demo)", "groups": ["kyso-auditors"]})


def a_house(folder: Path, op: Provider, **more: object) -> House:
    secret = folder / "client.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    login = {"client_id": CLIENT, "client_secret_file": "client.secret", "title": "SSO (demo)"}
    issuer = {"issuer": op.url, "audience": [AUDIENCE], "grants": RULES, "login": login, **more}
    return house(folder, identity={"issuers": {"tinh": issuer}}, server={"origin": "http://localhost"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, op: Provider) -> House:
    return a_house(tmp_path_factory.mktemp("login"), op)


class Browser:
    """Keeps cookies as a browser does on a trustworthy origin, and follows nothing by itself."""

    def __init__(self, home: House) -> None:
        self._app, self.cookies = home.app, {}

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        held = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**HTML, **({"Cookie": held} if held else {}), **more.pop("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, headers=headers, **more)

        answer = asyncio.run(ask())
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    def go(self, *, path: str = "/audit") -> str:
        """To the provider and through it; the address by which it sends the browser back."""
        there = self.ask("GET", "/login", params={"next": path})
        assert 303 == there.status_code
        back = httpx.get(there.headers["location"])
        assert 302 == back.status_code
        return back.headers["location"].removeprefix("http://localhost")

    def sign_in(self, *, path: str = "/audit") -> httpx.Response:
        return self.ask("GET", self.go(path=path))


@pytest.fixture
def browser(home: House) -> Browser:
    return Browser(home)


def refused(answer: httpx.Response, code: str, *, status: int = 400) -> None:
    assert (status, True) == (answer.status_code, code in answer.text)
    assert not any(cookies.SESSION in line for line in answer.headers.get_list("set-cookie"))


def test_a_person_signs_in_and_is_the_caller_of_the_rules(home: House, browser: Browser) -> None:
    """Through the provider and back to the page that was wanted, or where the role has something to do; the session is the same caller everywhere."""
    answer = browser.sign_in(path="/audit?kind=SESSION")
    assert (303, "/audit?kind=SESSION") == (answer.status_code, answer.headers["location"])
    page = browser.ask("GET", "/audit?kind=SESSION")
    assert "An (demo)" in page.text
    assert 200 == browser.ask("GET", "/v1/audit").status_code
    assert "/audit" == browser.sign_in(path="/").headers["location"]  # an auditor, who asked for no page
    line = home.services.ledger.read(kind="SESSION", limit=1000)[-1]
    assert ("begun", "issuer:tinh", "auditor") == (line.facts["what"], line.facts["way"], line.facts["role"])
    assert "An (demo)" not in line.text


def test_the_request_is_code_with_pkce(browser: Browser, op: Provider) -> None:
    """State, nonce, S256 and exactly one redirect address, all of them new each time; nothing secret is in it."""
    asked = [
        parse_qs(urlsplit(browser.ask("GET", "/login").headers["location"]).query, strict_parsing=True)
        for _ in range(2)
    ]
    for one in asked:
        assert (["code"], ["S256"]) == (one["response_type"], one["code_challenge_method"])
        assert (["http://localhost/login/callback"], [CLIENT]) == (one["redirect_uri"], one["client_id"])
        assert 43 == len(one["code_challenge"][0])
        assert SECRET not in str(one)
    assert not {asked[0][name][0] for name in ("state", "nonce", "code_challenge")} & {
        asked[1][name][0] for name in ("state", "nonce", "code_challenge")
    }


def test_cookies_are_for_this_host_and_no_script(browser: Browser) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite, for all paths and no domain."""
    there = browser.ask("GET", "/login")
    lines = [*there.headers.get_list("set-cookie"), *browser.sign_in().headers.get_list("set-cookie")]
    assert {cookies.ATTEMPT, cookies.SESSION} == {line.partition("=")[0] for line in lines}
    for line in lines:
        rules = {rule.strip().lower() for rule in line.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= rules
        assert not any(rule.startswith("domain") for rule in rules)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "/%5cevil.test\\",
        "\\\\evil.test",
        "javascript:alert(1)",
        "evil.test",
        "/a\r\nSet-Cookie: x=y",
        "/\tevil.test",
        "",
        "/" + "a" * 600,
    ],
)
def test_no_sign_in_leads_elsewhere(browser: Browser, path: str) -> None:
    """Only a path of ours may be wanted (open redirect)."""
    refused(browser.ask("GET", "/login", params={"next": path}), "request-invalid")


def test_an_answer_is_good_once_and_for_its_browser(home: House, browser: Browser) -> None:
    """The same answer again, the same in another browser, and one without a cookie: none of them signs in."""
    held = {}
    back = browser.go()
    held.update(browser.cookies)
    assert 303 == browser.ask("GET", back).status_code
    refused(browser.ask("GET", back), "login-refused")  # its cookie is gone
    browser.cookies = dict(held)
    refused(browser.ask("GET", back), "login-refused")  # the state was used
    refused(Browser(home).ask("GET", back), "login-refused")
    other = Browser(home)
    other.go()
    refused(other.ask("GET", back), "login-refused")  # the state of another's sign-in (login CSRF)


def test_a_replayed_code_is_refused(browser: Browser) -> None:
    """A code that was exchanged is worth nothing in a second sign-in, even with that one's own state."""
    first = parse_qs(urlsplit(browser.go()).query)
    held = dict(browser.cookies)
    browser.ask("GET", "/login/callback", params={"code": first["code"][0], "state": first["state"][0]})
    browser.cookies = held
    second = parse_qs(urlsplit(browser.go()).query)
    answer = browser.ask("GET", "/login/callback", params={"code": first["code"][0], "state": second["state"][0]})
    refused(answer, "login-refused")


def test_a_stolen_code_is_worth_nothing_without_its_verifier(home: House, op: Provider) -> None:
    """A code that somebody else's browser brought: the provider compares the verifier (PKCE), we the nonce."""
    victim, thief = Browser(home), Browser(home)
    stolen = parse_qs(urlsplit(victim.go()).query)["code"][0]
    own = parse_qs(urlsplit(thief.go()).query)
    refused(thief.ask("GET", "/login/callback", params={"code": stolen, "state": own["state"][0]}), "login-refused")


def test_the_provider_itself_wants_pkce(op: Provider) -> None:
    """The other side of these tests is strict: no challenge, no code; no verifier, no token."""
    asked = {"response_type": "code", "client_id": CLIENT, "redirect_uri": "http://localhost/login/callback"}
    assert "invalid_request" == httpx.get(f"{op.url}/authorize", params=asked).json()["error"]
    challenge = urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()
    given = {**asked, "scope": "openid", "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256"}
    location = httpx.get(f"{op.url}/authorize", params=given).headers["location"]
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(location).query)["code"][0],
        "redirect_uri": asked["redirect_uri"],
    }
    assert 400 == httpx.post(f"{op.url}/token", data=form, auth=(CLIENT, SECRET)).status_code


@pytest.mark.parametrize(
    "tamper",
    [
        lambda c: {**c, "nonce": "another"},
        lambda c: {n: v for n, v in c.items() if n != "nonce"},
        lambda c: {**c, "aud": "another-client"},
        lambda c: {**c, "aud": [CLIENT, "another"]},
        lambda c: {**c, "azp": "another"},
        lambda c: {**c, "iss": "https://evil.test"},
        lambda c: {**c, "exp": int(time.time()) - 600},
        lambda c: {**c, "at_hash": "AAAA"},
        lambda c: {n: v for n, v in c.items() if n != "sub"},
    ],
    ids=["nonce", "no-nonce", "aud", "two-aud-no-azp", "azp", "iss", "expired", "at_hash", "no-sub"],
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, op: Provider, tamper: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Nonce, audience, authorised party, issuer, time, the access token's hash, subject."""
    op.tamper = tamper
    refused(browser.sign_in(), "login-refused")


def test_who_no_rule_names_gets_no_session(browser: Browser, op: Provider) -> None:
    """Proved to be somebody, and 403."""
    op.person = Person("khach", {"groups": ["others"], "role": "administrator"})
    refused(browser.sign_in(), "identity-not-mapped", status=403)


def test_answers_of_another_issuer_are_refused(browser: Browser, op: Provider) -> None:
    """RFC 9207: `iss` is that of the provider that was asked, and must be there where it says it sends one."""
    back = browser.go()
    refused(browser.ask("GET", f"{back}&iss=https://evil.test"), "login-refused")
    back = browser.go()
    refused(browser.ask("GET", f"{back}&state=again"), "request-invalid")
    refused(browser.ask("GET", "/login/callback?error=access_denied"), "login-refused")


@pytest.mark.parametrize("cookie", ["x", "A" * 400, "A" * 6000, "%00"])
def test_a_changed_cookie_of_the_sign_in_is_refused(browser: Browser, cookie: str) -> None:
    """It is sealed: nobody writes a verifier or a way back into it."""
    back = browser.go()
    browser.cookies[cookies.ATTEMPT] = cookie
    refused(browser.ask("GET", back), "login-refused")


def test_a_session_is_new_with_each_sign_in(browser: Browser) -> None:
    """A cookie that somebody planted before is not taken over, and the former session ends (session fixation)."""
    browser.cookies[cookies.SESSION] = "planted-by-somebody-else"
    browser.sign_in()
    first = browser.cookies[cookies.SESSION]
    assert "planted-by-somebody-else" != first
    browser.sign_in()
    assert first != browser.cookies[cookies.SESSION]
    browser.cookies[cookies.SESSION] = first
    assert "An (demo)" not in browser.ask("GET", "/audit").text


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + "A", lambda c: c.swapcase(), lambda c: "A" * 43])
def test_a_changed_session_cookie_opens_nothing(browser: Browser, change: Callable[[str], str]) -> None:
    """For pages nobody, for calls 401."""
    browser.sign_in()
    browser.cookies[cookies.SESSION] = change(browser.cookies[cookies.SESSION])
    assert "An (demo)" not in browser.ask("GET", "/audit").text
    assert 401 == browser.ask("GET", "/v1/audit").status_code


def test_changes_want_the_sessions_own_proof(home: House, browser: Browser, op: Provider) -> None:
    """A POST or DELETE with the cookie alone, with another session's token, or from another site: 403."""
    op.person = Person("admin", {"name": "Quản trị (demo)", "groups": ["kyso-admins"]})
    browser.sign_in()
    session = home.services.entrance.sessions
    listed = browser.ask("GET", "/v1/logins").json()["logins"]
    own = listed[-1]["id"]
    refused(browser.ask("DELETE", f"/v1/logins/{own}"), "csrf-refused", status=403)
    refused(browser.ask("DELETE", f"/v1/logins/{own}", headers={"Kyso-CSRF": "A" * 43}), "csrf-refused", status=403)
    csrf = CSRF.search(browser.ask("GET", "/logout").text)
    assert csrf is not None
    for foreign in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = browser.ask("DELETE", f"/v1/logins/{own}", headers={"Kyso-CSRF": csrf[1], **foreign})
        refused(answer, "csrf-refused", status=403)
    proof = {"Kyso-CSRF": csrf[1], "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert 204 == browser.ask("DELETE", f"/v1/logins/{own}", headers=proof).status_code
    assert own not in {one.id for one in session.listed()}
    assert 401 == browser.ask("GET", "/v1/logins").status_code
    with pytest.raises(NotFound):
        session.end(own, by="nobody", reason="again")


def test_an_administrator_ends_anothers_session(home: House, browser: Browser) -> None:
    """By API; the ledger says who did it. An auditor may see sessions and end none."""
    browser.sign_in()
    mine = home.ask("GET", "/v1/logins", name="auditor").json()["logins"][-1]
    assert 403 == home.ask("DELETE", f"/v1/logins/{mine['id']}", name="auditor").status_code
    assert 204 == home.ask("DELETE", f"/v1/logins/{mine['id']}", name="administrator").status_code
    assert 404 == home.ask("DELETE", f"/v1/logins/{mine['id']}", name="administrator").status_code
    assert 401 == browser.ask("GET", "/v1/audit").status_code
    line = home.services.ledger.read(kind="SESSION", limit=1000)[-1]
    assert (home.callers["administrator"].id, "administrator") == (line.facts["by"], line.facts["reason"])


def test_signing_out_ends_it_here_and_leads_on_to_the_provider(browser: Browser, op: Provider) -> None:
    """With the form's proof alone; then the cookie is worth nothing, and the browser goes to the provider's end."""
    browser.sign_in()
    held = dict(browser.cookies)
    csrf = CSRF.search(browser.ask("GET", "/logout").text)
    assert csrf is not None
    answer = browser.ask("POST", "/logout", data={"csrf": csrf[1]})
    assert answer.headers["refresh"].startswith(f"0;url={op.url}/end?client_id={CLIENT}&post_logout_redirect_uri=http")
    assert cookies.SESSION not in browser.cookies
    browser.cookies = held
    assert 401 == browser.ask("GET", "/v1/audit").status_code


def logout_token(op: Provider, **claims: Any) -> str:
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    plain = {**op.claims(aud=CLIENT), "events": event, **claims}
    given = {name: value for name, value in plain.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": op.keys[-1].kid, "typ": "logout+jwt"}, given, op.keys[-1])


def test_the_provider_ends_sessions_by_the_back_channel(browser: Browser, op: Provider) -> None:
    """A logout token ends that person's sessions; one that is none ends nothing."""
    browser.sign_in()
    for bad in ({"events": None}, {"nonce": "n"}, {"aud": "x"}, {"events": {"other": {}}}, {"exp": 1}, {"jti": None}):
        token = logout_token(op, **bad)
        assert 401 == browser.ask("POST", "/login/backchannel", data={"logout_token": token}).status_code
    assert 401 == browser.ask("POST", "/login/backchannel", data={"logout_token": "x"}).status_code
    assert 200 == browser.ask("GET", "/v1/audit").status_code
    assert 200 == browser.ask("POST", "/login/backchannel", data={"logout_token": logout_token(op)}).status_code
    assert 401 == browser.ask("GET", "/v1/audit").status_code


def test_a_session_rests_and_lasts_no_longer_than_it_may(home: House, browser: Browser) -> None:
    """Half an hour without a request, or eight hours in all."""
    sessions = home.services.entrance.sessions
    now = time.time()
    try:
        browser.sign_in()
        for minutes in range(20, 8 * 60, 20):  # in use
            sessions._clock = lambda minutes=minutes: now + 60 * minutes
            sessions._known.clear()
            assert 200 == browser.ask("GET", "/v1/audit").status_code, minutes
        sessions._clock = lambda: now + 8 * 3600 + 5
        sessions._known.clear()
        assert 401 == browser.ask("GET", "/v1/audit").status_code
        browser.sign_in()
        sessions._clock = lambda: now + 8 * 3600 + 5 + 1801
        sessions._known.clear()
        assert 401 == browser.ask("GET", "/v1/audit").status_code
    finally:
        sessions._clock = time.time
        sessions._known.clear()


def test_a_session_ends_with_the_rules_that_gave_it(home: House, browser: Browser, op: Provider) -> None:
    """Other rules for that issuer, and everybody signs in again."""
    browser.sign_in()
    settings = home.services.settings
    issuer = settings.identity.issuers["tinh"].model_copy(update={"grants": ()})
    changed = settings.identity.model_copy(update={"issuers": {"tinh": issuer}})
    from api.identity.sessions import rules_of

    sessions = home.services.entrance.sessions
    former, sessions._rules = sessions._rules, rules_of(changed)
    sessions._known.clear()
    try:
        assert 401 == browser.ask("GET", "/v1/audit").status_code
    finally:
        sessions._rules = former


def test_no_api_key_is_typed_in_where_people_sign_in_elsewhere(home: House, browser: Browser) -> None:
    """With an issuer the pages have no form for an API key, and none is taken."""
    assert 'name="api_key"' not in browser.ask("GET", "/audit").text
    assert "SSO (demo)" in browser.ask("GET", "/audit").text
    for path in ("/login", "/audit/session"):
        assert 404 == browser.ask("POST", path, data={"api_key": home.secrets["auditor"]}).status_code


def test_the_issuer_away_is_said_so_and_soon(tmp_path: Path, op: Provider) -> None:
    """503 with a page, and not asked again with every visitor."""
    from werkzeug import Response

    home = a_house(tmp_path, op)
    op.answers["/.well-known/openid-configuration"] = lambda: Response(status=500)
    op.asked.clear()
    for _ in range(3):
        refused(Browser(home).ask("GET", "/login"), "issuer-unavailable", status=503)
    assert 1 == len(op.asked)


def test_an_api_key_becomes_a_session_where_there_is_no_issuer(tmp_path: Path) -> None:
    """On the page of signing in, over http on this machine alone; from another site's form never."""
    home = house(tmp_path)
    browser = Browser(home)
    assert 'name="api_key"' in browser.ask("GET", "/login").text
    key = {"api_key": home.secrets["client"]}
    assert 403 == browser.ask("POST", "/login", data=key, headers={"Origin": "https://evil.test"}).status_code
    assert 403 == browser.ask("POST", "/login", data={"api_key": "kyso_x"}).status_code
    answer = browser.ask("POST", "/login", data={**key, "next": "/docs"})
    assert (303, "/docs") == (answer.status_code, answer.headers["location"])
    assert 200 == browser.ask("GET", "/v1/keys").status_code
    assert 403 == browser.ask("GET", "/v1/audit").status_code
    far = browser.ask("POST", "/login", data=key, headers={"Host": "10.0.0.1"})
    assert (403, True) == (far.status_code, "https" in far.text)
