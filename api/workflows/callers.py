"""Callers made, given another API key, revoked: each on record in the ledger, in the same transaction.

Where rules on keys take two administrators, so do callers that may sign, and their API keys: they are proposed
(`api.changes.callers`), and the API key that is told opens nothing until another administrator has approved it.
An administrator of an organisation does this for callers within reach; all others do not exist for him. Names stay out of the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from api import auth
from api.changes import Changes
from api.changes.errors import ChangesByTwo
from api.directory import Directory
from api.errors import NotFound, NotPermitted, RequestInvalid
from api.identity.sessions import API_KEY
from api.ledger import Ledger
from api.rights import Scopes
from api.services import Services
from api.store import callers, sessions
from api.store.callers import Caller, CallerId, Entry
from api.store.database import Database

DAY = 86_400.0
LONGEST_OVERLAP = 90 * DAY
REASON = "caller"
WITHIN = "a caller within one's own organisation only"


@dataclass(frozen=True)
class NewCaller:
    """What a caller is to be. `organisation` is an id or a code of the directory."""

    name: str
    role: str = "client"
    keys: tuple[str, ...] = ()
    organisation: str | None = None
    person: str | None = None
    reach: str = "organisation"
    expires_at: float | None = None


@dataclass(frozen=True)
class Issued:
    """An API key. `change` is the proposal that another administrator has to approve before it opens anything."""

    api_key: str
    change: str | None = None


@dataclass(frozen=True)
class Callers:
    """What changing callers rests on."""

    database: Database
    ledger: Ledger
    directory: Directory
    scopes: Scopes
    two_decide: bool = False
    """Whether there are changes that take two administrators: then none of them makes another."""
    changes: Changes | None = None
    """Where callers that may sign are proposed; None where one administrator makes them."""

    def listed(self, asking: Caller) -> tuple[Entry, ...]:
        """All callers within reach, oldest first."""
        found = self.database.read(callers.entries)
        return tuple(entry for entry in found if self.scopes.reaches(asking, entry.caller.organisation))

    def entry(self, asking: Caller, identity: str) -> Entry:
        """One of them; raises NotFound for the others as for none."""
        found = next((entry for entry in self.listed(asking) if entry.caller.id == identity), None)
        if found is None:
            raise NotFound(f"no caller {identity}")
        return found

    def create(self, asking: Caller, new: NewCaller) -> Issued:
        """The API key of a new caller. Raises RequestInvalid, NotPermitted where that is out of reach, ChangesByTwo."""
        organisation = self._organisation(asking, new.organisation)
        if not self.scopes.reaches(asking, organisation):
            raise NotPermitted(WITHIN)
        _not_further(asking, new.reach)
        self._not_a_second_self(new.role, organisation)
        if new.role == "official" and new.person is None:
            raise RequestInvalid("an official is a person", field="person")
        if new.person is not None and not self._is_seen(asking, new.person):
            raise RequestInvalid("the directory has no such person", field="person")

        identity = callers.new_id()
        if (changes := self._changes_of(new.role, organisation, asking)) is not None:
            told = {"organisation": organisation, "person": new.person, "expires_at": new.expires_at}
            about = {"name": new.name, "role": new.role, "keys": new.keys, "reach": new.reach, **told}
            return _proposed(changes, asking, "caller-create", identity, about)

        def work(connection: sa.Connection) -> str:
            return callers.create(
                connection,
                identity=identity,
                name=new.name,
                role=new.role,
                keys=new.keys,
                organisation=organisation,
                person=new.person,
                reach=new.reach,
                expires_at=new.expires_at,
            )

        facts = {
            "subject": identity,
            "role": new.role,
            "keys": list(new.keys),
            "organisation": organisation,
            "person": new.person,
            "reach": new.reach,
            "expires_at": _told(new.expires_at),
        }
        return Issued(self._change("caller-created", asking, facts, work))

    def rotate(self, asking: Caller, identity: str, *, overlap: float, expires_at: float | None) -> Issued:
        """Another API key; the one until now opens for `overlap` seconds more, and what sessions it began end.

        Raises NotFound, NotPermitted, ChangesByTwo."""
        if not 0 <= overlap <= LONGEST_OVERLAP:
            raise RequestInvalid("0 seconds to 90 days", field="overlap")
        found = self.entry(asking, identity).caller
        caller = found.id
        if caller != asking.id:
            self._not_a_second_self(found.role, found.organisation)
            _not_further(asking, found.reach)
            if (changes := self._changes_of(found.role, found.organisation, asking)) is not None:
                about = {"overlap": overlap, "expires_at": expires_at}
                return _proposed(changes, asking, "caller-rotate", caller, about)

        def work(connection: sa.Connection) -> str:
            sessions.end_all(connection, caller, way=API_KEY)
            return callers.rotate(connection, caller, overlap=overlap, expires_at=expires_at)

        facts = {"subject": caller, "overlap_seconds": int(overlap), "expires_at": _told(expires_at)}
        return Issued(self._change("caller-rotated", asking, facts, work))

    def revoke(self, asking: Caller, identity: str) -> None:
        """Its API keys open nothing any more. Raises NotFound."""
        caller = self.entry(asking, identity).caller.id

        def work(connection: sa.Connection) -> str:
            callers.revoke(connection, caller)
            return ""

        self._change("caller-revoked", asking, {"subject": caller}, work)

    def _not_a_second_self(self, role: str, organisation: str | None) -> None:
        """Whoever holds another administrator's API key approves the own changes. Raises NotPermitted."""
        if self.two_decide and role == "administrator" and organisation is None:
            raise NotPermitted(
                "where changes take two, an administrator's API key is made on the machine (kyso caller)"
            )

    def _changes_of(self, role: str, organisation: str | None, asking: Caller) -> Changes | None:
        """Where this is to be proposed, if it is: what may not sign is made by one, and who may approve on the machine.

        Raises ChangesByTwo where nobody stands behind a command."""
        may_approve = role == "administrator" and organisation is None
        if self.changes is None or may_approve or "sign" not in auth.PERMISSIONS.get(role, ()):
            return None
        if asking.id.startswith("cli:"):
            raise ChangesByTwo(subject="rights")
        return self.changes

    def _is_seen(self, asking: Caller, person: str) -> bool:
        """Whether there is such a person, with a post or a role where the one who asks looks after it."""
        return self.directory.person(person) is not None and self.scopes.sees_person(asking, person)

    def _organisation(self, asking: Caller, given: str | None) -> str | None:
        """Its id. To whoever sees one organisation those that there are and are not look the same."""
        if given is None:
            return None
        found = self.directory.organisation(given)
        if found is None:
            if asking.organisation is not None:
                raise NotPermitted(WITHIN)
            raise RequestInvalid("the directory has no such organisation", field="organisation")
        return found.id

    def _change(self, what: str, asking: Caller, facts: dict[str, Any], work: Callable[[sa.Connection], str]) -> str:
        """The API key that `work` makes, once it and the line are durable."""
        made: list[str] = []
        said = {name: value for name, value in facts.items() if value not in (None, [])}

        def also(connection: sa.Connection, _number: int) -> None:
            made[:] = [work(connection)]

        self.ledger.append("CHANGED", {"what": what, "caller": asking.id, **said}, also=also)
        return made[0]


