"""Access tokens of a real provider over HTTP: who gets in as whom, and every forgery refused with its own code."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwk
from werkzeug import Response

from api.identity import issuers, outgoing
from api.identity.errors import IssuerUnavailable, TokenForged
from api.store import callers
from tests.http_support import House, house
from tests.oidc_support import AUDIENCE, BACKEND, SECRET, Provider, json_response, provider

pytestmark = pytest.mark.appliance
GRANTS = [
    {"when": [{"claim": "groups", "is": ["kyso-auditors"]}], "role": "auditor", "whole_appliance": True},
    {
        "when": [{"claim": ["realm_access", "roles"], "is": ["signer"]}, {"claim": "scope", "is": ["kyso.sign"]}],
        "role": "client",
        "keys": ["seal*"],
        "keys_from": "seals",
        "organisation_from": "org",
        "person_from": "staff",
    },
    {"when": [{"claim": "client_id", "is": [BACKEND]}], "role": "client", "keys": ["seal"], "whole_appliance": True},
]


@pytest.fixture(scope="module")
def op() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture(autouse=True)
def _as_it_was(op: Provider) -> Iterator[None]:
    yield
    op.answers.clear()
    op.metadata.clear()
    op.asked.clear()


def a_house(folder: Path, op: Provider, **more: object) -> House:
    issuer = {"issuer": op.url, "audience": [AUDIENCE], "grants": GRANTS, **more}
    return house(folder, identity={"issuers": {"tinh": issuer}})


@pytest.fixture
def home(tmp_path: Path, op: Provider) -> House:
    """One that has asked nobody yet."""
    return a_house(tmp_path, op)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, op: Provider) -> House:
    """One for all tests that leave it as it was."""
    made = a_house(tmp_path_factory.mktemp("tokens"), op)
    assert 200 == ask(made, op.token(groups=["kyso-auditors"])).status_code
    return made


def ask(home: House, token: str, *, path: str = "/v1/keys", **headers: str) -> httpx.Response:
    return home.ask("GET", path, name=None, headers={"Authorization": f"Bearer {token}", **headers})


def refused(home: House, token: str, code: str, *, status: int = 401) -> httpx.Response:
    answer = ask(home, token)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    return answer


def found(home: House, op: Provider, **claims: object) -> callers.Caller:
    """Who a token with these claims is."""
    token = op.token(**claims)
    assert 200 == ask(home, token).status_code
    ways = home.services.entrance.all
    return ways[0]._known.get(next(reversed(ways[0]._known._known))).caller


def test_client_credentials_of_a_real_provider_let_a_backend_in(shared: House, op: Provider) -> None:
    """The provider gives a program a token for its secret, and with it the program sees the keys of its rule."""
    answer = httpx.post(f"{op.url}/token", data={"grant_type": "client_credentials"}, auth=(BACKEND, SECRET))
    token = answer.json()["access_token"]
    assert ["seal"] == [key["ref"] for key in ask(shared, token).json()]


def test_claims_become_a_caller_by_the_rules_alone(shared: House, op: Provider) -> None:
    """Role, organisation, person and keys come from where a rule takes them; keys only within its patterns."""
    claims = {"realm_access": {"roles": ["x", "signer"]}, "scope": "openid kyso.sign", "org": "xa-mau", "staff": "p-7"}
    caller = found(
        shared, op, **claims, seals=["seal", "other", "seal*", "seal-2"], role="administrator", name="An (demo)"
    )
    assert ("client", "xa-mau", "p-7", ("seal", "seal-2")) == (
        caller.role,
        caller.organisation,
        caller.person,
        caller.keys,
    )
    assert caller.id.startswith("tinh-")
    assert caller.id == found(shared, op, groups=["kyso-auditors"]).id  # the same person, whatever the rule


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"role": "administrator", "roles": ["administrator"]},
        {"groups": "kyso-auditors-not"},
        {"groups": {"kyso-auditors": True}},
        {"scope": "kyso.sign", "realm_access": {"roles": ["signer"]}},  # no organisation, no person
        {"scope": "kyso.sign", "realm_access": {"roles": ["signer"]}, "org": ["a", "b"], "staff": "p"},
        {"realm_access.roles": ["signer"], "scope": "kyso.sign", "org": "a", "staff": "p"},
    ],
)
def test_who_no_rule_names_gets_nothing(shared: House, op: Provider, claims: dict[str, object]) -> None:
    """A good token without a rule that holds is 403 with a code of its own; claims that nobody mapped give no role."""
    refused(shared, op.token(**claims), "identity-not-mapped", status=403)


def test_what_a_token_may_not_do_is_told_by_its_challenge(shared: House, op: Provider) -> None:
    """RFC 6750 §3.1: insufficient_scope for a role that may not, invalid_token for a bad one, neither for none."""
    token = op.token(client_id=BACKEND)
    answer = ask(shared, token, path="/v1/audit")
    assert (403, True) == (answer.status_code, 'error="insufficient_scope"' in answer.headers["www-authenticate"])
    bad = refused(shared, op.token(exp=int(time.time()) - 600), "token-expired")
    assert 'error="invalid_token", error_description="token-expired"' in bad.headers["www-authenticate"]
    assert 'Bearer realm="kyso"' == shared.ask("GET", "/v1/keys", name=None).headers["www-authenticate"]


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": 1}, "token-expired"),
        ({"exp": None}, "token-refused"),
        ({"exp": "tomorrow"}, "token-refused"),
        ({"exp": float("inf")}, "token-refused"),
        ({"nbf": int(time.time()) + 3600}, "token-not-yet-valid"),
        ({"iat": int(time.time()) + 3600}, "token-not-yet-valid"),
        ({"aud": "https://another.test"}, "token-audience"),
        ({"aud": ["a", "b"]}, "token-audience"),
        ({"aud": None}, "token-audience"),
        ({"aud": {AUDIENCE: 1}}, "token-refused"),
        ({"iss": "https://evil.test"}, "token-issuer-unknown"),
        ({"iss": None}, "token-issuer-unknown"),
        ({"iss": ["a"]}, "token-issuer-unknown"),
        ({"sub": None}, "token-refused"),
        ({"sub": 7}, "token-refused"),
        ({"events": {}}, "token-refused"),
        ({"cnf": {"jkt": "a"}}, "token-not-bound"),
        ({"cnf": {"x5t#S256": "a"}}, "token-not-bound"),
        ({"cnf": "x"}, "token-not-bound"),
    ],
)
def test_claims_that_are_not_right_are_told_apart(
    shared: House, op: Provider, claims: dict[str, object], code: str
) -> None:
    """Times, audience, issuer, subject, binding: each has its code, whatever rule might have held."""
    refused(shared, op.token(groups=["kyso-auditors"], **claims), code)


def public_pem(op: Provider) -> bytes:
    return op.keys[-1].raw_value.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def segment(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forgeries(op: Provider) -> dict[str, tuple[str, str]]:
    """Attacks on the signature by name: the token, and the code that refuses it."""
    good = {"groups": ["kyso-auditors"]}
    head, body, _ = op.token(**good).split(".")
    own = jwk.generate_key("RSA", 2048, private=True, auto_kid=True)
    ec = jwk.generate_key("EC", "P-256", private=True, auto_kid=True)
    kid = op.keys[-1].kid
    claims = op.claims(**good)
    to_sign = f"{segment({'alg': 'HS256', 'kid': kid})}.{segment(claims)}"  # by hand: joserfc refuses to make it
    mac = hmac.digest(public_pem(op), to_sign.encode(), "sha256")
    with_secret = f"{to_sign}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    changed = segment({**claims, "sub": "binh"})
    mine = {"key": own, **good}
    return {
        "none": (f"{segment({'alg': 'none'})}.{segment(claims)}.", "token-refused"),
        "none-with-signature": (f"{segment({'alg': 'none', 'kid': kid})}.{segment(claims)}.AAAA", "token-refused"),
        "NonE": (f"{segment({'alg': 'NonE'})}.{segment(claims)}.", "token-refused"),
        "hs256-with-the-public-key": (with_secret, "token-refused"),
        "another-key": (op.token(header={"kid": kid}, **mine), "token-signature"),
        "another-kind-of-key": (op.token(header={"kid": kid, "alg": "ES256"}, key=ec, **good), "token-signature"),
        "claims-changed": (f"{head}.{changed}.{op.token(**good).split('.')[2]}", "token-signature"),
        "no-signature": (f"{head}.{body}.", "token-signature"),
        "kid-unknown": (op.token(header={"kid": own.kid}, **mine), "token-signature"),
        "kid-path": (op.token(header={"kid": "../../../../dev/null"}, **mine), "token-signature"),
        "kid-sql": (op.token(header={"kid": "x' UNION SELECT 'k"}, **mine), "token-signature"),
        "kid-long": (op.token(header={"kid": "k" * 4000}, **mine), "token-signature"),
        "kid-number": (f"{segment({'alg': 'RS256', 'kid': 7})}.{segment(claims)}.AAAA", "token-signature"),
        "jwk": (op.token(header={"kid": kid, "jwk": own.as_dict(private=False)}, **mine), "token-signature"),
        "jku": (op.token(header={"kid": own.kid, "jku": "http://127.0.0.1:1/jwks"}, **mine), "token-signature"),
        "x5u": (op.token(header={"kid": own.kid, "x5u": "http://127.0.0.1:1/c.pem"}, **mine), "token-signature"),
        "crit": (
            f"{segment({'alg': 'RS256', 'kid': kid, 'crit': ['exp'], 'exp': 1})}.{segment(claims)}.AAAA",
            "token-refused",
        ),
        "b64": (f"{segment({'alg': 'RS256', 'b64': False, 'crit': ['b64']})}.{segment(claims)}.AAAA", "token-refused"),
        "id-token-type": (op.token(header={"typ": "id+jwt"}, **good), "token-refused"),
        "two-parts": ("a.b", "token-refused"),
        "five-parts": ("a.b.c.d.e", "token-refused"),
        "not-json": (f"{head}.{base64.urlsafe_b64encode(b'[1]').decode()}.AAAA", "token-refused"),
        "deep-json": (f"{head}.{base64.urlsafe_b64encode(b'[' * 6000).decode().rstrip('=')}.AAAA", "token-refused"),
        "no-token": ("x", "token-refused"),
        "latin": ("ý.ý.ý", "token-refused"),
    }


NAMES = [
    "none",
    "none-with-signature",
    "NonE",
    "hs256-with-the-public-key",
    "another-key",
    "another-kind-of-key",
    "claims-changed",
    "no-signature",
    "kid-unknown",
    "kid-path",
    "kid-sql",
    "kid-long",
    "kid-number",
    "jwk",
    "jku",
    "x5u",
    "crit",
    "b64",
    "id-token-type",
    "two-parts",
    "five-parts",
    "not-json",
    "deep-json",
    "no-token",
    "latin",
]


@pytest.fixture(scope="module")
def forged(op: Provider) -> dict[str, tuple[str, str]]:
    return forgeries(op)


@pytest.mark.parametrize("name", NAMES)
def test_no_forged_token_gets_in(shared: House, forged: dict[str, tuple[str, str]], name: str) -> None:
    """None of the known attacks on JWT: each is refused with its code, and nobody outside is asked for a key."""
    assert set(NAMES) == set(forged)
    token, code = forged[name]
    answer = shared.ask("GET", "/v1/keys", name=None, headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    assert (401, code) == (answer.status_code, answer.json()["code"])


def test_nothing_of_a_token_is_in_logs_or_answers(
    shared: House, op: Provider, forged: dict[str, tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither of a good one nor of bad ones: no part of it, no subject, no jti."""
    with caplog.at_level(logging.DEBUG):
        tokens = [op.token(groups=["kyso-auditors"], sub="canary-subject"), *(token for token, _ in forged.values())]
        answers = [ask(shared, token).text for token in tokens if token.isascii()]
    written = "\n".join([*answers, *(f"{record.__dict__}" for record in caplog.records)])
    assert "canary-subject" not in written
    for token in tokens:
        for part in token.split("."):
            assert len(part) < 20 or part not in written


