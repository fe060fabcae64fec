"""Sessions of browsers: the cookie `__Host-kyso` stands for a caller until it rests too long, lasted its time, or is ended.

The database knows the SHA-256 of its 256 random bits, and who it is; a session that rests on rules of the settings ends
when these change, one of a registered caller when that caller is revoked. Each sign-in makes a new cookie, so that none
which was there before is worth anything after (session fixation).

A browser sends the cookie along with whatever a page asks for. So a change needs the session's CSRF token as well: in the
header `Kyso-CSRF`, or in the form of a page, and no page of another origin may ask (`origins`). The token is a MAC under
the cookie's value and is kept nowhere.

    sessions = Sessions(database, ledger, chosen=settings.identity.sessions, rules=rules_of(settings.identity))
    begun = sessions.begin(caller, way="issuer:tinh")
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from starlette.requests import Request

from api.errors import NotAuthenticated, NotFound
from api.identity import grants, origins
from api.identity.bearer import mark
from api.identity.cookies import SESSION
from api.identity.errors import LoginRefused, SessionWithoutProof
from api.identity.grants import Registered, Who
from api.identity.remembered import Remembered
from api.ledger import Ledger
from api.settings.identity import Identity
from api.settings.identity import Sessions as Chosen
from api.store import sessions as store
from api.store.callers import Caller, CallerId
from api.store.database import Database

REMEMBERED = 2.0
SEEN_EVERY = 30.0
"""Seconds between two notes that a session is in use; its rest is that exact."""
HEADER = "kyso-csrf"
FIELD = "csrf"
API_KEY = "api-key"


@dataclass(frozen=True)
class Begun:
    """`secret` is for the cookie alone."""

    id: str
    secret: str
    caller: Caller


@dataclass(frozen=True)
class Visit:
    """A request of a session: who it is, which session, and what its forms carry."""

    caller: Caller
    session: str
    way: str
    csrf: str


class Sessions:
    """A way in, for whoever shows no Authorization; and where sessions begin and end. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        *,
        chosen: Chosen,
        rules: Mapping[str, str],
        origin: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._ledger, self._chosen = database, ledger, chosen
        self._rules, self._origin, self._clock = rules, origin, clock
        self._known = Remembered[Visit](seconds=REMEMBERED)

    def recall(self, request: Request) -> Caller | None:
        """Raises SessionWithoutProof."""
        secret = _cookie(request)
        visit = self._known.get(mark(secret)) if secret else None
        if visit is None:
            return None
        self.require_proof(request, visit, request.headers.get(HEADER, ""))
        return visit.caller

    def find(self, request: Request) -> Caller | None:
        """Raises NotAuthenticated for a cookie that is not good (any more), SessionWithoutProof."""
        if not _cookie(request):
            return None
        visit = self.visit(request)
        if visit is None:
            raise NotAuthenticated
        self.require_proof(request, visit, request.headers.get(HEADER, ""))
        return visit.caller

    def visit(self, request: Request) -> Visit | None:
        """Whose session it is, for pages, which find the proof in their forms (`require_proof`); None for nobody's."""
        secret = _cookie(request)
        if not secret:
            return None
        found = self._known.get(mark(secret))
        if found is not None:
            return found
        now = self._clock()
        session = self._database.read(store.find, mark(secret), now=now, idle=self._chosen.idle)
        if session is None or session.rules_sha256 != self._rules.get(session.way):
            return None
        try:
            caller = grants.settle(self._database, _who(session))
        except NotAuthenticated:
            return None
        if session.seen_at < now - SEEN_EVERY:
            self._database.write(store.seen, session.id, at=now)
        visit = Visit(caller, session.id, session.way, _csrf(secret))
        self._known.put(mark(secret), visit, at_most=session.ends_at - now)
        return visit

    def require_proof(self, request: Request, visit: Visit, given: str) -> None:
        """Raise SessionWithoutProof for a change that no page of this session asked for."""
        if request.scope["method"] in origins.SAFE:
            return
        origins.require_own(request, origin=self._origin)
        if not hmac.compare_digest(given.encode(), visit.csrf.encode()):
            raise SessionWithoutProof

    def begin(
        self,
        who: Who,
        *,
        way: str,
        subject: str | None = None,
        provider_session: str | None = None,
        state: str | None = None,
        former: str | None = None,
    ) -> Begun:
        """A new session, on record in the ledger; `former` is the cookie that was there before, which ends.

        Raises NobodyMapped, NotAuthenticated, LedgerUnavailable; LoginRefused for a state that has begun one."""
        caller = grants.settle(self._database, who)
        if former:
            self._end_former(former, caller)
        identity, secret, now = secrets.token_hex(8), secrets.token_urlsafe(32), self._clock()
        session = store.Session(
            id=identity,
            way=way,
            caller=caller.id,
            caller_json=None if isinstance(who, Registered) else json.dumps(asdict(caller), ensure_ascii=False),
            rules_sha256=self._rules[way],
            created_at=now,
            seen_at=now,
            ends_at=now + self._chosen.longest,
        )

        def also(connection: sa.Connection, _number: int) -> None:
            if not store.add(
                connection,
                session,
                secret_sha256=mark(secret),
                subject_sha256=subject,
                provider_session=provider_session,
                state_sha256=state,
            ):
                raise LoginRefused("the sign-in was completed before", reason="state")

        facts = {"what": "begun", "session": identity, "caller": caller.id, "way": way, "role": caller.role}
        self._ledger.append("SESSION", facts, also=also)
        return Begun(identity, secret, caller)

    def end(self, session: str, *, by: str, reason: str) -> None:
        """End it, on record; `by` is who did it. Raises NotFound, LedgerUnavailable."""
        whose = self._database.read(store.whose, session)
        if whose is None:
            raise NotFound(f"no session {session}")

        def also(connection: sa.Connection, _number: int) -> None:
            if not store.end(connection, session):
                raise NotFound(f"no session {session}")

        facts = {"what": "ended", "session": session, "caller": whose, "by": by, "reason": reason}
        self._ledger.append("SESSION", facts, also=also)
        self._known.clear()

    def listed(self) -> tuple[store.Session, ...]:
        """All sessions that can be used."""
        return self._database.read(store.open_sessions, now=self._clock(), idle=self._chosen.idle)

    def end_by_provider(self, way: str, *, subject: str | None, provider_session: str | None) -> int:
        """End what a logout of the issuer is about; how many there were."""
        found = self._database.read(
            store.of_provider, way=way, subject_sha256=subject, provider_session=provider_session
        )
        ended = 0
        for session in found:
            try:
                self.end(session, by=way, reason="provider")
            except NotFound:  # over by itself, or ended this moment
                continue
            ended += 1
        return ended

    def used(self, state: str) -> bool:
        """Whether this sign-in was completed before."""
        return self._database.read(store.state_used, state)

    def _end_former(self, cookie: str, caller: Caller) -> None:
        former = self._database.read(store.find, mark(cookie), now=self._clock(), idle=self._chosen.idle)
        if former is not None:
            self.end(former.id, by=caller.id, reason="signed-in-again")


def rules_of(identity: Identity) -> dict[str, str]:
    """For each way into a session the digest of what it rests on."""
    return {
        API_KEY: "",
        **{
            f"issuer:{name}": hashlib.sha256(one.model_dump_json(by_alias=True).encode()).hexdigest()
            for name, one in identity.issuers.items()
        },
    }


def _cookie(request: Request) -> str:
    """Authorization comes before the cookie, so that a program which has both is judged by what it says itself."""
    if "authorization" in request.headers:
        return ""
    found = request.cookies.get(SESSION, "")
    return found if len(found) <= 100 else "-"


def _who(session: store.Session) -> Who:
    if session.caller_json is None:
        return Registered(session.caller)
    found = json.loads(session.caller_json)
    return Caller(**{**found, "id": CallerId(found["id"]), "keys": tuple(found["keys"])})


def _csrf(secret: str) -> str:
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"csrf", "sha256")).rstrip(b"=").decode()
