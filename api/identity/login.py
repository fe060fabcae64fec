"""Signing in on pages: OpenID Connect's authorization code with PKCE (RFC 6749 §4.1, RFC 7636, RFC 9700 §2.1).

 1 `begin`: state, nonce and verifier are drawn; they go, sealed, into a cookie of this browser and nowhere else
 2 the browser is sent to the provider, with the challenge (S256), to come back to exactly `redirect_uri`
 3 `complete`: the cookie is this browser's, the state the cookie's, the answer of that issuer (RFC 9207), and new
 4 the code and the verifier are exchanged for tokens; of these the ID token alone is looked at, none is kept
 5 the ID token: signature, issuer, audience, times, nonce, `azp`, `at_hash` (OpenID Connect Core §3.1.3.7)
 6 its claims become a caller by the rules (`grants`), the caller a session

Requests and answers are Authlib's, the network is ours (`outgoing`). Authlib costs a quarter of a second to import, so
that only whoever signs in pays for it.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from api import credentials
from api.identity import grants, jwt
from api.identity.errors import IssuerUnavailable, LoginNotOffered, LoginRefused, NobodyMapped, TokenRefused
from api.identity.issuers import Issuer, MetadataWrong
from api.identity.outgoing import FORM, UNANSWERED
from api.identity.sessions import Begun, Sessions
from api.logs import Logger
from api.sealing import Seal, SealBroken
from api.settings.identity import Login

ATTEMPT = 600
"""Seconds that somebody has to sign in at the provider."""
LONGEST = 4096
_BOUND = "sign-in"
log = Logger()


@dataclass(frozen=True)
class Attempt:
    """What this browser began; only the cookie holds it."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    path: str
    until: float


@dataclass(frozen=True)
class Completed:
    """A session, and where its browser wanted to go."""

    begun: Begun
    path: str