def _proposed(changes: Changes, asking: Caller, kind: str, identity: CallerId, about: dict[str, Any]) -> Issued:
    api_key, secret_sha256 = callers.new_api_key(identity)
    payload = {"id": identity, "secret_sha256": secret_sha256.hex(), **about}
    payload = {name: value for name, value in payload.items() if value is not None}
    return Issued(api_key, changes.submit(asking, kind, payload, reason=REASON, hold=True).id)


def _not_further(asking: Caller, reach: str) -> None:
    """Nobody hands out, or takes over, an API key that sees more than the own one. Raises NotPermitted."""
    if asking.organisation is not None and asking.reach != "subtree" and reach == "subtree":
        raise NotPermitted(WITHIN)


def of(services: Services, *, on_the_machine: bool = False) -> Callers:
    """`on_the_machine` is for the command line, whose user may read KYSO_HOME and so write whatever it likes."""
    subjects = services.settings.changes.two_administrators
    two_decide = bool(subjects) and not on_the_machine
    changes = Changes(services) if "rights" in subjects else None
    return Callers(services.database, services.ledger, services.directory, services.scopes, two_decide, changes)


def expiring(database: Database, *, before: float) -> tuple[Entry, ...]:
    """Callers whose API key expires before that time, for alarms."""
    return database.read(callers.expiring, before=before)


def as_json(entry: Entry, *, now: float) -> dict[str, Any]:
    """A caller as HTTP and `--format json` tell it; times are in UTC."""
    caller = entry.caller
    return {
        "id": caller.id,
        "name": caller.name,
        "role": caller.role,
        "keys": list(caller.keys),
        "organisation": caller.organisation,
        "person": caller.person,
        "reach": caller.reach,
        "created_at": _told(entry.created_at),
        "expires_at": _told(entry.expires_at),
        "days_left": days_left(entry, now=now),
        "former_until": _told(entry.former_until) if (entry.former_until or 0) > now else None,
        "last_used_at": _told(entry.last_used_at),
    }


def days_left(entry: Entry, *, now: float) -> int | None:
    """Days until the API key expires, begun ones included, 0 when it has; None when it never does."""
    return None if entry.expires_at is None else max(0, math.ceil((entry.expires_at - now) / DAY))


def _told(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).isoformat()