def test_an_algorithm_must_be_listed(tmp_path: Path, op: Provider) -> None:
    """RS256 is refused where only ES256 is listed, though the key is published."""
    home = a_house(tmp_path, op, algorithms=["ES256"])
    refused(home, op.token(groups=["kyso-auditors"]), "token-refused")


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_keys_that_cannot_be_trusted_are_left_out(shared: House, op: Provider) -> None:
    """A shared secret, a short RSA key, one for encryption, one with its private part, a curve that is not listed."""
    short, enc, odd = (
        jwk.generate_key("RSA", 1024, {"kid": "short"}, private=True).as_dict(private=False),
        jwk.generate_key("RSA", 2048, {"kid": "enc"}, private=True).as_dict(private=False, use="enc"),
        jwk.generate_key("EC", "secp256k1", {"kid": "odd"}, private=True).as_dict(private=False),
    )
    leaked = jwk.generate_key("EC", "P-256", {"kid": "leaked"}, private=True).as_dict(private=True)
    keys = [short, enc, odd, leaked, {"kty": "oct", "k": "AAAA", "kid": "oct"}, *op.published()["keys"]]
    op.answers["/jwks"] = lambda: json_response({"keys": keys})
    issuer = an_issuer(shared, op)
    assert issuer.key(op.keys[-1].kid, algorithm="RS256")
    for kid in ("short", "enc", "odd", "leaked", "oct"):
        with pytest.raises(TokenForged):
            issuer.key(kid, algorithm="RS256")


