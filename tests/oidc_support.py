"""An OpenID provider for tests, over HTTP on loopback: Authlib's authorization server, so that the other side is real.

Discovery, keys with rotation, client credentials, authorization code with PKCE. Tests change what it says (`tamper`), how
it answers (`answers`), and sign tokens of any form with its keys (`token`).

>>> with provider() as op:                                            # doctest: +SKIP
...     op.token(sub="1", groups=["kyso-auditors"])
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core.grants import OpenIDCode
from joserfc import jwk, jwt
from werkzeug import Request, Response
from werkzeug.serving import make_server

AUDIENCE = "https://ky.demo.test"
CLIENT, SECRET, BACKEND = "kyso-pages", "demo-client-secret", "demo-backend"


@dataclass
class Person:
    sub: str
    claims: dict[str, Any] = field(default_factory=dict)

    def get_user_id(self) -> str:
        return self.sub


@dataclass
class Client:
    client_id: str
    redirect_uris: tuple[str, ...] = ()
    grants: tuple[str, ...] = ("authorization_code",)
    id_token_signed_response_alg: str | None = None

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_redirect_uri(self, given: str) -> bool:
        return given in self.redirect_uris

    def check_client_secret(self, given: str) -> bool:
        return secrets.compare_digest(given, SECRET)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, given: str) -> bool:
        return given == "code"

    def check_grant_type(self, given: str) -> bool:
        return given in self.grants


@dataclass
class Code:
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    person: Person

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Provider:
    """`person` is who signs in next; `answers` replaces what a path answers; `tamper` changes an ID token's claims."""

    url: str = ""
    keys: list[Any] = field(default_factory=list)
    person: Person = field(default_factory=lambda: Person("an", {"name": "An (demo)", "groups": ["kyso-auditors"]}))
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    answers: dict[str, Callable[[], Response]] = field(default_factory=dict)
    tamper: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self, *, keep: bool = True) -> Any:
        """A new key that signs from now on; the former ones stay published, or not."""
        key = jwk.generate_key("RSA", 2048, {"use": "sig", "alg": "RS256"}, private=True, auto_kid=True)
        self.keys = [*(self.keys if keep else ()), key]
        return key

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        plain = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "an",
            "iat": now,
            "exp": now + 300,
            "jti": secrets.token_hex(8),
        }
        return {name: value for name, value in {**plain, **more}.items() if value is not None}

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """An access token; a claim that is None is left out."""
        key = key or self.keys[-1]
        head = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
        registry = jwt.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        return jwt.encode(head, self.claims(**claims), key, algorithms=[head["alg"]], registry=registry)

    def published(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    # what it answers

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        self.asked.append(request.path)
        answer = self.answers.get(request.path)
        found = answer() if answer is not None else self._answer(request)
        return found(environ, start_response)

    def _answer(self, request: Request) -> Response:
        match request.path:
            case "/.well-known/openid-configuration":
                return json_response(self._discovery())
            case "/jwks":
                return json_response(self.published())
            case "/authorize":
                server = self._server()
                try:
                    grant = server.get_consent_grant(request, end_user=self.person)
                except OAuth2Error as error:
                    return server.handle_error_response(_Request(request), error)
                return server.create_authorization_response(request, grant_user=self.person, grant=grant)
            case "/token":
                return self._server().create_token_response(request)
        # Browsers ask for the icon by themselves, and complain of a 404.
        body, status = {"/end": ("signed out here", 200), "/favicon.ico": ("", 204)}.get(request.path, ("", 404))
        return Response(body, status)

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "end_session_endpoint": f"{self.url}/end",
            **self.metadata,
        }

    def _server(self) -> AuthorizationServer:
        provider = self

        class Grant(AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

            def save_authorization_code(self, code, request):
                asked = request.payload.data
                if not {"code_challenge", "scope"} <= set(asked):  # Authlib wants it of public clients alone
                    raise InvalidRequestError("code_challenge is required")
                provider.codes[code] = Code(
                    request.client.client_id,
                    asked["redirect_uri"],
                    asked["scope"],
                    asked.get("nonce"),
                    asked["code_challenge"],
                    asked["code_challenge_method"],
                    provider.person,
                )
                return code

            def query_authorization_code(self, code, client):
                found = provider.codes.get(code)
                return found if found is not None and found.client_id == client.client_id else None

            def delete_authorization_code(self, authorization_code):
                provider.codes = {code: one for code, one in provider.codes.items() if one is not authorization_code}

            def authenticate_user(self, authorization_code):
                return authorization_code.person

        class Identified(OpenIDCode):
            def exists_nonce(self, nonce, request):
                return False

            def resolve_client_private_key(self, client):
                return provider.keys[-1]

            def get_client_algorithm(self, client):
                return "RS256"

            def get_client_claims(self, client):
                return {"iss": provider.url}

            def generate_user_info(self, user, scope):
                return {"sub": user.sub, "sid": "session-1", **user.claims}

            def get_encode_header(self, client):
                return {"alg": "RS256", "kid": provider.keys[-1].kid}

            def encode_id_token(self, token, request):
                encoded = super().encode_id_token(token, request)
                claims = provider.tamper(jwt.decode(encoded, provider.keys[-1]).claims)
                return jwt.encode(self.get_encode_header(None), claims, provider.keys[-1])

        class Tokens(JWTBearerTokenGenerator):
            def get_jwks(self):
                return provider.keys[-1]

            def get_audiences(self, client, user, scope):
                return AUDIENCE

        server = _Server(self.clients)
        server.register_grant(Grant, [CodeChallenge(required=True), Identified(require_nonce=True)])
        server.register_grant(ClientCredentialsGrant)
        server.register_token_generator("default", Tokens(issuer=self.url))
        return server


class _Payload(OAuth2Payload):
    def __init__(self, request: Request) -> None:
        self._values = request.values

    @property
    def data(self):
        return self._values

    @property
    def datalist(self):
        return {name: self._values.getlist(name) for name in self._values}


class _Request(OAuth2Request):
    def __init__(self, request: Request) -> None:
        super().__init__(request.method, request.url, headers=request.headers)
        self._asked = request
        self.payload = _Payload(request)

    @property
    def args(self):
        return self._asked.args

    @property
    def form(self):
        return self._asked.form


class _Server(AuthorizationServer):
    def __init__(self, clients: dict[str, Client]) -> None:
        super().__init__()
        self._clients_by_id = clients

    def query_client(self, client_id):
        return self._clients_by_id.get(client_id)

    def save_token(self, token, request):
        pass

    def create_oauth2_request(self, request):
        return request if isinstance(request, OAuth2Request) else _Request(request)

    def handle_response(self, status, body, headers):
        return json_response(body, status, headers) if isinstance(body, dict) else Response(body, status, headers)

    def send_signal(self, name, *args, **kwargs):
        pass


def json_response(body: object, status: int = 200, headers: Any = ()) -> Response:
    import json

    return Response(json.dumps(body), status, dict(headers), content_type="application/json")


@contextmanager
def provider(*, redirect_uri: str = "http://localhost/login/callback") -> Iterator[Provider]:
    """A provider that answers until the block ends."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # of the test's side: loopback without TLS
    op = Provider()
    server = make_server("127.0.0.1", 0, op, threaded=True)
    op.url = f"http://127.0.0.1:{server.server_port}"
    op.clients = {
        CLIENT: Client(CLIENT, (redirect_uri,)),
        BACKEND: Client(BACKEND, (), ("client_credentials",)),
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield op
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