class Logins:
    """Sign-ins at the issuers that have a `login`. `base` is the address under which browsers reach the service."""

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        sessions: Sessions,
        *,
        seal: Seal,
        base: str,
        home: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = {name: one for name, one in issuers.items() if one.chosen.login is not None}
        self._sessions, self._seal, self._base = sessions, seal, base
        self._home, self._clock = home, clock

    @property
    def offered(self) -> dict[str, str]:
        """The issuers by name, and what the page calls them."""
        return {name: _login(one).title or name for name, one in self._issuers.items()}

    def begin(self, name: str, *, path: str) -> tuple[str, str]:
        """The provider's address for this browser, and the cookie that it needs when it comes back; steps 1 and 2.

        Raises LoginNotOffered, IssuerUnavailable, MetadataWrong."""
        issuer = self._issuer(name)
        endpoint = _endpoint(issuer, "authorization_endpoint")
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(name, state, nonce, verifier, path, self._clock() + ATTEMPT)
        url, _ = self._client(issuer).create_authorization_url(
            endpoint, state=state, code_verifier=verifier, nonce=nonce
        )
        sealed = self._seal.close(json.dumps(asdict(attempt)), bound_to=_BOUND)
        return str(url), urlsafe_b64encode(sealed).decode()

    def complete(self, answer: Mapping[str, str], *, cookie: str | None, former: str | None) -> Completed:
        """Steps 3 to 6. Raises LoginRefused, NobodyMapped, NotAuthenticated, IssuerUnavailable, LedgerUnavailable."""
        attempt = self._attempt(cookie)  # 3
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise LoginRefused("the answer belongs to another sign-in", reason="state")
        issuer = self._issuer(attempt.issuer)
        self._require_issuer(issuer, answer.get("iss"))
        if "error" in answer:
            raise LoginRefused("the provider refused", reason="provider")
        used = hashlib.sha256(attempt.state.encode()).hexdigest()
        if not answer.get("code") or self._sessions.used(used):
            raise LoginRefused("the sign-in was completed before", reason="state")
        tokens = self._exchange(issuer, answer["code"], attempt.verifier)  # 4
        claims = self._identified(issuer, tokens, nonce=attempt.nonce)  # 5
        who = grants.by_claims(issuer.chosen.grants, claims, issuer=issuer.name)  # 6
        if who is None:
            raise NobodyMapped
        sid = claims.get("sid")
        begun = self._sessions.begin(
            who,
            way=f"issuer:{issuer.name}",
            subject=_subject(claims),
            provider_session=sid if isinstance(sid, str) and len(sid) <= 200 else None,
            state=used,
            former=former,
        )
        return Completed(begun, attempt.path)

    def ended_elsewhere(self, token: str) -> int:
        """A provider says that somebody signed out (Back-Channel Logout 1.0 §2.6); how many sessions that ended.

        Raises TokenRefused and its kinds, IssuerUnavailable."""
        opened = jwt.opened(token, {one.chosen.issuer: one for one in self._issuers.values()})
        issuer, claims = opened.issuer, opened.claims
        jwt.check(opened, audience=(_login(issuer).client_id,), required=("iat", "jti", "events"), clock=self._clock)
        events, sid = claims["events"], claims.get("sid")
        named = isinstance(events, dict) and "http://schemas.openid.net/event/backchannel-logout" in events
        if not named or "nonce" in claims or not (isinstance(sid, str) or isinstance(claims.get("sub"), str)):
            raise TokenRefused("not a logout token", reason="events")
        return self._sessions.end_by_provider(
            f"issuer:{issuer.name}",
            subject=_subject(claims) if isinstance(claims.get("sub"), str) else None,
            provider_session=sid if isinstance(sid, str) else None,
        )

    def way_out(self, way: str) -> str | None:
        """Where a browser goes on to sign out at its provider (RP-Initiated Logout 1.0 §2), if that offers it.

        Without `id_token_hint`, as no token is kept: the provider may ask whether it is meant."""
        issuer = self._issuers.get(way.removeprefix("issuer:"))
        if issuer is None:
            return None
        try:
            endpoint = issuer.metadata().get("end_session_endpoint")
        except (IssuerUnavailable, MetadataWrong):
            return None
        if not isinstance(endpoint, str) or not endpoint.startswith(("https://", "http://")):
            return None
        asked = {"client_id": _login(issuer).client_id, "post_logout_redirect_uri": f"{self._base}/"}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def _issuer(self, name: str) -> Issuer:
        if name not in self._issuers:
            raise LoginNotOffered
        return self._issuers[name]

    def _attempt(self, cookie: str | None) -> Attempt:
        """What this browser began. Raises LoginRefused."""
        try:
            if not cookie or len(cookie) > LONGEST:
                raise LoginRefused("this browser began no sign-in", reason="cookie")
            attempt = Attempt(**json.loads(self._seal.open(urlsafe_b64decode(cookie), bound_to=_BOUND)))
        except (binascii.Error, SealBroken, ValueError, TypeError):
            raise LoginRefused("this browser began no sign-in", reason="cookie") from None
        if attempt.until < self._clock():
            raise LoginRefused("the sign-in took too long", reason="too-late")
        return attempt

    def _require_issuer(self, issuer: Issuer, given: str | None) -> None:
        """The answer is of the issuer that was asked, so that none can pass off another's code (RFC 9207 §2.4)."""
        said = issuer.metadata().get("authorization_response_iss_parameter_supported") is True
        if (given is None and said) or (given is not None and given != issuer.chosen.issuer):
            raise LoginRefused("the answer is of another issuer", reason="issuer")

    def _exchange(self, issuer: Issuer, code: str, verifier: str) -> Mapping[str, Any]:
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - see above

        try:
            found = self._client(issuer).fetch_token(
                _endpoint(issuer, "token_endpoint"),
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=self._redirect_uri,
            )
        except UNANSWERED as error:
            log.warning("the issuer does not exchange the code", issuer=issuer.name, reason=str(error)[:200])
            raise IssuerUnavailable(issuer=issuer.name) from None
        except (AuthlibBaseError, ValueError) as error:
            log.warning("the issuer refused the code", issuer=issuer.name, code=str(getattr(error, "error", "")))
            raise LoginRefused("the provider refused the code", reason="code") from None
        return dict(found)

    def _identified(self, issuer: Issuer, tokens: Mapping[str, Any], *, nonce: str) -> Mapping[str, Any]:
        """The claims of the ID token. Raises LoginRefused."""
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 - see above
        from joserfc.errors import JoseError  # noqa: PLC0415

        client = _login(issuer).client_id
        given, access = tokens.get("id_token"), tokens.get("access_token")
        try:
            if not isinstance(given, str):
                raise LoginRefused("the provider gave no ID token", reason="id-token")
            opened = jwt.opened(given, {issuer.chosen.issuer: issuer})
            jwt.check(opened, audience=(client,), required=("sub", "iat", "nonce"), clock=self._clock)
            asked = {"nonce": nonce, "client_id": client, "access_token": access}
            CodeIDToken(dict(opened.claims), dict(opened.header), params=asked).validate(
                now=int(self._clock()), leeway=issuer.chosen.leeway
            )
        except (TokenRefused, JoseError) as error:
            reason = getattr(error, "code", None) or getattr(error, "claim", None) or "id-token"
            raise LoginRefused("the ID token is not right", reason=str(reason)) from None
        return opened.claims

    @property
    def _redirect_uri(self) -> str:
        return f"{self._base}/login/callback"

    def _client(self, issuer: Issuer) -> Any:
        from authlib.oauth2 import OAuth2Client  # noqa: PLC0415 - see above

        login = _login(issuer)
        return OAuth2Client(
            _Exchange(issuer),
            client_id=login.client_id,
            client_secret=self._secret(login),
            scope=" ".join(login.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )

    def _secret(self, login: Login) -> str | None:
        """Read anew each time: so rare is the need. Raises SettingsUnusable."""
        if login.client_secret_file is None and login.client_secret_credential is None:
            return None
        return credentials.read(
            home=self._home, file=login.client_secret_file, credential=login.client_secret_credential
        )


class _Exchange:
    """What Authlib takes for an HTTP session: one POST of a form."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        uri, sent, form = auth.prepare("POST", url, {**headers, "Content-Type": FORM}, urlencode(data))
        return _Answer(*self._issuer.outgoing.post_form(uri, form, headers=sent))


@dataclass(frozen=True)
class _Answer:
    status_code: int
    body: dict[str, Any]

    def json(self) -> dict[str, Any]:
        return self.body

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise ValueError(f"status {self.status_code}")


def _login(issuer: Issuer) -> Login:
    assert issuer.chosen.login is not None
    return issuer.chosen.login


def _endpoint(issuer: Issuer, name: str) -> str:
    found = issuer.metadata().get(name)
    if not isinstance(found, str) or not found.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise MetadataWrong(f"{name} is missing, or not https", issuer=issuer.name)
    return found


def _subject(claims: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{claims['iss']}\0{claims['sub']}".encode()).hexdigest()