def test_a_new_key_of_the_issuer_counts_at_once_and_unknown_ones_ask_seldom(home: House, op: Provider) -> None:
    """Rotation is met by one further question; a flood of made-up key ids is not a flood of questions."""
    assert 200 == ask(home, op.token(groups=["kyso-auditors"])).status_code
    issuer = home.services.entrance.issuers[0]
    issuer._asked -= issuers.ASK_AGAIN
    op.rotate()
    assert 200 == ask(home, op.token(groups=["kyso-auditors"], sub="binh")).status_code
    asked = op.asked.count("/jwks")
    own = jwk.generate_key("RSA", 2048, private=True, auto_kid=True)
    for number in range(20):
        refused(home, op.token(header={"kid": f"k{number}"}, key=own), "token-signature")
    assert asked == op.asked.count("/jwks")


def test_keys_count_for_a_while_without_the_issuer(tmp_path: Path, op: Provider) -> None:
    """While it is down its known keys go on for the stated time; then its tokens are 503, and back when it is back."""
    home = a_house(tmp_path, op, keys_for=60, keys_without_issuer=3600)
    issuer = home.services.entrance.issuers[0]
    now = [1000.0]
    issuer._clock = lambda: now[0]
    issuer._asked = issuer._discovered = 0.0
    assert 200 == ask(home, op.token(groups=["kyso-auditors"], sub="1")).status_code
    op.answers["/jwks"] = op.answers["/.well-known/openid-configuration"] = lambda: Response(status=500)
    now[0] += 1800
    assert 200 == ask(home, op.token(groups=["kyso-auditors"], sub="2")).status_code
    now[0] += 3600
    answer = refused(home, op.token(groups=["kyso-auditors"], sub="3"), "issuer-unavailable", status=503)
    assert "5" == answer.headers["retry-after"]
    op.answers.clear()
    now[0] += 60
    assert 200 == ask(home, op.token(groups=["kyso-auditors"], sub="4")).status_code


def huge() -> Response:
    return Response(b'{"keys": [' + b" " * (outgoing.LARGEST + 1) + b"]}", content_type="application/json")


def slow() -> Response:
    def drip() -> Iterator[bytes]:
        for _ in range(100):
            yield b" "
            time.sleep(0.05)

    return Response(drip(), content_type="application/json")


@pytest.mark.parametrize(
    "answer",
    [
        huge,
        slow,
        lambda: Response(status=302, headers={"Location": "/elsewhere"}),
        lambda: Response("<html>", content_type="text/html"),
        lambda: Response("[" * 100_000),
        lambda: json_response([]),
        lambda: json_response({"keys": "x"}),
        lambda: json_response({"keys": [{"kty": "RSA"}, 7, None, {"kty": ["RSA"]}]}),
    ],
    ids=["huge", "slow", "redirect", "html", "deep", "list", "text", "no-key"],
)
def test_a_bad_set_of_keys_is_no_set_of_keys(shared: House, op: Provider, answer) -> None:
    """Too large, too slow, elsewhere, or not one: refused as unavailable, and a redirect is not followed."""
    op.answers["/jwks"] = answer
    with pytest.raises(IssuerUnavailable):
        an_issuer(shared, op, seconds=0.5).key(op.keys[-1].kid, algorithm="RS256")
    assert "/elsewhere" not in op.asked


def an_issuer(shared: House, op: Provider, *, seconds: float = 5.0) -> issuers.Issuer:
    """The issuer as it is configured, asked for the first time."""
    chosen = shared.services.settings.identity.issuers["tinh"]
    way = outgoing.Outgoing(chosen, tls=outgoing.trusting(), seconds=seconds)
    return issuers.Issuer("tinh", chosen, way, home=shared.services.settings.home)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test"},
        {"jwks_uri": "http://127.0.0.2:1/jwks"},
        {"jwks_uri": "https://evil.test/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
)
def test_a_discovery_document_leads_nowhere_else(shared: House, op: Provider, metadata: dict[str, object]) -> None:
    """It is of that issuer, and its addresses lie on hosts that the operator named."""
    op.metadata.update(metadata)
    with pytest.raises(IssuerUnavailable):
        an_issuer(shared, op).key(op.keys[-1].kid, algorithm="RS256")


def test_keys_can_be_given_by_file(tmp_path: Path, op: Provider) -> None:
    """An issuer that cannot be reached at all: its keys come from a file, and nobody is asked."""
    (tmp_path / "jwks.json").write_text(json.dumps(op.published()))
    home = a_house(tmp_path, op, jwks_file="jwks.json")
    assert 200 == ask(home, op.token(groups=["kyso-auditors"])).status_code
    assert [] == op.asked


def test_a_token_for_one_use_is_used_once(tmp_path: Path, op: Provider) -> None:
    """Where so configured: the second time is refused, and a token without `jti` always."""
    home = a_house(tmp_path, op, single_use=True)
    token = op.token(groups=["kyso-auditors"])
    assert 200 == ask(home, token).status_code
    refused(home, token, "token-replayed")
    refused(home, op.token(groups=["kyso-auditors"], jti=None), "token-refused")


def test_a_good_token_is_remembered_until_it_expires(home: House, op: Provider) -> None:
    """Seen a moment ago, it is not verified again; but never past its end."""
    tokens = home.services.entrance.all[0]
    token = op.token(groups=["kyso-auditors"])
    ask(home, token)
    home.services.entrance.issuers[0]._known = None
    op.answers["/jwks"] = lambda: Response(status=500)
    assert 200 == ask(home, token).status_code
    tokens._known._clock = lambda: time.monotonic() + 61
    assert 503 == ask(home, token).status_code


def test_a_token_may_stand_for_a_registered_caller(tmp_path: Path, op: Provider) -> None:
    """A rule names a caller of the database, with all that is registered of it; revoking it ends the token's use."""
    home = a_house(tmp_path, op)
    caller = home.callers["client"]
    rules = [{"when": [{"claim": "sub", "is": ["an"]}], "caller": caller.id}]
    second = house(
        tmp_path, identity={"issuers": {"tinh": {"issuer": op.url, "audience": [AUDIENCE], "grants": rules}}}
    )
    assert caller == found(second, op)
    second.services.database.write(callers.revoke, caller.id)
    refused(second, op.token(), "not-authenticated")


def test_without_an_issuer_a_token_is_nothing(tmp_path: Path, op: Provider) -> None:
    """The appliance with API keys alone refuses it as any other credential."""
    answer = ask(house(tmp_path), op.token(groups=["kyso-auditors"]))
    assert (401, "not-authenticated") == (answer.status_code, answer.json()["code"])


def test_api_keys_go_on_beside_tokens(shared: House) -> None:
    """An API key is never taken for a token."""
    assert 200 == shared.ask("GET", "/v1/keys").status_code
    assert "not-authenticated" == ask(shared, "kyso_000000000000_" + "0" * 48).json()["code"]
